//! Which of a rule's upstreams gets a request.

use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::HeaderName;

use super::upstream::Upstream;
use crate::http::Request;

/// How to choose among the upstreams that are available.
#[derive(Debug, Default)]
pub(super) enum Policy {
    #[default]
    Random,
    RoundRobin(AtomicUsize),
    LeastConn,
    First,
    IpHash,
    UriHash,
    Header(HeaderName),
}

impl Policy {
    /// Whether the choice depends on how many requests each host has.
    pub(super) fn counts_requests(&self) -> bool {
        matches!(self, Self::LeastConn)
    }

    /// Reads `policy NAME [ARG]`.
    pub(super) fn parse(name: &str, arg: Option<&str>) -> Result<Self, String> {
        Ok(match (name, arg) {
            ("random", None) => Self::Random,
            ("round_robin", None) => Self::RoundRobin(AtomicUsize::new(0)),
            ("least_conn", None) => Self::LeastConn,
            ("first", None) => Self::First,
            ("ip_hash", None) => Self::IpHash,
            ("uri_hash", None) => Self::UriHash,
            ("header", Some(field)) => Self::Header(
                HeaderName::from_bytes(field.as_bytes())
                    .map_err(|_| format!("'{field}' is not a header name"))?,
            ),
            ("header", None) => return Err("policy header needs a header name".to_owned()),
            _ => return Err(format!("unknown policy '{name}'")),
        })
    }

    /// The index of the upstream to use, if `available` holds for any.
    pub(super) fn choose(
        &self,
        hosts: &[Upstream],
        req: &Request,
        available: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        let count = hosts.len();
        if count == 1 {
            return available(0).then_some(0);
        }
        match self {
            Self::Random => random(count, available),
            Self::RoundRobin(turn) => {
                let start = turn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                (0..count).map(|step| start.wrapping_add(step) % count).find(|i| available(*i))
            }
            Self::LeastConn => {
                let conns = |i: usize| hosts[i].state.conns();
                let least = (0..count).filter(|i| available(*i)).map(conns).min()?;
                random(count, &|i| available(i) && conns(i) == least)
            }
            Self::First => (0..count).find(|i| available(*i)),
            Self::IpHash => hashed(count, req.peer.remote.ip().to_string().as_bytes(), available),
            Self::UriHash => {
                let uri = req.head.uri.path_and_query().map_or("/", |uri| uri.as_str());
                hashed(count, uri.as_bytes(), available)
            }
            Self::Header(name) => match req.head.headers.get(name) {
                Some(value) if !value.is_empty() => hashed(count, value.as_bytes(), available),
                _ => random(count, available),
            },
        }
    }
}

fn random(count: usize, available: &dyn Fn(usize) -> bool) -> Option<usize> {
    let open = (0..count).filter(|i| available(*i)).count();
    if open == 0 {
        return None;
    }
    (0..count).filter(|i| available(*i)).nth(fastrand::usize(..open))
}

/// The upstream that `key` belongs to; while it is down, the others by triangular steps, and at
/// last in order, since those steps do not reach every one.
fn hashed(count: usize, key: &[u8], available: &dyn Fn(usize) -> bool) -> Option<usize> {
    let home = fnv1a(key) as usize % count;
    (0..count)
        .map(|step| (home + step * (step + 1) / 2) % count)
        .chain(0..count)
        .find(|i| available(*i))
}

/// FNV-1a, 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, b| (hash ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::super::testing::request;
    use super::*;

    fn hosts() -> Vec<Upstream> {
        super::super::address::parse("policy.test:1001-1003", "").unwrap()
    }

    fn pick(policy: &Policy, down: &[usize]) -> Option<usize> {
        policy.choose(&hosts(), &request("GET", "/a?b"), &|i| !down.contains(&i))
    }

    #[test]
    fn names_are_read() {
        for name in ["random", "round_robin", "least_conn", "first", "ip_hash", "uri_hash"] {
            assert!(Policy::parse(name, None).is_ok(), "{name}");
        }
        assert!(Policy::parse("header", Some("X-Key")).is_ok());
        assert!(Policy::parse("header", None).is_err());
        assert!(Policy::parse("fastest", None).is_err());
    }

    #[test]
    fn round_robin_starts_at_the_second_and_skips() {
        let policy = Policy::parse("round_robin", None).unwrap();
        let picks: Vec<_> = (0..4).map(|_| pick(&policy, &[]).unwrap()).collect();
        assert_eq!(picks, [1, 2, 0, 1]);
        assert_eq!(pick(&policy, &[2]), Some(0));
    }

    #[test]
    fn first_random_and_none() {
        assert_eq!(pick(&Policy::First, &[]), Some(0));
        assert_eq!(pick(&Policy::First, &[0]), Some(1));
        assert_eq!(pick(&Policy::Random, &[0, 2]), Some(1));
        assert_eq!(pick(&Policy::Random, &[0, 1, 2]), None);
        assert_eq!(pick(&Policy::IpHash, &[0, 1, 2]), None);
    }

    #[test]
    fn hashes_stick_and_reach_every_host() {
        let home = pick(&Policy::UriHash, &[]).unwrap();
        assert_eq!(pick(&Policy::UriHash, &[]), Some(home));
        for alone in 0..3 {
            let down: Vec<usize> = (0..3).filter(|i| *i != alone).collect();
            assert_eq!(pick(&Policy::IpHash, &down), Some(alone));
        }
        assert_eq!(fnv1a(b"a"), 0xe40c_292c);
    }

    #[test]
    fn least_conn_takes_the_idlest() {
        let hosts = hosts();
        let _busy = (hosts[0].state.acquire(0), hosts[2].state.acquire(0));
        let req = request("GET", "/");
        assert_eq!(Policy::LeastConn.choose(&hosts, &req, &|_| true), Some(1));
    }
}
