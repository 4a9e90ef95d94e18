//! One line of `ratelimit`, ready to count: whose requests, for what, and by which counter.

use std::hash::{Hash, Hasher};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::quota::Quota;
use super::slots::Key;
use super::table::Table;
use crate::http::Request;
use crate::http::paths::Prefix;
use crate::http::ranges::Ranges;
use crate::net::subscriber::Subscriber;

pub(super) struct Rule {
    /// Without any, all.
    pub(super) methods: Vec<Method>,
    pub(super) counters: Vec<Counter>,
    pub(super) except: Vec<Prefix>,
    pub(super) whitelist: Ranges,
    pub(super) by: By,
    pub(super) quota: Quota,
    /// Only responses with these are counted; without any, all requests.
    pub(super) statuses: Vec<StatusCode>,
}

/// The counters of a path's clients.
pub(super) struct Counter {
    pub(super) path: Prefix,
    pub(super) key: Key,
    /// As a string of structured fields.
    pub(super) name: String,
    pub(super) policy: HeaderValue,
}

/// What tells clients apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum By {
    Address,
    Header(HeaderName),
    User,
    /// Nothing: they have one quota together.
    All,
}

impl Rule {
    /// The counters of a request. What several servers read differently counts by each reading.
    pub(super) fn counters_of(&self, req: &Request) -> impl Iterator<Item = &Counter> {
        let is_meant = (self.methods.is_empty() || self.methods.contains(&req.head.method))
            && !self.whitelist.contains(req.peer.remote.ip());
        let readings = is_meant.then(|| req.readings());
        self.counters.iter().filter(move |counter| {
            let mut each = readings.iter().flat_map(|readings| readings.each());
            each.any(|path| counter.path.holds(path) && !self.is_excepted(path))
        })
    }

    fn is_excepted(&self, path: &str) -> bool {
        self.except.iter().any(|except| except.holds(path))
    }

    /// The client's place in a counter. Without the field or the user, clients are told apart by
    /// address: nobody gets another quota by leaving it out.
    pub(super) fn client(&self, counter: &Counter, req: &Request, table: &Table) -> Key {
        match &self.by {
            By::Header(name) if req.head.headers.contains_key(name) => {
                table.key((counter.key, Values(&req.head.headers, name)))
            }
            By::User if req.user.is_some() => table.key((counter.key, "user", &req.user)),
            By::All => counter.key,
            By::Address | By::Header(_) | By::User => {
                table.key((counter.key, Subscriber::of(req.peer.remote.ip())))
            }
        }
    }

    pub(super) fn counts(&self, status: StatusCode) -> bool {
        self.statuses.contains(&status)
    }
}

/// All values of a field.
struct Values<'a>(&'a HeaderMap, &'a HeaderName);

impl Hash for Values<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.get_all(self.1).iter().for_each(|value| value.as_bytes().hash(state));
    }
}
