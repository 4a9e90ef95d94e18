//! Signals: which end the server, how requests in flight fare, what the exit code is.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Caddy, Origin, Setup, curl, curl_raw, h3, h3_one, wait_for};

/// Five seconds of download.
const SLOW: &str = "/drip/50";

#[test]
fn term_finishes_a_download_over_each_protocol() {
    let origin = Origin::start();
    for protocol in ["--http1.1", "--http2", "h3"] {
        let mut caddy = Caddy::proxy(origin.addr, "");
        let (url, port) = (caddy.url(SLOW), caddy.port());
        let at = ("127.0.0.1", port);
        origin.clear();
        let download = thread::spawn(move || match protocol {
            "h3" => h3_one(port, json!({"path": SLOW})),
            version => curl(&[version], &url),
        });
        let limit = Duration::from_secs(20);
        wait_for("the download", limit, || (!origin.requests().is_empty()).then_some(()));
        caddy.signal(Signal::SIGTERM);
        wait_for("the port to close", limit, || TcpStream::connect(at).is_err().then_some(()));
        assert!(!download.is_finished(), "{protocol}: accepts while it drains");
        let answer = download.join().unwrap();
        assert_eq!((answer.status, answer.len), (200, 50), "{protocol}: {}", answer.error);
        assert_eq!(caddy.wait(), Some(0), "{protocol}");
    }
}

#[test]
fn grace_bounds_the_drain() {
    let origin = Origin::start();
    let site = "http://:@PORT@\nproxy / @ORIGIN@\n";
    let mut caddy = Setup::new(site).set("ORIGIN", origin.addr).arg("-grace=1s").start();
    let url = format!("http://localhost:{}/drip/200", caddy.port());
    let download = thread::spawn(move || curl(&[], &url));
    wait_for("the download", Duration::from_secs(20), || origin.requests().pop());
    let began = Instant::now();
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    assert_ne!(download.join().unwrap().len, 200);
}

#[test]
fn an_idle_kept_connection_does_not_hold_the_stop() {
    for (request, pause) in [("", 200), ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1000)] {
        let mut caddy = Caddy::start("http://:@PORT@\nstatus 204 /\n");
        let mut idle = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
        idle.write_all(request.as_bytes()).unwrap();
        thread::sleep(Duration::from_millis(pause));
        let began = Instant::now();
        caddy.signal(Signal::SIGTERM);
        assert_eq!(caddy.wait(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        let mut answer = String::new();
        idle.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.starts_with("HTTP/1.1 204"), !request.is_empty(), "{answer}");
    }
}

#[test]
fn an_idle_connection_is_served_again_after_its_rest() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for url in [caddy.plain("/"), caddy.url("/")] {
        let twice = ["--http1.1", "--rate", "60/m", "-w", "%{num_connects}", &url, "-o", "-", &url];
        let answer = curl_raw(&twice);
        assert_eq!(
            (answer.status, answer.version.as_str()),
            (200, "1hello0"),
            "{url}: {}",
            answer.error
        );
    }
}

#[test]
fn an_idle_http_3_connection_does_not_hold_the_stop() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 203 /\n}\n";
    let mut caddy = Setup::new(site).start();
    let (port, seen) = (caddy.port(), caddy.path("seen"));
    let told = seen.clone();
    // It asks once and stays.
    let job = json!({"requests": [{"path": "/"}], "tell": told, "linger": 20});
    let idle = thread::spawn(move || h3(port, job));
    wait_for("the answer", Duration::from_secs(20), || seen.exists().then_some(()));
    let began = Instant::now();
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let lost = &idle.join().unwrap()["lost"];
    assert!(lost.as_str().unwrap().starts_with("0x100"), "H3_NO_ERROR: {lost}");
}

#[test]
fn a_stop_waits_for_an_http_3_client_that_pauses() {
    let origin = Origin::start();
    let mut caddy = Caddy::proxy(origin.addr, "");
    // All of it fits into the server's memory, and little into the client's window.
    let request = json!({"path": "/size/1000000"});
    let job = json!({"requests": [request], "window": 65536, "freeze": true, "thaw": 3});
    let port = caddy.port();
    let download = thread::spawn(move || h3(port, job));
    wait_for("the request", Duration::from_secs(20), || origin.requests().pop());
    thread::sleep(Duration::from_millis(500));
    caddy.signal(Signal::SIGTERM);
    let answer = &download.join().unwrap()["answers"][0];
    assert_eq!((&answer["status"], &answer["len"]), (&json!(200), &json!(1_000_000)), "{answer}");
    assert_eq!(caddy.wait(), Some(0));
}

#[test]
fn a_second_signal_ends_at_once_with_2() {
    let origin = Origin::start();
    for (first, second) in [(Signal::SIGINT, Signal::SIGINT), (Signal::SIGTERM, Signal::SIGTERM)] {
        let mut caddy = Caddy::proxy(origin.addr, "");
        origin.clear();
        let url = caddy.plain("/drip/300");
        let download = thread::spawn(move || curl(&["--max-time", "30"], &url));
        let limit = Duration::from_secs(20);
        wait_for("the download", limit, || origin.requests().pop());
        caddy.signal(first);
        let at = ("127.0.0.1", caddy.port2());
        wait_for("the port to close", limit, || TcpStream::connect(at).is_err().then_some(()));
        assert!(caddy.alive(), "{first} waits for the download");
        caddy.signal(second);
        assert_eq!(caddy.wait(), Some(2), "{first} {second}");
        let _ = download.join();
    }
}

#[test]
fn hup_and_pipe_do_not_end_it() {
    let mut caddy = Caddy::start("http://:@PORT@\nstatus 204 /\n");
    caddy.signal(Signal::SIGPIPE);
    caddy.reload();
    assert!(caddy.alive());
    assert_eq!(curl(&[], &format!("http://localhost:{}/", caddy.port())).status, 204);
}

#[test]
fn a_storm_of_hups_is_survived() {
    let mut caddy = Caddy::start("http://:@PORT@\nstatus 204 /\n");
    let descriptors = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    caddy.reload();
    let before = descriptors(caddy.pid());
    for _ in 0..100 {
        caddy.signal(Signal::SIGHUP);
        thread::sleep(Duration::from_millis(5));
    }
    wait_for("the descriptors of before", Duration::from_secs(20), || {
        (descriptors(caddy.pid()) <= before + 3).then_some(())
    });
    assert_eq!(curl(&[], &format!("http://localhost:{}/", caddy.port())).status, 204);
    assert!(caddy.alive());
}
