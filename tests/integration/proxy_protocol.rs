//! The PROXY protocol in front of connections: HAProxy and curl that speak it, and senders that
//! get it wrong.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Caddy, Origin, Setup, curl, exchange, free_port, statuses, wait_for};

/// Longer than any of these servers waits for a header.
const QUIET: Duration = Duration::from_secs(10);
const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A server over TLS and a plain one, behind load balancers at `from`.
fn behind(origin: &Origin, from: &str) -> Caddy {
    let directives =
        format!("proxyprotocol {from}\n log / access.log {{remote}}\n proxy / @ORIGIN@");
    let text = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n {directives}\n}}\n\
         http://:@PORT2@ {{\n {directives}\n}}\n"
    );
    Setup::new(&text).set("ORIGIN", origin.addr).start()
}

/// HAProxy, passing TCP on.
struct Balancer {
    port: u16,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Balancer {
    fn start(to: u16, option: &str) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let file = dir.path().join("haproxy.cfg");
        let conf = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
             listen l\n bind 127.0.0.1:{port}\n server s 127.0.0.1:{to} {option}\n"
        );
        std::fs::write(&file, conf).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("haproxy");
        wait_for("haproxy to listen", QUIET, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self { port, child, _dir: dir }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_load_balancer_names_its_client() {
    let origin = Origin::start();
    let caddy = behind(&origin, "127.0.0.1");
    for (option, protocol, client) in [
        ("send-proxy", "--http1.1", "127.0.0.2"),
        ("send-proxy", "--http2", "127.0.0.3"),
        ("send-proxy-v2", "--http1.1", "127.0.0.4"),
        ("send-proxy-v2 proxy-v2-options ssl,crc32c,unique-id", "--http2", "127.0.0.5"),
    ] {
        let balancer = Balancer::start(caddy.port(), option);
        let to = format!("localhost:{}:127.0.0.1:{}", caddy.port(), balancer.port);
        let options = [protocol, "--interface", client, "--connect-to", &to];
        let answer = curl(&options, &caddy.url("/"));
        assert_eq!(answer.status, 200, "{option} {protocol}: {}", answer.error);
        assert_eq!(origin.last().header("x-forwarded-for"), Some(client), "{option} {protocol}");
        let logged = || caddy.read("access.log").lines().any(|line| line == client).then_some(());
        wait_for("the log", QUIET, logged);
    }
}

#[test]
fn curl_speaks_it_over_tls_and_without() {
    let origin = Origin::start();
    let caddy = behind(&origin, "127.0.0.1 ::1");
    for url in [caddy.url("/"), caddy.plain("/")] {
        assert_eq!(curl(&["--haproxy-protocol"], &url).status, 200, "{url}");
        let without = curl(&[], &url);
        assert!(without.status == 0 && !without.error.is_empty(), "{url}: {without:?}");
    }
}

fn v2(command: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).unwrap().to_be_bytes();
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, 0x11][..], &length, block].concat()
}

const ADDRESSES: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 1, 187];

#[test]
fn who_is_named_and_who_is_refused() {
    let origin = Origin::start();
    let caddy = behind(&origin, "127.0.0.1 3s");
    let lying = [ADDRESSES, &[4, 0xff, 0xff, 1]].concat();
    for (header, client) in [
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 4660 443\r\n".to_vec(), Some("192.0.2.1")),
        (b"PROXY TCP6 2001:db8::1 :: 4660 443\r\n".to_vec(), Some("2001:db8::1")),
        (b"PROXY UNKNOWN\r\n".to_vec(), Some("127.0.0.1")),
        (v2(0x21, ADDRESSES), Some("192.0.2.1")),
        (v2(0x20, &[]), Some("127.0.0.1")),
        (b"".to_vec(), None),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 4660\r\n".to_vec(), None),
        (format!("PROXY UNKNOWN {}\r\n", "x".repeat(100)).into(), None),
        (v2(0x21, &ADDRESSES[..11]), None),
        (v2(0x21, &lying), None),
        (v2(0x21, &[0; 65_535]), None),
    ] {
        origin.clear();
        let stream = [&header[..], GET.as_bytes()].concat();
        let got = statuses(&exchange(caddy.port2(), &stream, QUIET));
        let requests = origin.requests();
        let seen = requests.first().and_then(|request| request.header("x-forwarded-for"));
        let shown = String::from_utf8_lossy(&header[..header.len().min(60)]);
        assert_eq!((got.first(), seen), (client.map(|_| &200), client), "{shown:?}");
    }
    wait_for("the warning", QUIET, || {
        caddy.log().contains("[WARNING] PROXY protocol from 127.0.0.1:").then_some(())
    });
}

#[test]
fn a_header_that_does_not_end_costs_its_time_only() {
    let origin = Origin::start();
    let caddy = behind(&origin, "127.0.0.1 3s");
    for start in [&b"PROXY TCP4 192.0.2.1 "[..], b"\r\n\r\n\0\r\nQUIT\n\x21\x11", b"P", b""] {
        let began = std::time::Instant::now();
        assert_eq!(exchange(caddy.port2(), start, QUIET), b"");
        assert!(began.elapsed() < QUIET, "closed by the server");
    }
}

#[test]
fn others_may_not_name_anybody() {
    let origin = Origin::start();
    let caddy = behind(&origin, "192.0.2.0/24");
    assert_eq!(curl(&["-4"], &caddy.url("/")).status, 200);
    assert_eq!(origin.last().header("x-forwarded-for"), Some("127.0.0.1"));
    origin.clear();
    assert_eq!(curl(&["--haproxy-protocol"], &caddy.url("/")).status, 0);
    let stream = format!("PROXY TCP4 6.6.6.6 192.0.2.2 4660 443\r\n{GET}");
    assert_eq!(statuses(&exchange(caddy.port2(), stream.as_bytes(), QUIET)), [400]);
    assert!(origin.requests().is_empty());
}

#[test]
fn the_redirect_from_http_and_other_sites_have_it_too() {
    let setup = Setup::new(
        "https://localhost:@PORT@ {\n tls self_signed\n proxyprotocol 127.0.0.1 ::1\n status 204 /\n}\n\
         https://other.test:@PORT@ {\n tls self_signed\n status 204 /\n}\n",
    );
    let caddy = setup.arg("-https-port=@PORT@").arg("-http-port=@PORT2@").start();
    let other = ["-H", "Host: other.test"];
    for (url, status) in [(caddy.plain("/"), 301), (caddy.url("/"), 204)] {
        assert_eq!(curl(&["--haproxy-protocol"], &url).status, status, "{url}");
        assert_eq!(curl(&[], &url).status, 0, "{url}");
        assert_eq!(curl(&other, &url).status, 0, "{url}");
    }
}
