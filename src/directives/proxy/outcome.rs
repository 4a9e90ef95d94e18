//! How a try at an upstream ended, and which requests may be sent twice.

use http::{Method, Response};

use super::error::ProxyError;
use crate::http::Body;

/// How a try ended.
pub(super) enum Outcome {
    Answered(Response<Body>),
    /// `again`: the request may be sent once more without harm.
    Failed {
        error: ProxyError,
        again: bool,
    },
}

/// Methods that may be sent twice (RFC 9110 section 9.2.2).
pub(super) fn repeatable(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}
