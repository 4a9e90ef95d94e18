//! The head of an upstream's response: parsed strictly and without copying field values. Determines
//! the framing (RFC 9112 section 6.3) and removes hop-by-hop fields.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, response::Parts};

use crate::http::hop;
use crate::limits::RESPONSE_FIELDS;
use crate::upstream::host::error::ProxyError;
use crate::upstream::rewrite::names;

/// How the content of a response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    Sized(u64),
    Chunked,
    UntilClose,
}

#[derive(Debug)]
pub(crate) struct Answer {
    /// Without hop-by-hop fields, except for a 101.
    pub(crate) head: Parts,
    pub(crate) framing: Framing,
    /// Whether the upstream keeps the connection open.
    pub(crate) keep_alive: bool,
}

/// Takes a complete head from the front of `input`, if there is one, as the response to `method`.
pub(crate) fn parse(input: &mut BytesMut, method: &Method) -> Result<Option<Answer>, ProxyError> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; RESPONSE_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut parsed, input, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return malformed("too many header fields"),
        Err(_) => return malformed(other_than_http1(input)),
    };
    let Some(status) = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()) else {
        return malformed("invalid status code");
    };
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    // The positions of the fields, to slice them out of the shared buffer.
    let start = input.as_ptr() as usize;
    let mut places = [(0_u32, 0_u32, 0_u32, 0_u32); RESPONSE_FIELDS];
    let count = parsed.headers.len();
    for (place, field) in places.iter_mut().zip(parsed.headers.iter()) {
        let at = |part: *const u8| (part as usize - start) as u32;
        let (name, value) = (field.name.as_bytes(), field.value);
        let (name_at, value_at) = (at(name.as_ptr()), at(value.as_ptr()));
        *place = (name_at, name_at + name.len() as u32, value_at, value_at + value.len() as u32);
    }
    let bytes = input.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(count + 2);
    let mut framing_fields = MessageFraming::default();
    for &(name, name_end, value, value_end) in &places[..count] {
        let name = names::read(&bytes[name as usize..name_end as usize]);
        let value = HeaderValue::from_maybe_shared(bytes.slice(value as usize..value_end as usize));
        let (Ok(name), Ok(value)) = (name, value) else { return malformed("invalid header field") };
        if framing_fields.passes(&name, &value)? || status == StatusCode::SWITCHING_PROTOCOLS {
            headers.append(name, value);
        }
    }
    let framing = framing_fields.framing(status, version, method)?;
    let stays =
        if version == Version::HTTP_10 { framing_fields.keep_alive } else { !framing_fields.close };
    let keep_alive = stays && framing != Framing::UntilClose;
    if status != StatusCode::SWITCHING_PROTOCOLS {
        for name in framing_fields.named.iter().filter(|name| **name != TRAILER) {
            headers.remove(name);
        }
    }
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    head.headers = headers;
    Ok(Some(Answer { head, framing, keep_alive }))
}

/// The reason for a response that does not begin as one of HTTP/1.1.
fn other_than_http1(input: &[u8]) -> &'static str {
    match input {
        // A record with an alert or a handshake (RFC 8446 section 5.1).
        [0x15 | 0x16, 3, ..] => "the server speaks TLS: write https:// instead of http://",
        // A SETTINGS or GOAWAY frame, which begins a connection (RFC 9113 section 3.4).
        [0, 0, _, 4 | 7, ..] => "the server speaks HTTP/2: write h2c:// instead of http://",
        [b'H', b'T', b'T', b'P', b'/', ..] => "the head violates HTTP/1.1",
        _ => "not an HTTP/1.1 response",
    }
}

fn malformed<T>(how: &'static str) -> Result<T, ProxyError> {
    Err(ProxyError::Malformed(how))
}

/// The fields that determine the framing of the message and the reuse of the connection.
#[derive(Default)]
struct MessageFraming {
    /// Content-Length as a number, and its number of digits.
    length: Option<(u64, usize)>,
    /// Number of Transfer-Encoding fields, and whether one of them is exactly `chunked`.
    codings: usize,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    /// Fields named by Connection.
    named: Vec<HeaderName>,
}

