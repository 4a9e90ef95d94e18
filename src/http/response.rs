//! What a handler gives back: a response, or a fault that nobody has written yet.

use http::header::{self, ALLOW, HeaderMap, HeaderName, HeaderValue};
use http::{Extensions, Response, StatusCode};

use super::{Body, BodyError};

/// The result of a chain. An upstream's own 404 is `Ok`; a `Fault` is ours.
pub type Reply = Result<Response<Body>, Fault>;

/// An error of ours: nothing has been written; `errors` or dispatch renders it.
#[derive(Debug)]
pub struct Fault {
    pub status: StatusCode,
    /// Fields the rendered page carries too (`header` and `basicauth` mark faults as well).
    pub headers: HeaderMap,
    /// For the log, never for the client.
    pub cause: Option<BodyError>,
}

impl Fault {
    /// A fault without a cause worth logging.
    pub fn status(status: StatusCode) -> Self {
        if status == StatusCode::METHOD_NOT_ALLOWED {
            return Self::not_allowed("");
        }
        Self { status, headers: HeaderMap::new(), cause: None }
    }

    /// What may be asked of a resource that others answer for: they decide.
    pub const METHODS: &'static str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

    /// 405 with what is allowed instead (RFC 9110 section 15.5.6). Nothing at all is how a
    /// configuration puts a resource out of service (section 10.2.1).
    pub fn not_allowed(methods: &'static str) -> Self {
        let allow = (ALLOW, HeaderValue::from_static(methods));
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self { status, headers: HeaderMap::from_iter([allow]), cause: None }
    }

    /// A fault and what the log should say about it.
    pub fn caused(status: StatusCode, cause: impl Into<BodyError>) -> Self {
        Self { status, headers: HeaderMap::new(), cause: Some(cause.into()) }
    }
}

/// In a request's extensions: it can be answered over HTTP/1.1 only.
#[derive(Debug, Clone, Copy)]
pub struct NeedsHttp1;

/// In a request's extensions: fields that a rule has removed from its response, which no default
/// of ours replaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct Removed {
    pub server: bool,
    pub alt_svc: bool,
}

impl Removed {
    /// Notes the removal of a field, if it is one that has a default.
    pub fn note(request: &mut Extensions, name: &HeaderName) {
        if *name == header::SERVER {
            request.get_or_insert_default::<Self>().server = true;
        } else if *name == header::ALT_SVC {
            request.get_or_insert_default::<Self>().alt_svc = true;
        }
    }
}

/// 499, as nginx has it in its log: the client left before there was an answer.
pub const CLIENT_LEFT: u16 = 499;
