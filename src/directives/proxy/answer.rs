//! The head of an upstream's answer: read strictly, without copying field values, with the one
//! framing that follows from it (RFC 9112 section 6.3).

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, response::Parts};

use super::error::ProxyError;

/// Fields of an answer at most.
const FIELDS: usize = 128;

/// How the content of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Sized(u64),
    Chunked,
    UntilClose,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) head: Parts,
    pub(super) framing: Framing,
    /// Whether the upstream keeps the connection open.
    pub(super) keep_alive: bool,
}

/// Takes a whole head from the front of `input`, if there is one, as the answer to `method`.
pub(super) fn parse(input: &mut BytesMut, method: &Method) -> Result<Option<Answer>, ProxyError> {
    if input.is_empty() {
        return Ok(None);
    }
    let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut parsed, input, &mut fields) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return malformed("it has too many fields"),
        Err(_) => return malformed("its head is not HTTP/1.1"),
    };
    let Some(status) = parsed.code.and_then(|code| StatusCode::from_u16(code).ok()) else {
        return malformed("its status code is none");
    };
    let version = if parsed.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 };
    // Where the fields are, so that they can be cut from the shared buffer.
    let start = input.as_ptr() as usize;
    let mut places = [(0_u32, 0_u32, 0_u32, 0_u32); FIELDS];
    let count = parsed.headers.len();
    for (place, field) in places.iter_mut().zip(parsed.headers.iter()) {
        let at = |part: *const u8| (part as usize - start) as u32;
        let (name, value) = (field.name.as_bytes(), field.value);
        let (name_at, value_at) = (at(name.as_ptr()), at(value.as_ptr()));
        *place = (name_at, name_at + name.len() as u32, value_at, value_at + value.len() as u32);
    }
    let bytes = input.split_to(length).freeze();
    let mut headers = HeaderMap::with_capacity(count + 2);
    for &(name, name_end, value, value_end) in &places[..count] {
        let name = HeaderName::from_bytes(&bytes[name as usize..name_end as usize]);
        let value = HeaderValue::from_maybe_shared(bytes.slice(value as usize..value_end as usize));
        let (Ok(name), Ok(value)) = (name, value) else { return malformed("a field is none") };
        headers.append(name, value);
    }
    let framing = framing(status, version, &headers, method)?;
    let keep_alive = keeps_alive(version, &headers) && framing != Framing::UntilClose;
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    head.headers = headers;
    Ok(Some(Answer { head, framing, keep_alive }))
}

fn malformed<T>(how: &'static str) -> Result<T, ProxyError> {
    Err(ProxyError::Malformed(how))
}

/// Refuses what would make two readers see different messages.
fn framing(
    status: StatusCode,
    version: Version,
    headers: &HeaderMap,
    method: &Method,
) -> Result<Framing, ProxyError> {
    let length = content_length(headers)?;
    let coded = headers.contains_key(TRANSFER_ENCODING);
    if coded && length.is_some() {
        return malformed("both Content-Length and Transfer-Encoding");
    }
    let bodiless = status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || *method == Method::HEAD;
    if bodiless {
        return Ok(Framing::Sized(0));
    }
    if coded {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let chunked = codings.next().is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"chunked"));
        if !chunked || codings.next().is_some() || version == Version::HTTP_10 {
            return malformed("a Transfer-Encoding other than chunked");
        }
        return Ok(Framing::Chunked);
    }
    Ok(length.map_or(Framing::UntilClose, Framing::Sized))
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ProxyError> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(None) };
    if lengths.any(|other| other != length) {
        return malformed("Content-Length fields that differ");
    }
    let digits = length.as_bytes();
    let number = Some(digits).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    match number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok()) {
        Some(length) => Ok(Some(length)),
        None => malformed("a Content-Length that is no number"),
    }
}

fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let says = |word: &str| {
        let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|w| w.trim().eq_ignore_ascii_case(word))
    };
    match version {
        Version::HTTP_10 => says("keep-alive"),
        _ => !says("close"),
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
        let many = "a: b\r\n".repeat(FIELDS + 1);
        assert!(read(&format!("HTTP/1.1 200 OK\r\n{many}\r\n"), "GET").is_err());
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
