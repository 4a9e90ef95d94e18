//! USR2: another process takes the place of the running one, and no client notices.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{
    Caddy, Origin, Setup, crc, curl, curl_raw, h3, h3_one, has_ended, pattern, raw_get, wait_for,
};

const PROXY: &str = "https://localhost:@PORT@ {\n tls self_signed\n proxy / @ORIGIN@\n}\n\
                     http://:@PORT2@ {\n proxy / @ORIGIN@\n}\n";

fn two_workers(origin: &Origin) -> Setup {
    Setup::new(PROXY).set("ORIGIN", origin.addr).arg("-cpu=2")
}

/// Waits until the origin has got `count` requests for the path.
pub fn asked(origin: &Origin, path: &str, count: usize) {
    wait_for("the request", Duration::from_secs(60), || {
        let requests = origin.requests();
        (requests.iter().filter(|one| one.target == path).count() >= count).then_some(())
    });
}

/// Requests of one kind of client.
#[derive(Default)]
pub struct Tally {
    pub ok: AtomicUsize,
    pub failed: AtomicUsize,
}

impl Tally {
    pub fn add(&self, ok: bool) {
        let which = if ok { &self.ok } else { &self.failed };
        which.fetch_add(1, Ordering::Relaxed);
    }

    pub fn check(&self, who: &str) {
        let (ok, failed) = (self.ok.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        assert!(failed == 0 && ok > 10, "{who}: {ok} requests succeeded, {failed} failed");
    }
}

/// Requests on a connection that is opened anew when a response says that it closes, and only
/// then.
pub fn keep_alive(port: u16, stop: &AtomicBool, tally: &Tally) {
    let mut stream = None;
    while !stop.load(Ordering::Relaxed) {
        let open =
            stream.take().unwrap_or_else(|| TcpStream::connect(("127.0.0.1", port)).unwrap());
        let answer = raw_get(open, "/echo");
        tally.add(answer.is_some());
        stream = answer.flatten();
    }
}

pub fn h2(caddy_url: &str, stop: &AtomicBool, tally: &Tally) {
    let urls = vec![caddy_url; 20];
    while !stop.load(Ordering::Relaxed) {
        tally.add(curl_raw(&[&["--http2", "--fail"], &urls[..]].concat()).error.is_empty());
    }
}

#[test]
fn five_upgrades_under_load_lose_nothing() {
    let origin = Origin::start();
    let mut caddy = two_workers(&origin).start();
    let stop = AtomicBool::new(false);
    let stop_file = caddy.path("stop").display().to_string();
    let (kept, fresh, http2) = (Tally::default(), Tally::default(), Tally::default());
    let (port, port2, url) = (caddy.port(), caddy.port2(), caddy.url("/echo"));
    let (drip, slow) = (caddy.url("/drip/60"), json!({"requests": [{"path": "/drip/60"}]}));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| keep_alive(port2, &stop, &kept));
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fresh.add(curl(&["--http1.1"], &url).status == 200);
            }
        });
        scope.spawn(|| h2(&url, &stop, &http2));
        let job = json!({"path": "/echo", "until_file": stop_file, "reconnects": true});
        let quic = scope.spawn(move || h3(port, json!({"loop": job})));
        let downloads = [
            scope.spawn(|| curl(&["--http1.1"], &drip).len),
            scope.spawn(|| curl(&["--http2"], &drip).len),
            scope.spawn(|| {
                usize::try_from(h3(port, slow)["answers"][0]["len"].as_u64().unwrap()).unwrap()
            }),
        ];
        asked(&origin, "/drip/60", 3);
        for _ in 0..5 {
            caddy.upgrade();
            thread::sleep(Duration::from_millis(700));
        }
        assert_eq!(downloads.map(|download| download.join().unwrap()), [60; 3]);
        stop.store(true, Ordering::Relaxed);
        std::fs::write(&stop_file, "").unwrap();
        let quic = quic.join().unwrap();
        assert_eq!((&quic["failed"], &quic["lost"]), (&json!(0), &Value::Null), "{quic}");
        assert!(quic["connections"].as_u64() > Some(1), "{quic}");
    });
    kept.check("HTTP/1.1, kept connections");
    fresh.check("HTTP/1.1, new connections");
    http2.check("HTTP/2");
    assert_eq!(caddy.wait(), Some(0), "the first process ends well");
}

