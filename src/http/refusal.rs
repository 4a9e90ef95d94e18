//! Requests that are refused before the chain of their site runs.

use std::fmt;

use http::StatusCode;

use super::response::{Fault, Reply};
use super::{Request, fault_page};

/// Why a request is refused; in its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It violates HTTP or a limit.
    Rule(StatusCode),
    /// No site has its host.
    NoSuchSite,
}

impl Refusal {
    pub fn reply(self, req: &Request) -> Reply {
        match self {
            Self::Rule(status) => {
                let fault = match status {
                    StatusCode::METHOD_NOT_ALLOWED => Fault::not_allowed(Fault::METHODS),
                    _ => Fault::status(status),
                };
                Err(Fault { cause: Some(Self::why(status).into()), ..fault })
            }
            Self::NoSuchSite => Ok(fault_page::no_such_site(req)),
        }
    }

    fn why(status: StatusCode) -> &'static str {
        match status {
            StatusCode::BAD_REQUEST => "the request is malformed",
            StatusCode::METHOD_NOT_ALLOWED => "the method is not supported",
            StatusCode::PAYLOAD_TOO_LARGE => "the request body exceeds the limit of the site",
            StatusCode::URI_TOO_LONG => "the request target is too long",
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "too many or too large header fields",
            StatusCode::MISDIRECTED_REQUEST => {
                "the connection is for a site with other client certificates"
            }
            StatusCode::HTTP_VERSION_NOT_SUPPORTED => "the HTTP version is not 1.0 or 1.1",
            _ => "the request is refused",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rule(status) => Self::why(*status),
            Self::NoSuchSite => "no such site",
        })
    }
}
