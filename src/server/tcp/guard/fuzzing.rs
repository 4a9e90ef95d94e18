//! Properties of request framing for arbitrary input.

use super::framer::{Framer, Stop};
use super::limits::GuardLimits;
use crate::fuzzing::{Target, however_it_comes};
use crate::http::fuzzing::naive_chunked;

pub(crate) const TARGETS: &[Target] = &[Target { name: "framer", run: framer, seeds: SEEDS }];

const SEEDS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a.b:80\r\n\r\nPOST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /x?y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nt: u\r\n\r\n\
        GET * HTTP/1.1\r\n",
    b"\r\nOPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\nHEAD http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n\x16\x03\x01",
    b"GET /ws HTTP/1.1\r\nHost: [::1]\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x01a",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n folded\r\nX-B:\tc\r\n\r\n",
];

const LIMITS: GuardLimits = GuardLimits { header_bytes: 200, header_count: 8, uri_bytes: 60 };
/// Most bytes of an incomplete head that are held: both limits, the rest of the request line, its
/// line end and that of the head.
const HELD_BACK: usize = 60 + 64 + 200 + 8;

/// The bytes that passed, and the verdict on the next byte.
#[derive(Debug, PartialEq)]
struct Judged {
    passed: usize,
    stop: Stop,
    heads: u64,
    holds: bool,
}

/// The bytes that pass do not depend on how they are split, and a parser that trusts them finds the
/// same number of requests.
fn framer(data: &[u8]) {
    for released in [false, true] {
        let judged = however_it_comes(data, |pieces| judge(data, pieces, released));
        let passed = &data[..judged.passed];
        assert_eq!(requests(passed), judged.heads, "{:?}", passed.escape_ascii());
        if judged.stop == Stop::More && !judged.holds {
            assert!(data.len() - judged.passed <= HELD_BACK, "{judged:?}");
        }
    }
}

/// With `released` each upgrade is refused at once.
fn judge(data: &[u8], pieces: &[&[u8]], released: bool) -> Judged {
    let mut framer = Framer::new(LIMITS);
    let (mut passed, mut here, mut stop) = (0, 0, Stop::More);
    'pieces: for piece in pieces {
        here += piece.len();
        loop {
            let (count, how) = framer.advance(&data[passed..here]);
            passed += count;
            assert!(passed <= here);
            stop = how;
            if stop != Stop::More {
                break 'pieces;
            }
            if !(released && framer.holds()) {
                break;
            }
            framer.release();
        }
    }
    Judged { passed, stop, heads: framer.heads(), holds: framer.holds() }
}

/// How many requests a simple parser finds in what passed, without ambiguity.
fn requests(mut rest: &[u8]) -> u64 {
    let mut count = 0;
    loop {
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
        if rest.is_empty() {
            return count;
        }
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut fields);
        let Ok(httparse::Status::Complete(head)) = request.parse(rest) else {
            panic!("no request passed: {:?}", rest.escape_ascii());
        };
        count += 1;
        let length = body_length(&request, &rest[head..]);
        rest = rest[head..].get(length..).unwrap_or_default();
    }
}

/// The length of the body by RFC 9112 section 6.3, which must be unambiguous.
fn body_length(request: &httparse::Request<'_, '_>, rest: &[u8]) -> usize {
    let of = |name: &str| {
        let named = request.headers.iter().filter(move |f| f.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value).collect::<Vec<_>>()
    };
    let is_1_1 = request.version == Some(1);
    assert!(of("host").len() == 1 || !is_1_1 || request.method == Some("CONNECT"), "Host");
    match (&of("content-length")[..], &of("transfer-encoding")[..]) {
        ([], []) => 0,
        ([digits], []) => {
            assert!(digits.iter().all(u8::is_ascii_digit), "{digits:?}");
            let length = std::str::from_utf8(digits).ok().and_then(|text| text.parse::<u64>().ok());
            usize::try_from(length.unwrap_or(u64::MAX)).unwrap_or(usize::MAX)
        }
        ([], [coding]) => {
            assert!(is_1_1 && coding.eq_ignore_ascii_case(b"chunked"), "{coding:?}");
            naive_chunked(rest).map_or(usize::MAX, |(_, length)| length)
        }
        several => panic!("framed twice: {several:?}"),
    }
}
