//! The handler with generated responses.

use std::cell::Cell;
use std::convert::Infallible;
use std::io::{Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use flate2::read::GzDecoder;
use http::HeaderValue;
use http::header::{ACCEPT_RANGES, ETAG, VARY};
use http_body_util::BodyExt;
use hyper::body::Frame;

use super::encoder::{Encoder, Parameters};
use super::*;
use crate::http::Peer;

/// Responds with these fields and `Body` text of a given length.
struct Inner {
    status: u16,
    fields: &'static [(&'static str, &'static str)],
    length: usize,
}

impl Handler for Inner {
    fn handle<'a>(&'a self, _req: &'a mut Request, _next: Next<'a>) -> ReplyFuture<'a> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.fields {
            response = response.header(*name, *value);
        }
        let body = Body::from("x".repeat(self.length));
        Box::pin(std::future::ready(Ok(response.body(body).unwrap())))
    }
}

fn request(method: &str, accepted: &str) -> Request {
    let head = http::Request::builder().method(method).header("accept-encoding", accepted);
    let (head, ()) = head.uri("/a.html").body(()).unwrap().into_parts();
    let address = ([127, 0, 0, 1], 80).into();
    Request {
        original_uri: head.uri.clone(),
        head,
        body: Body::empty(),
        upgrade: None,
        peer: Rc::new(Peer {
            remote: address,
            local: address,
            tls: None,
            values: crate::http::connection_values::ConnectionValues::default(),
        }),
        host: String::new(),
        user: None,
        upstream: None,
        watcher: None,
        early_hints: None,
        received: Instant::now(),
    }
}

async fn run(rule: Rule, mut req: Request, inner: Inner) -> Response<Body> {
    let chain: [Box<dyn Handler>; 2] = [Box::new(Gzip { rules: vec![rule] }), Box::new(inner)];
    Next::new(&chain).run(&mut req).await.unwrap()
}

fn unzip(bytes: &[u8]) -> String {
    decoded(Coding::Gzip, bytes)
}

fn decoded(coding: Coding, bytes: &[u8]) -> String {
    let mut text = String::new();
    let read = match coding {
        Coding::Gzip => GzDecoder::new(bytes).read_to_string(&mut text),
        Coding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_string(&mut text),
        Coding::Zstd => zstd::Decoder::new(bytes).unwrap().read_to_string(&mut text),
    };
    read.unwrap();
    text
}

fn parameters(coding: Coding) -> Parameters {
    Parameters { coding, level: Rule::default().level, length: None }
}

#[tokio::test]
async fn the_coding_is_the_one_that_is_liked_best() {
    use Coding::{Brotli, Gzip, Zstd};
    for (offered, accepted, expected) in [
        (&[Gzip][..], "gzip, deflate, br, zstd", Some(Gzip)),
        (&[Gzip], "br, zstd", None),
        (&[Zstd, Brotli, Gzip], "gzip, deflate, br, zstd", Some(Zstd)),
        (&[Brotli, Zstd, Gzip], "gzip, deflate, br, zstd", Some(Brotli)),
        (&[Zstd, Brotli, Gzip], "gzip, deflate, br", Some(Brotli)),
        (&[Zstd, Brotli, Gzip], "gzip", Some(Gzip)),
        (&[Zstd, Brotli, Gzip], "zstd;q=0.5, gzip;q=0.9, br;q=0.4", Some(Gzip)),
        (&[Zstd, Brotli, Gzip], "zstd;q=0, *;q=0.1", Some(Brotli)),
        (&[Zstd, Gzip], "identity, zstd;q=0.9", None),
        (&[Zstd, Brotli, Gzip], "", None),
    ] {
        let inner = Inner { status: 200, fields: &[("etag", "\"t\"")], length: 5000 };
        let rule = Rule { codings: offered.to_vec(), ..Rule::default() };
        let (head, body) = run(rule, request("GET", accepted), inner).await.into_parts();
        let at = format!("{offered:?} {accepted}");
        let coding = head.headers.get(CONTENT_ENCODING).map(|v| v.to_str().unwrap());
        assert_eq!(coding, expected.map(Coding::name), "{at}");
        assert_eq!(head.headers[VARY], "Accept-Encoding", "{at}");
        let tag = if expected.is_some() { "W/\"t\"" } else { "\"t\"" };
        assert_eq!(head.headers[ETAG], tag, "{at}");
        let bytes = body.collect().await.unwrap().to_bytes();
        if let Some(coding) = expected {
            assert!(bytes.len() < 200, "{at}");
            assert_eq!(decoded(coding, &bytes), "x".repeat(5000), "{at}");
        }
    }
}

