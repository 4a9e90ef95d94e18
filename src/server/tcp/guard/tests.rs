//! The guard over an in-memory connection: what passes, what is refused, and with which status.

use std::task::{Context, Poll};

use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{Guard, GuardLimits, Phase, Readable, STAND_IN};
use crate::http::early_hints::InterimWriter;

const LIMITS: GuardLimits =
    GuardLimits { header_bytes: 16 * 1024, header_count: 100, uri_bytes: 8 * 1024 };

impl Readable for DuplexStream {
    fn poll_readable(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    /// Never ready: tests that require readiness use sockets.
    fn poll_ended(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }

    fn reset_at_close(&self) {}
}

fn guard() -> (DuplexStream, Guard<DuplexStream>) {
    let (client, server) = tokio::io::duplex(1 << 20);
    (client, Guard::new(server, LIMITS))
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// The output until the end, an error, or silence.
async fn drain(guard: &mut Guard<DuplexStream>) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut chunk = [0; 512];
    loop {
        let pause = std::time::Duration::from_millis(20);
        match tokio::time::timeout(pause, guard.read(&mut chunk)).await {
            Err(_) | Ok(Ok(0)) => return (out, false),
            Ok(Err(_)) => return (out, true),
            Ok(Ok(count)) => out.extend_from_slice(&chunk[..count]),
        }
    }
}

/// Sends `input` in two parts; returns what passed, the verdict, and whether the body's framing was
/// invalid.
async fn send(input: &[u8], split: usize) -> (Vec<u8>, Option<StatusCode>, bool) {
    let (mut client, mut guard) = guard();
    let handle = guard.handle();
    client.write_all(&input[..split]).await.unwrap();
    let mut passed = Vec::new();
    if split > 0 && split < input.len() {
        let mut chunk = [0; 4096];
        let read = guard.read(&mut chunk);
        if let Some(Ok(count)) = futures_util::FutureExt::now_or_never(read) {
            passed.extend_from_slice(&chunk[..count]);
        }
    }
    client.write_all(&input[split..]).await.unwrap();
    drop(client);
    let (rest, broken) = drain(&mut guard).await;
    passed.extend(rest);
    let mut verdict = None;
    for _ in 0..4 {
        verdict = verdict.or(handle.begin_request());
    }
    (passed, verdict, broken)
}

#[test]
fn bad_heads_get_their_status() {
    let long_uri = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000));
    let endless_uri = format!("GET /{}", "a".repeat(20_000));
    let big = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(17_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "a: b\r\n".repeat(100));
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
    let cases: Vec<(String, u16)> = vec![
        (post("Content-Length: 6\r\nTransfer-Encoding: chunked"), 400),
        (post("Content-Length: 3\r\nContent-Length: 5"), 400),
        (post("Content-Length: 5\r\nContent-Length: 5"), 400),
        (post("Content-Length: 5, 5"), 400),
        (post("Content-Length: +5"), 400),
        (post("Content-Length: -1"), 400),
        (post("Content-Length: 0x5"), 400),
        (post("Content-Length: 18446744073709551617"), 400),
        (post("Content-Length: 5 5"), 400),
        (post("Content-Length:"), 400),
        (post("Transfer-Encoding: xchunked"), 400),
        (post("Transfer-Encoding: chunked, identity"), 400),
        (post("Transfer-Encoding: gzip, chunked"), 501),
        (post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400),
        (post("Transfer-Encoding: \x0bchunked"), 400),
        (post("Transfer-Encoding : chunked"), 400),
        ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(), 400),
        (post("X: a\r\n b"), 400),
        (post("X: a\rb"), 400),
        (post("X: a\0b"), 400),
        ("GET / HTTP/1.1\nHost: a\n\n".into(), 400),
        (post("X: a\nY: b"), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 400),
        (post("Host: b"), 400),
        ("GET / HTTP/1.1\r\nHost: local host/\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: :80\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\nHost:\r\n\r\n".into(), 400),
        ("GET http://localhost/ HTTP/1.1\r\nHost: evil\r\n\r\n".into(), 400),
        ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /<a HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /?\" HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET http://a/` HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET http://a#b HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("GET /\r\n".into(), 400),
        ("GET / HTTP/9.9\r\nHost: a\r\n\r\n".into(), 505),
        ("GET / http/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        (long_uri, 414),
        (endless_uri, 414),
        (big, 431),
        (many, 431),
    ];
    for (input, status) in cases {
        let (passed, verdict, _) = block_on(send(input.as_bytes(), 0));
        assert_eq!(verdict.map(|v| v.as_u16()), Some(status), "{:.90}", input.escape_debug());
        let passed = passed.strip_prefix(b"\r\n").unwrap_or(&passed);
        assert_eq!(passed, STAND_IN, "{:.90}", input.escape_debug());
    }
}

