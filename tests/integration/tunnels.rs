//! Connections that leave HTTP: WebSockets over every protocol, and any `Upgrade`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::harness::{
    Caddy, EchoSockets, Origin, Setup, certificate, chat, exchange, h2_abuse, h2_socket, h3_socket,
    plain_socket, statuses, tls_socket, wait_for, with_runtime,
};

const MESSAGES: usize = 10_000;

/// A proxy over TLS (first port) and plain (second port) whose certificate clients know.
fn proxy(origin: impl ToString, options: &str, args: &[&str]) -> (Caddy, TempDir) {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n log / access.log\n errors errors.log\n proxy / @ORIGIN@ {{\n{options}\n}}\n}}\n\
         http://:@PORT2@ {{\n log / access.log \"{{method}} {{uri}} {{status}} {{size}}\"\n gzip\n proxy / @ORIGIN@ {{\n{options}\n}}\n}}\n"
    );
    let setup = Setup::new(&site).set("ORIGIN", origin);
    (args.iter().fold(setup, |setup, arg| setup.arg(arg)).start(), keys)
}

#[test]
fn sockets_do_not_take_the_streams_of_requests() {
    let origin = EchoSockets::start();
    let site =
        "https://localhost:@PORT@ {\n tls self_signed\n status 204 /page\n proxy / @ORIGIN@\n}\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).start();
    let job = json!({"attack": "sockets", "count": 150, "path": "/page", "seconds": 0});
    let seen = h2_abuse(caddy.port(), job);
    assert_eq!(seen["statuses"]["301"], 204, "{seen}");
    let statuses = seen["statuses"].as_object().unwrap();
    assert_eq!(statuses.values().filter(|status| **status == 200).count(), 150, "{seen}");
    let seen = h3_socket(caddy.port(), json!({"many": 150}));
    assert_eq!(seen, json!({"open": 150, "get": "204"}));
}

#[test]
fn ten_thousand_messages_over_http_1() {
    let origin = EchoSockets::start();
    let (caddy, keys) = proxy(origin.addr, "", &[]);
    with_runtime(async {
        chat(plain_socket(caddy.port2(), &[]).await.0, MESSAGES).await;
        chat(tls_socket(caddy.port(), &keys.path().join("cert.pem")).await, MESSAGES).await;
    });
}

#[test]
fn ten_thousand_messages_over_http_2() {
    let origin = EchoSockets::start();
    let (caddy, keys) = proxy(origin.addr, "", &[]);
    let cert = keys.path().join("cert.pem");
    with_runtime(async {
        chat(h2_socket(caddy.port(), &cert, "websocket").await.unwrap(), MESSAGES).await;
        let other = h2_socket(caddy.port(), &cert, "connect-udp").await;
        assert_eq!(other.err().unwrap(), 501, "no other protocol opens a stream");
    });
    assert!(origin.last().contains_key("sec-websocket-key"), "{:?}", origin.last());
}

#[test]
fn ten_thousand_messages_over_http_3() {
    let origin = EchoSockets::start();
    let (caddy, _keys) = proxy(origin.addr, "", &[]);
    let told = h3_socket(caddy.port(), json!({"messages": MESSAGES}));
    assert_eq!(told["allowed"], 1, "SETTINGS_ENABLE_CONNECT_PROTOCOL: {told}");
    assert_eq!((&told["status"], &told["echoed"]), (&json!("200"), &json!(MESSAGES)), "{told}");
    assert_eq!(told["ended"], true, "the stream ends behind the Close frame: {told}");
    assert_eq!(origin.last()["upgrade"], "websocket");
    let other = h3_socket(caddy.port(), json!({"protocol": "connect-udp", "messages": 0}));
    assert_eq!(other["status"], "501", "{other}");
}

#[test]
fn header_rules_hold_for_the_handshake_and_the_end_is_logged() {
    let origin = EchoSockets::start();
    let rules = "websocket\n transparent\n header_upstream X-Up {host}\n header_downstream -X-Origin\n\
        header_downstream X-Down yes\n header_upstream Connection {>Connection}";
    let (caddy, _keys) = proxy(origin.addr, rules, &[]);
    with_runtime(async {
        let asked = [("sec-websocket-protocol", "chat")];
        let (mut socket, granted) = plain_socket(caddy.port2(), &asked).await;
        assert_eq!(granted["sec-websocket-protocol"], "chat");
        assert_eq!((granted.get("x-origin"), granted["x-down"].as_bytes()), (None, &b"yes"[..]));
        let seen = origin.last();
        assert_eq!(
            (&seen["host"], &seen["x-up"]),
            (&"localhost".parse().unwrap(), &"localhost".parse().unwrap())
        );
        assert_eq!(
            (&seen["x-real-ip"], &seen["connection"]),
            (&"127.0.0.1".parse().unwrap(), &"Upgrade".parse().unwrap())
        );
        assert_eq!(caddy.read("access.log"), "", "the line comes when the tunnel ends");
        socket.send(Message::text("hello")).await.unwrap();
        socket.next().await.unwrap().unwrap();
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
    let line = wait_for("the line", Duration::from_secs(30), || {
        Some(caddy.read("access.log")).filter(|log| !log.is_empty())
    });
    // A text frame of five bytes and a Close frame.
    assert_eq!(line, "GET /chat 101 9\n");
}

/// An origin that answers one connection with `answer`, then hands the stream to `then`.
fn once<T: Send + 'static>(
    answer: &'static str,
    then: impl FnOnce(TcpStream, String) -> T + Send + 'static,
) -> (std::net::SocketAddr, std::thread::JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
        then(stream, String::from_utf8(head).unwrap().to_lowercase())
    });
    (addr, served)
}

