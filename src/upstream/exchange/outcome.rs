//! An attempt at an upstream: its inputs, its outcome, and which requests may be repeated.

use http::{Method, Response};

use super::payload::Payload;
use super::settings::Settings;
use crate::http::{Body, Request};
use crate::upstream::host::error::{Fate, ProxyError};
use crate::upstream::host::upstream::Upstream;

/// The inputs of an attempt.
pub(crate) struct Attempt<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) host: &'a Upstream,
    pub(crate) req: &'a Request,
    pub(crate) payload: &'a mut Payload,
}

/// The outcome of an attempt.
pub(crate) enum Outcome {
    Answered(Response<Body>),
    Failed { error: ProxyError, fate: Fate },
}

impl Outcome {
    /// A failure whose error determines the fate. `repeatable`: the request is idempotent and its
    /// whole body can be sent again.
    pub(crate) fn failed(error: ProxyError, repeatable: bool) -> Self {
        Self::Failed { fate: error.fate(repeatable), error }
    }
}

/// Whether a method is idempotent (RFC 9110 section 9.2.2).
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}
