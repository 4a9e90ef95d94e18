//! Reload: under load nothing fails, a bad Caddyfile changes nothing.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Caddy, Origin, Setup, curl, curl_raw, h3, h3_one, keep_alive_get, wait_for};

/// Requests that succeeded and that failed, by kind of client.
#[derive(Default)]
struct Count {
    ok: AtomicUsize,
    failed: AtomicUsize,
}

impl Count {
    fn add(&self, ok: bool) {
        let which = if ok { &self.ok } else { &self.failed };
        which.fetch_add(1, Ordering::Relaxed);
    }

    fn check(&self, who: &str) {
        let (ok, failed) = (self.ok.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed));
        assert!(failed == 0 && ok > 0, "{who}: {ok} requests succeeded, {failed} failed");
    }
}

/// One connection, never reopened: a close by the server is a failure.
fn keep_alive(port: u16, stop: &AtomicBool, count: &Count) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let got = keep_alive_get(&mut stream, "/echo");
        count.add(got == Some(200));
        if got.is_none() {
            return;
        }
    }
}

#[test]
fn twenty_reloads_under_load_lose_nothing() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let stop = Arc::new(AtomicBool::new(false));
    let stop_file = caddy.path("stop").display().to_string();
    let (kept, fresh, h2) = (Count::default(), Count::default(), Count::default());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| keep_alive(caddy.port2(), &stop, &kept));
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fresh.add(curl(&["--http1.1"], &caddy.url("/echo")).status == 200);
            }
        });
        scope.spawn(|| {
            // Twenty requests on one HTTP/2 connection; curl says so if one fails.
            let urls = vec![caddy.url("/echo"); 20];
            let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
            while !stop.load(Ordering::Relaxed) {
                let answer = curl_raw(&[&["--http2", "--fail"], &urls[..]].concat());
                h2.add(answer.error.is_empty());
            }
        });
        let (slow, port) = (caddy.url("/drip/60"), caddy.port());
        let drip = json!({"requests": [{"path": "/drip/60"}]});
        let downloads = [
            scope.spawn({
                let slow = slow.clone();
                move || curl(&["--http1.1"], &slow).len
            }),
            scope.spawn(move || curl(&["--http2"], &slow).len),
            scope.spawn(move || h3(port, drip)["answers"][0]["len"].as_u64().unwrap() as usize),
        ];
        let job = json!({"loop": {"path": "/echo", "until_file": stop_file, "seconds": 60}});
        let quic = scope.spawn(move || h3(port, job));
        for _ in 0..20 {
            caddy.reload();
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(downloads.map(|download| download.join().unwrap()), [60; 3]);
        stop.store(true, Ordering::Relaxed);
        std::fs::write(&stop_file, "").unwrap();
        let quic = quic.join().unwrap();
        assert_eq!(quic["lost"], json!(null), "{quic}");
        assert_eq!(quic["failed"], 0, "{quic}");
        assert!(quic["ok"].as_u64().unwrap() > 0, "{quic}");
    });
    kept.check("HTTP/1.1, kept connections");
    fresh.check("HTTP/1.1, new connections");
    h2.check("HTTP/2");
}

const SITE: &str = "https://localhost:@PORT@ {\n tls self_signed\n status 201 /\n}\n";

#[test]
fn new_requests_get_the_new_configuration() {
    let caddy = Caddy::start(SITE);
    assert_eq!(curl(&[], &caddy.url("/")).status, 201);
    caddy.rewrite(&SITE.replace("201", "202"));
    caddy.reload();
    assert_eq!(curl(&["--http2"], &caddy.url("/")).status, 202);
    assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).status, 202);
}

#[test]
fn an_old_connection_gets_the_new_configuration() {
    let caddy = Caddy::start("http://:@PORT@\nroot @DIR@\nheader / X-A one\n");
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    assert_eq!(keep_alive_get(&mut stream, "/Caddyfile"), Some(404));
    caddy.rewrite("http://:@PORT@\nredir /Caddyfile /b 302\n");
    caddy.reload();
    assert_eq!(keep_alive_get(&mut stream, "/Caddyfile"), Some(302));
}

