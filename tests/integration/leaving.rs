//! Clients of HTTP/1.1 that go away while they wait for an answer: what is done for them ends, and
//! their place at the upstream is free.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::harness::{Caddy, Origin, Setup, TlsStream, curl, statuses, tls_any, wait_for};

const SOON: Duration = Duration::from_secs(5);
/// The origin says nothing for as long.
const ASK: &[u8] = b"GET /hang/60000 HTTP/1.1\r\nHost: localhost\r\n\r\n";

enum Client {
    Plain(TcpStream),
    Secure(Box<TlsStream>),
}

impl Client {
    fn ask(caddy: &Caddy, secure: bool, bytes: &[u8]) -> Self {
        if secure {
            let mut stream = tls_any(caddy.port());
            stream.write_all(bytes).and_then(|()| stream.flush()).unwrap();
            return Self::Secure(Box::new(stream));
        }
        let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
        stream.write_all(bytes).unwrap();
        Self::Plain(stream)
    }

    fn go(mut self, how: &str) {
        if let (Self::Secure(stream), "notify") = (&mut self, how) {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
        let socket = match &self {
            Self::Plain(socket) => socket,
            Self::Secure(stream) => &stream.sock,
        };
        if how == "reset" {
            socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

/// Waits until so many requests are with the origin, which has none that ended.
fn asked(origin: &Origin, count: usize) {
    wait_for("the requests", SOON, || (origin.requests().len() >= count).then_some(()));
}

#[test]
fn a_client_that_goes_frees_its_place() {
    for secure in [false, true] {
        for how in ["close", "reset", "notify"] {
            let origin = Origin::start();
            let caddy = Caddy::proxy(origin.addr, "max_conns 2");
            let gone = [(); 2].map(|()| Client::ask(&caddy, secure, ASK));
            asked(&origin, 2);
            let full = curl(&[], &caddy.plain("/x")).status;
            assert_eq!(full, 503, "both places are taken");
            gone.into_iter().for_each(|client| client.go(how));
            let none = || (origin.open.load(Ordering::SeqCst) == 0).then_some(());
            wait_for(&format!("the end upstream, TLS {secure}, {how}"), SOON, none);
            assert_eq!(curl(&[], &caddy.plain("/x")).status, 200, "TLS {secure}, {how}");
        }
    }
}

#[test]
fn a_client_that_has_asked_for_more_goes_too() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "max_conns 1");
    for how in ["close", "reset"] {
        let seen = origin.requests().len();
        let both = [ASK, b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat();
        let client = Client::ask(&caddy, false, &both);
        asked(&origin, seen + 1);
        client.go(how);
        let none = || (origin.open.load(Ordering::SeqCst) == 0).then_some(());
        wait_for(&format!("the end upstream, {how}"), SOON, none);
        assert_eq!(origin.requests().len(), seen + 1, "{how}: what came behind is not begun");
    }
}

#[test]
fn a_client_that_goes_within_a_silent_answer() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for secure in [false, true] {
        for how in ["close", "reset"] {
            let ask = b"GET /fault/open-chunks HTTP/1.1\r\nHost: localhost\r\n\r\n";
            let mut client = Client::ask(&caddy, secure, ask);
            let mut got = vec![];
            while !String::from_utf8_lossy(&got).contains("half") {
                let mut chunk = [0; 1024];
                let read = match &mut client {
                    Client::Plain(stream) => stream.read(&mut chunk).unwrap(),
                    Client::Secure(stream) => stream.read(&mut chunk).unwrap(),
                };
                assert!(read > 0);
                got.extend_from_slice(&chunk[..read]);
            }
            client.go(how);
            let none = || (origin.open.load(Ordering::SeqCst) == 0).then_some(());
            wait_for(&format!("the end upstream, TLS {secure}, {how}"), SOON, none);
        }
    }
}

/// A script that ends its side and reads on.
#[test]
fn half_a_close_still_gets_what_is_made_here() {
    let site =
        "http://localhost:@PORT2@ {\n root www\n}\nhttp://localhost:@PORT@ {\n status 204 /\n}\n";
    let content = vec![b'x'; 3_000_000];
    let caddy = Setup::new(site).file("www/f", &content).start();
    for version in ["1.0", "1.1"] {
        let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let ask = format!("GET /f HTTP/{version}\r\nHost: localhost\r\n\r\n");
        stream.write_all(ask.repeat(2).as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let (mut got, began) = (vec![], Instant::now());
        stream.read_to_end(&mut got).unwrap();
        let count = if version == "1.0" { 1 } else { 2 };
        assert_eq!(statuses(&got), vec![200; count], "HTTP/{version}");
        assert!(got.len() > count * content.len(), "HTTP/{version}: {} bytes", got.len());
        assert!(began.elapsed() < Duration::from_secs(5), "closed after {:?}", began.elapsed());
    }
}
