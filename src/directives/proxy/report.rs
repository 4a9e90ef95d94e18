//! Reports which upstreams of a rule are down, and why.

use std::sync::atomic::Ordering;

use super::rule::Rule;
use crate::report::{UpstreamReport, UpstreamState};
use crate::upstream::host::upstream::{Tolerance, Upstream};

/// The report of a rule.
pub(super) fn upstreams(rule: &Rule) -> UpstreamReport {
    let (hosts, site, tolerance) = (rule.upstreams(), rule.site.clone(), rule.tolerance);
    Box::new(move || {
        let state = |host: &Upstream| UpstreamState {
            name: host.name.clone(),
            site: site.clone(),
            down: down(host, tolerance),
            counted_as: host.number.name(),
            ejections: host.state.ejections() + host.health.as_ref().map_or(0, |h| h.ejections()),
            queued: host.state.waiting.load(Ordering::Relaxed),
        };
        hosts.now().iter().map(state).collect()
    })
}

fn down(host: &Upstream, tolerance: Tolerance) -> Option<&'static str> {
    if host.health.as_ref().is_some_and(|health| health.is_down()) {
        return Some("health check failed");
    }
    if host.state.fails() >= tolerance.fails {
        return Some("max_fails reached");
    }
    // It still gets requests: without another one, or in its turn.
    host.state.is_suspect().then_some("last request failed")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::upstream::host::error::ProxyError;
    use crate::upstream::host::health::Health;
    use crate::upstream::host::upstream::{State, Target};

    #[test]
    fn the_reason_is_the_one_that_keeps_requests_away() {
        let (state, health) = (Arc::new(State::default()), Arc::new(Health::default()));
        let mut host = Upstream::new("http://a", Target::Unix("/a".into()), state.clone());
        host.health = Some(health.clone());
        let tolerance = Tolerance { fails: 1, timeout: Duration::ZERO };
        assert_eq!(down(&host, tolerance), None);
        state.fail(&"site".into(), &host.name, &ProxyError::NoHost, tolerance);
        assert_eq!(down(&host, tolerance), Some("last request failed"));
        health.set_down(true);
        assert_eq!(down(&host, tolerance), Some("health check failed"));
        health.set_down(false);
        state.answered();
        assert_eq!(down(&host, tolerance), None);
    }
}
