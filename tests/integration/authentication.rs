//! Authentication of connections (NTLM): each client's connection has its own upstream
//! connection, and nobody else's requests are on it.

use serde_json::json;

use crate::harness::{Caddy, Service, curl_raw, h3_one};

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