impl MessageFraming {
    /// Records a field; returns whether it is forwarded.
    fn passes(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, ProxyError> {
        if *name == CONTENT_LENGTH {
            let is_first = self.length.is_none();
            self.content_length(value.as_bytes())?;
            return Ok(is_first);
        }
        if *name == CONNECTION {
            self.connection(value);
        } else if *name == TRANSFER_ENCODING {
            self.codings += 1;
            self.chunked |= value.as_bytes().eq_ignore_ascii_case(b"chunked");
        }
        // Trailers are forwarded.
        Ok(!hop::is_hop_by_hop(name) || *name == TRAILER)
    }

    fn content_length(&mut self, digits: &[u8]) -> Result<(), ProxyError> {
        let text =
            std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_digit));
        let Some(number) = text.and_then(|text| text.parse().ok()) else {
            return malformed("the Content-Length is not a number");
        };
        let length = (number, digits.len());
        if self.length.is_some_and(|other| other != length) {
            return malformed("the Content-Length fields differ");
        }
        self.length = Some(length);
        Ok(())
    }

    fn connection(&mut self, value: &HeaderValue) {
        let words = value.to_str().unwrap_or_default().split(',').map(str::trim);
        for word in words.filter(|word| !word.is_empty()) {
            if word.eq_ignore_ascii_case("close") {
                self.close = true;
            } else if word.eq_ignore_ascii_case("keep-alive") {
                self.keep_alive = true;
            } else {
                self.named.extend(hop::may_be_named(word));
            }
        }
    }

    /// Rejects a message whose framing recipients could interpret differently.
    fn framing(
        &self,
        status: StatusCode,
        version: Version,
        method: &Method,
    ) -> Result<Framing, ProxyError> {
        if self.codings > 0 && self.length.is_some() {
            return malformed("both Content-Length and Transfer-Encoding");
        }
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
            || *method == Method::HEAD;
        if bodiless {
            return Ok(Framing::Sized(0));
        }
        if self.codings > 0 {
            if !self.chunked || self.codings > 1 || version == Version::HTTP_10 {
                return malformed("a Transfer-Encoding other than chunked");
            }
            return Ok(Framing::Chunked);
        }
        Ok(self.length.map_or(Framing::UntilClose, |(length, _)| Framing::Sized(length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, method: &str) -> Result<Option<(u16, Framing, bool)>, String> {
        let mut input = BytesMut::from(text);
        let answer = parse(&mut input, &Method::from_bytes(method.as_bytes()).unwrap());
        let answer = answer.map_err(|error| error.to_string())?;
        Ok(answer.map(|a| (a.head.status.as_u16(), a.framing, a.keep_alive)))
    }

    #[test]
    fn framing_follows_the_rfc() {
        use Framing::{Chunked, Sized, UntilClose};
        for (method, lines, framing, keep_alive) in [
            ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", Sized(3), true),
            ("GET", "HTTP/1.1 200\r\nContent-Length: 3\r\nContent-Length: 3\r\n", Sized(3), true),
            ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n", Chunked, true),
            (
                "GET",
                "HTTP/1.1 200 OK\r\nconnection: x, Close\r\nContent-Length: 0\r\n",
                Sized(0),
                false,
            ),
            ("GET", "HTTP/1.1 200 OK\r\n", UntilClose, false),
            ("GET", "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n", Sized(3), false),
            (
                "GET",
                "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 3\r\n",
                Sized(3),
                true,
            ),
            ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", Sized(0), true),
            ("HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n", Sized(0), true),
            ("GET", "HTTP/1.1 204 No\r\n", Sized(0), true),
            ("GET", "HTTP/1.1 304 No\r\nContent-Length: 9\r\n", Sized(0), true),
            ("GET", "HTTP/1.1 103 Early\r\nLink: </a>\r\n", Sized(0), true),
        ] {
            let status = lines[9..12].parse().unwrap();
            let read = read(&format!("{lines}\r\n"), method);
            assert_eq!(read, Ok(Some((status, framing, keep_alive))), "{lines}");
        }
    }

    #[test]
    fn ambiguous_heads_are_refused() {
        for lines in [
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4",
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked",
            "HTTP/1.1 200 OK\r\ncontent-length: +3",
            "HTTP/1.1 200 OK\r\ncontent-length: ",
            "HTTP/1.1 200 OK\r\ncontent-length: 3, 3",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked",
            "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked",
            "HTTP/1.1 20 OK",
            "HTTP/2 200 OK",
            "HTTP/1.1 200 OK\r\nna me: x",
            "HTTP/1.1 200 OK\r\nname : x",
            "HTTP/1.1 200 OK\r\nname: x\r\n folded",
            "SSH-2.0-OpenSSH",
        ] {
            assert!(read(&format!("{lines}\r\n\r\n"), "GET").is_err(), "{lines}");
        }
        let many = "a: b\r\n".repeat(RESPONSE_FIELDS + 1);
        assert!(read(&format!("HTTP/1.1 200 OK\r\n{many}\r\n"), "GET").is_err());
    }

    #[test]
    fn fields_of_the_connection_stay_behind() {
        let fields = "connection: x-a, Close, trailer, server\r\nX-A: 1\r\nKeep-Alive: 5\r\nTrailer: x-t\r\n\
            Content-Length: 3\r\ncontent-length: 3\r\nServer: origin\r\nETag: e\r\nX-B: 2\r\nUpgrade: h2c\r\n\
            Content-Type: a/b\r\nConnection: content-type\r\nx-b: 3\r\n\r\n";
        for (status, left) in [
            (200, "content-length content-type etag trailer x-b x-b"),
            (
                101,
                "connection connection content-length content-length content-type etag keep-alive server trailer upgrade x-a x-b x-b",
            ),
        ] {
            let mut input = BytesMut::from(format!("HTTP/1.1 {status} x\r\n{fields}").as_str());
            let answer = parse(&mut input, &Method::GET).unwrap().unwrap();
            let mut names: Vec<_> = answer.head.headers.iter().map(|(n, _)| n.as_str()).collect();
            names.sort_unstable();
            assert_eq!((names.join(" ").as_str(), answer.keep_alive), (left, false));
        }
    }

    #[test]
    fn part_of_a_head_waits_and_the_rest_stays() {
        let text = "HTTP/1.1 200 OK\r\nx: y\r\n\r\n";
        for end in 0..text.len() {
            assert_eq!(read(&text[..end], "GET"), Ok(None), "{end}");
        }
        let mut input = BytesMut::from(format!("{text}body").as_str());
        let answer = parse(&mut input, &Method::GET).unwrap().unwrap();
        assert_eq!(
            (&answer.head.headers["x"], &input[..]),
            (&HeaderValue::from_static("y"), &b"body"[..])
        );
    }
}