#[test]
fn an_http_3_transfer_that_spans_upgrades_is_whole() {
    const SIZE: usize = 40 << 20;
    let origin = Origin::start();
    let mut caddy = two_workers(&origin).arg("-grace=3m").start();
    let (port, path) = (caddy.port(), format!("/size/{SIZE}"));
    // The client moves as well: both reasons to be handed on at once.
    let job = json!({"moves": 0.3, "requests": [{"path": path}]});
    let download = thread::spawn(move || h3(port, job));
    asked(&origin, &path, 1);
    let first = caddy.pid();
    for _ in 0..3 {
        caddy.upgrade();
    }
    assert!(!has_ended(first), "it ends before the transfer has");
    let seen = download.join().unwrap();
    let answer = &seen["answers"][0];
    assert_eq!(
        (&answer["len"], &answer["crc"]),
        (&json!(SIZE), &json!(crc(&pattern(SIZE)))),
        "{answer}"
    );
    assert_eq!(caddy.wait(), Some(0));
}

#[test]
fn new_requests_are_served_by_the_new_process() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 201 /\n}\n";
    let mut caddy = Setup::new(site).arg("-pidfile=@DIR@/caddy.pid").start();
    let first = caddy.pid();
    caddy.rewrite(&site.replace("201", "202"));
    let second = caddy.upgrade();
    assert_ne!(first, second);
    assert_eq!(caddy.read("caddy.pid"), format!("{second}\n"));
    assert_eq!(caddy.wait(), Some(0));
    for version in ["--http1.1", "--http2"] {
        assert_eq!(curl(&[version], &caddy.url("/")).status, 202);
    }
    assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).status, 202);
    caddy.rewrite(&site.replace("201", "203"));
    caddy.reload();
    assert_eq!(curl(&[], &caddy.url("/")).status, 203, "the new process reloads");
    caddy.signal(Signal::SIGTERM);
    caddy.heir_gone();
    assert!(!caddy.path("caddy.pid").exists());
}

#[test]
fn a_stop_waits_for_the_process_before() {
    let origin = Origin::start();
    let mut caddy = two_workers(&origin).start();
    let port = caddy.port();
    let download = thread::spawn(move || h3_one(port, json!({"path": "/drip/30"})));
    asked(&origin, "/drip/30", 1);
    caddy.upgrade();
    caddy.signal(Signal::SIGTERM);
    let answer = download.join().unwrap();
    assert_eq!((answer.status, answer.len), (200, 30), "{}", answer.error);
    assert_eq!(caddy.wait(), Some(0));
    caddy.heir_gone();
}

#[test]
fn without_the_new_process_the_old_one_ends_too() {
    let origin = Origin::start();
    let mut caddy = two_workers(&origin).start();
    let url = caddy.plain("/drip/100");
    let download = thread::spawn(move || curl(&["--max-time", "20"], &url));
    asked(&origin, "/drip/100", 1);
    caddy.upgrade();
    caddy.signal(Signal::SIGKILL);
    // The ports are free for a start.
    assert_eq!(caddy.wait(), Some(2));
    assert!(TcpStream::connect(("127.0.0.1", caddy.port())).is_err());
    let _ = download.join();
}

#[test]
fn addresses_may_change_with_an_upgrade() {
    let one = "https://localhost:@PORT@ {\n tls self_signed\n proxy / @ORIGIN@\n}\n";
    let two = "http://:@PORT2@ {\n status 202 /\n}\n";
    let origin = Origin::start();
    let mut caddy = Setup::new(one).set("ORIGIN", origin.addr).start();
    let port = caddy.port();
    let download = thread::spawn(move || h3_one(port, json!({"path": "/drip/30"})));
    asked(&origin, "/drip/30", 1);
    caddy.rewrite(two);
    caddy.upgrade();
    assert_eq!(curl(&[], &caddy.plain("/")).status, 202);
    let answer = download.join().unwrap();
    assert_eq!((answer.status, answer.len), (200, 30), "on an address that is no more");
    assert_eq!(caddy.wait(), Some(0));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn a_reload_meanwhile_reaches_the_new_process() {
    let mut caddy = Caddy::start("http://:@PORT@\nstatus 201 /\n");
    let url = format!("http://localhost:{}/", caddy.port());
    caddy.signal(Signal::SIGHUP);
    caddy.upgrade();
    caddy.rewrite("http://:@PORT@\nstatus 202 /\n");
    caddy.signal(Signal::SIGHUP);
    wait_for("the change", Duration::from_secs(20), || {
        (curl(&[], &url).status == 202).then_some(())
    });
}
