//! Balancing policies: the choice of an upstream for a request.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderMap;
use http::header::HeaderName;

use super::rendezvous::rendezvous;
use super::sticky::Sticky;
use crate::caddyfile::suggestion;
use crate::http::Request;
use crate::upstream::host::set::Set;
use crate::upstream::host::upstream::Upstream;

/// How a rule chooses among its available upstreams.
#[derive(Debug)]
pub(crate) struct Policy {
    spec: &'static Spec,
    choice: Choice,
}

#[derive(Debug)]
enum Choice {
    Random,
    RoundRobin(AtomicUsize),
    LeastConn,
    First,
    IpHash,
    UriHash,
    Header(HeaderName),
    Cookie(Box<Sticky>),
}

/// A policy as the Caddyfile names it. To add one, add a row to [`SPECS`], a variant to
/// [`Choice`] and its arm to [`Policy::among`].
#[derive(Debug)]
struct Spec {
    names: &'static [&'static str],
    /// Reads the arguments. `Ok(None)` is a wrong number of them.
    read: fn(&[&str]) -> Result<Option<Choice>, String>,
    /// Weights have an effect.
    weighs: bool,
    /// Supports slow start: a host's share can be reduced without breaking affinity.
    spreads: bool,
    /// The choice depends on how many requests each host has.
    counts_requests: bool,
}

const SPEC: Spec =
    Spec { names: &[], read: |_| Ok(None), weighs: true, spreads: false, counts_requests: false };

/// The policies, the default one first.
static SPECS: &[Spec] = &[
    Spec { names: &["random"], read: |a| Ok(alone(a, Choice::Random)), spreads: true, ..SPEC },
    Spec {
        names: &["round_robin"],
        read: |a| Ok(alone(a, Choice::RoundRobin(AtomicUsize::new(0)))),
        spreads: true,
        ..SPEC
    },
    Spec {
        names: &["least_conn"],
        read: |a| Ok(alone(a, Choice::LeastConn)),
        spreads: true,
        counts_requests: true,
        ..SPEC
    },
    Spec { names: &["first"], read: |a| Ok(alone(a, Choice::First)), weighs: false, ..SPEC },
    Spec { names: &["ip_hash"], read: |a| Ok(alone(a, Choice::IpHash)), ..SPEC },
    Spec { names: &["uri_hash"], read: |a| Ok(alone(a, Choice::UriHash)), ..SPEC },
    Spec { names: &["header"], read: header, ..SPEC },
    Spec { names: &["cookie", "sticky"], read: cookie, spreads: true, ..SPEC },
];

fn alone(args: &[&str], choice: Choice) -> Option<Choice> {
    args.is_empty().then_some(choice)
}

fn header(args: &[&str]) -> Result<Option<Choice>, String> {
    match args {
        [] => Err("policy header requires the name of a field".to_owned()),
        [field] => HeaderName::from_bytes(field.as_bytes())
            .map(|name| Some(Choice::Header(name)))
            .map_err(|_| format!("'{field}' is not a header field name")),
        _ => Ok(None),
    }
}

fn cookie(args: &[&str]) -> Result<Option<Choice>, String> {
    match args {
        [] | [_] | [_, _] => Ok(Some(Choice::Cookie(Box::new(Sticky::parse(args)?)))),
        _ => Ok(None),
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self { spec: &SPECS[0], choice: Choice::Random }
    }
}

impl Policy {
    /// Parses `policy NAME [ARG...]`. `Ok(None)`: wrong number of arguments.
    pub(crate) fn parse(name: &str, args: &[&str]) -> Result<Option<Self>, String> {
        let Some(spec) = SPECS.iter().find(|spec| spec.names.contains(&name)) else {
            let names: Vec<_> = SPECS.iter().map(|spec| spec.names[0]).collect();
            return Err(format!("unknown policy '{name}': {}", suggestion(name, &names)));
        };
        Ok((spec.read)(args)?.map(|choice| Self { spec, choice }))
    }

