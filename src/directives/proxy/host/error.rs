//! What can go wrong between us and an upstream, and the one place that says which status it is.

use std::io;
use std::sync::Arc;

use http::StatusCode;

use crate::http::Fault;
use crate::http::body::{self, BodyError};

/// Why a request got no answer from an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("no hosts available upstream")]
    NoHost,
    #[error("every upstream has max_conns requests")]
    Busy,
    #[error("every upstream has max_conns requests, and the queue is full")]
    QueueFull,
    #[error("no upstream had a place in time")]
    QueueTimeout,
    #[error("too many requests are being sent again")]
    Budget,
    #[error("cannot resolve {0}")]
    Resolve(String, #[source] io::Error),
    #[error("cannot connect to {0}")]
    Connect(String, #[source] io::Error),
    #[error("no connection to {0} in time")]
    ConnectTimeout(String),
    #[error("TLS handshake with {0} failed")]
    Tls(String, #[source] io::Error),
    #[error("no answer from the upstream in time")]
    FirstByte,
    #[error("bad answer from the upstream")]
    Answer(#[source] io::Error),
    #[error("bad answer from the upstream: {0}")]
    Malformed(&'static str),
    #[error("bad answer from the upstream")]
    Http2(#[source] hyper::Error),
    #[error("the upstream has not taken the request")]
    Refused(#[source] hyper::Error),
    #[error(
        "the upstream asks for HTTP/1.1 (HTTP_1_1_REQUIRED); write https in place of h2, or http in place of h2c"
    )]
    WantsHttp1,
    #[error("the upstream speaks HTTP/2 only, in which no protocol can be changed")]
    NoUpgrade,
    #[error("the upstream authenticates whole connections, which needs HTTP/1.1")]
    NeedsHttp1,
    #[error("the upstream does not want the content")]
    NotContinued,
    #[error("cannot build the upstream request")]
    Request(#[source] http::Error),
    #[error("failed to read downstream request body")]
    ClientBody(#[source] BodyError),
    #[error("upstream {0}")]
    At(Arc<str>, #[source] Box<Self>),
    #[error("the upstream sent nothing for too long in the middle of its response")]
    BodyIdle,
}

/// Whether a request that got no response may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No: the upstream may have processed it and it is not idempotent, its time is over, or the
    /// client is at fault.
    Final,
    /// The upstream may have processed it, and it is idempotent (RFC 9110 section 9.2.2).
    Idempotent,
    /// It was not sent, or the upstream has not processed it (RFC 9113 section 8.7).
    Unprocessed,
}

impl ProxyError {
    pub(crate) const UNASKED: Self = Self::Malformed("it switches protocols unasked");
    pub(crate) const CHUNKS: Self = Self::Malformed("its chunked coding");

    /// Names the upstream it happened at.
    pub(crate) fn at(self, upstream: &Arc<str>) -> Self {
        Self::At(upstream.clone(), Box::new(self))
    }

    /// What this means for a request that an upstream was to answer. `repeatable`: the request is
    /// idempotent and all of it can be sent once more.
    pub(crate) fn fate(&self, repeatable: bool) -> Fate {
        match self {
            Self::Resolve(..) | Self::Connect(..) | Self::ConnectTimeout(_) | Self::Tls(..) => {
                Fate::Unprocessed
            }
            Self::Refused(_) | Self::WantsHttp1 => Fate::Unprocessed,
            // Another upstream would be given as long again.
            Self::FirstByte => Fate::Final,
            error if error.by_client() || !repeatable => Fate::Final,
            _ => Fate::Idempotent,
        }
    }

    /// Whether the client, not the upstream, is at fault.
    pub(crate) fn by_client(&self) -> bool {
        matches!(self, Self::ClientBody(_) | Self::Request(_) | Self::NoUpgrade | Self::NeedsHttp1)
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NoHost | Self::Busy | Self::QueueFull | Self::QueueTimeout | Self::Budget => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ConnectTimeout(_) | Self::FirstByte => StatusCode::GATEWAY_TIMEOUT,
            Self::Request(_) => StatusCode::BAD_REQUEST,
            Self::NoUpgrade => StatusCode::NOT_IMPLEMENTED,
            Self::NeedsHttp1 => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::At(_, error) => error.status(),
            Self::ClientBody(error) => body::refusal(&**error),
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

impl From<ProxyError> for Fault {
    fn from(error: ProxyError) -> Self {
        Self::caused(error.status(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::{TooLarge, TooSlow};

    #[test]
    fn errors_decide_what_is_sent_again() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        for (error, idempotent, other) in [
            (ProxyError::Connect("a".into(), reset()), Fate::Unprocessed, Fate::Unprocessed),
            (ProxyError::WantsHttp1, Fate::Unprocessed, Fate::Unprocessed),
            (ProxyError::Answer(reset()), Fate::Idempotent, Fate::Final),
            (ProxyError::FirstByte, Fate::Final, Fate::Final),
            (ProxyError::ClientBody("gone".into()), Fate::Final, Fate::Final),
            (ProxyError::NeedsHttp1, Fate::Final, Fate::Final),
        ] {
            assert_eq!((error.fate(true), error.fate(false)), (idempotent, other), "{error}");
        }
    }

    #[test]
    fn each_error_has_its_status() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for (error, status) in [
            (ProxyError::NoHost, 503),
            (ProxyError::QueueFull, 503),
            (ProxyError::QueueTimeout, 503),
            (ProxyError::Connect("a".into(), refused()), 502),
            (ProxyError::Resolve("a".into(), refused()), 502),
            (ProxyError::ConnectTimeout("a".into()), 504),
            (ProxyError::FirstByte, 504),
            (ProxyError::FirstByte.at(&"a".into()), 504),
            (ProxyError::Malformed("x"), 502),
            (ProxyError::WantsHttp1, 502),
            (ProxyError::ClientBody(Box::new(TooLarge(5))), 413),
            (ProxyError::ClientBody(Box::new(TooSlow)), 408),
            (ProxyError::ClientBody("gone".into()), 400),
        ] {
            assert_eq!(error.status().as_u16(), status, "{error}");
        }
    }
}
