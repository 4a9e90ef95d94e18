//! What the tests of several files share.

use std::sync::Arc;

use crate::directives::proxy::rule::Rule;
use crate::http::paths::Prefix;
use crate::upstream::exchange::trust::Trust;
use crate::upstream::host::address;
use crate::upstream::host::set::Set;
pub(super) use crate::upstream::testing::{Then, answer_at, dead, local, ok, origin, request};

/// Upstreams with these weights.
pub(super) fn weighted(weights: &[u32]) -> Set {
    let upstream = |(i, weight): (usize, &u32)| {
        let mut upstream = address::parse(&format!("10.0.0.{i}:80"), "").unwrap().remove(0);
        upstream.state = Arc::default();
        upstream.weight = *weight;
        upstream
    };
    Set::new(weights.iter().enumerate().map(upstream).collect())
}

impl Rule {
    /// A rule for these upstreams, the rest as by default.
    pub(crate) fn of(from: &str, to: &[String]) -> Self {
        let mut rule = Self::new(Prefix::new(from));
        rule.add(to);
        rule
    }

    /// Adds an upstream under another trust.
    pub(crate) fn trust_and_go(&mut self, trust: Trust, to: &str) {
        self.trust = trust;
        self.add(&[to.to_owned()]);
    }

    fn add(&mut self, to: &[String]) {
        let to: Vec<_> = to.iter().map(|text| (text.clone(), 1)).collect();
        self.resolve_upstreams(&to).unwrap();
    }
}
