//! The settings of a block that the server itself reads.

use std::time::Duration;

use crate::http::paths::Prefix;
use crate::http::ranges::Ranges;
use crate::http::timeouts::TimeoutOverrides;
use crate::limits::HEADER_BYTES;

/// What a block sets for its listener. Which site a request is for is unknown while it applies,
/// so the settings of all sites on the listener are joined.
#[derive(Debug, Clone, Default)]
pub struct ListenerSettings {
    pub timeouts: TimeoutOverrides,
    /// Bytes of a request's field section.
    pub header_bytes: Option<usize>,
    pub proxy_protocol: Option<ProxyProtocol>,
}

impl ListenerSettings {
    /// Joins the settings of another site: of limits the strictest, of trusted peers all.
    pub fn join(&mut self, other: &Self) {
        let Self { timeouts, header_bytes, proxy_protocol } = other;
        self.timeouts.join(timeouts);
        self.header_bytes = self.header_bytes.into_iter().chain(*header_bytes).min();
        match (&mut self.proxy_protocol, proxy_protocol) {
            (Some(all), Some(one)) => all.join(one),
            (all, one) => *all = all.take().or_else(|| one.clone()),
        }
    }

    /// Most bytes of a request's field section.
    pub fn header_bytes(&self) -> usize {
        self.header_bytes.unwrap_or(HEADER_BYTES)
    }
}

/// Limits on the bodies of requests.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Path prefix and bytes, the longest prefix first.
    pub body: Vec<(Prefix, u64)>,
}

impl Limits {
    /// The maximum size of a request body on this path, in bytes.
    pub fn body_of(&self, path: &str) -> Option<u64> {
        self.body.iter().find(|(prefix, _)| prefix.holds(path)).map(|(_, bytes)| *bytes)
    }
}

/// Peers that send the client's address by the PROXY protocol, and the time limit for it.
#[derive(Debug, Clone)]
pub struct ProxyProtocol {
    pub from: Ranges,
    pub timeout: Duration,
}

impl ProxyProtocol {
    fn join(&mut self, other: &Self) {
        self.from.join(&other.from);
        self.timeout = self.timeout.min(other.timeout);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Option<Option<Duration>> {
        Some(Some(Duration::from_secs(n)))
    }

    fn joined(all: &[ListenerSettings]) -> ListenerSettings {
        let mut joined = ListenerSettings::default();
        all.iter().for_each(|one| joined.join(one));
        joined
    }

    #[test]
    fn the_strictest_limits_of_a_listeners_sites_hold() {
        let timeouts = TimeoutOverrides { read: Some(None), write: seconds(9), ..<_>::default() };
        let one = ListenerSettings { timeouts, header_bytes: Some(2000), proxy_protocol: None };
        let timeouts = TimeoutOverrides { read: seconds(4), write: seconds(8), ..<_>::default() };
        let two = ListenerSettings { timeouts, header_bytes: Some(1000), proxy_protocol: None };
        let silent = ListenerSettings::default();
        for all in [[one.clone(), two.clone(), silent.clone()], [silent.clone(), two, one]] {
            let joined = joined(&all);
            assert_eq!(joined.header_bytes(), 1000);
            assert_eq!((joined.timeouts.read, joined.timeouts.write), (seconds(4), seconds(8)));
            assert_eq!(joined.timeouts.idle, None);
        }
        assert_eq!(joined(&[silent]).header_bytes(), HEADER_BYTES);
    }

    #[test]
    fn whom_any_site_trusts_may_name_clients() {
        let trusting = |range: &str, seconds| {
            let mut from = Ranges::default();
            assert!(from.add(range));
            let timeout = Duration::from_secs(seconds);
            let proxy_protocol = Some(ProxyProtocol { from, timeout });
            ListenerSettings { proxy_protocol, ..<_>::default() }
        };
        let all = [trusting("192.0.2.1", 5), ListenerSettings::default(), trusting("::1", 3)];
        let rule = joined(&all).proxy_protocol.unwrap();
        assert!(rule.from.contains([192, 0, 2, 1].into()));
        assert!(rule.from.contains(std::net::Ipv6Addr::LOCALHOST.into()));
        assert_eq!(rule.timeout, Duration::from_secs(3));
    }
}
