//! Limits and timeouts: sizes of headers, target and body; slow clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Caddy, Origin, Setup, curl, exchange, h3_one, statuses, wait_for};

const QUIET: Duration = Duration::from_secs(3);

#[test]
fn defaults_for_header_count_and_target() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let many: String = (0..150).map(|i| format!("X-{i}: a\r\n")).collect();
    for (what, request, want) in [
        (
            "big header",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "a".repeat(20_000)),
            431,
        ),
        ("many headers", format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), 431),
        ("long target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9_000)), 414),
        (
            "enough header",
            format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "a".repeat(12_000)),
            200,
        ),
        ("enough target", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(7_000)), 200),
    ] {
        let got = statuses(&exchange(caddy.port2(), request.as_bytes(), QUIET));
        assert_eq!(got, [want], "{what} over HTTP/1.1");
    }
}

#[test]
fn the_same_over_http_2_and_3() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let (big, long) = ("a".repeat(20_000), "a".repeat(9_000));
    let header = format!("X-A: {big}");
    let h2 = curl(&["--http2", "-H", &header], &caddy.url("/"));
    assert_eq!((h2.status, h2.error.as_str()), (431, ""));
    for path in [format!("/{long}"), format!("/{}", "a".repeat(30_000))] {
        assert_eq!(curl(&["--http1.1"], &caddy.url(&path)).status, 414);
        assert_eq!(curl(&["--http2"], &caddy.url(&path)).status, 414);
        assert_eq!(h3_one(caddy.port(), json!({"path": path})).status, 414);
    }
    let h3 = h3_one(caddy.port(), json!({"headers": [["x-a", big]], "timeout": 10}));
    assert_eq!(h3.status, 431, "{h3:?}");
    assert!(origin.requests().is_empty(), "the origin saw a request");
}

#[test]
fn body_limit_by_path() {
    let origin = Origin::start();
    let site = "https://localhost:@PORT@ {\n tls self_signed\n limits {\n body / 100KB\n body /big 1MB\n}\n proxy / @ORIGIN@\n}\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).start();
    let file = caddy.path("body");
    std::fs::write(&file, vec![b'x'; 300_000]).unwrap();
    let file = file.display().to_string();
    for (path, want, version, extra) in [
        ("/upload", 413, "--http1.1", "X-A: b"),
        ("/upload", 413, "--http1.1", "Transfer-Encoding: chunked"),
        ("/upload", 413, "--http2", "X-A: b"),
        ("/upload", 413, "--http2", "Content-Length:"),
        ("/big", 200, "--http1.1", "X-A: b"),
        ("/big", 200, "--http2", "X-A: b"),
    ] {
        let answer = curl(&[version, "-H", extra, "-T", &file], &caddy.url(path));
        assert_eq!((answer.status, answer.error.as_str()), (want, ""), "{path} {version} {extra}");
    }
    let job = |path: &str| json!({"method": "PUT", "path": path, "body_len": 300_000});
    assert_eq!(h3_one(caddy.port(), job("/upload")).status, 413);
    assert_eq!(h3_one(caddy.port(), job("/big")).status, 200);
    assert!(origin.requests().iter().all(|seen| !seen.complete || seen.target == "/big"));
}

#[test]
fn header_limit_of_the_site() {
    let caddy = Caddy::start("http://:@PORT@\nlimits {\n header 2KB\n}\nstatus 204 /\n");
    let request =
        |len: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX-A: {}\r\n\r\n", "a".repeat(len));
    assert_eq!(statuses(&exchange(caddy.port(), request(3_000).as_bytes(), QUIET)), [431]);
    assert_eq!(statuses(&exchange(caddy.port(), request(500).as_bytes(), QUIET)), [204]);
}

/// Seconds until the server closes after these bytes.
fn closes_after(port: u16, bytes: &[u8]) -> f32 {
    let began = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut chunk = [0; 4096];
    while matches!(stream.read(&mut chunk), Ok(read) if read > 0) {}
    began.elapsed().as_secs_f32()
}

