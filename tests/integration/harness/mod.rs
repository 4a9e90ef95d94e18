//! The foundation of the tests: the server under test, clients, origins, ports and waiting.

mod aspnet;
mod balancers;
mod bind;
mod ca;
mod caddy;
mod client;
mod delay;
mod devtools;
mod dns_api;
mod engine;
mod faults;
mod fpm;
mod network;
mod nginx;
mod origin;
mod pebble;
mod raw;
mod responder;
mod service;
mod sockets;
mod tls;
mod udp_balancer;
mod watch;
mod world;
mod wrong_clock;

use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

pub use aspnet::AspNet;
pub use balancers::{Datagrams, Door, HaProxy};
pub use bind::{Bind, Resolver, SECRET};
pub use ca::Ca;
pub use caddy::{Caddy, Setup, has_ended, install};
pub use client::{
    Answer, by_all, curl, curl_h3, curl_raw, h2_abuse, h2_order, h2_raw, h3, h3_flood, h3_one,
    h3_order, h3_patient, h3_raw, h3_socket, h3_tls, python_script, visits_of_networks,
};
pub use delay::{Road, delayed};
pub use devtools::{LOOKS, Window, chromium};
pub use dns_api::{Asked, DnsApi};
pub use engine::{Engine, Kind, Watched};
pub use fpm::Fpm;
pub use network::{BESIDE, Network};
pub use nginx::Nginx;
pub use origin::{Origin, Recorded};
pub use pebble::{EAB_KEY, Pebble, make_certificate};
pub use raw::{exchange, keep_alive, keep_alive_get, raw_get, statuses};
pub use responder::Responder;
pub use service::Service;
pub use sockets::{EchoSockets, Socket, chat, h2_socket, plain_socket, tls_socket, with_runtime};
pub use tls::{TlsStream, any_certificate, tls_any, tls_client, tls_named, tls_of, tls_speaking};
pub use udp_balancer::{UdpBalancer, is_retry};
pub use world::{World, package};
pub use wrong_clock::{WrongClock, YEAR};

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_caddy");

/// The exit code for a configuration that cannot be served.
pub const NOT_CONFIGURED: i32 = 6;

/// A port nobody listens on, over TCP nor UDP. Below the range that the kernel hands out to
/// clients, so that nothing takes it in between.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = u16::try_from(std::process::id() % 180).unwrap() * 100;
    for _ in 0..5_000 {
        let port = 10_000 + (base + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if !is_taken(port) {
            return port;
        }
    }
    panic!("no free port");
}

/// Whether a socket has this port. None is opened to see: a child that another thread starts at
/// that moment would keep it until its exec.
fn is_taken(port: u16) -> bool {
    let end = format!(":{port:04X}");
    ["tcp", "tcp6", "udp", "udp6"].iter().any(|table| {
        let text = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.split_whitespace().nth(1))
            .any(|local| local.ends_with(&end))
    })
}

/// A port that takes a right to bind.
pub fn low_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let free = |port: &u16| TcpListener::bind(("::", *port)).is_ok();
    let end = 1024 - TAKEN.fetch_add(8, Ordering::Relaxed) % 400;
    (600..end).rev().find(free).expect("a free low port")
}

/// Polls until `probe` gives something; panics with `what` after `limit`.
pub fn wait_for<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < end, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Bytes that no shift or swap of blocks leaves equal: 64 KiB blocks, each headed by its index.
/// `tests/python/h3.py` makes the same.
pub fn pattern(len: usize) -> Vec<u8> {
    let block: Vec<u8> = (0..=255u8).cycle().take(64 * 1024).collect();
    let mut bytes = Vec::with_capacity(len + block.len());
    let mut index = 0u64;
    while bytes.len() < len {
        let start = bytes.len();
        bytes.extend_from_slice(&block);
        bytes[start..start + 8].copy_from_slice(&index.to_be_bytes());
        index += 1;
    }
    bytes.truncate(len);
    bytes
}

/// CRC-32, the same as Python's `zlib.crc32`.
pub fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// A certificate for `localhost` made by openssl: (certificate, key, base64 SHA-256 of its SPKI).
pub fn certificate(dir: &std::path::Path, days: &str) -> (String, String, String) {
    let script = format!(
        "cd {} && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days {days} \
         -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
         -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem 2>/dev/null && \
         openssl x509 -in cert.pem -pubkey -noout | openssl pkey -pubin -outform der | \
         openssl dgst -sha256 -binary | base64",
        dir.display()
    );
    let made = Command::new("sh").args(["-c", &script]).output().expect("openssl");
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    let path = |name: &str| dir.join(name).display().to_string();
    let pin = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    (path("cert.pem"), path("key.pem"), pin)
}
