//! The names of the congestion controllers that a QUIC connection can have.

use std::str::FromStr;

/// A congestion controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Congestion {
    /// BBRv3 (draft-ietf-ccwg-bbr).
    #[default]
    Bbr,
    /// CUBIC (RFC 9438) with HyStart++ (RFC 9406).
    Cubic,
}

impl Congestion {
    const ALL: [(&str, Self); 2] = [("bbr", Self::Bbr), ("cubic", Self::Cubic)];
}

impl FromStr for Congestion {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        known.map(|(_, congestion)| *congestion).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name).join(", ");
            format!("unknown congestion controller; use one of {names}")
        })
    }
}
