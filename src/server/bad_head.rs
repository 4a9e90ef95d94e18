//! Reads method, target, host and version from a malformed request head as far as possible, for the
//! log only.

use std::borrow::Cow;

use http::header::{HOST, HeaderValue};
use http::{Method, Request, StatusCode, Uri, Version};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// Most bytes of a target that are kept for the log.
const TARGET: usize = 8 * 1024;

/// Bytes of the longest host that is accepted.
const HOST_BYTES: usize = 1024;

/// Bytes that a target cannot contain unescaped.
const ODD: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'#');

/// The readable bytes of a request.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct RequestSummary<'a> {
    pub(crate) method: Cow<'a, [u8]>,
    pub(crate) target: Cow<'a, [u8]>,
    pub(crate) host: Option<Cow<'a, [u8]>>,
    pub(crate) version: Version,
}

/// A refused request, with what is known of it for the log.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) head: Request<()>,
    pub(crate) status: StatusCode,
}

impl<'a> RequestSummary<'a> {
    /// Parses an HTTP/1 head as far as possible.
    pub(crate) fn by_http1(head: &'a [u8]) -> Self {
        let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii());
        let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let (method, rest) = cut(line, false);
        let (target, version) = match cut(rest, true) {
            (version, target) if version.starts_with(b"HTTP/") => (target, version),
            _ => (rest, &b""[..]),
        };
        let host = lines.find_map(|line| {
            let (name, value) = line.split_at_checked(5)?;
            name.eq_ignore_ascii_case(b"host:").then(|| value.trim_ascii().into())
        });
        let is_old = version == b"HTTP/1.0";
        let version = if is_old { Version::HTTP_10 } else { Version::HTTP_11 };
        Self { method: method.into(), target: target.into(), host, version }
    }

    /// Reads a field of a decoded header section.
    pub(crate) fn read(&mut self, name: &[u8], value: &[u8]) {
        let value = || value.to_vec().into();
        match name {
            b":method" => self.method = value(),
            b":path" => self.target = value(),
            b":authority" => self.host = Some(value()),
            b"host" if self.host.is_none() => self.host = Some(value()),
            _ => {}
        }
    }

    pub(crate) fn refused(&self, status: StatusCode) -> Refused {
        let mut head = Request::new(());
        self.put_into(&mut head);
        Refused { head, status }
    }

    /// Copies the known parts into the request that replaces the invalid one.
    pub(crate) fn put_into<B>(&self, request: &mut Request<B>) {
        let method = Method::from_bytes(&self.method).ok();
        *request.method_mut() = method.filter(|_| self.method.len() <= 32).unwrap_or_else(unknown);
        *request.version_mut() = self.version;
        *request.uri_mut() = target(&self.target);
        let headers = request.headers_mut();
        headers.clear();
        let host = self.host.as_deref().filter(|host| host.len() <= HOST_BYTES);
        if let Some(Ok(host)) = host.map(HeaderValue::from_bytes) {
            headers.insert(HOST, host);
        }
    }
}

/// The first word, and the rest.
fn cut(line: &[u8], last: bool) -> (&[u8], &[u8]) {
    let is_space = |byte: &u8| *byte == b' ';
    let at = if last { line.iter().rposition(is_space) } else { line.iter().position(is_space) };
    match at.and_then(|at| line.split_at_checked(at)) {
        Some((before, after)) if last => (&after[1..], before),
        Some((before, after)) => (before, &after[1..]),
        None if last => (b"", line),
        None => (line, b""),
    }
}

fn unknown() -> Method {
    Method::from_bytes(b"-").unwrap_or_default()
}

fn target(bytes: &[u8]) -> Uri {
    let bytes = &bytes[..bytes.len().min(TARGET)];
    let text = percent_encode(bytes, ODD).to_string();
    let slash = if text.starts_with('/') { "" } else { "/" };
    let parsed = text.parse::<Uri>().ok().filter(|uri| uri.path_and_query().is_some());
    parsed.or_else(|| format!("{slash}{text}").parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_made_out() {
        for (head, method, target, host) in [
            ("GET /a?b HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", "GET", "/a?b", Some("x")),
            ("GET /a b HTTP/1.1\r\nhost:x\r\n", "GET", "/a%20b", Some("x")),
            ("POST http://x/a HTTP/1.1\r\n\r\n", "POST", "http://x/a", None),
            ("GET /\x01\" HTTP/1.1\r\n", "GET", "/%01%22", None),
            ("GET /a", "GET", "/a", None),
            ("\x16\x03\x01", "-", "/", None),
            ("", "-", "/", None),
        ] {
            let mut request = Request::new(());
            RequestSummary::by_http1(head.as_bytes()).put_into(&mut request);
            let told = request.headers().get(HOST).map(|host| host.to_str().unwrap());
            let seen = (request.method().as_str(), request.uri().to_string(), told);
            assert_eq!(seen, (method, target.to_owned(), host), "{head:?}");
        }
        let mut request = Request::new(());
        let long = format!("GET /{} HTTP/1.0\r\n", "x".repeat(70_000));
        RequestSummary::by_http1(long.as_bytes()).put_into(&mut request);
        assert_eq!(request.uri().path().len(), TARGET);
    }
}
