//! The result of a handler: a response, or a fault.

use http::header::{self, ALLOW, HeaderMap, HeaderName, HeaderValue, VARY};
use http::{Extensions, Response, StatusCode};

use super::{Body, BodyError};

/// The result of a chain. A 404 from an upstream is `Ok`; a `Fault` is the server's own error.
pub type Reply = Result<Response<Body>, Fault>;

/// An error of the server, which `errors` or dispatch converts to a response.
#[derive(Debug)]
pub struct Fault {
    pub status: StatusCode,
    /// Fields of the response, as set by `header` or `basicauth`.
    pub headers: HeaderMap,
    /// For the log only.
    pub cause: Option<BodyError>,
}

impl Fault {
    /// A fault without a cause.
    pub fn status(status: StatusCode) -> Self {
        if status == StatusCode::METHOD_NOT_ALLOWED {
            return Self::not_allowed("");
        }
        Self { status, headers: HeaderMap::new(), cause: None }
    }

    /// The Allow field for resources whose methods are not known here.
    pub const METHODS: &'static str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

    /// 405 with the allowed methods (RFC 9110 section 15.5.6). An empty list means that the
    /// resource is disabled (section 10.2.1).
    pub fn not_allowed(methods: &'static str) -> Self {
        let allow = (ALLOW, HeaderValue::from_static(methods));
        let status = StatusCode::METHOD_NOT_ALLOWED;
        Self { status, headers: HeaderMap::from_iter([allow]), cause: None }
    }

    /// A fault with a cause for the log.
    pub fn caused(status: StatusCode, cause: impl Into<BodyError>) -> Self {
        Self { status, headers: HeaderMap::new(), cause: Some(cause.into()) }
    }
}

/// The request requires HTTP/1.1; in its extensions.
#[derive(Debug, Clone, Copy)]
pub struct NeedsHttp1;

/// Fields that a rule has removed from the response, which the server must not add again; in the
/// request's extensions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Removed {
    pub server: bool,
    pub alt_svc: bool,
}

impl Removed {
    /// Records the removal of a field that the server would add.
    pub fn note(request: &mut Extensions, name: &HeaderName) {
        if *name == header::SERVER {
            request.get_or_insert_default::<Self>().server = true;
        } else if *name == header::ALT_SVC {
            request.get_or_insert_default::<Self>().alt_svc = true;
        }
    }
}

/// Digest fields. They include the content coding (RFC 9530 sections 2 and 3, RFC 3230 section
/// 4.3.2, RFC 1864 section 2).
pub const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// 499, as in nginx's log: the client disconnected before the response.
pub const CLIENT_LEFT: u16 = 499;

/// Tells caches that the response depends on a field of the request.
pub fn add_vary(headers: &mut HeaderMap, name: &'static str) {
    let mut values = headers.get_all(VARY).into_iter().filter_map(|v| v.to_str().ok());
    let is_named = values.any(|value| {
        value.split(',').map(str::trim).any(|n| n == "*" || n.eq_ignore_ascii_case(name))
    });
    if !is_named {
        headers.append(VARY, HeaderValue::from_static(name));
    }
}