#[test]
fn slow_clients_are_closed_in_time() {
    let origin = Origin::start();
    let site = "http://:@PORT@\ntimeouts {\n header 1s\n read 2s\n idle 1s\n}\nproxy / @ORIGIN@\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).start();
    for (what, bytes, low) in [
        ("nothing at all", &b""[..], 0.5),
        ("half a header", b"GET / HTTP/1.1\r\nHost:", 0.5),
        ("idle after an answer", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0.5),
        ("half a body", b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", 1.0),
    ] {
        let took = closes_after(caddy.port(), bytes);
        // The least of the defaults is 10 s.
        assert!((low..=9.0).contains(&took), "{what}: closed after {took} s");
    }
    let long = curl(&[], &format!("http://localhost:{}/drip/40", caddy.port()));
    assert_eq!(long.len, 40, "a slow origin is no slow client: {}", long.error);
}

/// The server reads nothing of the second request while the first one is answered.
#[test]
fn a_head_that_is_split_behind_a_slow_response_has_its_time() {
    let origin = Origin::start();
    let site = "http://:@PORT@\ntimeouts {\n header 5s\n}\nproxy / @ORIGIN@\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).start();
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let second = request("/slow/0");
    let (begin, end) = second.split_at(10);
    stream.write_all((request("/drip/70") + begin).as_bytes()).unwrap();
    let mut got = Vec::new();
    let mut read_until = |bodies: &[u8]| {
        let mut chunk = [0; 4096];
        while !got.ends_with(bodies) {
            let read = stream.read(&mut chunk).unwrap();
            assert!(read > 0, "closed after {}", String::from_utf8_lossy(&got));
            got.extend_from_slice(&chunk[..read]);
        }
        stream.try_clone().unwrap()
    };
    read_until(&[b'.'; 70]).write_all(end.as_bytes()).unwrap();
    read_until(b"slow");
}

#[test]
fn a_body_that_stalls_is_408_on_every_protocol() {
    let origin = Origin::start();
    let site = "https://localhost:@PORT@ {\n tls self_signed\n timeouts {\n  read 2s\n }\n proxy / @ORIGIN@\n}\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).start();
    for version in ["--http1.1", "--http2"] {
        let url = caddy.url("/upload");
        let script = format!(
            "(echo begun; sleep 20) | curl -skT . {version} -o /dev/null -w '%{{http_code}}' {url}"
        );
        let done = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&done.stdout), "408", "{version}: {done:?}");
    }
    let slow = json!({"method": "POST", "path": "/upload", "body_len": 30, "trickle": true});
    assert_eq!(h3_one(caddy.port(), slow).status, 408);
}

#[test]
fn a_silent_tls_client_is_closed() {
    let caddy = Caddy::start("https://localhost:@PORT@\ntls self_signed\n");
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let began = Instant::now();
    assert_eq!(stream.read(&mut [0; 16]).expect("a close, not silence"), 0);
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

#[test]
fn out_of_descriptors_it_waits_and_recovers() {
    let caddy = Setup::new("http://:@PORT@\nstatus 204 /\n").descriptors(64).start();
    let port = caddy.port();
    let crowd: Vec<_> =
        (0..300).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
    std::thread::sleep(Duration::from_secs(2));
    let before = caddy.cpu_ticks();
    std::thread::sleep(Duration::from_secs(2));
    let spent = caddy.cpu_ticks() - before;
    assert!(spent < 20, "{spent} ticks of CPU in 2 s while full");
    drop(crowd);
    let answer = curl(
        &["--retry", "5", "--retry-all-errors", "--retry-delay", "1"],
        &format!("http://localhost:{port}/"),
    );
    assert_eq!(answer.status, 204);
}

#[test]
fn descriptors_that_upstreams_took() {
    let origin = Origin::start();
    let site = "http://:@PORT@\nproxy / @ORIGIN@\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).arg("-cpu=1").descriptors(64).start();
    let ask = b"GET /hang/60000 HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut crowd = vec![];
    wait_for("it to be full", Duration::from_secs(60), || {
        for _ in 0..20 {
            let mut stream = TcpStream::connect(("127.0.0.1", caddy.port())).ok()?;
            stream.write_all(ask).ok()?;
            crowd.push(stream);
        }
        std::thread::sleep(Duration::from_millis(200));
        caddy.log().contains("the limit of open files allows no more clients").then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    let before = caddy.cpu_ticks();
    std::thread::sleep(Duration::from_secs(2));
    let spent = caddy.cpu_ticks() - before;
    assert!(spent < 20, "{spent} ticks of CPU in 2 s without descriptors");
    drop(crowd);
    let url = format!("http://localhost:{}/", caddy.port());
    wait_for("it to serve again", Duration::from_secs(30), || {
        (curl(&["--max-time", "4"], &url).status == 200).then_some(())
    });
}

#[test]
fn timeouts_write_bounds_the_whole_response() {
    let origin = Origin::start();
    let site = "https://localhost:@PORT@ {\n tls self_signed\n timeouts {\n  write 8s\n }\n proxy / @ORIGIN@\n}\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).start();
    let all = |path: &str| {
        let h3 = h3_one(caddy.port(), json!({"path": path, "timeout": 40}));
        let url = caddy.url(path);
        [curl(&["--http1.1"], &url), curl(&["--http2"], &url), h3]
    };
    for answer in all("/drip/10") {
        assert_eq!((answer.len, answer.error.as_str()), (10, ""), "HTTP/{}", answer.version);
    }
    let began = Instant::now();
    for answer in all("/drip/200") {
        let cut = !answer.error.is_empty() && (5..180).contains(&answer.len);
        assert!(cut, "HTTP/{}: {} bytes, {}", answer.version, answer.len, answer.error);
    }
    // Uncut they take 60 s.
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
}