    pub(crate) fn name(&self) -> &'static str {
        self.spec.names[0]
    }

    /// Whether the weights of hosts have an effect.
    pub(crate) fn weighs(&self) -> bool {
        self.spec.weighs
    }

    pub(crate) fn counts_requests(&self) -> bool {
        self.spec.counts_requests
    }

    pub(crate) fn spreads(&self) -> bool {
        self.spec.spreads
    }

    pub(crate) fn sticky(&self) -> Option<&Sticky> {
        if let Choice::Cookie(sticky) = &self.choice { Some(sticky) } else { None }
    }

    /// The upstream that the client's cookie names.
    pub(crate) fn sticky_host(&self, set: &Set, req: &Request) -> Option<usize> {
        self.sticky()?.host(set, &req.head.headers)
    }

    /// Adds the cookie for [`Self::sticky_host`] to the response.
    pub(crate) fn set_cookie(&self, host: &Upstream, req: &Request, response: &mut HeaderMap) {
        if let Some(sticky) = self.sticky() {
            sticky.set_cookie(host, &req.head.headers, req.peer.tls.is_some(), response);
        }
    }

    /// The index of the chosen upstream; `None` if none is available.
    pub(crate) fn choose(
        &self,
        set: &Set,
        req: &Request,
        available: &dyn Fn(usize) -> bool,
    ) -> Option<usize> {
        if set.len() == 1 {
            return available(0).then_some(0);
        }
        if let Some(tier) = set.tier(available) {
            return self.among(set, req, &|i| set[i].priority == tier && available(i));
        }
        self.among(set, req, available)
    }

    fn among(&self, set: &Set, req: &Request, open: &dyn Fn(usize) -> bool) -> Option<usize> {
        match &self.choice {
            Choice::Random | Choice::Cookie(_) => random(set, open),
            Choice::RoundRobin(turn) => {
                let start = turn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
                let turns = set.round.len();
                let round = (0..turns).map(|step| start.wrapping_add(step) % turns);
                round.map(|turn| set.round[turn] as usize).find(|i| open(*i))
            }
            Choice::LeastConn => {
                let first = random(set, open)?;
                let other = random(set, &|i| i != first && open(i)).unwrap_or(first);
                let busy =
                    |i: usize, j: usize| set[i].state.conns() as u64 * u64::from(set[j].weight);
                Some(if busy(other, first) < busy(first, other) { other } else { first })
            }
            Choice::First => (0..set.len()).find(|i| open(*i)),
            Choice::IpHash => match req.peer.remote.ip() {
                IpAddr::V4(ip) => rendezvous(set, &ip.octets(), open),
                IpAddr::V6(ip) => rendezvous(set, &ip.octets(), open),
            },
            Choice::UriHash => {
                let uri = req.head.uri.path_and_query().map_or("/", |uri| uri.as_str());
                rendezvous(set, uri.as_bytes(), open)
            }
            Choice::Header(name) => match req.head.headers.get(name) {
                Some(value) if !value.is_empty() => rendezvous(set, value.as_bytes(), open),
                _ => random(set, open),
            },
        }
    }
}

/// A random available host, with a probability proportional to its weight.
fn random(set: &Set, open: &dyn Fn(usize) -> bool) -> Option<usize> {
    let weights = || (0..set.len()).filter(|i| open(*i)).map(|i| (i, set[i].weight));
    let sum: u32 = weights().map(|(_, weight)| weight).sum();
    if sum == 0 {
        return None;
    }
    let mut drawn = fastrand::u32(..sum);
    for (i, weight) in weights() {
        match drawn.checked_sub(weight) {
            Some(left) => drawn = left,
            None => return Some(i),
        }
    }
    // A host may have become unavailable between the two passes.
    weights().map(|(i, _)| i).next()
}

