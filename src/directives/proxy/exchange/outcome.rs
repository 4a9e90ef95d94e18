//! A try at an upstream: what it is made of, how it ended, and which requests may be sent twice.

use http::{Method, Response};

use super::payload::Payload;
use super::settings::Settings;
use crate::directives::proxy::host::error::ProxyError;
use crate::directives::proxy::host::upstream::Upstream;
use crate::http::{Body, Request};

/// What a try is made of.
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
    /// The request may have been processed, or nobody could: it is not sent again.
    pub(crate) fn finally(error: ProxyError) -> Self {
        Self::Failed { error, fate: Fate::Final }
    }
}

/// What may become of a request that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Final,
    /// It may have been processed, and may be again (RFC 9110 section 9.2.2).
    Idempotent,
    /// No upstream has processed it (RFC 9113 section 8.7).
    NotProcessed,
}

impl Fate {
    /// Of a request that failed before it was sent, if it was.
    pub(crate) fn unsent(error: &ProxyError) -> Self {
        if error.before_sending() { Self::NotProcessed } else { Self::Final }
    }

    /// Of a request that an upstream may have processed. One that has taken its time once is not
    /// asked a second time.
    pub(crate) fn sent(is_idempotent: bool, error: &ProxyError) -> Self {
        let timed_out = matches!(error, ProxyError::FirstByte);
        if is_idempotent && !timed_out { Self::Idempotent } else { Self::Final }
    }

    pub(crate) fn may_repeat(self) -> bool {
        self != Self::Final
    }
}

/// Whether a method may be sent twice (RFC 9110 section 9.2.2).
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}
