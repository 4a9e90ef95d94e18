//! Passes an error status from the gate to the service: hyper reads another head with a field that
//! refers to it. The value of that field is secret.

use std::cell::Cell;
use std::rc::Rc;

use bytes::BytesMut;
use http::header::{HOST, HeaderName};
use http::{Method, Request, StatusCode};

use crate::server::compression::hpack::{Field, write_literal};

const NAME: HeaderName = HeaderName::from_static("caddy-refused");

/// The refusals of one connection, written by the gate and read by the service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals(Rc<Cell<u128>>);

impl Refusals {
    /// The field block that replaces the header section of `request`.
    pub(super) fn block(&self, request: &Request<()>, status: StatusCode) -> BytesMut {
        if self.0.get() == 0 {
            self.0.set(fastrand::u128(1..));
        }
        let (method, uri) = (request.method(), request.uri());
        let refusal = format!("{:x} {} {method}", self.0.get(), status.as_str());
        let path = uri.path_and_query().map_or("/", |target| target.as_str());
        let host = request.headers().get(HOST).map(|host| host.as_bytes());
        let mut block = BytesMut::new();
        for (name, value) in [
            (":method", &b"GET"[..]),
            (":scheme", b"https"),
            (":path", path.as_bytes()),
            (NAME.as_str(), refusal.as_bytes()),
        ] {
            write_literal(&mut block, Field { name: name.as_bytes(), value });
        }
        if let Some(value) = host {
            write_literal(&mut block, Field { name: b"host", value });
        }
        block
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn with_word(word: u128) -> Self {
        Self(Rc::new(Cell::new(word)))
    }

    /// The status for a request whose header section was replaced.
    pub(crate) fn take<B>(&self, request: &mut Request<B>) -> Option<StatusCode> {
        if self.0.get() == 0 {
            return None;
        }
        let field = request.headers_mut().remove(NAME)?;
        let mut words = field.to_str().ok()?.split(' ');
        if u128::from_str_radix(words.next()?, 16) != Ok(self.0.get()) {
            return None;
        }
        let status = words.next()?.parse().ok()?;
        *request.method_mut() = Method::from_bytes(words.next()?.as_bytes()).ok()?;
        Some(status)
    }
}
