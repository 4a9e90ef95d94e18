//! Clients of HTTP/1.1 that go away while they wait for an answer: what is done for them ends, and
//! their place at the upstream is free.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::harness::{
    Caddy, Nginx, Origin, Setup, TlsStream, certificate, curl, statuses, tls_any, wait_for,
};

const SOON: Duration = Duration::from_secs(20);
/// The origin says nothing for as long.
const ASK: &[u8] = b"GET /hang/60000 HTTP/1.1\r\nHost: localhost\r\n\r\n";

enum Client {
    Plain(TcpStream),
    Secure(Box<TlsStream>),
}

impl Client {
    fn ask(caddy: &Caddy, secure: bool, bytes: &[u8]) -> Self {
        let port = if secure { caddy.port() } else { caddy.port2() };
        let mut client = Self::connect(port, secure);
        client.say(bytes);
        client
    }

    fn connect(port: u16, secure: bool) -> Self {
        if secure {
            return Self::Secure(Box::new(tls_any(port)));
        }
        Self::Plain(TcpStream::connect(("127.0.0.1", port)).unwrap())
    }

    fn say(&mut self, bytes: &[u8]) {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).unwrap(),
            Self::Secure(stream) => {
                stream.write_all(bytes).and_then(|()| stream.flush()).unwrap();
            }
        }
    }

    /// Ends its side and stays.
    fn end(&self) {
        self.socket().shutdown(Shutdown::Write).unwrap();
    }

    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Secure(stream) => &stream.sock,
        }
    }

    fn go(mut self, how: &str) {
        if let (Self::Secure(stream), "notify") = (&mut self, how) {
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
        if how == "reset" {
            socket2::SockRef::from(self.socket()).set_linger(Some(Duration::ZERO)).unwrap();
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

/// A server under test: where it listens without and with TLS, and its access log, a status at the
/// end of each line.
struct Server<'a> {
    name: &'static str,
    ports: [u16; 2],
    log: &'a Path,
}

/// How many clients were logged with 499 and had their requests upstream ended, of one for each
/// way to go, with and without TLS, and with and without a request sent ahead.
fn gone(server: &Server<'_>, origin: &Origin) {
    let statuses = || {
        let log = std::fs::read_to_string(server.log).unwrap_or_default();
        log.lines().map(|line| line.contains(" 499 ")).collect::<Vec<_>>()
    };
    for (secure, port) in [false, true].into_iter().zip(server.ports) {
        for (how, ahead) in
            ["end", "close", "reset"].into_iter().flat_map(|how| [(how, false), (how, true)])
        {
            let what = format!("{}, TLS {secure}, {how}, ahead {ahead}", server.name);
            let (seen, logged) = (origin.requests().len(), statuses().len());
            let mut client = Client::connect(port, secure);
            client.say(ASK);
            asked(origin, seen + 1);
            if ahead {
                // Nobody reads it: the answer before it is awaited.
                client.say(b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n");
                std::thread::sleep(Duration::from_millis(100));
            }
            let mut kept = None;
            if how == "end" {
                client.end();
                kept = Some(client);
            } else {
                client.go(how);
            }
            let ended = || (origin.open.load(Ordering::SeqCst) == 0).then_some(());
            wait_for(&format!("the end upstream: {what}"), SOON, ended);
            let lines = wait_for(&format!("the line: {what}"), SOON, || {
                Some(statuses()).filter(|lines| lines.len() > logged)
            });
            assert_eq!(&lines[logged..], [true], "499, and nothing else: {what}");
            assert_eq!(origin.requests().len(), seen + 1, "what came behind is not begun: {what}");
            drop(kept);
        }
    }
}

#[test]
fn a_client_that_goes_is_noticed_as_by_nginx() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(dir.path(), "10");
    let origin = Origin::start();
    let log = dir.path().join("nginx.log");
    let location = format!("proxy_pass http://{}; access_log {};", origin.addr, log.display());
    let both = [Nginx::before(&location), Nginx::secure(&cert, &key, &location)];
    let ports =
        both.each_ref().map(|nginx| nginx.addr.rsplit(':').next().unwrap().parse().unwrap());
    gone(&Server { name: "nginx", ports, log: &log }, &origin);

    let origin = Origin::start();
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n import common\n}}\n\
         http://localhost:@PORT2@ {{\n import common\n}}\n"
    );
    let common = format!("log / access.log \"{{uri}} {{status}} .\"\nproxy / {}\n", origin.addr);
    let caddy = Setup::new(&site).file("common", common).start();
    let (ports, log) = ([caddy.port2(), caddy.port()], caddy.path("access.log"));
    gone(&Server { name: "caddy", ports, log: &log }, &origin);
}

#[test]
fn what_was_sent_ahead_is_answered() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    // More than one read takes, behind a request that takes its time.
    let size = 300_000;
    let second =
        format!("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n");
    let last = b"GET /small HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for secure in [false, true] {
        let mut client =
            Client::ask(&caddy, secure, b"GET /hang/1000 HTTP/1.1\r\nHost: localhost\r\n\r\n");
        std::thread::sleep(Duration::from_millis(300));
        client.say(second.as_bytes());
        std::thread::sleep(Duration::from_millis(100));
        client.say(&vec![b'x'; size]);
        client.say(last);
        let mut got = vec![];
        match &mut client {
            Client::Plain(stream) => stream.read_to_end(&mut got).map(drop).unwrap(),
            // The server need not say goodbye.
            Client::Secure(stream) => drop(stream.read_to_end(&mut got)),
        }
        assert_eq!(statuses(&got), [200; 3], "TLS {secure}");
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