#[cfg(test)]
impl Policy {
    /// A policy without arguments.
    pub(crate) fn named(name: &str) -> Self {
        Self::parse(name, &[]).unwrap().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::proxy::testing::{request, weighted};

    fn pick(policy: &Policy, down: &[usize]) -> Option<usize> {
        policy.choose(&weighted(&[1, 1, 1]), &request("GET", "/a?b"), &|i| !down.contains(&i))
    }

    #[test]
    fn names_are_read() {
        for name in
            ["random", "round_robin", "least_conn", "first", "ip_hash", "uri_hash", "cookie"]
        {
            assert!(Policy::parse(name, &[]).unwrap().is_some(), "{name}");
        }
        assert!(Policy::parse("header", &["X-Key"]).unwrap().is_some());
        assert!(Policy::parse("sticky", &["name", "secret"]).unwrap().is_some());
        assert!(Policy::parse("random", &["x"]).unwrap().is_none());
        for (name, args) in
            [("header", &[][..]), ("header", &["a b"]), ("fastest", &[]), ("cookie", &["a=b"])]
        {
            assert!(Policy::parse(name, args).is_err(), "{name} {args:?}");
        }
    }

    #[test]
    fn round_robin_starts_at_the_second_and_skips() {
        let policy = Policy::named("round_robin");
        let picks: Vec<_> = (0..4).map(|_| pick(&policy, &[]).unwrap()).collect();
        assert_eq!(picks, [1, 2, 0, 1]);
        assert_eq!(pick(&policy, &[2]), Some(0));
    }

    #[test]
    fn first_random_and_none() {
        assert_eq!(pick(&Policy::named("first"), &[]), Some(0));
        assert_eq!(pick(&Policy::named("first"), &[0]), Some(1));
        assert_eq!(pick(&Policy::named("random"), &[0, 2]), Some(1));
        for policy in [
            Policy::named("random"),
            Policy::named("ip_hash"),
            Policy::named("least_conn"),
            Policy::named("round_robin"),
        ] {
            assert_eq!(pick(&policy, &[0, 1, 2]), None, "{policy:?}");
        }
    }

    /// Of how many requests each host gets one.
    fn counts(policy: &Policy, set: &Set, requests: usize) -> Vec<usize> {
        let req = request("GET", "/");
        let mut counts = vec![0; set.len()];
        for _ in 0..requests {
            counts[policy.choose(set, &req, &|_| true).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn requests_are_spread_by_weight() {
        for (name, slack) in [("random", 0.1), ("round_robin", 0.0), ("least_conn", 0.1)] {
            for weights in [&[1, 1, 1][..], &[1, 2, 5], &[4, 4, 2]] {
                let sum: u32 = weights.iter().sum();
                let turns = 1_000 * sum as usize;
                for (got, weight) in
                    counts(&Policy::named(name), &weighted(weights), turns).iter().zip(weights)
                {
                    let due = 1_000.0 * f64::from(*weight);
                    assert!(
                        (*got as f64 - due).abs() <= due * slack,
                        "{name} {weights:?} {got} {due}"
                    );
                }
            }
        }
    }

    #[test]
    fn hashes_stick_and_reach_every_host() {
        let home = pick(&Policy::named("uri_hash"), &[]).unwrap();
        assert_eq!(pick(&Policy::named("uri_hash"), &[]), Some(home));
        for alone in 0..3 {
            let down: Vec<usize> = (0..3).filter(|i| *i != alone).collect();
            assert_eq!(pick(&Policy::named("ip_hash"), &down), Some(alone));
        }
    }

    #[test]
    fn least_conn_takes_the_idler_of_two() {
        let set = weighted(&[1, 1]);
        let req = request("GET", "/");
        let _busy = set[0].state.acquire(0);
        for _ in 0..20 {
            assert_eq!(Policy::named("least_conn").choose(&set, &req, &|_| true), Some(1));
        }
        // Of three, the busiest never wins.
        let set = weighted(&[1, 1, 1]);
        let _busy = (set[2].state.acquire(0), set[2].state.acquire(0), set[1].state.acquire(0));
        let counts = counts(&Policy::named("least_conn"), &set, 3_000);
        assert!(counts[2] == 0 && counts[0] > counts[1], "{counts:?}");
    }

    #[test]
    fn requests_without_the_field_are_spread() {
        let policy = Policy::parse("header", &["X-Key"]).unwrap().unwrap();
        assert!(counts(&policy, &weighted(&[1, 1]), 1_000).iter().all(|count| *count > 300));
    }

    #[test]
    fn a_cookie_brings_back_and_no_other_text_does() {
        let policy = Policy::named("cookie");
        let sticky = policy.sticky().unwrap();
        let mut hosts = weighted(&[1, 1, 1]).to_vec();
        hosts.iter_mut().for_each(|host| host.tag = sticky.tag(&host.name));
        let set = Set::new(hosts);
        let mut response = HeaderMap::new();
        let mut req = request("GET", "/");
        policy.set_cookie(&set[2], &req, &mut response);
        let cookie = response["set-cookie"].to_str().unwrap();
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        for (field, home) in [
            (format!("a=b; {pair}"), Some(2)),
            (format!("{pair}0"), None),
            (format!("x{pair}"), None),
            ("lb=".to_owned(), None),
            (format!("lb={}", set[2].name), None),
        ] {
            req.head.headers.insert("cookie", field.parse().unwrap());
            assert_eq!(policy.sticky_host(&set, &req), home, "{field}");
        }
        req.head.headers.insert("cookie", pair.parse().unwrap());
        let mut again = HeaderMap::new();
        policy.set_cookie(&set[2], &req, &mut again);
        assert!(again.is_empty());
    }

    #[test]
    fn backups_wait_for_the_others_to_leave() {
        let mut hosts = weighted(&[1, 1, 1]).to_vec();
        hosts[1].priority = 5;
        let set = Set::new(hosts);
        assert_eq!(counts(&Policy::named("random"), &set, 500)[1], 0);
        let req = request("GET", "/");
        assert_eq!(Policy::named("random").choose(&set, &req, &|i| i == 1), Some(1));
    }
}
