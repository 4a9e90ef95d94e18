//! What a handler gives back: a response, or a fault that nobody has written yet.

use http::{HeaderMap, Response, StatusCode};

use super::{Body, BodyError};

/// The result of a chain. An upstream's own 404 is `Ok`; a `Fault` is ours.
pub type Reply = Result<Response<Body>, Fault>;

/// An error of ours: nothing has been written; `errors` or dispatch renders it.
#[derive(Debug)]
pub struct Fault {
    pub status: StatusCode,
    /// Fields the rendered page carries too (`header` and `basicauth` mark faults as well).
    pub headers: HeaderMap,
    /// For the log, never for the client.
    pub cause: Option<BodyError>,
}

impl Fault {
    /// A fault without a cause worth logging.
    pub fn status(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::new(), cause: None }
    }

    /// A fault and what the log should say about it.
    pub fn caused(status: StatusCode, cause: impl Into<BodyError>) -> Self {
        Self { status, headers: HeaderMap::new(), cause: Some(cause.into()) }
    }
}

/// In a request's extensions: it can be answered over HTTP/1.1 only.
#[derive(Debug, Clone, Copy)]
pub struct NeedsHttp1;

/// In a request's extensions: `header / -Server` takes the field away from its response, and no
/// default replaces it.
#[derive(Debug, Clone, Copy)]
pub struct NoServerField;
