//! The rules for a request head (RFC 9112 sections 3, 5 and 6).

use std::mem::MaybeUninit;
use std::net::Ipv6Addr;

use http::StatusCode;

use super::limits::GuardLimits;
use crate::http::target;

/// Most fields that are parsed, whatever the limit is.
const MOST_FIELDS: usize = 256;
const BAD: StatusCode = StatusCode::BAD_REQUEST;

/// The parts of a valid head that determine the framing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: Length,
    /// Whether it may switch the connection to another protocol.
    pub(super) upgrade: bool,
    pub(super) connect: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Length {
    Sized(u64),
    Chunked,
}

/// Checks a request line without its CRLF.
pub(super) fn check_line(line: &[u8], limits: &GuardLimits) -> Result<(), StatusCode> {
    let mut words = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD);
    };
    if target.len() > limits.uri_bytes {
        return Err(StatusCode::URI_TOO_LONG);
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => {}
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(StatusCode::HTTP_VERSION_NOT_SUPPORTED);
        }
        _ => return Err(BAD),
    }
    let form = match target {
        [b'/', ..] => method != b"CONNECT" && target::is_allowed(target),
        b"*" => method == b"OPTIONS",
        _ if method == b"CONNECT" => is_authority(target),
        _ => absolute(target).is_some_and(|absolute| target::is_allowed(absolute.rest)),
    };
    if form && !method.is_empty() { Ok(()) } else { Err(BAD) }
}

/// Checks a complete head whose line ends and request line are valid.
pub(super) fn check(bytes: &[u8], limits: &GuardLimits) -> Result<Head, StatusCode> {
    let mut room = [const { MaybeUninit::uninit() }; MOST_FIELDS];
    let most = limits.header_count.min(MOST_FIELDS);
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(bytes, &mut room[..most]) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        _ => return Err(BAD),
    }
    let modern = request.version == Some(1);
    let fields = Fields::collect(request.headers)?;
    let target = request.path.unwrap_or_default().as_bytes();
    let connect = request.method == Some("CONNECT");
    check_host(fields.host, target, modern && !connect)?;
    let length = match (fields.length, fields.coding) {
        (None, None) => Length::Sized(0),
        (Some(length), None) => Length::Sized(parse_length(length)?),
        (None, Some(coding)) if modern => check_coding(coding)?,
        _ => return Err(BAD),
    };
    Ok(Head { length, upgrade: connect || (modern && fields.upgrade), connect })
}

/// The fields that determine framing and routing; each may occur once.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    length: Option<&'a [u8]>,
    coding: Option<&'a [u8]>,
    upgrade: bool,
}

impl<'a> Fields<'a> {
    fn collect(headers: &[httparse::Header<'a>]) -> Result<Self, StatusCode> {
        let mut fields = Self::default();
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let slot = match header.name.len() {
                4 if is("host") => &mut fields.host,
                14 if is("content-length") => &mut fields.length,
                17 if is("transfer-encoding") => &mut fields.coding,
                7 if is("upgrade") => {
                    fields.upgrade = true;
                    continue;
                }
                _ => continue,
            };
            if slot.replace(header.value).is_some() {
                return Err(BAD);
            }
        }
        Ok(fields)
    }
}

/// Digits only, and no list (RFC 9110 section 8.6).
fn parse_length(value: &[u8]) -> Result<u64, StatusCode> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).ok_or(BAD)
}

/// Only `chunked` is supported; it must come last (RFC 9112 sections 6.1 and 6.3).
fn check_coding(value: &[u8]) -> Result<Length, StatusCode> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Length::Chunked);
    }
    match value.rsplit(|byte| *byte == b',').next() {
        Some(last) if last.trim_ascii().eq_ignore_ascii_case(b"chunked") => {
            Err(StatusCode::NOT_IMPLEMENTED)
        }
        _ => Err(BAD),
    }
}

fn check_host(host: Option<&[u8]>, target: &[u8], needed: bool) -> Result<(), StatusCode> {
    let Some(host) = host else {
        return if needed { Err(BAD) } else { Ok(()) };
    };
    if !is_authority(host) {
        return Err(BAD);
    }
    match absolute(target) {
        Some(Absolute { authority, port, .. }) => {
            let bare = |text: &'_ [u8]| {
                let text = text.strip_suffix(port).or(text.strip_suffix(b":")).unwrap_or(text);
                text.to_ascii_lowercase()
            };
            if bare(authority) == bare(host) { Ok(()) } else { Err(BAD) }
        }
        _ => Ok(()),
    }
}

/// `http://AUTHORITY…`
struct Absolute<'a> {
    authority: &'a [u8],
    /// The default port of the scheme.
    port: &'static [u8],
    /// Path and query.
    rest: &'a [u8],
}

fn absolute(target: &[u8]) -> Option<Absolute<'_>> {
    let (scheme_length, port): (usize, &[u8]) =
        if target.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"http://")) {
            (7, b":80")
        } else if target.get(..8).is_some_and(|start| start.eq_ignore_ascii_case(b"https://")) {
            (8, b":443")
        } else {
            return None;
        };
    let rest = &target[scheme_length..];
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    is_authority(authority).then_some(Absolute { authority, port, rest })
}

/// `host[:port]`; user information and characters outside of host names are refused.
fn is_authority(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    !name.is_empty() && name.bytes().all(named) && port.is_none_or(is_port)
}

/// The port may be empty after its colon (RFC 3986 section 3.2.3).
fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
        && (text.is_empty() || text.parse::<u16>().is_ok())
}
