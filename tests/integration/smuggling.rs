//! HTTP/1 framing and smuggling: raw sockets before, a recording origin behind.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Caddy, Origin, curl, exchange, statuses};

const QUIET: Duration = Duration::from_millis(1500);
/// For what has to come, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(20);

/// Class, bytes, and the statuses allowed for the first response (none: the connection closes
/// without one).
struct Attack(&'static str, &'static [u8], &'static [u16]);

const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";

const ATTACKS: &[Attack] = &[
    Attack("1 length and chunks", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", &[400]),
    Attack("1 chunks and length", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG", &[400]),
    Attack("2 two lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", &[400]),
    Attack("3 list of lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nabcde", &[400]),
    Attack("4 plus", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde", &[400]),
    Attack("4 minus", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\nabcde", &[400]),
    Attack("4 hex", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nabcde", &[400]),
    Attack("4 overflow", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\nabcde", &[400]),
    Attack("4 space", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\nabcde", &[400]),
    Attack("4 empty", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\nabcde", &[400]),
    Attack("5 unknown coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", &[400, 501]),
    Attack("5 chunked not last", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", &[400, 501]),
    Attack("5 two codings", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", &[400, 501]),
    Attack("5 chunked twice", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400, 501]),
    Attack("5 vertical tab", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", &[400, 501]),
    Attack("5 space before colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", &[400, 501]),
    Attack("6 chunks in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", &[400]),
    Attack("8 folded line", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", &[400]),
    Attack("8 bare CR", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rX-B: c\r\n\r\n", &[400]),
    Attack("8 NUL", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n", &[400]),
    Attack("8 bare LF", b"GET / HTTP/1.1\nHost: a\n\n", &[400]),
    Attack("9 no host", b"GET / HTTP/1.1\r\n\r\n", &[400]),
    Attack("9 two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", &[400]),
    Attack("9 host with space", b"GET / HTTP/1.1\r\nHost: local host/\r\n\r\n", &[400]),
    Attack("9 host with user", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", &[400]),
    Attack("11 fragment", b"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    Attack("12 two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    Attack("12 tab", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", &[400]),
    Attack("12 HTTP/0.9", b"GET /\r\n\r\n", &[400]),
    Attack("12 HTTP/9.9", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", &[400, 505]),
    Attack("12 small letters", b"GET / http/1.1\r\nHost: a\r\n\r\n", &[400]),
];

/// Chunk framing that must not pass: none of these may be answered with 200.
const CHUNKS: &[(&str, &[u8])] = &[
    ("plus", b"+3\r\nabc\r\n0\r\n\r\n"),
    ("hex prefix", b"0x3\r\nabc\r\n0\r\n\r\n"),
    ("overflow", b"FFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n"),
    ("bare LF", b"3\nabc\r\n0\r\n\r\n"),
    ("LF in extension", b"3;\nxx\r\nabc\r\n0\r\n\r\n"),
    ("too long", b"3\r\nabcde\r\n0\r\n\r\n"),
];

/// A request that would follow if the server cut the bytes before it wrongly.
const NEXT: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn attacks_get_400_and_never_two_requests() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let mut wrong = vec![];
    for Attack(class, bytes, want) in ATTACKS {
        origin.clear();
        let got = exchange(caddy.port2(), &[bytes, NEXT].concat(), QUIET);
        let (first, seen) = (statuses(&got), origin.requests());
        // A second request in the same bytes is refused with the first: the connection closes.
        if first.len() > 1 || first.first().is_none_or(|status| !want.contains(status)) {
            wrong.push(format!("{class}: want {want:?}, got {first:?}"));
        }
        if !seen.is_empty() {
            wrong.push(format!("{class}: the origin saw {:?}", seen.len()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bad_chunks_never_look_whole() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for (class, chunk) in CHUNKS {
        origin.clear();
        let head = format!("{POST}Transfer-Encoding: chunked\r\n\r\n");
        let got =
            statuses(&exchange(caddy.port2(), &[head.as_bytes(), chunk, NEXT].concat(), QUIET));
        assert!(!got.contains(&200), "7 {class}: got {got:?}");
        let whole = origin.requests().iter().filter(|seen| seen.complete).count();
        assert_eq!(whole, 0, "7 {class}: the origin saw a whole request");
    }
}

#[test]
fn target_wins_over_host() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "header_upstream Host {host}");
    let sent = format!("GET http://localhost:{}/x HTTP/1.1\r\nHost: evil\r\n\r\n", caddy.port2());
    let got = statuses(&exchange(caddy.port2(), sent.as_bytes(), QUIET));
    match got.as_slice() {
        [400] => {}
        [200] => assert!(origin.last().header("host").unwrap().starts_with("localhost")),
        other => panic!("10: {other:?}"),
    }
}

#[test]
fn early_answer_leaves_no_body_behind() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n0123456789")
        .unwrap();
    let mut got = vec![0; 4096];
    let read = stream.read(&mut got).unwrap();
    assert_eq!(statuses(&got[..read]), [401], "13");
    // The rest of the body is itself a request; only what follows it may be taken for one.
    let trap = format!("{:\u{20}<90}", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    let _ =
        stream.write_all(&[trap.as_bytes(), b"GET /after HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    stream.set_read_timeout(Some(QUIET)).unwrap();
    let _ = stream.read(&mut got);
    let seen = origin.requests();
    assert!(seen.iter().all(|seen| seen.target != "/smuggled"), "13: {seen:?}");
}

#[test]
fn no_tunnel_without_101() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let sent = b"GET /a HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n\
                 GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&exchange(caddy.port2(), sent, PATIENCE)), [200, 200], "14");
    let seen: Vec<_> = origin.requests().into_iter().map(|seen| (seen.target, seen.body)).collect();
    assert_eq!(seen, [("/a".to_owned(), vec![]), ("/b".to_owned(), vec![])], "14");
}

#[test]
fn h2c_upgrade_is_ignored_and_stripped() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let sent = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(statuses(&exchange(caddy.port2(), sent, QUIET)), [200], "15");
    let seen = origin.last();
    assert_eq!((seen.header("upgrade"), seen.header("http2-settings")), (None, None), "15");
}

#[test]
fn bodies_where_none_belong_stay_behind() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for (name, status, body) in [
        ("204-body", 204, ""),
        ("204-length", 204, ""),
        ("304-body", 304, ""),
        ("extra", 200, "ok"),
    ] {
        let answer = curl(&["--http1.1"], &caddy.plain(&format!("/raw/{name}")));
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "17 {name}");
        let after = curl(&["--http1.1"], &caddy.plain("/echo"));
        assert_eq!((after.status, after.text().as_str()), (200, ""), "17 after {name}");
    }
    let none = curl(&["--http2"], &caddy.url("/raw/204-length"));
    assert_eq!((none.status, none.header("content-length"), none.error.as_str()), (204, "", ""));
    let head = curl(&["--head"], &caddy.plain("/size/5"));
    assert_eq!((head.status, head.header("content-length"), head.len), (200, "5", 0), "17 HEAD");
}

#[test]
fn split_or_doubled_answers_are_502() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for name in
        ["garbage", "status", "two-lengths", "length-and-chunks", "nul", "bare-cr", "switch"]
    {
        for version in ["--http1.1", "--http2"] {
            let answer = curl(&[version], &caddy.url(&format!("/raw/{name}")));
            assert_eq!(answer.status, 502, "18 {name} {version}: {answer:?}");
        }
    }
}
