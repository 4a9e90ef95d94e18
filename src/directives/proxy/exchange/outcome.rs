//! A try at an upstream: its parts, how it ended, and which requests may be sent twice.

use http::{Method, Response};

use super::payload::Payload;
use super::settings::Settings;
use crate::directives::proxy::host::error::{Fate, ProxyError};
use crate::directives::proxy::host::upstream::Upstream;
use crate::http::{Body, Request};

/// The parts of a try.
pub(crate) struct Attempt<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) host: &'a Upstream,
    pub(crate) req: &'a Request,
    pub(crate) payload: &'a mut Payload,
}

/// How a try ended.
pub(crate) enum Outcome {
    Answered(Response<Body>),
    Failed { error: ProxyError, fate: Fate },
}

impl Outcome {
    /// A failure whose error decides what becomes of the request. `repeatable`: the request is
    /// idempotent and all of it can be sent once more.
    pub(crate) fn failed(error: ProxyError, repeatable: bool) -> Self {
        Self::Failed { fate: error.fate(repeatable), error }
    }
}

/// Whether a method may be sent twice (RFC 9110 section 9.2.2).
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}
