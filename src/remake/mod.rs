//! Responses whose content a handler changes: asked for whole and not compressed, collected within
//! a bound, and described anew.

mod ask;
mod content;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, TRAILER,
};
use http::response::Parts;
use http::{Method, Response, StatusCode};

use crate::http::preconditions::{Validators, Verdict};
use crate::http::response::DIGESTS;
use crate::http::{Body, Fault, Reply, Request};
use crate::own_files::OwnFile;

pub use ask::{Known, ask};
pub use content::{Content, Unread, collect};

/// Whether a response has content that can be changed: all of it, and none that comes as events.
pub fn is_whole(head: &Parts) -> bool {
    let status = head.status;
    let is_part = status == StatusCode::PARTIAL_CONTENT;
    let is_empty = matches!(status.as_u16(), 100..=199 | 204 | 205 | 304);
    let kind = head.headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    !is_part && !is_empty && !kind.to_ascii_lowercase().starts_with(b"text/event-stream")
}

/// Content that was made, with its validators.
#[derive(Debug)]
pub struct Made {
    content: Bytes,
    validators: Validators,
}

impl Made {
    pub fn new(content: Bytes) -> Self {
        let validators = Validators::of_content(&content);
        Self { content, validators }
    }

    pub fn content(&self) -> &Bytes {
        &self.content
    }
}

/// The response with other content. It has validators of that content, and conditions hold.
pub fn respond(req: &Request, mut head: Parts, made: &Made) -> Reply {
    let Made { content, validators } = made;
    forget(&mut head);
    head.headers.insert(CONTENT_LENGTH, content.len().into());
    if head.status == StatusCode::OK && req.head.method == Method::GET {
        head.headers.extend(validators.etag.clone().map(|tag| (ETAG, tag)));
        match validators.check(&req.head.headers) {
            Verdict::Send => {}
            Verdict::NotModified => {
                head.status = StatusCode::NOT_MODIFIED;
                head.headers.remove(CONTENT_LENGTH);
                head.headers.remove(CONTENT_TYPE);
                return Ok(Response::from_parts(head, Body::empty()));
            }
            Verdict::Failed => return Err(Fault::status(StatusCode::PRECONDITION_FAILED)),
        }
    }
    Ok(Response::from_parts(head, content.clone().into()))
}

/// The same for HEAD: what is only known of the content that a GET would get is left out
/// (RFC 9110 section 9.3.2).
pub fn respond_to_head(mut head: Parts) -> Response<Body> {
    forget(&mut head);
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Body::empty())
}

/// Takes out what describes the content as it was.
fn forget(head: &mut Parts) {
    for name in [ETAG, LAST_MODIFIED, ACCEPT_RANGES, CONTENT_ENCODING, TRAILER] {
        head.headers.remove(name);
    }
    for name in DIGESTS {
        head.headers.remove(name);
    }
    head.extensions.remove::<OwnFile>();
}
