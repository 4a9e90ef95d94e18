//! Certificates obtained when the first client asks for their name, and what a stranger can make
//! of that.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::acme::{DAY, orders, pebble, setup, trusted, with};
use crate::harness::{Ca, Setup, curl, h3_tls, wait_for};

#[test]
fn fifty_handshakes_on_demand_are_one_order() {
    let text = "https:// {\ntls {\nmax_certs 2\n}\nstatus 200 /\n}\n\
                http:// {\nstatus 204 /\n}\n";
    for turned_off in ["-disable-tls-alpn-challenge", "-disable-http-challenge"] {
        let setup = setup(text).arg(turned_off);
        let pebble = pebble(&setup, DAY);
        let caddy = with(setup, &pebble).start();
        let root = pebble.root();
        std::thread::scope(|scope| {
            let ask = || trusted(&caddy, &root, "demand.example");
            let clients: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
            assert!(clients.into_iter().all(|client| client.join().unwrap()));
        });
        assert_eq!(orders(&pebble), 1);
        assert!(trusted(&caddy, &root, "second.example"));
        for refused in ["third.example", "localhost", "x.localhost."] {
            assert!(!trusted(&caddy, &root, refused), "{refused}");
        }
        assert_eq!(orders(&pebble), 2);
        caddy.reload();
        // HTTP/3 cannot wait for a certificate, and needs not: it is known.
        let root = root.display().to_string();
        let job = json!({"port": caddy.port(), "sni": "demand.example", "ca": root});
        assert_eq!(h3_tls(job)[0]["status"], 200);
    }
}

#[test]
fn ask_has_the_last_word() {
    let text = "https:// {\ntls {\nask http://127.0.0.1:@PORT3@/ok\n}\nstatus 200 /\n}\n\
                http:// {\nstatus 204 /\n}\n\
                http://:@PORT3@ {\nrewrite /ok {\nif {query} is domain=yes.example\nto /yes\n}\nstatus 200 /yes\nstatus 403 /ok\n}\n";
    let setup = setup(text);
    let pebble = pebble(&setup, DAY);
    let caddy = with(setup, &pebble).start();
    let root = pebble.root();
    assert!(!trusted(&caddy, &root, "no.example"));
    assert!(trusted(&caddy, &root, "yes.example"), "{}", caddy.log());
    assert_eq!(orders(&pebble), 1);
    wait_for("the refusal in the log", Duration::from_secs(30), || {
        caddy.log().contains("no.example: no certificate on demand: ").then_some(())
    });
}

/// The type of the first record that a client is sent that asks for `name`: 22 for a handshake,
/// 21 for an alert (RFC 8446 section 5.1).
fn first_record(port: u16, name: &str) -> u8 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    client.write_tls(&mut stream).unwrap();
    stream.flush().unwrap();
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    first[0]
}

fn files(dir: &Path) -> usize {
    let below = |entry: std::fs::DirEntry| match entry.path().is_dir() {
        true => files(&entry.path()),
        false => 1,
    };
    std::fs::read_dir(dir).map_or(0, |entries| entries.flatten().map(below).sum())
}

/// A server whose CA validates nothing.
fn with_ca(ca: &Ca, text: &str) -> Setup {
    setup(text).arg(&format!("-ca={}", ca.url()))
}

#[test]
fn after_ten_one_comes_in_ten_minutes() {
    let ca = Ca::start();
    let caddy = with_ca(&ca, "https:// {\ntls {\nmax_certs 20\n}\nstatus 200 /\n}\n").start();
    for number in 1..=10 {
        assert_eq!(first_record(caddy.port(), &format!("d{number}.example")), 22);
    }
    assert_eq!(first_record(caddy.port(), "d11.example"), 21);
    assert_eq!(first_record(caddy.port(), "d10.example"), 22);
    wait_for("the refusal in the log", Duration::from_secs(30), || {
        caddy
            .log()
            .contains("d11.example: no certificate on demand: the last certificate was")
            .then_some(())
    });
    assert_eq!(ca.orders().len(), 10);
}

#[test]
fn a_thousand_invented_names_cost_nothing() {
    let ca = Ca::start();
    let text = "https:// {\ntls {\nask http://127.0.0.1:@PORT3@/ok\n}\nstatus 200 /\n}\n\
                http://:@PORT3@ {\nrewrite /ok {\nif {query} is domain=yes.example\nto /yes\n}\n\
                status 200 /yes\nstatus 403 /ok\n}\n";
    let caddy = with_ca(&ca, text).start();
    std::thread::scope(|scope| {
        for part in 0..8 {
            let port = caddy.port();
            scope.spawn(move || {
                for number in 0..125 {
                    assert_eq!(first_record(port, &format!("x{part}-{number}.example")), 21);
                }
            });
        }
    });
    assert_eq!((ca.orders().len(), ca.accounts().len()), (0, 0));
    assert_eq!(files(&caddy.path("store")), 0);
    assert_eq!(first_record(caddy.port(), "yes.example"), 22);
    assert_eq!(ca.orders().len(), 1);
}

#[test]
fn tokens_are_answered_while_they_are_waited_for_and_never_read_from_files() {
    let setup = setup("a.example\nstatus 200 /\n").arg("-ca=https://127.0.0.1:1/dir");
    let caddy = setup.file(".well-known/acme-challenge/token", "from a file").start();
    for path in ["token", "../acme-challenge/token", "%2e%2e/token", "..%2f..%2fCaddyfile", ""] {
        let url = format!("http://127.0.0.1:{}/.well-known/acme-challenge/{path}", caddy.port2());
        let answer = curl(&["--path-as-is", "-H", "Host: other.example"], &url);
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
    }
}