#[test]
fn bad_chunks_break_the_body() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let long = "F".repeat(17);
    for body in [
        "+3\r\nabc",
        "0x3\r\nabc",
        &long,
        "3\nabc",
        "3;\nxx\r\n",
        "3\r\nabcde\r\n",
        "\r\n",
        "3 \r\n",
    ] {
        let (passed, verdict, broken) =
            block_on(send(format!("{head}{body}\r\n0\r\n\r\n").as_bytes(), 0));
        assert!(broken, "{body:?}");
        assert_eq!(verdict, None, "{body:?}");
        assert!(passed.starts_with(head.as_bytes()));
    }
}

#[test]
fn valid_messages_pass_unchanged_at_every_split() {
    let input = b"POST /a HTTP/1.1\r\nHost: a.example:80\r\nContent-Length: 5\r\n\r\nGET /\r\n\
        PUT /b HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: Chunked\r\n\r\n\
        5;x=\"y\"\r\nhello\r\n0A\r\n0123456789\r\n0\r\nT: x\r\n\r\n\
        GET http://A:80/x HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.0\r\n\r\n";
    for split in 0..input.len() {
        let (passed, verdict, broken) = block_on(send(input, split));
        assert_eq!(String::from_utf8_lossy(&passed), String::from_utf8_lossy(input), "at {split}");
        assert_eq!((verdict, broken), (None, false), "at {split}");
    }
}

#[test]
fn the_verdict_is_for_the_bad_request_alone() {
    block_on(async {
        let (mut client, mut guard) = guard();
        let handle = guard.handle();
        let good = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let input = format!("{good}{good}GET /#x HTTP/1.1\r\n\r\n{good}");
        client.write_all(input.as_bytes()).await.unwrap();
        let (passed, _) = drain(&mut guard).await;
        assert_eq!(passed, [good.as_bytes(), good.as_bytes(), STAND_IN].concat());
        let verdicts: Vec<_> = (0..3).map(|_| handle.begin_request()).collect();
        assert_eq!(verdicts, [None, None, Some(StatusCode::BAD_REQUEST)]);
    });
}

#[test]
fn an_upgrade_decides_what_the_next_bytes_are() {
    let cases = [
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "\0raw\n"),
        ("HTTP/1.1 200 OK\r\n\r\n", std::str::from_utf8(STAND_IN).unwrap()),
    ];
    for (answer, expected) in cases {
        block_on(async {
            let (mut client, mut guard) = guard();
            let handle = guard.handle();
            let head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
            client.write_all(format!("{head}\0raw\n").as_bytes()).await.unwrap();
            assert_eq!(drain(&mut guard).await.0, head.as_bytes());
            handle.begin_request();
            guard.write_all(answer.as_bytes()).await.unwrap();
            assert_eq!(drain(&mut guard).await.0, expected.as_bytes());
        });
    }
}

#[test]
fn the_phase_follows_the_bytes() {
    block_on(async {
        let (mut client, mut guard) = guard();
        let handle = guard.handle();
        assert_eq!((handle.phase(), handle.glance().head_started), (Phase::Idle, None));
        for (input, phase) in [
            ("POST / HTTP/1.1\r\nHost: a\r\n", Phase::Head),
            ("Content-Length: 3\r\n\r\na", Phase::Body),
            ("bc", Phase::Idle),
        ] {
            client.write_all(input.as_bytes()).await.unwrap();
            drain(&mut guard).await;
            assert_eq!(handle.phase(), phase, "{input:?}");
            assert_eq!(handle.glance().head_started.is_some(), phase == Phase::Head);
        }
    });
}

