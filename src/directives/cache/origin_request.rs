//! The question to the origin: the client's, with other conditions.

use http::header::{IF_MODIFIED_SINCE, IF_NONE_MATCH};
use http::{Method, Uri};

use super::entry::Entry;
use crate::http::preconditions::{CONDITIONS, RANGES, Taken};
use crate::http::{Body, Request};

/// The client's conditions while a request goes to the origin without them.
pub(super) struct Conditions {
    taken: Option<Taken>,
    are_ours: bool,
}

impl Conditions {
    /// Takes them out where the whole response is wanted, and puts in those for what is known.
    pub(super) fn exchange(req: &mut Request, known: Option<&Entry>, is_for_all: bool) -> Self {
        if known.is_none() && !is_for_all {
            return Self { taken: None, are_ours: false };
        }
        let headers = &mut req.head.headers;
        let mut taken = Taken::default();
        taken.take(headers, &CONDITIONS);
        taken.take(headers, &RANGES);
        let validators = known.map(Entry::validators);
        let validators = validators.map_or((None, None), |v| (v.etag, v.last_modified));
        let are_ours = validators.0.is_some() || validators.1.is_some();
        let ours = [(IF_NONE_MATCH, validators.0), (IF_MODIFIED_SINCE, validators.1)];
        for (name, value) in ours {
            value.into_iter().for_each(|value| {
                headers.insert(&name, value);
            });
        }
        Self { taken: Some(taken), are_ours }
    }

    /// Puts the client's back; returns whether a 304 is about what is known, and whether the
    /// client's are still to be applied.
    pub(super) fn put_back(self, req: &mut Request) -> (bool, bool) {
        let is_taken = self.taken.is_some();
        if let Some(taken) = self.taken {
            taken.give_back(&mut req.head.headers);
        }
        (self.are_ours, is_taken)
    }
}

/// The same GET beside a request, whose client may be gone before it ends.
pub(super) fn beside(req: &Request) -> Request {
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = Method::GET;
    head.uri = req.head.uri.clone();
    head.version = req.head.version;
    head.headers = req.head.headers.clone();
    head.extensions = req.head.extensions.clone();
    Request {
        head,
        body: Body::empty(),
        upgrade: None,
        peer: req.peer.clone(),
        host: req.host.clone(),
        original_uri: req.original_uri.clone(),
        user: req.user.clone(),
        upstream: None,
        watcher: None,
        early_hints: None,
        received: req.received,
    }
}

/// A reference to the same origin as that of the request.
pub(super) fn same_origin(req: &Request, reference: &str) -> Option<Uri> {
    let uri: Uri = reference.parse().ok()?;
    let is_here = match uri.authority() {
        None => reference.starts_with('/'),
        Some(authority) => {
            authority.as_str().eq_ignore_ascii_case(req.host_field())
                && uri.scheme_str() == Some(req.scheme())
        }
    };
    uri.path_and_query().filter(|_| is_here).map(|target| Uri::from(target.clone()))
}
