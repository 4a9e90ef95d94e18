//! Messages of HTTP/1.1 at the edges: heads that are too long, plain HTTP where TLS is spoken, ends
//! without a length, connections to an upstream that went stale.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Caddy, Origin, Setup, by_all, curl, curl_raw, exchange, h3, statuses, tls_any, tls_named,
    wait_for,
};

const QUIET: Duration = Duration::from_secs(3);

/// The status of a request that is sent whole before anything is read.
fn told(mut stream: impl Read + Write, head: &str) -> Result<u16, String> {
    stream.write_all(head.as_bytes()).and_then(|()| stream.flush()).map_err(|e| e.to_string())?;
    let mut got = vec![];
    stream.read_to_end(&mut got).map_err(|error| format!("{error}, after {}", got.len()))?;
    statuses(&got).first().copied().ok_or_else(|| "no answer".to_owned())
}

#[test]
fn a_head_that_is_much_too_long_is_answered() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n}\n\
                http://localhost:@PORT2@ {\n status 204 /\n}\n";
    let caddy = Caddy::start(site);
    let mut wrong = vec![];
    for size in [40_000, 120_000, 400_000] {
        let long = "a".repeat(size);
        for (want, head) in [
            (431, format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-A: {long}\r\n\r\n")),
            (414, format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n")),
        ] {
            for round in 0..8 {
                let plain = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
                let seen = [told(plain, &head), told(tls_any(caddy.port()), &head)];
                if seen != [Ok(want), Ok(want)] {
                    wrong.push(format!("{size} bytes, round {round}, {want}: {seen:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn plain_http_on_a_tls_port_is_told_the_address() {
    let caddy = Caddy::start("https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n}\n");
    let port = caddy.port();
    let seen = curl(&[], &format!("http://localhost:{port}/a/b"));
    assert_eq!(seen.status, 400, "{seen:?}");
    assert!(seen.text().contains(&format!("https://localhost:{port}/")), "{}", seen.text());
    assert_eq!(seen.header("connection"), "close");
    let said = format!("plain HTTP request to https://localhost:{port} from 127.0.0.1:");
    wait_for("the line", Duration::from_secs(20), || caddy.log().contains(&said).then_some(()));
    assert_eq!(caddy.log().matches(&said).count(), 1);
    let upload = b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nbegun";
    assert_eq!(statuses(&exchange(port, upload, QUIET)), [400], "an upload that has begun");
    for garbage in [&b"\0\0\0\0\0\0"[..], b"hello\r\n\r\n", b"12345678\r\n", b"\x80\x2e\x01\0\x02"]
    {
        let got = exchange(port, garbage, QUIET);
        assert!(got.len() <= 7 && statuses(&got).is_empty(), "{garbage:?}: {got:?}");
    }
    let long = [b"GET /", &b"a".repeat(200_000)[..]].concat();
    let got = exchange(port, &long, QUIET);
    assert!(statuses(&got) == [414] && got.len() < 500, "{} bytes", got.len());
    assert_eq!(curl(&[], &caddy.url("/")).status, 204);
}

#[test]
fn http_1_0_hears_that_only_the_end_ends_an_answer() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let ask = |path: &str| {
        let head =
            format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n");
        String::from_utf8(exchange(caddy.port2(), head.as_bytes(), QUIET)).unwrap().to_lowercase()
    };
    let open = ask("/chunked");
    assert!(open.contains("\r\nconnection: close\r\n") && open.ends_with("abcdefg"), "{open}");
    assert!(!open.contains("keep-alive"), "{open}");
    let known = ask("/size/5");
    assert!(known.contains("\r\nconnection: keep-alive\r\n"), "{known}");
}

#[test]
fn what_is_no_request_of_a_resource() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for version in ["--http1.1", "--http2"] {
        let all = [version, "-X", "OPTIONS", "--request-target", "*", &caddy.url("/")];
        let seen = curl_raw(&all);
        assert_eq!((seen.status, seen.len, seen.error.as_str()), (200, 0, ""), "{version}");
        assert_eq!(curl(&[version, "-X", "PRI"], &caddy.url("/")).status, 400, "{version}");
    }
    let asked = [json!({"method": "PRI"}), json!({"method": "OPTIONS", "path": "*"})];
    let answers = &h3(caddy.port(), json!({"requests": asked}))["answers"];
    assert_eq!(
        (answers[0]["status"].as_u64(), answers[1]["status"].as_u64()),
        (Some(400), Some(200))
    );
    assert!(origin.requests().is_empty(), "{:?}", origin.requests());
}

#[test]
fn a_port_may_be_empty() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for version in ["--http1.1", "--http2"] {
        let seen = curl(&[version, "-H", "Host: localhost:"], &caddy.url("/x"));
        assert_eq!((seen.status, seen.error.as_str()), (200, ""), "{version}");
    }
    let whole = b"GET http://localhost/ HTTP/1.1\r\nHost: localhost:\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&exchange(caddy.port2(), whole, QUIET)), [200]);
    let other = b"GET http://localhost/ HTTP/1.1\r\nHost: other:\r\nConnection: close\r\n\r\n";
    assert_eq!(statuses(&exchange(caddy.port2(), other, QUIET)), [400]);
}

#[test]
fn a_304_has_the_same_fields_over_every_protocol() {
    let origin = Origin::start();
    let site = "https://localhost:@PORT@ {\n tls self_signed\n root www\n proxy /raw @ORIGIN@\n}\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).file("www/f", "content").start();
    for (protocol, seen) in by_all(&caddy, "/raw/304-length") {
        assert_eq!((seen.status, seen.header("content-length")), (304, ""), "{protocol}: {seen:?}");
        assert_eq!(seen.header("etag"), "\"a\"", "{protocol}");
    }
    let tag = curl(&[], &caddy.url("/f")).header("etag").to_owned();
    for version in ["--http1.1", "--http2"] {
        let seen = curl(&[version, "-H", &format!("If-None-Match: {tag}")], &caddy.url("/f"));
        assert_eq!((seen.status, seen.header("content-length")), (304, ""), "{version}: {seen:?}");
    }
}

#[test]
fn a_name_of_no_site_is_unrecognized() {
    let caddy = Caddy::start("https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n}\n");
    let error = tls_named(caddy.port(), "other.example").map(drop).unwrap_err().to_string();
    let said = error.to_lowercase();
    assert!(said.contains("unrecogni"), "{error}");
    assert!(tls_named(caddy.port(), "localhost").is_ok());
}

/// An origin that answers the first request on each connection and, having read the second whole,
/// closes or resets without a word. How many requests came.
fn forgetful(reset: bool) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (port, seen) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = seen.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let count = count.clone();
            std::thread::spawn(move || {
                for nth in 0..2 {
                    let (mut text, mut chunk) = (String::new(), [0; 4096]);
                    let whole = |text: &str| {
                        let length = text
                            .to_lowercase()
                            .split("content-length: ")
                            .nth(1)
                            .map_or(0, |rest| {
                                rest.lines().next().unwrap_or_default().parse().unwrap_or(0)
                            });
                        text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= length)
                    };
                    while !whole(&text) {
                        let Ok(read @ 1..) = stream.read(&mut chunk) else { return };
                        text.push_str(&String::from_utf8_lossy(&chunk[..read]));
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    if nth == 0 {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    } else if reset {
                        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    }
                }
            });
        }
    });
    (port, seen)
}

#[test]
fn an_idempotent_request_outlives_a_stale_connection() {
    for reset in [false, true] {
        let (port, seen) = forgetful(reset);
        let site = "http://localhost:@PORT@ {\n proxy / 127.0.0.1:@ORIGIN@\n}\n";
        let caddy = Setup::new(site).set("ORIGIN", port).arg("-cpu=1").start();
        let url = format!("http://localhost:{}/", caddy.port());
        for (method, want, requests) in
            [("PUT", 200, 2), ("DELETE", 200, 2), ("PUT", 200, 2), ("POST", 502, 1)]
        {
            // Leaves a kept connection that takes one more request.
            assert_eq!(curl(&[], &url).status, 200);
            let before = seen.load(Ordering::SeqCst);
            let answer = curl(&["-X", method, "--data-binary", "abc"], &url);
            let made = seen.load(Ordering::SeqCst) - before;
            assert_eq!((answer.status, made), (want, requests), "{method}, reset {reset}");
            if want == 200 {
                // The connection of the second try takes one more, too.
                assert_eq!(curl(&["-X", "POST", "-d", "a"], &url).status, 502);
            }
        }
    }
}
