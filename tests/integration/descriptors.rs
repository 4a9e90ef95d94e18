//! A small limit of open files: every client is served sooner or later, idle ones make room, and
//! the log says it once.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{
    Caddy, Origin, Setup, TlsStream, curl, keep_alive_get, raw_get, tls_speaking, wait_for,
};

const FULL: &str = "the limit of open files allows no more clients";

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// A client that has got one response over HTTP/2, and reads nothing more.
fn idle_http2(port: u16) -> TlsStream {
    let mut stream = tls_speaking(port, "localhost", b"h2").unwrap();
    // SETTINGS, and HEADERS of a GET for /, from the static table of HPACK.
    let head = b"\x82\x87\x84\x41\x09localhost";
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(b"\0\0\0\x04\0\0\0\0\0").unwrap();
    stream.write_all(&[0, 0, head.len() as u8, 1, 5, 0, 0, 0, 1]).unwrap();
    stream.write_all(head).unwrap();
    let mut seen = Vec::new();
    while !seen.windows(4).any(|bytes| bytes == b"home") {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).unwrap();
        assert!(count > 0, "{seen:?}");
        seen.extend_from_slice(&bytes[..count]);
    }
    stream
}

/// So many clients at once, each with a connection of its own that it keeps; how many got 200.
fn crowd(caddy: &Caddy, count: usize, path: &str) -> usize {
    let port = caddy.port();
    std::thread::scope(|scope| {
        let ask = || raw_get(connect(port), path).is_some();
        let asking: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).filter(|ok| *ok).count()
    })
}

#[test]
fn more_proxied_clients_than_descriptors_all_get_their_answer() {
    let origin = Origin::start();
    let site = "http://:@PORT@\nproxy / @ORIGIN@\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).descriptors(256).start();
    for count in [150, 225] {
        assert_eq!(crowd(&caddy, count, "/slow/1500"), count, "of {count} clients");
    }
    assert!(!caddy.log().contains("os error 24"), "out of descriptors");
}

/// A client of HTTP/2 that never reads again need not be idle for its whole timeout.
#[test]
fn idle_clients_of_http2_make_room_too() {
    let site = "https://localhost:@PORT@\ntls self_signed\nroot www\n";
    let setup = Setup::new(site).file("www/index.html", "home");
    let caddy = setup.arg("-cpu=1").descriptors(64).start();
    let idle: Vec<_> = (0..30).map(|_| idle_http2(caddy.port())).collect();
    let deadline = Duration::from_secs(30);
    wait_for("the line", deadline, || caddy.log().contains(FULL).then_some(()));
    for _ in 0..3 {
        let answer = curl(&["-k", "--max-time", "20"], &caddy.url("/"));
        assert_eq!((answer.status, &*answer.text()), (200, "home"));
    }
    drop(idle);
}

#[test]
fn idle_clients_make_room_for_others() {
    let site = "http://:@PORT@\nroot www\n";
    let setup = Setup::new(site).file("www/index.html", "home");
    let caddy = setup.arg("-cpu=1").descriptors(64).start();
    let port = caddy.port();
    let mut first = connect(port);
    assert_eq!(keep_alive_get(&mut first, "/"), Some(200));
    let idle: Vec<_> = (0..500).map(|_| connect(port)).collect();
    wait_for("the line", Duration::from_secs(30), || caddy.log().contains(FULL).then_some(()));
    let url = format!("http://localhost:{port}/");
    for _ in 0..3 {
        assert_eq!(curl(&["--max-time", "60"], &url).status, 200);
    }
    let log = caddy.log();
    assert_eq!(log.matches(FULL).count(), 1, "{log}");
    assert!(!log.contains("os error 24"), "{log}");
    drop(idle);
}
