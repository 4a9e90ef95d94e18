//! Errors of exchanges with a responder, and the status codes that they lead to.

use std::io;
use std::sync::Arc;

use http::StatusCode;

use crate::http::Fault;
use crate::http::body::{self, BodyError};

/// Why a request got no response from a responder, or an incomplete one.
#[derive(Debug, thiserror::Error)]
pub(super) enum FastCgiError {
    #[error("cannot resolve the host name")]
    Resolve(#[source] io::Error),
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("connecting timed out")]
    ConnectTimeout,
    #[error("sending the request timed out")]
    SendTimeout,
    #[error("reading the response timed out")]
    ReadTimeout,
    #[error("the connection failed")]
    Broken(#[source] io::Error),
    #[error("invalid response: {0}")]
    Malformed(&'static str),
    #[error("the responder is overloaded")]
    Overloaded,
    #[error("the responder refused the request")]
    Refused,
    #[error("failed to read the request body")]
    ClientBody(#[source] BodyError),
    #[error("cannot store the request body in a temporary file")]
    Spool(#[source] io::Error),
    #[error("fastcgi {0}")]
    At(Arc<str>, #[source] Box<Self>),
}

impl FastCgiError {
    /// Adds the responder's name.
    pub(super) fn at(self, upstream: &Arc<str>) -> Self {
        Self::At(upstream.clone(), Box::new(self))
    }

    /// Whether the client, not the responder, caused the error.
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
