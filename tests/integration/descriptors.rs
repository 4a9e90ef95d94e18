//! A small limit of open files: every client is served sooner or later, idle ones make room, and
//! the log says it once.

use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Caddy, Origin, Setup, curl, keep_alive_get, raw_get, wait_for};

const FULL: &str = "the limit of open files allows no more clients";

fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// So many clients at once, each with a connection of its own that it keeps; how many got 200.
fn crowd(caddy: &Caddy, count: usize, path: &str) -> usize {
    let port = caddy.port();
    std::thread::scope(|scope| {
        let ask = || raw_get(connect(port), path).is_some();
        let asking: Vec<_> = (0..count).map(|_| scope.spawn(ask)).collect();
        asking.into_iter().map(|one| one.join().unwrap()).filter(|ok| *ok).count()
    })
}

#[test]
fn more_proxied_clients_than_descriptors_all_get_their_answer() {
    let origin = Origin::start();
    let site = "http://:@PORT@\nproxy / @ORIGIN@\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).descriptors(256).start();
    for count in [150, 225] {
        assert_eq!(crowd(&caddy, count, "/slow/1500"), count, "of {count} clients");
    }
    assert!(!caddy.log().contains("os error 24"), "out of descriptors");
}

#[test]
fn idle_clients_make_room_for_others() {
    let site = "http://:@PORT@\nroot www\n";
    let setup = Setup::new(site).file("www/index.html", "home");
    let caddy = setup.arg("-cpu=1").descriptors(64).start();
    let port = caddy.port();
    let mut first = connect(port);
    assert_eq!(keep_alive_get(&mut first, "/"), Some(200));
    let idle: Vec<_> = (0..500).map(|_| connect(port)).collect();
    wait_for("the line", Duration::from_secs(10), || caddy.log().contains(FULL).then_some(()));
    let url = format!("http://localhost:{port}/");
    for _ in 0..3 {
        assert_eq!(curl(&["--max-time", "60"], &url).status, 200);
    }
    let log = caddy.log();
    assert_eq!(log.matches(FULL).count(), 1, "{log}");
    assert!(!log.contains("os error 24"), "{log}");
    drop(idle);
}
