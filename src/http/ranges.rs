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

const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];

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

/// A set of addresses, searched in as many steps as its size has bits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    v4: Vec<Span>,
    v6: Vec<Span>,
}

/// From the first to the last address. In a set they are in order, and apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: u128,
    last: u128,
}

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
            range.is_ok_and(|range| self.add_between(range.network(), range.broadcast()))
        })
    }

    /// Adds the addresses from one to another; returns `false` if there are none.
    #[must_use]
    pub fn add_between(&mut self, first: IpAddr, last: IpAddr) -> bool {
        // `::/0` begins and ends outside of the mapped addresses.
        let (first, last) = match (first.to_canonical(), last.to_canonical()) {
            (first @ IpAddr::V4(_), last @ IpAddr::V4(_)) => (first, last),
            _ => (first, last),
        };
        let span = Span { first: number(first), last: number(last) };
        let is_range = first.is_ipv4() == last.is_ipv4() && span.first <= span.last;
        if is_range {
            insert(if first.is_ipv4() { &mut self.v4 } else { &mut self.v6 }, span);
        }
        is_range
    }

    /// Adds another set.
    pub fn join(&mut self, other: &Self) {
        other.v4.iter().for_each(|span| insert(&mut self.v4, *span));
        other.v6.iter().for_each(|span| insert(&mut self.v6, *span));
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        let spans = if ip.is_ipv4() { &self.v4 } else { &self.v6 };
        let number = number(ip);
        let at = spans.partition_point(|span| span.last < number);
        spans.get(at).is_some_and(|span| span.first <= number)
    }

    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// Whether there are some, and all of them are this machine's.
    pub fn are_loopback(&self) -> bool {
        let mut loopback = Self::default();
        let is_known = LOOPBACK.iter().all(|range| loopback.add(range));
        let within = |spans: &[Span], of: &[Span]| {
            spans.iter().all(|one| of.iter().any(|of| of.first <= one.first && one.last <= of.last))
        };
        is_known
            && !self.is_empty()
            && within(&self.v4, &loopback.v4)
            && within(&self.v6, &loopback.v6)
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

/// Adds a span, as one with those that it touches.
fn insert(spans: &mut Vec<Span>, span: Span) {
    let start = spans.partition_point(|one| one.last.saturating_add(1) < span.first);
    let end = spans.partition_point(|one| one.first <= span.last.saturating_add(1));
    let touched = spans.get(start..end).unwrap_or_default();
    let whole = touched.iter().fold(span, |whole, one| Span {
        first: whole.first.min(one.first),
        last: whole.last.max(one.last),
    });
    spans.splice(start..end.max(start), [whole]);
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
            ("::/0", "192.0.2.1", false),
            ("::/0", "::1", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("0.0.0.0/0", "255.255.255.255", true),
            ("10.0.0.2 10.0.0.0 10.0.0.1 10.0.0.3", "10.0.0.4", false),
            ("10.0.0.2 10.0.0.0 10.0.0.1 10.0.0.3", "10.0.0.3", true),
        ] {
            let mut ranges = Ranges::default();
            assert!(words.split(' ').all(|word| ranges.add(word)), "{words}");
            assert_eq!(ranges.contains(ip.parse().unwrap()), expected, "{words} {ip}");
        }
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        for (words, expected) in [
            ("127.0.0.1", true),
            ("127.0.0.0/8 ::1", true),
            ("::ffff:127.0.0.1", true),
            ("127.0.0.1 10.0.0.1", false),
            ("126.0.0.0/7", false),
            ("::/127", false),
            ("private", false),
            ("::1 2001:db8::1", false),
        ] {
            let mut ranges = Ranges::default();
            assert!(words.split(' ').all(|word| ranges.add(word)), "{words}");
            assert_eq!(ranges.are_loopback(), expected, "{words}");
        }
        assert!(!Ranges::default().are_loopback());
    }

    #[test]
    fn spans_that_touch_are_one() {
        for (words, spans) in [
            ("10.0.0.2 10.0.0.0 10.0.0.1", 1),
            ("10.0.0.2 10.0.0.0", 2),
            ("10.0.0.0/8 10.1.0.0/16 10.0.0.0/9", 1),
            ("10.0.0.0/9 10.128.0.0/9 11.0.0.1", 2),
            ("192.0.2.1 198.51.100.1 203.0.113.1 0.0.0.0/0", 1),
            ("255.255.255.255 0.0.0.0", 2),
        ] {
            let mut ranges = Ranges::default();
            assert!(words.split(' ').all(|word| ranges.add(word)), "{words}");
            assert_eq!(ranges.v4.len(), spans, "{words}: {ranges:?}");
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
