//! The words of `ip`: ranges, and the shorter forms of the plugin.

use std::net::{IpAddr, Ipv4Addr};

use crate::caddyfile::{Args, ConfigError};
use crate::http::ranges::Ranges;

/// Adds what a word stands for: `192.0.2.0/24`, `192.0.2.7`, `192.0.2` (all that begin so),
/// `192.0.2.7-90`, `192.0.2.7-192.0.3.4`.
pub(super) fn add(args: &Args<'_>, word: &str, ranges: &mut Ranges) -> Result<(), ConfigError> {
    let is_known = ranges.add(word)
        || short(word).is_some_and(|[first, last]| ranges.add_between(first.into(), last.into()))
        || between(word).is_some_and(|[first, last]| ranges.add_between(first, last));
    if is_known {
        return Ok(());
    }
    let message = format!("ipfilter: '{word}' is not a range of addresses");
    let hint = "write an address, 192.0.2.0/24, 192.0.2.7-90, or the first numbers of one: 192.0.2";
    Err(args.error_at(word, message).hint(hint))
}

/// One to three numbers of an address.
fn short(word: &str) -> Option<[Ipv4Addr; 2]> {
    let numbers: Vec<u8> = word.split('.').map(number).collect::<Option<_>>()?;
    if numbers.len() > 3 {
        return None;
    }
    let filled = |with| {
        let mut octets = [with; 4];
        octets[..numbers.len()].copy_from_slice(&numbers);
        Ipv4Addr::from(octets)
    };
    Some([filled(0), filled(255)])
}

/// Two addresses, of which the second may be its last number alone.
fn between(word: &str) -> Option<[IpAddr; 2]> {
    let (first, last) = word.split_once('-')?;
    let first: IpAddr = first.parse().ok()?;
    match (first, number(last)) {
        (IpAddr::V4(address), Some(number)) => {
            let [a, b, c, _] = address.octets();
            Some([first, Ipv4Addr::new(a, b, c, number).into()])
        }
        _ => Some([first, last.parse().ok()?]),
    }
}

fn number(text: &str) -> Option<u8> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_the_plugin() {
        for (word, held, not) in [
            ("192.168", "192.168.255.255", "192.169.0.0"),
            ("192", "192.0.0.0", "193.0.0.0"),
            ("131.133.10", "131.133.10.7", "131.133.11.0"),
            ("155.23.2.0-50", "155.23.2.50", "155.23.2.51"),
            ("192.0.2.250-192.0.3.4", "192.0.3.0", "192.0.3.5"),
            ("2001:db8::1-2001:db8::9", "2001:db8::9", "2001:db8::a"),
        ] {
            let mut ranges = Ranges::default();
            let known = short(word).map(|ends| ends.map(IpAddr::from)).or_else(|| between(word));
            let [first, last] = known.expect(word);
            assert!(ranges.add_between(first, last), "{word}");
            assert!(ranges.contains(held.parse().unwrap()), "{word} {held}");
            assert!(!ranges.contains(not.parse().unwrap()), "{word} {not}");
        }
        for word in
            ["1.2.3.4.5", "256", "1..2", "", "1.2.3.4-256", "1.2-5", "a.b", "+1.2", "1.2.", "-"]
        {
            assert!(short(word).is_none() && between(word).is_none(), "{word}");
        }
    }
}
