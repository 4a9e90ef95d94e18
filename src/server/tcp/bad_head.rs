//! What a head that breaks the rules says of its request, for the log: its method, target, host
//! and version, as far as they can be made out. Nothing else may rely on it.

use http::header::{HOST, HeaderValue};
use http::{Method, Request, Uri, Version};
use percent_encoding::{AsciiSet, CONTROLS, percent_encode};

/// Bytes of a target that are kept: more are none that a log would hold.
const TARGET: usize = 8 * 1024;

/// What no target holds as it is.
const ODD: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'#');

/// Puts what the head says into the request that stands in for it.
pub(crate) fn describe<B>(request: &mut Request<B>, head: &[u8]) {
    let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii());
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let (method, rest) = cut(line, false);
    let (target, version) = match cut(rest, true) {
        (version, target) if version.starts_with(b"HTTP/") => (target, version),
        _ => (rest, &b""[..]),
    };
    *request.method_mut() =
        Method::from_bytes(method).ok().filter(|_| method.len() <= 32).unwrap_or_else(unknown);
    *request.version_mut() =
        if version == b"HTTP/1.0" { Version::HTTP_10 } else { Version::HTTP_11 };
    *request.uri_mut() = self::target(target);
    let host = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(5)?;
        name.eq_ignore_ascii_case(b"host:").then(|| value.trim_ascii())
    });
    let headers = request.headers_mut();
    headers.clear();
    if let Some(Ok(host)) = host.map(HeaderValue::from_bytes) {
        headers.insert(HOST, host);
    }
}

/// The word at one end, and the rest.
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
            describe(&mut request, head.as_bytes());
            let told = request.headers().get(HOST).map(|host| host.to_str().unwrap());
            let seen = (request.method().as_str(), request.uri().to_string(), told);
            assert_eq!(seen, (method, target.to_owned(), host), "{head:?}");
        }
        let mut request = Request::new(());
        describe(&mut request, format!("GET /{} HTTP/1.0\r\n", "x".repeat(70_000)).as_bytes());
        assert_eq!(request.uri().path().len(), TARGET);
    }
}
