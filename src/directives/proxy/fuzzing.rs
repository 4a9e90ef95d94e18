//! What holds of an upstream's answer, whoever writes it.

use bytes::BytesMut;
use http::header::{CONTENT_LENGTH, TRAILER};
use http::{Method, StatusCode};

use crate::fuzzing::{Target, two};
use crate::http::hop;
use crate::upstream::exchange::http1::answer::{Answer, Framing, parse};

pub(crate) const TARGETS: &[Target] = &[Target { name: "answer", run: answer, seeds: SEEDS }];

const SEEDS: &[&[u8]] = &[
    b"GET\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: \"a\"\r\n\r\nabc",
    b"GET\nHTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: x\r\nConnection: x-a\r\nX-A: b\r\n\r\n",
    b"HEAD\nHTTP/1.0 404 \r\nConnection: Keep-Alive, close\r\nKeep-Alive: 5\r\ncontent-length: 3\r\n\r\n",
    b"POST\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\0",
    b"GET\nHTTP/1.1 103\r\nlink: </a>\r\n\r\nHTTP/1.1 304 Not Modified\r\nSet-Cookie: a=b\r\n\r\n",
    b"GET\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\nServer : x\r\n y\r\n\r\n",
];

/// A head is taken when all of it is here, and says the same by then however it came. What
/// passes on frames one message, says nothing of the upstream's connection, and is what another
/// reader sees too.
fn answer(data: &[u8]) {
    let (method, bytes) = two(data);
    let Ok(method) = Method::from_bytes(method) else { return };
    let mut input = BytesMut::from(bytes);
    let taken = match parse(&mut input, &method) {
        Ok(Some(answer)) => answer,
        Ok(None) => {
            assert_eq!(input, bytes, "nothing is taken of an unfinished head");
            return;
        }
        Err(_) => return,
    };
    let length = bytes.len() - input.len();
    assert_eq!(input, bytes[length..], "what follows the head stays");
    for end in 0..length {
        let part = parse(&mut BytesMut::from(&bytes[..end]), &method);
        assert!(matches!(part, Ok(None)), "{end} of {length} bytes: {part:?}");
    }
    framed_once(&taken, &method, &bytes[..length]);
    let status = taken.head.status;
    if status != StatusCode::SWITCHING_PROTOCOLS {
        let fields = taken.head.headers.keys();
        let left = fields.filter(|name| hop::is_hop_by_hop(name) && **name != TRAILER);
        assert_eq!(left.count(), 0, "{:?}", taken.head.headers);
    }
    readable(&taken);
}

/// What RFC 9112 section 6.3 says of the same head, read by httparse.
fn framed_once(answer: &Answer, method: &Method, head: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(_)) = response.parse(head) else { panic!("no head") };
    let of = |name: &str| {
        let named = response.headers.iter().filter(move |f| f.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect::<Vec<_>>()
    };
    let (lengths, codings) = (of("content-length"), of("transfer-encoding"));
    assert!(lengths.is_empty() || codings.is_empty(), "framed twice");
    assert!(lengths.windows(2).all(|two| two[0] == two[1]), "{lengths:?}");
    let bodiless = matches!(answer.head.status.as_u16(), 100..200 | 204 | 304);
    let framing = match (lengths.first(), codings.first()) {
        _ if bodiless || *method == Method::HEAD => Framing::Sized(0),
        (Some(digits), _) => {
            let length = std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
            Framing::Sized(length.unwrap_or_else(|| panic!("no length: {digits:?}")))
        }
        (None, Some(coding)) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked") && response.version == Some(1));
            Framing::Chunked
        }
        (None, None) => Framing::UntilClose,
    };
    assert_eq!(answer.framing, framing);
    assert!(!answer.keep_alive || framing != Framing::UntilClose);
}

/// Written out again, the head is one that httparse reads, field by field.
fn readable(answer: &Answer) {
    let mut text = format!("HTTP/1.1 {} \r\n", answer.head.status.as_u16()).into_bytes();
    for (name, value) in &answer.head.headers {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    text.extend(b"\r\n");
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let mut response = httparse::Response::new(&mut fields);
    assert_eq!(response.parse(&text), Ok(httparse::Status::Complete(text.len())));
    let read = response.headers.iter().map(|field| (field.name, field.value));
    let sent = answer.head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    assert!(read.eq(sent), "{:?}", text.escape_ascii());
    let is_101 = answer.head.status == StatusCode::SWITCHING_PROTOCOLS;
    assert!(is_101 || answer.head.headers.get_all(CONTENT_LENGTH).iter().count() <= 1);
}
