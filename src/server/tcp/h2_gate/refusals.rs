//! Passes an error status from the gate to the service: hyper reads another head with a field that
//! refers to it. The value of that field is secret.

use std::rc::Rc;

use bytes::BytesMut;
use http::header::{HOST, HeaderName};
use http::{Method, Request, StatusCode, Version};

use super::secret::Secret;
use crate::server::bad_head::{Refused, RequestSummary};
use crate::server::compression::hpack::{Decoder, Field, Mark, write_literal};
use crate::server::field_section::Line;

const NAME: HeaderName = HeaderName::from_static("caddy-refused");

/// The refusals of one connection, written by the gate and read by the service.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refusals(Rc<Secret>);

impl Refusals {
    /// The field block that replaces the header section of `request`.
    pub(super) fn block(&self, request: &Request<()>, status: StatusCode) -> BytesMut {
        let (method, uri) = (request.method(), request.uri());
        let refusal = format!("{} {} {method}", self.0.word(), status.as_str());
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
        Self(Rc::new(Secret::known(word)))
    }

    /// The status for a request whose header section was replaced.
    pub(crate) fn take<B>(&self, request: &mut Request<B>) -> Option<StatusCode> {
        if !self.0.is_used() {
            return None;
        }
        let field = request.headers_mut().remove(NAME)?;
        let mut words = field.to_str().ok()?.split(' ');
        if !self.0.is(words.next()?) {
            return None;
        }
        let status = words.next()?.parse().ok()?;
        *request.method_mut() = Method::from_bytes(words.next()?.as_bytes()).ok()?;
        Some(status)
    }
}

/// Describes the request of a block for the log.
pub(super) fn describe(
    decoder: &Decoder<Line>,
    fields: &[u8],
    mark: Mark,
    status: StatusCode,
) -> Refused {
    let mut summary = RequestSummary { version: Version::HTTP_2, ..RequestSummary::default() };
    decoder.recall(fields, mark, |field| summary.read(field.name, field.value));
    summary.refused(status)
}