const ASK: &[u8] = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo/1\r\n\r\n";
const GRANT: &str = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: foo/1\r\n\r\n";

fn rest(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn any_protocol_passes_with_what_came_early_and_each_side_closes_by_itself() {
    let (addr, origin) = once(GRANT, |mut stream, head| {
        stream.write_all(b"first").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        (head, rest(&mut stream))
    });
    let (caddy, _keys) = proxy(addr, "", &[]);
    let mut client = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    client.write_all(&[ASK, b"early "].concat()).unwrap();
    let answer = rest(&mut client);
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\nfirst"), "{answer}");
    client.write_all(b"late").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (head, got) = origin.join().unwrap();
    assert!(
        head.contains("\r\nupgrade: foo/1\r\n") && head.contains("\r\nconnection: upgrade\r\n")
    );
    assert_eq!(got, "early late", "{head}");
}

#[test]
fn the_clients_end_leaves_the_answer_open() {
    let (addr, origin) = once(GRANT, |mut stream, _| {
        let got = rest(&mut stream);
        stream.write_all(got.to_uppercase().as_bytes()).unwrap();
    });
    let (caddy, _keys) = proxy(addr, "", &[]);
    let mut client = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    client.write_all(&[ASK, b"question"].concat()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let answer = rest(&mut client);
    assert!(answer.ends_with("\r\n\r\nQUESTION"), "{answer}");
    origin.join().unwrap();
}

#[test]
fn a_reader_that_stops_holds_the_sender_back() {
    const SENT: usize = 64 * 1024 * 1024;
    let (addr, origin) = once(GRANT, |mut stream, _| {
        let block = [7; 64 * 1024];
        (0..SENT / block.len()).for_each(|_| stream.write_all(&block).unwrap());
    });
    let (caddy, _keys) = proxy(addr, "", &[]);
    let mut client = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    client.write_all(ASK).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(!origin.is_finished(), "64 MiB went where nobody reads");
    assert!(caddy.rss_peak() < 60 * 1024, "peak {} KiB", caddy.rss_peak());
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert!(got.len() > SENT && got.ends_with(&[7; 1024]), "{} bytes", got.len());
}

#[test]
fn without_101_nothing_leaves_http() {
    let origin = Origin::start();
    let (caddy, _keys) = proxy(origin.addr, "", &[]);
    for protocol in ["foo", "websocket", "h2c", "TLS/1.2"] {
        origin.clear();
        let asked = format!(
            "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {protocol}\r\n\
             HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        );
        let answers = exchange(caddy.port2(), asked.as_bytes(), Duration::from_secs(10));
        assert_eq!(statuses(&answers), [200, 200], "{protocol}");
        let seen = origin.requests();
        let targets: Vec<_> = seen.iter().map(|request| request.target.as_str()).collect();
        assert_eq!(targets, ["/echo", "/admin"], "{protocol}");
        let passed = ["foo", "websocket"].contains(&protocol);
        assert_eq!(seen[0].header("upgrade"), passed.then_some(protocol));
        assert_eq!((seen[0].header("http2-settings"), &seen[0].body[..]), (None, &b""[..]));
    }
}

#[test]
fn wrong_grants_are_502() {
    for answer in [
        "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: bar\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nUpgrade: foo/1\r\n\r\n",
        "HTTP/1.1 101 Switching\r\n\r\n",
    ] {
        let (addr, _origin) = once(answer, |stream, _| stream);
        let (caddy, _keys) = proxy(addr, "", &[]);
        let close = [&ASK[..ASK.len() - 2], b"X: y\r\n\r\n"].concat();
        let answers = exchange(caddy.port2(), &close, Duration::from_secs(2));
        assert_eq!(statuses(&answers), [502], "{answer}");
    }
}

/// A key that the proxy has made for a client (HTTP/2, HTTP/3) it checks itself; an HTTP/1.1
/// client has its own, and the answer is its to judge.
#[test]
fn a_wrong_answer_to_a_key_opens_no_tunnel_that_the_client_cannot_refuse() {
    const WRONG: &str = "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    const NONE: &str =
        "HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
    for answer in [WRONG, NONE] {
        let upstream = always(answer);
        let (caddy, keys) = proxy(upstream, "", &[]);
        let cert = keys.path().join("cert.pem");
        with_runtime(async {
            let refused = h2_socket(caddy.port(), &cert, "websocket").await;
            assert_eq!(refused.err().unwrap(), 502);
        });
        let refused = h3_socket(caddy.port(), json!({"messages": 1}));
        assert_eq!(refused["status"], "502", "{refused}");
        let log = wait_for("two lines", Duration::from_secs(30), || {
            Some(caddy.read("errors.log")).filter(|log| log.lines().count() == 2)
        });
        let why = format!(
            "upstream http://{upstream}: invalid response from the upstream: \
            Sec-WebSocket-Accept is invalid"
        );
        assert_eq!(log.matches(&why).count(), 2, "{log}");

        let asked = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let got = exchange(caddy.port2(), asked.as_bytes(), Duration::from_secs(10));
        let got = String::from_utf8_lossy(&got).to_lowercase();
        assert!(got.starts_with("http/1.1 101 ") && got.ends_with("\r\n\r\nhello"), "{got}");
        assert_eq!(got.contains("aaaaaaaaaaaaaaaaaaaaaaaaaaa="), answer == WRONG, "{got}");
        let line = format!("[WARNING] WebSocket of upstream {upstream}: Sec-WebSocket-Accept");
        wait_for(&line, Duration::from_secs(30), || {
            (caddy.log().matches(&line).count() == 1).then_some(())
        });
    }
}

/// An origin that answers every upgrade so, with `hello` behind it, and anything else by 404.
fn always(answer: &'static str) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read(&mut byte).unwrap_or(0) == 0 {
                    break;
                }
                head.push(byte[0]);
            }
            let upgrade = String::from_utf8_lossy(&head).to_lowercase().contains("\r\nupgrade:");
            let none = "HTTP/1.1 404 None\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            let said = if upgrade { [answer, "hello"].concat() } else { none.to_owned() };
            let _ = stream.write_all(said.as_bytes());
        }
    });
    addr
}