/// Serves `input` by hyper behind a guard; returns the status lines of the responses.
async fn serve(input: &str) -> Vec<String> {
    let (mut client, guard) = guard();
    let handle = guard.handle();
    let service =
        hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
            let verdict = handle.begin_request();
            let handle = handle.clone();
            async move {
                let read = http_body_util::BodyExt::collect(request.into_body()).await;
                let status = verdict.or(handle.broken()).unwrap_or(StatusCode::OK);
                assert_eq!(read.is_err(), handle.broken().is_some());
                let mut reply = http::Response::new(http_body_util::Empty::<bytes::Bytes>::new());
                *reply.status_mut() = status;
                Ok::<_, std::convert::Infallible>(reply)
            }
        });
    client.write_all(input.as_bytes()).await.unwrap();
    let server = hyper::server::conn::http1::Builder::new()
        .serve_connection(hyper_util::rt::TokioIo::new(guard), service);
    let mut answer = String::new();
    let pause = std::time::Duration::from_millis(200);
    let _ = tokio::time::timeout(pause, server).await;
    client.read_to_string(&mut answer).await.unwrap();
    answer.lines().filter(|line| line.starts_with("HTTP/")).map(|l| l[9..12].to_owned()).collect()
}

#[test]
fn hyper_answers_with_the_verdict_and_closes() {
    let good = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    for (input, expected) in [
        (format!("{good}{good}"), vec!["200", "200"]),
        (format!("{good}GET / HTTP/9.9\r\n\r\n{good}"), vec!["200", "505"]),
        (format!("{chunked}2\r\nhi\r\n0\r\n\r\n{good}"), vec!["200", "200"]),
        (format!("{chunked}2\r\nhixx\r\n0\r\n\r\n{good}"), vec!["400"]),
        (format!("{upgrade}{good}"), vec!["200", "200"]),
    ] {
        assert_eq!(block_on(serve(&input)), expected, "{input:?}");
    }
}

#[test]
fn a_connection_rests_only_between_messages() {
    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const POST: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n";
    const UPGRADE: &[u8] =
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    for (input, rests) in [
        (&b""[..], true),
        (GET, true),
        (&GET[..9], false),
        (POST, false),
        (&[POST, b"ab"].concat(), false),
        (&[POST, b"abc"].concat(), true),
        (&[POST, b"abcGE"].concat(), false),
        (UPGRADE, false),
        (b"bad\r\n\r\n", false),
    ] {
        block_on(async {
            let (mut client, mut guard) = guard();
            client.write_all(input).await.unwrap();
            drain(&mut guard).await;
            assert_eq!(guard.handle().may_rest(), rests, "{}", input.escape_ascii());
        });
    }
}

#[test]
fn what_is_put_back_comes_first() {
    block_on(async {
        let (mut client, mut guard) = guard();
        client.write_all(b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        guard.put_back(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n");
        let (passed, _) = drain(&mut guard).await;
        assert!(passed.starts_with(b"GET /a ") && passed.len() == 56, "{}", passed.escape_ascii());
    });
}

fn link() -> http::HeaderMap {
    [(http::header::LINK, http::HeaderValue::from_static("</a>"))].into_iter().collect()
}

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";

#[test]
fn an_interim_response_goes_before_the_response() {
    block_on(async {
        // Each write is accepted in part.
        let (mut client, server) = tokio::io::duplex(7);
        let mut guard = Guard::new(server, LIMITS);
        let handle = guard.handle();
        handle.write(&link());
        let serve = async {
            guard.flush().await.unwrap();
            handle.write(&link());
            guard.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            guard.flush().await.unwrap();
            drop(guard);
        };
        let mut seen = String::new();
        let (_, read) = tokio::join!(serve, client.read_to_string(&mut seen));
        read.unwrap();
        assert_eq!(seen, format!("{HINTS}{HINTS}HTTP/1.1 200 OK\r\n\r\n"));
    });
}

#[test]
fn an_interim_response_goes_nowhere_within_another_response() {
    block_on(async {
        let (mut client, mut guard) = guard();
        let handle = guard.handle();
        guard.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        handle.write(&link());
        guard.write_all(b"\r\n").await.unwrap();
        guard.flush().await.unwrap();
        handle.write(&link());
        guard.flush().await.unwrap();
        drop(guard);
        let mut seen = String::new();
        client.read_to_string(&mut seen).await.unwrap();
        assert_eq!(seen, format!("HTTP/1.1 200 OK\r\n\r\n{HINTS}"));
    });
}

#[test]
fn a_client_that_does_not_read_an_interim_response_is_known() {
    block_on(async {
        let (client, server) = tokio::io::duplex(7);
        let mut guard = Guard::new(server, LIMITS);
        let handle = guard.handle();
        handle.write(&link());
        assert!(futures_util::FutureExt::now_or_never(guard.flush()).is_none());
        assert!(handle.glance().unsent.is_some());
        drop(client);
    });
}
