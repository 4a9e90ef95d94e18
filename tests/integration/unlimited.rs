//! `timeouts none` and `write none`: a client that takes nothing of its response for longer than
//! the default allows still gets all of it. The waits are long and run side by side.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Caddy, Origin, Setup, h2_abuse, h3, tls_any};

/// For how long nothing is taken; by default it would be 60 s.
const PAUSE: Duration = Duration::from_secs(66);
/// More than all that lies between has room for.
const BIG: usize = 50_000_000;
/// The same for the client of HTTP/3, which is slow.
const BIG_H3: usize = 8_000_000;

fn site(origin: impl ToString, timeouts: &str) -> Caddy {
    let text = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n {timeouts}\n proxy / @ORIGIN@\n}}\n\
         http://localhost:@PORT2@ {{\n {timeouts}\n proxy / @ORIGIN@\n}}\n"
    );
    Setup::new(&text).set("ORIGIN", origin).start()
}

/// What comes of `ask`, read after the pause.
fn late(mut stream: impl Read + Write, ask: &str) -> usize {
    stream.write_all(ask.as_bytes()).and_then(|()| stream.flush()).unwrap();
    thread::sleep(PAUSE);
    let (mut chunk, mut total) = (vec![0; 65536], 0);
    while total < BIG {
        match stream.read(&mut chunk) {
            Ok(read) if read > 0 => total += read,
            _ => break,
        }
    }
    total
}

fn plain(caddy: &Caddy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap()
}

/// Where one connection leaves HTTP and gets bytes without end.
fn upgrading() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        let granted =
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
        stream.write_all(granted).unwrap();
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    addr
}

#[test]
fn a_client_may_take_nothing_for_as_long_as_it_likes() {
    let ask = format!("GET /size/{BIG} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let upgrade =
        "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
    thread::scope(|scope| {
        for timeouts in ["timeouts none", "timeouts {\n  write none\n }"] {
            let ask = &ask;
            scope.spawn(move || {
                let origin = Origin::start();
                let caddy = &site(origin.addr, timeouts);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        assert!(late(plain(caddy), ask) >= BIG, "HTTP/1.1, {timeouts}");
                    });
                    scope.spawn(|| {
                        assert!(late(tls_any(caddy.port()), ask) >= BIG, "TLS, {timeouts}");
                    });
                    scope.spawn(|| {
                        let job = json!({"attack": "thaw", "count": PAUSE.as_secs(),
                            "path": "/size/60000", "seconds": 0});
                        let seen = h2_abuse(caddy.port(), job);
                        assert_eq!(seen["ended"], json!([1]), "HTTP/2, {timeouts}: {seen}");
                    });
                    scope.spawn(|| {
                        let job = json!({"requests": [{"path": format!("/size/{BIG_H3}")}],
                            "freeze": true, "thaw": PAUSE.as_secs()});
                        let answer = &h3(caddy.port(), job)["answers"][0];
                        assert_eq!(
                            answer["len"], BIG_H3,
                            "HTTP/3, {timeouts}: {}",
                            answer["error"]
                        );
                    });
                });
            });
            scope.spawn(move || {
                let caddy = site(upgrading(), timeouts);
                assert!(late(plain(&caddy), upgrade) >= BIG, "a tunnel, {timeouts}");
            });
        }
    });
}
