//! Requests that are answered before the chain of their site runs.

use http::{Method, StatusCode};

use super::response::{Fault, Reply};
use super::{Request, fault_page};

/// In a request's extensions: why it is answered before its site's chain runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It breaks a rule of HTTP, or a limit.
    Rule(StatusCode),
    /// Nobody serves its host here.
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
            Self::NoSuchSite => {
                let is_head = req.head.method == Method::HEAD;
                Ok(fault_page::no_such_site(&req.host, req.head.version, is_head))
            }
        }
    }

    fn why(status: StatusCode) -> &'static str {
        match status {
            StatusCode::BAD_REQUEST => "the request breaks the rules of HTTP",
            StatusCode::METHOD_NOT_ALLOWED => "no site takes this method",
            StatusCode::PAYLOAD_TOO_LARGE => "its content is larger than the limit of the site",
            StatusCode::URI_TOO_LONG => "its target is too long",
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "its fields are too large or too many",
            StatusCode::MISDIRECTED_REQUEST => {
                "its connection was made for another site, with other client certificates"
            }
            StatusCode::HTTP_VERSION_NOT_SUPPORTED => "its version of HTTP is not 1.0 or 1.1",
            _ => "it cannot be taken",
        }
    }
}