#[tokio::test]
async fn compressed_responses() {
    let fields = &[
        ("content-length", "5000"),
        ("etag", "\"tag\""),
        ("accept-ranges", "bytes"),
        ("vary", "Origin"),
    ];
    let inner = Inner { status: 200, fields, length: 5000 };
    let response = run(Rule::default(), request("GET", "br, gzip;q=0.5"), inner).await;
    let (head, body) = response.into_parts();
    assert_eq!(head.headers[CONTENT_ENCODING], "gzip");
    assert_eq!(head.headers[ETAG], "W/\"tag\"");
    assert!(!head.headers.contains_key(CONTENT_LENGTH));
    assert!(!head.headers.contains_key(ACCEPT_RANGES));
    let vary: Vec<_> = head.headers.get_all(VARY).iter().collect();
    assert_eq!(vary, ["Origin", "Accept-Encoding"]);
    let bytes = body.collect().await.unwrap().to_bytes();
    assert!(bytes.len() < 200);
    assert_eq!(unzip(&bytes), "x".repeat(5000));
}

#[tokio::test]
async fn responses_left_alone() {
    let plain = || ("GET", "gzip", 200, &[][..], 100);
    let check = async |rule: Rule, (method, accepted, status, fields, length), compressed| {
        let inner = Inner { status, fields, length };
        let response = run(rule, request(method, accepted), inner).await;
        let seen = response.headers().get(CONTENT_ENCODING).is_some_and(|v| v == "gzip");
        assert_eq!(seen, compressed, "{method} {accepted} {status} {fields:?} {length}");
    };
    check(Rule::default(), plain(), true).await;
    for case in [
        ("GET", "br", 200, &[][..], 100),
        ("GET", "gzip;q=0", 200, &[], 100),
        ("GET", "identity, gzip;q=0.5", 200, &[], 100),
        ("GET", "gzip", 204, &[], 0),
        ("GET", "gzip", 304, &[], 0),
        ("GET", "gzip", 206, &[("content-range", "bytes 0-99/1000")], 100),
        ("GET", "gzip", 200, &[("content-encoding", "br")], 100),
        ("GET", "gzip", 200, &[("cache-control", "public, No-Transform")], 100),
        ("GET", "gzip", 200, &[], 0),
    ] {
        check(Rule::default(), case, false).await;
    }
    let at_least = |min_length| Rule { min_length, ..Rule::default() };
    check(at_least(100), plain(), true).await;
    check(at_least(101), plain(), false).await;
    let others = Rule { extensions: vec![".css".to_owned()], ..Rule::default() };
    check(others, plain(), false).await;
}

#[tokio::test]
async fn head_says_what_get_would() {
    const TYPED: &[(&str, &str)] = &[("content-type", "text/html"), ("etag", "\"t\"")];
    const SIZED: &[(&str, &str)] = &[("content-type", "text/html"), ("content-length", "100")];
    const EMPTY: &[(&str, &str)] = &[("content-type", "text/html"), ("content-length", "0")];
    for (fields, length, accepted, coding, left) in [
        // The responses of inner handlers: with content, with a length, or with neither.
        (TYPED, 100, "gzip", "gzip", None),
        (SIZED, 0, "gzip", "gzip", None),
        (TYPED, 0, "gzip", "gzip", None),
        (SIZED, 0, "", "", Some("100")),
        (EMPTY, 0, "gzip", "", Some("0")),
        (&[("location", "/x")], 0, "gzip", "", None),
    ] {
        let inner = Inner { status: 200, fields, length };
        let response = run(Rule::default(), request("HEAD", accepted), inner).await;
        let field = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap());
        let at = format!("{fields:?} {length} {accepted}");
        assert_eq!(field("content-encoding").unwrap_or(""), coding, "{at}");
        assert_eq!(field("content-length"), left, "{at}");
        if !coding.is_empty() {
            assert_eq!(field("vary"), Some("Accept-Encoding"), "{at}");
            assert_eq!(response.body().size_hint().exact(), Some(0), "{at}");
        }
    }
}

