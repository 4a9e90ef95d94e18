//! The header section of a CGI program's response (RFC 3875 section 6).

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, HeaderName, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::hop;
use crate::limits::RESPONSE_FIELDS;

const STATUS: HeaderName = HeaderName::from_static("status");

/// The header section.
#[derive(Debug)]
pub struct Head {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The value of Content-Length.
    pub length: Option<u64>,
}

/// Takes a header section from the front of `input`, if it is complete.
pub fn parse(input: &mut BytesMut) -> Result<Option<Head>, &'static str> {
    let mut fields = [httparse::EMPTY_HEADER; RESPONSE_FIELDS];
    let (length, fields) = match httparse::parse_headers(input, &mut fields) {
        Ok(httparse::Status::Complete(parsed)) => parsed,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err("too many header fields");
        }
        Err(_) => return Err("the header section is not valid CGI"),
    };
    let mut headers = HeaderMap::with_capacity(fields.len() + 2);
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes());
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(field.value)) else {
            return Err("invalid header field");
        };
        headers.append(name, value);
    }
    let _ = input.split_to(length);
    let status = status(&mut headers)?;
    hop::strip_hop_by_hop(&mut headers);
    let length = content_length(&headers)?;
    Ok(Some(Head { status, headers, length }))
}

/// `Status`, else 302 with a `Location`, else 200 (RFC 3875 sections 6.3.3 and 6.2.3).
fn status(headers: &mut HeaderMap) -> Result<StatusCode, &'static str> {
    let Some(value) = headers.remove(STATUS) else {
        let moved = headers.contains_key(LOCATION);
        return Ok(if moved { StatusCode::FOUND } else { StatusCode::OK });
    };
    let digits = value.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
    match StatusCode::from_bytes(digits) {
        Ok(status) if !status.is_informational() => Ok(status),
        _ => Err("invalid Status"),
    }
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(None) };
    let digits = Some(length.as_bytes()).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match number {
        Some(number) if lengths.next().is_none() => Ok(Some(number)),
        _ => Err("invalid Content-Length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, Content-Length, and how much was left.
    type Summary = (u16, Option<u64>, usize);

    fn read(text: &str) -> Result<Option<Summary>, &'static str> {
        let mut input = BytesMut::from(text);
        let head = parse(&mut input)?;
        Ok(head.map(|head| (head.status.as_u16(), head.length, input.len())))
    }

    #[test]
    fn heads_are_read() {
        for (text, want) in [
            ("Status: 404 Not Found\r\nX: y\r\n\r\nbody", Some((404, None, 4))),
            ("Content-type: text/html\n\nbody", Some((200, None, 4))),
            ("Status: 301\r\nLocation: /a\r\n\r\n", Some((301, None, 0))),
            ("Location: https://a/\r\n\r\n", Some((302, None, 0))),
            ("Content-Length: 4\r\n\r\nbody", Some((200, Some(4), 4))),
            ("Transfer-Encoding: chunked\r\nX: y\r\n\r\n", Some((200, None, 0))),
            ("X: y\r\n", None),
            ("", None),
        ] {
            assert_eq!(read(text), Ok(want), "{text:?}");
        }
    }

    #[test]
    fn heads_that_are_none_are_refused() {
        for text in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "<html>\r\n\r\n",
            "Status: 101 Switching\r\n\r\n",
            "Status: ok\r\n\r\n",
            "Status:\r\n\r\n",
            "Content-Length: x\r\n\r\n",
            "Content-Length: 4\r\nContent-Length: 5\r\n\r\n",
            "X: a\0b\r\n\r\n",
            "Na me: b\r\n\r\n",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }
}
