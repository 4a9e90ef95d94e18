//! Defaults that no Caddyfile shortens here. The waits are long and run side by side.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Caddy, Origin, curl, h2_abuse, h3};

/// Seconds that something took.
type Took = f64;

struct Wait {
    name: &'static str,
    low: Took,
    high: Took,
    running: JoinHandle<Took>,
}

/// Starts one wait behind a proxy of its own; `took` has to lie within the bounds.
fn wait(
    name: &'static str,
    (low, high): (Took, Took),
    run: impl FnOnce(&mut Caddy, &Origin) -> Took + Send + 'static,
) -> Wait {
    let running = std::thread::spawn(move || {
        let origin = Origin::start();
        run(&mut Caddy::proxy(origin.addr, ""), &origin)
    });
    Wait { name, low, high, running }
}

fn connect(caddy: &Caddy, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

/// Seconds until there is no connection to the origin, having seen one.
fn origin_left(origin: &Origin) -> Took {
    let began = Instant::now();
    let mut seen = false;
    while began.elapsed() < Duration::from_secs(100) {
        let open = origin.open.load(Ordering::SeqCst);
        if seen && open == 0 {
            return began.elapsed().as_secs_f64();
        }
        seen |= open > 0;
        std::thread::sleep(Duration::from_millis(20));
    }
    f64::MAX
}

fn slow_upload(caddy: &Caddy) -> Took {
    let head = b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
    let mut stream = connect(caddy, head);
    let began = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    while began.elapsed() < Duration::from_secs(100) {
        // A byte each second is never silent, and still too slow.
        if stream.write_all(b"a").is_err() {
            break;
        }
        match stream.read(&mut [0; 1024]) {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            _ => break,
        }
    }
    began.elapsed().as_secs_f64()
}

/// What curl makes of content that a shell writes, and how long it takes. `-T .` reads it without
/// being deaf to the answer meanwhile.
fn piped(caddy: &Caddy, version: &str, content: &str, want: &str) -> Took {
    let (began, url) = (Instant::now(), caddy.url("/upload"));
    let curl = format!("curl -skT . {version} -o /dev/null -w '%{{http_code}}' {url}");
    let mut writer =
        Command::new("sh").args(["-c", content]).stdout(Stdio::piped()).spawn().unwrap();
    let done = Command::new("sh")
        .args(["-c", &curl])
        .stdin(writer.stdout.take().unwrap())
        .output()
        .unwrap();
    let took = began.elapsed().as_secs_f64();
    let _ = writer.kill();
    let _ = writer.wait();
    assert_eq!(String::from_utf8_lossy(&done.stdout), want, "{version}");
    took
}

/// Eleven bytes every five seconds: no more than there are to send.
fn trickle(caddy: &Caddy, version: &str) -> Took {
    let content = "for i in $(seq 14); do echo 0123456789; sleep 5; done";
    piped(caddy, version, content, "200")
}

fn stop(caddy: &Caddy, version: &str) -> Took {
    piped(caddy, version, "echo begun; exec sleep 90", "408")
}

fn idle(caddy: &Caddy) -> Took {
    let mut stream = connect(caddy, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let began = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(110))).unwrap();
    while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {}
    began.elapsed().as_secs_f64()
}

fn drain(caddy: &mut Caddy) -> Took {
    let mut kept = connect(caddy, b"GET /drip/900 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(kept.read(&mut [0; 64]).unwrap() > 0);
    let began = Instant::now();
    caddy.signal(Signal::SIGTERM);
    while caddy.alive() && began.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(50));
    }
    began.elapsed().as_secs_f64()
}

fn seconds(value: &serde_json::Value) -> Took {
    value.as_f64().unwrap_or(f64::MAX)
}

/// More than the buffers on its way take.
const BIG: &str = "/size/50000000";

/// A loaded machine may take 25 s longer. What a client does by itself ends later than that.
const MINUTE: (Took, Took) = (55.0, 85.0);
const LONG: (Took, Took) = (68.0, 95.0);
const IDLE: (Took, Took) = (70.0, 100.0);