#[tokio::test]
async fn the_type_decides_where_the_path_does_not() {
    for (path, kind, expected) in [
        ("/photo", Some("image/png"), false),
        ("/photo", Some("text/html"), true),
        ("/photo", None, true),
        ("/thumb.php", Some("image/jpeg"), false),
        ("/page.php", Some("text/html; charset=UTF-8"), true),
        ("/odd.html", Some("image/png"), true),
    ] {
        let mut req = request("GET", "gzip");
        req.head.uri = path.parse().unwrap();
        let fields = match kind {
            Some(kind) => vec![("content-type", kind)],
            None => vec![],
        };
        let inner = Inner { status: 200, fields: fields.leak(), length: 100 };
        let response = run(Rule::default(), req, inner).await;
        let is_varied = response.headers().contains_key(VARY);
        let is_coded = response.headers().contains_key(CONTENT_ENCODING);
        assert_eq!((is_coded, is_varied), (expected, expected), "{path} {kind:?}");
    }
}

#[tokio::test]
async fn sums_of_the_content_as_it_was_go() {
    const FIELDS: &[(&str, &str)] = &[
        ("content-digest", "sha-256=:AA==:"),
        ("repr-digest", "sha-256=:AA==:"),
        ("digest", "sha-256=AA=="),
        ("content-md5", "AA=="),
        ("unencoded-digest", "sha-256=:AA==:"),
        ("trailer", "Repr-Digest, X-Sum"),
    ];
    for (method, accepted, left) in [
        ("GET", "gzip", "trailer unencoded-digest"),
        ("HEAD", "gzip", "trailer unencoded-digest"),
        ("GET", "", "content-digest content-md5 digest repr-digest trailer unencoded-digest"),
    ] {
        let inner = Inner { status: 200, fields: FIELDS, length: 100 };
        let response = run(Rule::default(), request(method, accepted), inner).await;
        let names = response.headers().keys().map(|name| name.as_str());
        let mut names: Vec<_> =
            names.filter(|n| !["vary", "content-encoding"].contains(n)).collect();
        names.sort_unstable();
        assert_eq!(names.join(" "), left, "{method} {accepted}");
        if !accepted.is_empty() {
            assert_eq!(response.headers()["trailer"], "x-sum");
        }
    }
}

#[tokio::test]
async fn caches_learn_what_the_answer_depends_on() {
    const PART: &[(&str, &str)] = &[("etag", "\"t\""), ("content-range", "bytes 0-8/90")];
    let (part, parts) = (PART, &PART[..1]);
    for (status, fields, length, accepted, known, tag) in [
        (200, parts, 9, "", "", "\"t\""),
        (206, part, 9, "", "", "\"t\""),
        (206, part, 9, "gzip", "", "\"t\""),
        (206, parts, 9, "gzip", "", "\"t\""),
        (304, parts, 0, "", "\"t\"", "\"t\""),
        (304, parts, 0, "gzip", "W/\"t\"", "W/\"t\""),
        (304, parts, 0, "gzip", "\"s\", \"t\"", "\"t\""),
    ] {
        let mut req = request("GET", accepted);
        req.head.headers.insert("if-none-match", known.parse().unwrap());
        let response = run(Rule::default(), req, Inner { status, fields, length }).await;
        let at = format!("{status} {accepted} {known}");
        assert_eq!(response.headers()[VARY], "Accept-Encoding", "{at}");
        assert_eq!(response.headers()[ETAG], tag, "{at}");
        assert!(!response.headers().contains_key(CONTENT_ENCODING), "{at}");
    }
}

