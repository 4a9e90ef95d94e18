//! What happens when the origin or the client misbehaves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::harness::{Caddy, Origin, by_all, curl, h3_one, wait_for};

#[test]
fn a_cut_body_never_ends_cleanly() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for path in ["/cut", "/chunkcut"] {
        for (protocol, answer) in by_all(&caddy, path) {
            assert!(!answer.error.is_empty(), "{path} over {protocol} looks whole: {answer:?}");
        }
    }
}

#[test]
fn an_origin_that_closes_without_a_word_is_502() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for (protocol, answer) in by_all(&caddy, "/reset") {
        assert_eq!(answer.status, 502, "{protocol}");
    }
}

#[test]
fn a_sent_post_is_never_repeated() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "try_duration 2s\n fail_timeout 100ms");
    assert_eq!(curl(&["--data", "once"], &caddy.plain("/reset")).status, 502);
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_stale_pooled_connection_is_not_an_error() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for _ in 0..10 {
        // The origin closes after the odd ones, so that the pool holds dead connections.
        assert_eq!(curl(&[], &caddy.plain("/")).status, 200);
        let _ = curl(&[], &caddy.plain("/chunkcut"));
        assert_eq!(curl(&[], &caddy.plain("/")).status, 200);
    }
}

#[test]
fn an_early_answer_reaches_an_uploading_client() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let file = caddy.path("body");
    std::fs::write(&file, vec![b'x'; 3_000_000]).unwrap();
    let file = file.display().to_string();
    for version in ["--http1.1", "--http2"] {
        let answer = curl(&[version, "-T", &file], &caddy.url("/early"));
        assert_eq!((answer.status, answer.error.as_str()), (401, ""), "{version}");
    }
    let job = json!({"method": "PUT", "path": "/early", "body_len": 3_000_000});
    assert_eq!(h3_one(caddy.port(), job).status, 401);
}

#[test]
fn a_client_that_goes_away_cancels_upstream() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let gone = |what: &str| {
        wait_for(what, Duration::from_secs(20), || {
            (origin.open.load(Ordering::SeqCst) == 0).then_some(())
        });
    };
    for version in ["--http1.1", "--http2"] {
        let _ = curl(&[version, "--max-time", "1"], &caddy.url("/drip/600"));
        gone(version);
    }
    let _ = h3_one(caddy.port(), json!({"path": "/drip/600", "stop_after": 3}));
    gone("h3");
}

#[test]
fn an_aborted_upload_is_never_seen_whole() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    stream
        .write_all(
            b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        )
        .unwrap();
    wait_for("the connection", Duration::from_secs(20), || {
        (origin.open.load(Ordering::SeqCst) == 1).then_some(())
    });
    std::thread::sleep(Duration::from_millis(200));
    drop(stream);
    wait_for("the origin to see the end", Duration::from_secs(20), || origin.requests().pop());
    assert!(!origin.last().complete, "half an upload looks whole");
}

#[test]
fn a_slow_client_holds_the_origin_back() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    curl(&[], &caddy.plain("/size/1000"));
    let before = caddy.rss_peak();
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    stream.write_all(b"GET /size/200000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut some = [0; 1024];
    for _ in 0..20 {
        let _ = stream.read(&mut some).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    let grown = caddy.rss_peak() - before;
    assert!(grown < 8 * 1024, "{grown} KiB for one slow client");
}

#[test]
fn a_black_hole_gets_504_at_the_connect_timeout() {
    let hole = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    hole.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    hole.listen(0).unwrap();
    let addr = hole.local_addr().unwrap().as_socket().unwrap();
    // Full once a connection no longer succeeds: the kernel then drops what comes.
    let wait = Duration::from_millis(300);
    let full: Vec<_> = (0..8).map_while(|_| TcpStream::connect_timeout(&addr, wait).ok()).collect();
    assert!(full.len() < 8, "the queue never fills");
    for (option, low, high) in [("timeout 300ms", 0.3, 2.9), ("", 3.0, 10.0)] {
        let caddy = Caddy::proxy(addr, option);
        let began = Instant::now();
        assert_eq!(curl(&[], &caddy.plain("/")).status, 504);
        let took = began.elapsed().as_secs_f64();
        assert!((low..high).contains(&took), "{option}: {took}");
    }
    // Of an upstream that may speak HTTP/2 one request opens the connection for all.
    let site = format!("http://:@PORT@\nproxy / https://{addr} {{\n timeout 1s\n}}\n");
    let caddy = Caddy::start(&site);
    let url = format!("http://localhost:{}/", caddy.port());
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert_eq!(curl(&[], &url).status, 504));
        }
    });
    let took = began.elapsed().as_secs_f64();
    // In turn they would take 16 s.
    assert!(took < 10.0, "one after the other: {took}");
}

#[test]
fn the_errors_log_says_why() {
    let site = "http://:@PORT@\nerrors errors.log\nproxy / 127.0.0.1:@PORT2@\n";
    let caddy = Caddy::start(site);
    assert_eq!(curl(&[], &format!("http://localhost:{}/x", caddy.port())).status, 502);
    let line = wait_for("the error log", Duration::from_secs(30), || {
        let text = caddy.read("errors.log");
        (!text.is_empty()).then_some(text)
    });
    assert!(line.contains("[ERROR 502 /x]"), "{line}");
}
