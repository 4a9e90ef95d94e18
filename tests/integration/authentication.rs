//! Authentication of connections (NTLM, Negotiate): each client's connection has its own upstream
//! connection, and nobody else's requests are on it.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::harness::{Caddy, Service, curl_raw, h3_one, keep_alive};

/// Three requests on one connection of curl.
fn as_user(user: &str, url: &str) -> String {
    let user = format!("TEST\\{user}:secret");
    curl_raw(&["--ntlm", "-u", &user, url, url, url]).text()
}

#[test]
fn clients_have_connections_of_their_own() {
    let origin = Service::start("ntlm.py", &[]);
    let caddy = Caddy::proxy(&origin.addr, "keepalive 8");
    let url = caddy.plain("/");
    let seen = std::thread::scope(|scope| {
        let clients = ["alice", "bob", "alice", "bob"].map(|user| {
            let url = &url;
            (user, scope.spawn(move || as_user(user, url)))
        });
        clients.map(|(user, client)| (user, client.join().unwrap()))
    });
    let mut numbers = Vec::new();
    for (user, text) in seen {
        let number = text.rsplit(' ').next().unwrap().to_owned();
        assert_eq!(text, format!("{user} {number}"), "the last of three answers");
        numbers.push(number);
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 4, "each client its own: {numbers:?}");
    for _ in 0..8 {
        assert_eq!(curl_raw(&[&url]).status, 401, "what is authenticated is not shared");
    }
}

#[test]
fn other_protocols_are_sent_to_http_1() {
    let origin = Service::start("ntlm.py", &[]);
    let caddy = Caddy::proxy(&origin.addr, "");
    let url = caddy.url("/");
    let refused = curl_raw(&["--http2", &url]);
    assert!(refused.error.contains("HTTP_1_1_REQUIRED") || refused.version == "1.1", "{refused:?}");
    let text = as_user("alice", &url);
    assert!(text.starts_with("alice "), "{text}");
    let refused = h3_one(caddy.port(), json!({"path": "/"}));
    assert_eq!(refused.error, "reset 0x110", "H3_VERSION_FALLBACK: {refused:?}");
}

/// A server that authenticates connections by Negotiate (RFC 4559) with tokens that are words:
/// `ticket USER` is enough, as with Kerberos, and `begin USER` has to be followed by `end USER` on
/// the same connection. Requests that follow on it are the user's, without a word of theirs.
struct Negotiating {
    addr: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Negotiating {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let started = Self { addr: listener.local_addr().unwrap(), requests: Arc::default() };
        let requests = started.requests.clone();
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().flatten().enumerate() {
                let requests = requests.clone();
                std::thread::spawn(move || Self::serve(stream, number, &requests));
            }
        });
        started
    }

    fn serve(stream: TcpStream, number: usize, requests: &AtomicUsize) {
        use std::io::{BufRead, BufReader, Write};
        let (mut begun, mut user) = (None, None);
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        loop {
            let head: Vec<_> =
                lines.by_ref().map_while(Result::ok).take_while(|l| !l.is_empty()).collect();
            if head.is_empty() {
                return;
            }
            requests.fetch_add(1, Ordering::SeqCst);
            let said = head.iter().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                let token = value.strip_prefix("Negotiate ")?;
                name.eq_ignore_ascii_case("authorization").then(|| decoded(token))
            });
            let said = said.unwrap_or_default();
            match said.split_once(' ') {
                Some(("ticket", name)) => user = Some(name.to_owned()),
                Some(("begin", name)) => begun = Some(name.to_owned()),
                Some(("end", name)) if begun.as_deref() == Some(name) => user = begun.take(),
                _ => {}
            }
            let answer = match (&user, &begun) {
                (Some(user), _) => {
                    let text = format!("{user} {number}");
                    format!(
                        "HTTP/1.1 200 OK\r\nPersistent-Auth: true\r\nContent-Length: {}\r\n\r\n{text}",
                        text.len()
                    )
                }
                (None, begun) => {
                    let more = begun.as_ref().map(|user| encoded(&format!("more {user}")));
                    let challenge =
                        more.map_or("Negotiate".to_owned(), |more| format!("Negotiate {more}"));
                    format!(
                        "HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
                    )
                }
            };
            (&stream).write_all(answer.as_bytes()).unwrap();
        }
    }
}

fn encoded(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

fn decoded(token: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(token).unwrap()).unwrap()
}

/// One request on a client's connection, with a token or none: status and content.
fn says(client: &mut TcpStream, token: &str) -> (u16, String) {
    let field = match token {
        "" => String::new(),
        token => format!("Authorization: Negotiate {}\r\n", encoded(token)),
    };
    let request = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{field}\r\n");
    let (status, _, body) = keep_alive(client, &request).expect("an answer");
    (status, body)
}

#[test]
fn negotiate_binds_a_client_to_a_connection() {
    let origin = Negotiating::start();
    let caddy = Caddy::proxy(origin.addr, "keepalive 8");
    let connect = || TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    let mut clients: Vec<_> = (0..6).map(|_| connect()).collect();
    // All of them between one another: a connection that were shared would be noticed.
    for (index, client) in clients.iter_mut().enumerate() {
        assert_eq!(says(client, "").0, 401);
        if index % 2 == 0 {
            assert_eq!(says(client, &format!("begin user{index}")).0, 401);
        }
    }
    let mut connections = vec![];
    for (index, client) in clients.iter_mut().enumerate() {
        let token = if index % 2 == 0 { "end" } else { "ticket" };
        let (status, text) = says(client, &format!("{token} user{index}"));
        assert_eq!(status, 200, "{token}");
        connections.push(text);
    }
    for _ in 0..3 {
        for (client, text) in clients.iter_mut().zip(&connections) {
            assert_eq!(says(client, ""), (200, text.clone()));
        }
    }
    for (index, text) in connections.iter().enumerate() {
        assert!(text.starts_with(&format!("user{index} ")), "{text}");
    }
    let mut numbers: Vec<_> = connections.iter().map(|text| text.rsplit(' ').next()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 6, "each client its own: {connections:?}");
    for _ in 0..8 {
        assert_eq!(says(&mut connect(), "").0, 401, "what is authenticated is not shared");
    }
    // Nor is it left to others when its client has gone.
    drop(clients);
    for _ in 0..8 {
        assert_eq!(says(&mut connect(), "").0, 401);
    }
}

#[test]
fn negotiate_sends_other_protocols_to_http_1() {
    let origin = Negotiating::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let url = caddy.url("/");
    let answer = curl_raw(&["--http2", &url]);
    assert!(answer.error.contains("HTTP_1_1_REQUIRED") || answer.version == "1.1", "{answer:?}");
    let answer = h3_one(caddy.port(), json!({"path": "/"}));
    assert_eq!(answer.error, "reset 0x110", "H3_VERSION_FALLBACK: {answer:?}");
    // Credentials are not even passed on: they would be of a connection that is nobody's own.
    let before = origin.requests.load(Ordering::SeqCst);
    let field = format!("Negotiate {}", encoded("ticket alice"));
    let job = json!({"path": "/", "headers": [["authorization", field]]});
    assert_eq!(h3_one(caddy.port(), job).error, "reset 0x110");
    assert_eq!(origin.requests.load(Ordering::SeqCst), before);
    let field = format!("Authorization: {field}");
    let answer = curl_raw(&["--http1.1", "-H", &field, &url]);
    assert!(answer.status == 200 && answer.text().starts_with("alice "), "{answer:?}");
}
