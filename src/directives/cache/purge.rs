//! The method PURGE, which removes stored responses.

use http::header::FORWARDED;
use http::{Response, StatusCode};

use super::Shelf;
use super::options::Purgers;
use crate::http::hop::FORWARDED_FOR;
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
    /// The client, whoever named it, and the last proxy have to be among those that may.
    fn may(&self, req: &Request) -> bool {
        let client = req.peer.remote.ip();
        let sender = req.sender();
        let sender = sender.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(client);
        match self {
            // What a proxy on this machine passes on is from anywhere.
            Self::Loopback => {
                let headers = &req.head.headers;
                let is_passed_on =
                    [FORWARDED, FORWARDED_FOR].iter().any(|n| headers.contains_key(n));
                client.to_canonical().is_loopback() && sender.is_loopback() && !is_passed_on
            }
            Self::From(ranges) => ranges.contains(client),
        }
    }
}
