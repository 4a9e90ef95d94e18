//! What the tests of several files share.

use std::rc::Rc;
use std::time::Instant;

use http::HeaderValue;

use crate::http::{Body, Peer, Request};

/// A request of a client at 192.0.2.7 for `site.test`.
pub(crate) fn request(method: &str, uri: &str) -> Request {
    let (mut head, ()) =
        http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
    head.headers.insert("host", HeaderValue::from_static("site.test"));
    Request {
        original_uri: head.uri.clone(),
        head,
        body: Body::empty(),
        upgrade: None,
        peer: Rc::new(Peer {
            remote: "192.0.2.7:4321".parse().unwrap(),
            local: "192.0.2.1:8080".parse().unwrap(),
            tls: None,
            values: crate::http::connection_values::ConnectionValues::default(),
        }),
        host: "site.test".to_owned(),
        user: None,
        upstream: None,
        watcher: None,
        early_hints: None,
        received: Instant::now(),
    }
}
