//! Receive windows of responses over HTTP/2 from upstreams, as an upstream sees them.

use std::net::{SocketAddr, ToSocketAddrs};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::harness::{Caddy, Service, Setup, curl, delayed, wait_for};

const KB: u64 = 1024;
const MB: u64 = 1024 * KB;

/// A proxy with one worker before an upstream that is `away`, in round-trip time.
fn before(upstream: &Service, away: Duration) -> Caddy {
    let to: SocketAddr =
        upstream.addr.to_socket_addrs().unwrap().find(SocketAddr::is_ipv4).unwrap();
    let port = delayed(to, away / 2);
    let site = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n proxy / h2c://127.0.0.1:{port}\n}}\n"
    );
    Setup::new(&site).arg("-cpu=1").start()
}

/// The largest window of a stream that the upstream has seen, and the bytes of held responses.
fn seen(caddy: &Caddy) -> (u64, u64) {
    let text = curl(&[], &caddy.url("/window")).text();
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}"))
}

/// A client that reads next to nothing.
struct Slow(Child);

impl Slow {
    fn get(url: &str) -> Self {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-k", "--http1.1", "--limit-rate", "1", "--noproxy", "*", url]);
        Self(curl.stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_window_grows_for_an_upstream_that_is_far_away() {
    let upstream = Service::start("h2upstream.py", &[]);
    let caddy = before(&upstream, Duration::from_millis(100));
    let size = 24 * MB;
    let answer = curl(&[], &caddy.url(&format!("/size/{size}")));
    assert_eq!((answer.status, answer.len as u64), (200, size), "{answer:?}");
    let (window, _) = seen(&caddy);
    assert!(window > 512 * KB && window <= 8 * MB, "{window}");
}

#[test]
fn a_client_that_does_not_read_holds_one_window_and_blocks_nobody() {
    let upstream = Service::start("h2upstream.py", &[]);
    let caddy = before(&upstream, Duration::ZERO);
    let url = caddy.url(&format!("/hold/{}", 100 * MB));
    let _clients: Vec<_> = (0..20).map(|_| Slow::get(&url)).collect();
    let mut before = 0;
    wait_for("windows that are full", Duration::from_secs(60), || {
        thread::sleep(Duration::from_millis(500));
        let (_, held) = seen(&caddy);
        (held == std::mem::replace(&mut before, held) && held > 20 * 500 * KB).then_some(())
    });
    // Sockets and our own buffers take some too: on loopback up to 6 MiB each way.
    assert!(before < 20 * (512 * KB + 13 * MB), "{before}");
    let answer = curl(&[], &caddy.url(&format!("/size/{}", 64 * MB)));
    assert_eq!((answer.status, answer.len as u64), (200, 64 * MB), "{answer:?}");
}
