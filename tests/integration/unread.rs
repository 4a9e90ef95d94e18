//! Clients that read nothing: how much the kernel holds for each, and how they end.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Caddy, Setup, any_certificate, h2_abuse, h3, tls_any, wait_for};

/// Bytes that the kernel holds for the client of this port, sent or not, by `/proc/net/tcp`.
fn held(server: u16, client: u16) -> Option<usize> {
    let table =
        ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| std::fs::read_to_string(file).unwrap());
    let ends = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let port = |end: &str| u16::from_str_radix(end.rsplit(':').next()?, 16).ok();
        let (local, remote) = (port(words.next()?)?, port(words.next()?)?);
        let queue = words.nth(1)?.split(':').next()?;
        ((local, remote) == (server, client)).then(|| usize::from_str_radix(queue, 16).ok())?
    };
    table.iter().flat_map(|text| text.lines()).find_map(ends)
}

/// With these lines in its plain site.
fn server(lines: &str) -> Caddy {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n root www\n}\n\
                http://localhost:@PORT2@ {\n root www\n@LINES@}\n";
    Setup::new(site).set("LINES", lines).file("www/big", vec![b'x'; 64 << 20]).start()
}

const ASK: &[u8] = b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What is held once nothing moves any more.
pub fn settled(server: u16, client: u16) -> usize {
    let mut last = (0, 0);
    wait_for("the queue to settle", Duration::from_secs(20), || {
        std::thread::sleep(Duration::from_millis(100));
        let now = held(server, client)?;
        last = if now > 0 && now == last.0 { (now, last.1 + 1) } else { (now, 0) };
        (last.1 >= 5).then_some(now)
    })
}

#[test]
fn little_is_held_for_a_client_that_reads_nothing() {
    let caddy = server("");
    let mut plain = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    plain.write_all(ASK).unwrap();
    let mut secure = tls_any(caddy.port());
    secure.write_all(ASK).unwrap();
    secure.flush().unwrap();
    for (what, port, stream) in
        [("plain", caddy.port2(), &plain), ("TLS", caddy.port(), &secure.sock)]
    {
        let held = settled(port, stream.local_addr().unwrap().port());
        assert!(held <= 256 * 1024, "{what}: the kernel holds {held} bytes");
    }
}

#[test]
fn a_client_that_takes_nothing_is_reset_at_its_limit() {
    let caddy = server(" timeouts {\n write 6s\n }\n");
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    stream.write_all(ASK).unwrap();
    let client = stream.local_addr().unwrap().port();
    // The response has begun; this takes nothing of it.
    assert_eq!(stream.peek(&mut [0]).unwrap(), 1);
    wait_for("the end", Duration::from_secs(60), || {
        held(caddy.port2(), client).is_none().then_some(())
    });
    let mut got = vec![];
    let ended = stream.read_to_end(&mut got).map_err(|error| error.kind());
    assert_eq!(ended, Err(ErrorKind::ConnectionReset), "after {} bytes", got.len());
}

/// The whole response is given to hyper at once, so nothing asks its body again.
#[test]
fn a_page_in_one_piece_is_cut_at_the_limit_over_every_protocol() {
    let site = |port: &str, tls: &str| {
        format!("{port} {{\n{tls} root www\n templates\n timeouts {{\n write 3s\n }}\n}}\n")
    };
    let text = site("https://localhost:@PORT@", " tls self_signed\n")
        + &site("http://localhost:@PORT2@", "");
    let caddy = Setup::new(&text).file("www/page.html", vec![b'x'; 2_000_000]).start();
    let began = Instant::now();
    let ask = b"GET /page.html HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let gone = |server: u16, stream: &TcpStream| {
        let client = stream.local_addr().unwrap().port();
        wait_for("the end", Duration::from_secs(30), || {
            held(server, client).is_none().then_some(())
        });
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut plain = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
            plain.write_all(ask).unwrap();
            assert_eq!(plain.peek(&mut [0]).unwrap(), 1);
            gone(caddy.port2(), &plain);
        });
        scope.spawn(|| {
            let mut secure = tls_any(caddy.port());
            secure.write_all(ask).unwrap();
            secure.flush().unwrap();
            assert_eq!(secure.read(&mut [0]).unwrap(), 1);
            gone(caddy.port(), &secure.sock);
        });
        scope.spawn(|| {
            let job = json!({"attack": "zero_window", "count": 1, "path": "/page.html",
                "seconds": 12});
            let seen = h2_abuse(caddy.port(), job);
            assert_eq!(seen["resets"].as_object().map(|all| all.len()), Some(1), "{seen}");
        });
        scope.spawn(|| {
            let job =
                json!({"requests": [{"path": "/page.html"}], "window": 65536, "freeze": true});
            let answer = &h3(caddy.port(), job)["answers"][0];
            assert_eq!(answer["error"], "reset 0x102", "{}", answer["len"]);
        });
    });
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
}

/// A client that lets the server open no stream.
#[test]
fn who_leaves_no_room_for_the_settings_is_closed() {
    let caddy = server("");
    let at = std::net::SocketAddr::from(([127, 0, 0, 1], caddy.port()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let config = quinn::crypto::rustls::QuicClientConfig::try_from(any_certificate(b"h3"));
        let mut config = quinn::ClientConfig::new(Arc::new(config.unwrap()));
        let mut transport = quinn::TransportConfig::default();
        transport.max_concurrent_uni_streams(0_u8.into());
        transport.keep_alive_interval(Some(Duration::from_secs(1)));
        config.transport_config(Arc::new(transport));
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connection = endpoint.connect_with(config, at, "localhost").unwrap().await.unwrap();
        let closed = tokio::time::timeout(Duration::from_secs(50), connection.closed()).await;
        assert!(closed.is_ok(), "it holds its place");
    });
}
