//! The names of the congestion controllers that a connection can have: over QUIC ours, over TCP the
//! kernel's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

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

/// A congestion controller of the kernel's TCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpCongestion(Arc<str>);

impl TcpCongestion {
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TcpCongestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for TcpCongestion {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = |list| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{list}"));
        let offered = names("tcp_available_congestion_control").ok();
        let allowed = names("tcp_allowed_congestion_control").ok();
        usable(name, offered.as_deref(), allowed.as_deref())?;
        Ok(Self(name.into()))
    }
}

/// Whether a service without rights of its own can use it; what the kernel does not tell is left
/// to the moment of use.
fn usable(name: &str, offered: Option<&str>, allowed: Option<&str>) -> Result<(), String> {
    let lacks = |list: &str| !list.split_whitespace().any(|known| known == name);
    let shown = |list: &str| list.split_whitespace().collect::<Vec<_>>().join(", ");
    if let Some(offered) = offered.filter(|list| lacks(list)) {
        return Err(format!(
            "the kernel has {}; it may have others as modules (modprobe tcp_bbr)",
            shown(offered)
        ));
    }
    if let Some(allowed) = allowed.filter(|list| lacks(list)) {
        return Err(format!(
            "the kernel lets services choose {}; add it to the sysctl \
             net.ipv4.tcp_allowed_congestion_control",
            shown(allowed)
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_has_not_or_does_not_allow_is_refused() {
        let (has, allows) = (Some("reno bbr cubic\n"), Some("reno cubic\n"));
        assert_eq!(usable("cubic", has, allows), Ok(()));
        assert_eq!(usable("vegas", None, None), Ok(()), "nothing is known");
        for (name, why) in [
            ("vegas", "the kernel has reno, bbr, cubic; it may have others as modules"),
            ("", "the kernel has reno, bbr, cubic;"),
            ("bbr", "the kernel lets services choose reno, cubic; add it to the sysctl net.ipv4."),
        ] {
            let error = usable(name, has, allows).unwrap_err();
            assert!(error.starts_with(why), "{name}: {error}");
        }
    }
}