/// Sends a frame, waits until it is released, then sends another one and trailers.
struct Halting {
    step: u8,
    go: Rc<Cell<bool>>,
}

impl hyper::body::Body for Halting {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.step == 1 && !self.go.get() {
            return Poll::Pending;
        }
        self.step += 1;
        Poll::Ready(match self.step {
            1 => Some(Ok(Frame::data("event 1\n".into()))),
            2 => Some(Ok(Frame::data("event 2\n".into()))),
            3 => {
                let sum = ("x-sum".parse().unwrap(), HeaderValue::from_static("7"));
                let digest = ("repr-digest".parse().unwrap(), HeaderValue::from_static("x"));
                Some(Ok(Frame::trailers(HeaderMap::from_iter([sum, digest]))))
            }
            _ => None,
        })
    }
}

/// What a decoder makes of the beginning of a stream.
fn decoded_so_far(coding: Coding, bytes: &[u8]) -> Vec<u8> {
    let mut seen = Vec::new();
    match coding {
        Coding::Gzip => {
            let mut decoder = flate2::write::GzDecoder::new(&mut seen);
            decoder.write_all(bytes).unwrap();
            decoder.flush().unwrap();
        }
        Coding::Brotli => {
            let mut decoder = brotli::DecompressorWriter::new(&mut seen, 4096);
            decoder.write_all(bytes).unwrap();
            decoder.flush().unwrap();
        }
        Coding::Zstd => {
            let mut decoder = zstd::stream::write::Decoder::new(&mut seen).unwrap();
            decoder.write_all(bytes).unwrap();
            decoder.flush().unwrap();
        }
    }
    seen
}

#[tokio::test]
async fn what_is_there_is_flushed_and_trailers_pass() {
    for coding in Coding::ALL {
        let go = Rc::new(Cell::new(false));
        let source = Body::new(Halting { step: 0, go: go.clone() });
        let mut body = CodedBody::new(source, parameters(coding));
        let mut bytes = body.frame().await.unwrap().unwrap().into_data().unwrap().to_vec();
        assert_eq!(decoded_so_far(coding, &bytes), b"event 1\n", "{coding:?}");

        go.set(true);
        let rest = body.collect().await.unwrap();
        let trailers: Vec<_> = rest.trailers().unwrap().keys().collect();
        assert_eq!(trailers, ["x-sum"]);
        bytes.extend_from_slice(&rest.to_bytes());
        assert_eq!(decoded(coding, &bytes), "event 1\nevent 2\n");
    }
}

#[test]
fn a_compressor_that_served_before_remembers_nothing() {
    for coding in Coding::ALL {
        let compressed = |text: &str, length| {
            let mut encoder = Encoder::new(Parameters { length, ..parameters(coding) });
            encoder.write(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let fresh = compressed("a short page", None);
        for length in [None, Some(450_000), Some(1)] {
            // A body that is dropped halfway, as when a client disconnects.
            let mut left = Encoder::new(Parameters { length, ..parameters(coding) });
            left.write("a secret ".repeat(50_000).as_bytes()).unwrap();
            drop(left);
            assert_eq!(compressed("a short page", None), fresh, "{coding:?} {length:?}");
        }
        assert_eq!(decoded(coding, &fresh), "a short page");
    }
}

#[tokio::test]
async fn large_bodies_survive() {
    let text: String = (0..200_000).map(|i| format!("{i:x} ")).collect();
    for coding in Coding::ALL {
        // Also where the length that was said is not the one that comes.
        for length in [None, Some(text.len() as u64), Some(10)] {
            let body =
                CodedBody::new(text.clone().into(), Parameters { length, ..parameters(coding) });
            let bytes = body.collect().await.unwrap().to_bytes();
            assert_eq!(decoded(coding, &bytes), text, "{coding:?} {length:?}");
        }
    }
}
