//! How a try at an upstream ended, and which requests may be sent twice.

use http::{Method, Response};

use crate::directives::proxy::host::error::ProxyError;
use crate::http::Body;

/// How a try ended.
pub(crate) enum Outcome {
    Answered(Response<Body>),
    /// `again`: the request may be sent once more without harm.
    Failed {
        error: ProxyError,
        again: bool,
    },
}

/// Methods that may be sent twice (RFC 9110 section 9.2.2).
pub(crate) fn repeatable(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}
