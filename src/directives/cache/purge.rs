//! The method PURGE, which removes stored responses.

use http::header::{FORWARDED, VIA};
use http::{Response, StatusCode};

use super::Shelf;
use super::options::Purgers;
use crate::http::hop::FORWARDED_FOR;
use crate::http::request::Sender;
use crate::http::{Body, Fault, Reply, Request};

impl Shelf {
    /// Without the option the method is one of the origin's.
    pub(super) fn is_purge(&self, req: &Request) -> bool {
        self.settings.purge.is_some() && req.head.method.as_str() == "PURGE"
    }

    /// Removes the responses of a path; with `*` at its end those of all paths that begin so.
    pub(super) fn purge(&self, req: &mut Request) -> Reply {
        if !self.settings.purge.as_ref().is_some_and(|purgers| purgers.may(req)) {
            let cause = format!("{} may not purge", req.peer.remote.ip());
            return Err(Fault::caused(StatusCode::FORBIDDEN, cause));
        }
        let key = self.key(req);
        let removed = match key.strip_suffix('*') {
            Some(prefix) => self.store.remove_below(prefix),
            None => self.store.remove(&key),
        };
        if removed == 0 {
            return Err(Fault::status(StatusCode::NOT_FOUND));
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

impl Purgers {
    /// What a proxy passes on is from anywhere, unless it is known whom it names as the client.
    fn may(&self, req: &Request) -> bool {
        let client = req.peer.remote.ip();
        let is_named = req.head.extensions.get::<Sender>().is_some();
        let fields = [FORWARDED, FORWARDED_FOR, VIA];
        let is_passed_on = fields.iter().any(|name| req.head.headers.contains_key(name));
        match self {
            Self::Loopback => client.to_canonical().is_loopback() && !is_named && !is_passed_on,
            Self::From(ranges) => ranges.contains(client) && (is_named || !is_passed_on),
        }
    }
}