#[test]
fn a_bad_caddyfile_leaves_the_old_one_serving() {
    let mut caddy = Caddy::start(SITE);
    for bad in [
        "nonsense {",
        "https://localhost:@PORT@\nnope\n",
        "localhost:@PORT@\ntls none.pem none.key\n",
    ] {
        caddy.rewrite(bad);
        caddy.hup("[ERROR] SIGHUP: ");
        assert_eq!(curl(&[], &caddy.url("/")).status, 201, "{bad}");
        assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).status, 201, "{bad}");
    }
    assert!(caddy.log().contains("Unknown directive 'nope'"), "{}", caddy.log());
    assert!(caddy.alive());
}

#[test]
fn listeners_come_and_go() {
    let caddy = Caddy::start(SITE);
    caddy.rewrite(&format!("{SITE}http://:@PORT2@ {{\n status 203 /\n}}\n"));
    caddy.reload();
    assert_eq!(curl(&[], &caddy.plain("/")).status, 203);
    caddy.rewrite(SITE);
    caddy.reload();
    let port = caddy.port2();
    wait_for("the port to close", Duration::from_secs(40), || {
        TcpStream::connect(("127.0.0.1", port)).is_err().then_some(())
    });
    assert_eq!(curl(&[], &caddy.url("/")).status, 201);
}

#[test]
fn a_port_taken_by_another_fails_the_reload() {
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let caddy = Caddy::start(SITE);
    caddy.rewrite(&format!("{SITE}http://:{port} {{\n status 203 /\n}}\n"));
    caddy.hup("[ERROR] SIGHUP: ");
    assert!(caddy.log().contains(&port.to_string()), "{}", caddy.log());
    assert_eq!(curl(&[], &caddy.url("/")).status, 201);
}

#[test]
fn log_files_reopen() {
    let caddy = Setup::new("http://:@PORT@\nlog access.log\nstatus 204 /\n").start();
    let url = format!("http://localhost:{}/", caddy.port());
    let seen = |name: &str| !caddy.read(name).is_empty();
    curl(&[], &format!("{url}one"));
    wait_for("the access log", Duration::from_secs(30), || seen("access.log").then_some(()));
    for name in ["access.log", "process.log"] {
        std::fs::rename(caddy.path(name), caddy.path(&format!("{name}.1"))).unwrap();
    }
    caddy.signal(nix::sys::signal::Signal::SIGHUP);
    wait_for("the new process log", Duration::from_secs(20), || seen("process.log").then_some(()));
    wait_for("the new access log", Duration::from_secs(20), || {
        curl(&[], &format!("{url}two"));
        caddy.read("access.log").contains("/two").then_some(())
    });
    assert!(caddy.read("access.log.1").contains("/one"));
}

#[test]
fn usr1_reloads_too() {
    let caddy = Caddy::start(SITE);
    caddy.rewrite(&SITE.replace("201", "202"));
    caddy.signal(nix::sys::signal::Signal::SIGUSR1);
    wait_for("the reload", Duration::from_secs(20), || {
        caddy.log().contains("[INFO] Reloading complete").then_some(())
    });
    assert_eq!(curl(&[], &caddy.url("/")).status, 202);
}

#[test]
fn a_taken_port_for_redirects_is_tried_again() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n}\n";
    let setup = Setup::new(site).arg("-https-port=@PORT@").arg("-http-port=@PORT2@");
    let other = std::net::TcpListener::bind(("::", setup.ports[1])).unwrap();
    let caddy = setup.start();
    let words = "redirects from http to https are unavailable";
    assert!(caddy.log_with(words).contains(words), "{}", caddy.log());
    assert!(!caddy.read("stdout").contains("http://localhost"), "{}", caddy.read("stdout"));
    drop(other);
    caddy.reload();
    let answer = curl(&[], &caddy.plain("/x"));
    let to = format!("https://localhost:{}/x", caddy.port());
    assert_eq!((answer.status, answer.header("location")), (301, to.as_str()));
}
