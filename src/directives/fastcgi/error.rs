//! What can go wrong between us and a responder, and which status it is.

use std::io;
use std::sync::Arc;

use http::StatusCode;

use crate::http::Fault;
use crate::http::body::{self, BodyError};

/// Why a request got no answer from a responder, or not all of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum FastCgiError {
    #[error("its name cannot be resolved")]
    Resolve(#[source] io::Error),
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("no connection in time")]
    ConnectTimeout,
    #[error("it took no more of the request for too long")]
    SendTimeout,
    #[error("it sent nothing for too long")]
    ReadTimeout,
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    #[error("bad answer: {0}")]
    Malformed(&'static str),
    #[error("it is overloaded")]
    Overloaded,
    #[error("it refused the request")]
    Refused,
    #[error("failed to read the request's body")]
    ClientBody(#[source] BodyError),
    #[error("cannot keep the request's body in a temporary file")]
    Spool(#[source] io::Error),
    #[error("fastcgi {0}")]
    At(Arc<str>, #[source] Box<Self>),
}

impl FastCgiError {
    /// Names the responder it happened at.
    pub(super) fn at(self, upstream: &Arc<str>) -> Self {
        Self::At(upstream.clone(), Box::new(self))
    }

    /// Whether the client, not the responder, is at fault.
    pub(super) fn by_client(&self) -> bool {
        matches!(self, Self::ClientBody(_))
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::ConnectTimeout | Self::SendTimeout | Self::ReadTimeout => {
                StatusCode::GATEWAY_TIMEOUT
            }
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Spool(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::At(_, error) => error.status(),
            Self::ClientBody(error) => body::refusal(&**error),
            _ => StatusCode::BAD_GATEWAY,
        }
    }
}

impl From<FastCgiError> for Fault {
    fn from(error: FastCgiError) -> Self {
        Self::caused(error.status(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::{TooLarge, TooSlow};

    #[test]
    fn each_error_has_its_status() {
        let io = || io::Error::from(io::ErrorKind::ConnectionRefused);
        for (error, status) in [
            (FastCgiError::Connect(io()), 502),
            (FastCgiError::Resolve(io()), 502),
            (FastCgiError::Broken(io()), 502),
            (FastCgiError::Malformed("x"), 502),
            (FastCgiError::Refused, 502),
            (FastCgiError::Overloaded, 503),
            (FastCgiError::ConnectTimeout, 504),
            (FastCgiError::SendTimeout, 504),
            (FastCgiError::ReadTimeout.at(&"a".into()), 504),
            (FastCgiError::ClientBody(Box::new(TooLarge(5))), 413),
            (FastCgiError::ClientBody(Box::new(TooSlow)), 408),
            (FastCgiError::ClientBody("gone".into()), 400),
            (FastCgiError::Spool(io()), 500),
        ] {
            assert_eq!(error.status().as_u16(), status, "{error}");
        }
    }
}