#[test]
fn a_silent_tunnel_keeps_its_quic_connection_and_nothing_else_does() {
    let origin = EchoSockets::start();
    let (caddy, _keys) = proxy(origin.addr, "", &[]);
    let port = caddy.port();
    // The lesser of both sides' limits holds: the client's, so that this takes no half minute.
    let alone = std::thread::spawn(move || h3_socket(port, json!({"idle": 15, "alone": true})));
    let told = h3_socket(port, json!({"idle": 15, "silence": 20, "messages": 10}));
    assert_eq!((&told["echoed"], &told["closed"]), (&json!(10), &json!(1000)), "{told}");
    assert_eq!(alone.join().unwrap()["ended"], "closed");
}

#[test]
fn sockets_outlive_a_reload_and_hear_1001_at_a_stop() {
    let origin = EchoSockets::start();
    let (mut caddy, keys) = proxy(origin.addr, "", &["-grace=5s"]);
    let cert = keys.path().join("cert.pem");
    with_runtime(async {
        let mut sockets = vec![
            plain_socket(caddy.port2(), &[]).await.0,
            tls_socket(caddy.port(), &cert).await,
            h2_socket(caddy.port(), &cert, "websocket").await.unwrap(),
        ];
        caddy.reload();
        for socket in &mut sockets {
            socket.send(Message::text("still here")).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still here"));
        }
        let port = caddy.port();
        let over_http3 =
            std::thread::spawn(move || h3_socket(port, json!({"messages": 10, "stay": true})));
        wait_for("four handshakes", Duration::from_secs(20), || {
            (origin.handshakes() == 4).then_some(())
        });
        caddy.signal(Signal::SIGTERM);
        for socket in &mut sockets {
            let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else {
                panic!("no Close frame")
            };
            assert_eq!(u16::from(frame.code), 1001);
        }
        let told = over_http3.join().unwrap();
        assert_eq!((&told["echoed"], &told["closed"]), (&json!(10), &json!(1001)), "{told}");
    });
    assert_eq!(caddy.wait(), Some(0));
    wait_for("the origin's goodbyes", Duration::from_secs(30), || {
        (origin.closed() == [Some(1001); 4]).then_some(())
    });
}

#[test]
fn the_example_passes_messages() {
    let origin = EchoSockets::start();
    let text = include_str!("../../examples/websocket/Caddyfile")
        .replace("localhost:3000", &origin.addr.to_string())
        .replace(":8443", ":@PORT@");
    let caddy = Caddy::start(&text);
    let told = h3_socket(caddy.port(), json!({"messages": 10}));
    assert_eq!(told["echoed"], 10, "{told}");
    assert_eq!(origin.last()["host"], format!("localhost:{}", caddy.port()));
}
