//! Responses in XML, and why a request is not done.

use std::borrow::Cow;
use std::io;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::confined::work::fault;
use crate::http::{Body, Fault, Reply};
use crate::limits::WEBDAV_LISTING;

pub(super) const METHODS: &str = "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, \
                       LOCK, UNLOCK";

pub(super) const LOCK_TOKEN: HeaderName = HeaderName::from_static("lock-token");

/// Why a request is not done.
#[derive(Debug)]
pub(super) enum Refusal {
    Fault(Fault),
    /// A condition of WebDAV is not met: its element.
    Condition(StatusCode, String),
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::Fault(Fault::status(status))
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Fault(fault(error))
    }
}

impl Refusal {
    /// Another client's lock is in the way.
    pub(super) fn locked(href: &str) -> Self {
        let element =
            format!("<D:lock-token-submitted><D:href>{href}</D:href></D:lock-token-submitted>");
        Self::Condition(StatusCode::LOCKED, element)
    }

    pub(super) fn reply(self) -> Reply {
        match self {
            Self::Fault(fault) => Err(fault),
            Self::Condition(status, element) => {
                let root = format!("<D:error xmlns:D=\"DAV:\">{element}</D:error>");
                Ok(xml(status, &root).map(Body::from))
            }
        }
    }
}

pub(super) fn xml(status: StatusCode, root: &str) -> Response<String> {
    document(status, format!("{HEAD}{root}\n"))
}

fn document(status: StatusCode, text: String) -> Response<String> {
    let length = text.len();
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/xml; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// 207 (RFC 4918 section 13), of bounded length.
pub(super) struct Multistatus {
    text: String,
}

impl Multistatus {
    pub(super) fn new() -> Self {
        Self { text: format!("{HEAD}<D:multistatus xmlns:D=\"DAV:\">") }
    }

    /// What is said of one resource: properties, those that have a status in common together. None
    /// of a status: nothing is said. An error of kind `QuotaExceeded` if it is too much.
    pub(super) fn add<'a>(
        &mut self,
        href: &str,
        properties: impl IntoIterator<Item = (StatusCode, Properties<'a>)>,
    ) -> io::Result<()> {
        self.push(&format!("<D:response><D:href>{href}</D:href>"))?;
        let mut is_empty = true;
        for (status, mut properties) in properties {
            let Some(first) = properties.next() else { continue };
            is_empty = false;
            self.push("<D:propstat><D:prop>")?;
            for property in std::iter::once(first).chain(properties) {
                self.push(&property)?;
            }
            self.push(&format!("</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"))?;
        }
        if is_empty {
            let status = StatusCode::OK;
            self.push(&format!(
                "<D:propstat><D:prop> </D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"
            ))?;
        }
        self.push("</D:response>")
    }

    fn push(&mut self, text: &str) -> io::Result<()> {
        if self.text.len() + text.len() > WEBDAV_LISTING {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        self.text.push_str(text);
        Ok(())
    }

    pub(super) fn done(mut self) -> Response<String> {
        self.text.push_str("</D:multistatus>\n");
        document(StatusCode::MULTI_STATUS, self.text)
    }
}

/// Elements of properties.
pub(super) type Properties<'a> = Box<dyn Iterator<Item = Cow<'a, str>> + 'a>;

/// Work on files that ends with a response.
pub(super) async fn respond(
    work: impl FnOnce() -> Result<Response<String>, Refusal> + Send + 'static,
) -> Result<Response<Body>, Refusal> {
    Ok(beside(work).await?.map(Body::from))
}

/// Work on files, beside the worker.
pub(super) async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(io::Error::other(error).into()),
    }
}