#[test]
fn every_long_default_holds() {
    let waits = [
        wait("a slow body over HTTP/1.1", MINUTE, |caddy, _| slow_upload(caddy)),
        wait("a slow body over HTTP/2", MINUTE, |caddy, _| {
            let job = json!({"attack": "slow_body", "count": 90, "path": "/upload", "seconds": 0});
            seconds(&h2_abuse(caddy.port(), job)["stalled"])
        }),
        wait("a slow body over HTTP/3", MINUTE, |caddy, _| {
            let slow =
                json!({"method": "POST", "path": "/upload", "body_len": 90, "trickle": true});
            seconds(&h3(caddy.port(), json!({"requests": [slow]}))["answers"][0]["seconds"])
        }),
        wait("content as it arises over HTTP/1.1", LONG, |caddy, _| trickle(caddy, "--http1.1")),
        wait("content as it arises over HTTP/2", LONG, |caddy, _| trickle(caddy, "--http2")),
        wait("content that stops over HTTP/1.1", MINUTE, |caddy, _| stop(caddy, "--http1.1")),
        wait("content that stops over HTTP/2", MINUTE, |caddy, _| stop(caddy, "--http2")),
        wait("a response unread over HTTP/1.1", MINUTE, |caddy, origin| {
            let request = format!("GET {BIG} HTTP/1.1\r\nHost: a\r\n\r\n");
            let _kept = connect(caddy, request.as_bytes());
            origin_left(origin)
        }),
        wait("a window of 0 over HTTP/2", MINUTE, |caddy, origin| {
            let job = json!({"attack": "zero_window", "count": 20, "path": BIG, "seconds": 95});
            let port = caddy.port();
            let client = std::thread::spawn(move || h2_abuse(port, job));
            let took = origin_left(origin);
            let _ = client.join();
            took
        }),
        wait("a stalled stream beside busy ones over HTTP/2", MINUTE, |caddy, _| {
            let job = json!({"attack": "busy_stall", "count": 90, "path": BIG, "seconds": 0});
            let seen = h2_abuse(caddy.port(), job);
            assert!(seen["seconds"].is_null(), "the busy streams went too: {seen}");
            assert_eq!(seen["resets"]["1"], 8, "{seen}");
            seconds(&seen["stalled"])
        }),
        wait("a response unread over HTTP/3", MINUTE, |caddy, _| {
            let jobs = json!({"requests": [{"path": BIG}], "freeze": true, "window": 1 << 20});
            let answer = &h3(caddy.port(), jobs)["answers"][0];
            assert_eq!(answer["error"], "reset 0x102", "{}", answer["len"]);
            seconds(&answer["seconds"])
        }),
        wait("an upstream that does not answer", MINUTE, |caddy, _| {
            let began = Instant::now();
            assert_eq!(curl(&[], &caddy.plain("/hang/90000")).status, 504);
            began.elapsed().as_secs_f64()
        }),
        wait("an idle upstream connection", MINUTE, |caddy, origin| {
            assert_eq!(curl(&[], &caddy.plain("/")).status, 200);
            origin_left(origin)
        }),
        wait("an idle HTTP/1.1 connection", IDLE, |caddy, _| idle(caddy)),
        wait("an idle HTTP/2 connection", IDLE, |caddy, _| {
            let job = json!({"attack": "idle", "seconds": 110});
            seconds(&h2_abuse(caddy.port(), job)["seconds"])
        }),
        wait("a stop with a request under way", (28.0, 55.0), |caddy, _| drain(caddy)),
    ];
    check(waits);
}

fn check(waits: impl IntoIterator<Item = Wait>) {
    let wrong: Vec<String> = waits
        .into_iter()
        .filter_map(|Wait { name, low, high, running }| match running.join() {
            Ok(took) if (low..=high).contains(&took) => None,
            Ok(took) => Some(format!("{name}: {took:.1} s, not {low} to {high} s")),
            Err(_) => Some(format!("{name}: it failed")),
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
