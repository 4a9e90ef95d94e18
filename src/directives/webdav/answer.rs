//! Responses in XML, and why a request is not done.

use std::io;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::confined::work::fault;
use crate::http::{Body, Fault, Reply};

pub(super) const METHODS: &str = "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, \
                       LOCK, UNLOCK";

pub(super) const LOCK_TOKEN: HeaderName = HeaderName::from_static("lock-token");

/// Why a request is not done.
#[derive(Debug)]
pub(super) enum Refusal {
    Fault(Fault),
    /// A condition of WebDAV is not met: its element.
    Condition(StatusCode, String),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::Fault(Fault::status(status))
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Fault(fault(error))
    }
}

impl Refusal {
    /// Another client's lock is in the way.
    pub(super) fn locked(href: &str) -> Self {
        let element =
            format!("<D:lock-token-submitted><D:href>{href}</D:href></D:lock-token-submitted>");
        Self::Condition(StatusCode::LOCKED, element)
    }

    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Fault(fault) => Err(fault),
            Self::Condition(status, element) => {
                let root = format!("<D:error xmlns:D=\"DAV:\">{element}</D:error>");
                Ok(xml(status, &root).map(Body::from))
            }
        }
    }
}

pub(super) fn xml(status: StatusCode, root: &str) -> Response<String> {
    let text = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n{root}\n");
    let length = text.len();
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// 207 (RFC 4918 section 13).
pub(super) fn multistatus(responses: &str) -> Response<String> {
    let root = format!("<D:multistatus xmlns:D=\"DAV:\">{responses}</D:multistatus>");
    xml(StatusCode::MULTI_STATUS, &root)
}

/// What is said of one resource, property by property.
pub(super) struct Described {
    out: String,
}

impl Described {
    pub(super) fn new(href: &str) -> Self {
        Self { out: format!("<D:response><D:href>{href}</D:href>") }
    }

    /// Properties that have a status in common; none: nothing is said.
    pub(super) fn add(&mut self, status: StatusCode, properties: &str) {
        if !properties.is_empty() {
            self.out.push_str(&format!(
                "<D:propstat><D:prop>{properties}</D:prop><D:status>HTTP/1.1 {status}</D:status>\
                 </D:propstat>"
            ));
        }
    }

    pub(super) fn done(mut self) -> String {
        if !self.out.contains("<D:propstat>") {
            self.add(StatusCode::OK, " ");
        }
        self.out.push_str("</D:response>");
        self.out
    }
}

/// Work on files that ends with a response.
pub(super) async fn respond(
    work: impl FnOnce() -> Result<Response<String>, Refusal> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    Ok(beside(work).await?.map(Body::from))
}

/// Work on files, beside the worker.
pub(super) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error).into()),
    }
}
