//! The errors of requests to upstreams, and the status code of each.

use std::io;
use std::sync::Arc;

use http::StatusCode;

use crate::http::Fault;
use crate::http::body::{self, BodyError};
use crate::metrics::UpstreamFailure;

/// Why a request got no response from an upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("no hosts available upstream")]
    NoHost,
    #[error("every upstream has reached max_conns")]
    Busy,
    #[error("every upstream has reached max_conns, and the queue is full")]
    QueueFull,
    #[error("the request timed out in the queue")]
    QueueTimeout,
    #[error("the retry budget is exhausted")]
    Budget,
    #[error("cannot resolve {0}")]
    Resolve(String, #[source] io::Error),
    #[error("cannot connect to {0}")]
    Connect(String, #[source] io::Error),
    #[error("connecting to {0} timed out")]
    ConnectTimeout(String),
    #[error("TLS handshake with {0} failed")]
    Tls(String, #[source] io::Error),
    #[error("the upstream did not respond in time")]
    FirstByte,
    #[error("the connection to the upstream failed")]
    Answer(#[source] io::Error),
    #[error("invalid response from the upstream: {0}")]
    Malformed(&'static str),
    #[error("the HTTP/2 exchange with the upstream failed")]
    Http2(#[source] h2::Error),
    #[error("the upstream did not respond to a PING")]
    NoPong,
    #[error("the upstream refused the request")]
    Refused(#[source] h2::Error),
    #[error(
        "the upstream requires HTTP/1.1 (HTTP_1_1_REQUIRED): write https:// for h2://, and http:// \
    for h2c://"
    )]
    WantsHttp1,
    #[error("the upstream is set to HTTP/2 only, which has no Upgrade")]
    NoUpgrade,
    #[error("the upstream authenticates connections, which requires HTTP/1.1")]
    NeedsHttp1,
    #[error("the upstream responded without taking the request body")]
    NotContinued,
    #[error("cannot build the upstream request")]
    Request(#[source] http::Error),
    #[error("failed to read downstream request body")]
    ClientBody(#[source] BodyError),
    #[error("upstream {0}")]
    At(Arc<str>, #[source] Box<Self>),
    #[error("the upstream stopped sending in the middle of its response")]
    BodyIdle,
}

/// Whether a request without a response may be retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// No: the upstream may have processed it and it is not idempotent, it timed out, or the
    /// client caused the failure.
    Final,
    /// The upstream may have processed it, and it is idempotent (RFC 9110 section 9.2.2).
    Idempotent,
    /// It was not sent, or the upstream has not processed it (RFC 9113 section 8.7).
    Unprocessed,
}

impl ProxyError {
    pub(crate) const UNASKED: Self = Self::Malformed("101 without a request to switch");
    pub(crate) const CHUNKS: Self = Self::Malformed("invalid chunked coding");

    /// Adds the name of the upstream.
    pub(crate) fn at(self, upstream: &Arc<str>) -> Self {
        Self::At(upstream.clone(), Box::new(self))
    }

    /// Whether the request may be retried after this error. `repeatable`: the request is idempotent
    /// and its whole body can be sent again.
    pub(crate) fn fate(&self, repeatable: bool) -> Fate {
        match self {
            Self::Resolve(..) | Self::Connect(..) | Self::ConnectTimeout(_) | Self::Tls(..) => {
                Fate::Unprocessed
            }
            Self::Refused(_) | Self::WantsHttp1 => Fate::Unprocessed,
            // A retry would take the whole timeout again.
            Self::FirstByte => Fate::Final,
            error if error.by_client() || !repeatable => Fate::Final,
            _ => Fate::Idempotent,
        }
    }

    /// Whether the client caused the error, not the upstream.
    pub(crate) fn by_client(&self) -> bool {
        matches!(self, Self::ClientBody(_) | Self::Request(_) | Self::NoUpgrade | Self::NeedsHttp1)
    }

    /// How a failed try is counted; `None` where the upstream did not fail.
    pub(crate) fn failure(&self) -> Option<UpstreamFailure> {
        Some(match self {
            Self::Resolve(..) => UpstreamFailure::Resolve,
            Self::Connect(..) => UpstreamFailure::Connect,
            Self::ConnectTimeout(_) => UpstreamFailure::ConnectTimeout,
            Self::Tls(..) => UpstreamFailure::Tls,
            Self::FirstByte | Self::BodyIdle | Self::NoPong => UpstreamFailure::Timeout,
            Self::Answer(_) => UpstreamFailure::Closed,
            Self::Malformed(_) | Self::Http2(_) | Self::WantsHttp1 | Self::NotContinued => {
                UpstreamFailure::Protocol
            }
            Self::Refused(_) => UpstreamFailure::Refused,
            Self::At(_, error) => return error.failure(),
            Self::NoHost
            | Self::Busy
            | Self::QueueFull
            | Self::QueueTimeout
            | Self::Budget
            | Self::NoUpgrade
            | Self::NeedsHttp1
            | Self::Request(_)
            | Self::ClientBody(_) => return None,
        })
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
