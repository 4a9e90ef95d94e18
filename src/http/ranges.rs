//! Sets of IP addresses in directives: CIDR ranges, single addresses, and named sets.

use std::net::IpAddr;

use ipnet::IpNet;

/// Private, link-local and loopback addresses (RFC 1918, 4193, 3927, 4291).
const PRIVATE: &[&str] = &[
    "10.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// As published at <https://www.cloudflare.com/ips/>; unchanged since 2021.
const CLOUDFLARE: &[&str] = &[
    "103.21.244.0/22",
    "103.22.200.0/22",
    "103.31.4.0/22",
    "104.16.0.0/13",
    "104.24.0.0/14",
    "108.162.192.0/18",
    "131.0.72.0/22",
    "141.101.64.0/18",
    "162.158.0.0/15",
    "172.64.0.0/13",
    "173.245.48.0/20",
    "188.114.96.0/20",
    "190.93.240.0/20",
    "197.234.240.0/22",
    "198.41.128.0/17",
    "2400:cb00::/32",
    "2405:8100::/32",
    "2405:b500::/32",
    "2606:4700::/32",
    "2803:f800::/32",
    "2a06:98c0::/29",
    "2c0f:f248::/32",
];

/// A set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(Vec<IpNet>);

impl Ranges {
    /// The hint for an unknown word.
    pub const HINT: &'static str =
        "write a range such as 10.0.0.0/8, an address, private, or cloudflare";

    /// Adds the addresses of a word; returns `false` if it is unknown.
    #[must_use]
    pub fn add(&mut self, word: &str) -> bool {
        let several = match word {
            "private" => PRIVATE,
            "cloudflare" => CLOUDFLARE,
            one => &[one],
        };
        several.iter().all(|text| {
            let range = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            range.map(|range| self.0.push(range)).is_ok()
        })
    }

    /// Adds another set.
    pub fn join(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|range| range.contains(&ip))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members() {
        for (words, ip, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.7/8", "10.0.0.1", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("2001:db8::/32 192.0.2.0/24", "192.0.2.8", true),
            ("2001:db8::/32", "2001:db8::1", true),
            ("0.0.0.0/0", "::1", false),
            ("private", "127.0.0.1", true),
            ("private", "172.32.0.1", false),
            ("cloudflare", "104.27.255.255", true),
            ("cloudflare", "2606:4700::1111", true),
        ] {
            let mut ranges = Ranges::default();
            assert!(words.split(' ').all(|word| ranges.add(word)), "{words}");
            assert_eq!(ranges.contains(ip.parse().unwrap()), expected, "{words} {ip}");
        }
    }

    #[test]
    fn words_that_are_none() {
        for word in ["", "all", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0", "::/129", "localhost", "/8"]
        {
            assert!(!Ranges::default().add(word), "{word}");
        }
    }
}
