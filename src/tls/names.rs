//! Host names in certificates: which ones a CA can issue for, and wildcards.

use std::net::{IpAddr, Ipv4Addr};

/// Whether a public CA can issue a certificate for the name.
pub(super) fn qualifies(host: &str) -> bool {
    !host.is_empty()
        && host != "localhost"
        && !host.contains(['*', '/'])
        && !host.starts_with('.')
        && !host.ends_with('.')
        && host.parse::<IpAddr>().is_err()
}

/// The one form of an address that a certificate may be for (RFC 8738), if the host is one.
pub(super) fn address(host: &str) -> Option<IpAddr> {
    let address = host.parse::<IpAddr>().ok()?.to_canonical();
    let is_one = !address.is_unspecified()
        && !address.is_multicast()
        && address != IpAddr::V4(Ipv4Addr::BROADCAST);
    is_one.then_some(address)
}

/// Whether the whole internet can connect to the address, so that a public CA may issue for it
/// (RFC 6890).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let is_shared = a == 100 && b & 0xc0 == 64;
            let is_for_protocols = a == 192 && b == 0 && c == 0;
            let is_for_benchmarks = a == 198 && b & 0xfe == 18;
            let is_reserved =
                v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_documentation();
            let is_special = is_shared || is_for_protocols || is_for_benchmarks;
            !is_reserved && !is_special && a != 0 && a < 224
        }
        // Global unicast addresses (2000::/3) without those for documentation.
        IpAddr::V6(v6) => {
            let [a, b, ..] = v6.segments();
            a & 0xe000 == 0x2000 && (a, b) != (0x2001, 0xdb8) && a & 0xfff0 != 0x3ff0
        }
    }
}

/// The name by which a CA asks for the address in a TLS-ALPN-01 handshake (RFC 8738 section 6).
pub(super) fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let nibbles =
                octets.iter().rev().map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
            nibbles.collect::<String>() + "ip6.arpa"
        }
    }
}

/// Whether the name of a certificate matches `host`.
pub(super) fn covers(name: &str, host: &str) -> bool {
    name == host
        || name.strip_prefix("*.").is_some_and(|parent| {
            host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent)
        })
}

/// The lookup keys for `name`, the most specific first: the name itself, then with `*` for its
/// first label, its first two, and so on.
pub(super) fn patterns(name: &str) -> impl Iterator<Item = String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let count = name.split('.').count();
    (0..=count).map(move |stars| {
        let labels = name.split('.').enumerate();
        let shown: Vec<_> =
            labels.map(|(at, label)| if at < stars { "*" } else { label }).collect();
        shown.join(".")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_the_internet_can_connect_to() {
        for (text, expected) in [
            ("203.0.114.7", true),
            ("100.63.0.1", true),
            ("2606:4700::1", true),
            ("::ffff:8.8.8.8", true),
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("100.64.0.1", false),
            ("169.254.1.1", false),
            ("192.0.2.7", false),
            ("198.19.0.1", false),
            ("240.0.0.1", false),
            ("::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", false),
        ] {
            assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn addresses_have_one_form_and_a_name() {
        for (host, expected) in [
            ("203.0.113.7", Some("7.113.0.203.in-addr.arpa")),
            ("::ffff:203.0.113.7", Some("7.113.0.203.in-addr.arpa")),
            (
                "2001:DB8::1",
                Some("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
            ),
            ("0.0.0.0", None),
            ("::", None),
            ("224.0.0.1", None),
            ("a.example", None),
        ] {
            assert_eq!(address(host).map(reverse_name).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn each_label_gives_way_to_a_star() {
        let found: Vec<_> = patterns("A.b.c").collect();
        assert_eq!(found, ["a.b.c", "*.b.c", "*.*.c", "*.*.*"]);
    }
}
