//! A FastCGI responder that misbehaves: what the client sees, what is logged, and what is left.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Caddy, Responder, Setup, by_all, curl, h3_one, pattern, wait_for};

fn before(responder: &Responder, options: &str) -> Caddy {
    let block = format!("errors errors.log\n fastcgi / {} {{\n{options}\n}}\n", responder.addr);
    let text = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n {block}\n}}\nhttp://:@PORT2@ {{\n {block}\n}}\n"
    );
    Setup::new(&text).start()
}

/// Fault; status, or none where the answer is cut off after its head; and what the log says.
const FAULTS: &[(&str, Option<u16>, &str)] = &[
    (
        "/silent",
        Some(502),
        "[ERROR 502 /silent] fastcgi ADDR: the connection failed: unexpected end",
    ),
    ("/half-head", Some(502), "[ERROR 502 /half-head] fastcgi ADDR: the connection failed"),
    ("/half", None, "[ERROR 0 /half] fastcgi ADDR: the connection failed"),
    ("/no-end", None, "[ERROR 0 /no-end] fastcgi ADDR: the connection failed"),
    (
        "/wrong-id",
        Some(502),
        "[ERROR 502 /wrong-id] fastcgi ADDR: invalid response: a record has an unknown request id",
    ),
    (
        "/wrong-id-later",
        None,
        "[ERROR 0 /wrong-id-later] fastcgi ADDR: invalid response: a record has",
    ),
    ("/long-record", None, "[ERROR 0 /long-record] fastcgi ADDR: the connection failed"),
    (
        "/short-end",
        None,
        "[ERROR 0 /short-end] fastcgi ADDR: invalid response: an END_REQUEST record has",
    ),
    ("/other-protocol", Some(502), "invalid response: a record has an unknown version"),
    ("/no-head", Some(502), "invalid response: the header section is not valid CGI"),
    ("/refused", Some(502), "the responder refused the request"),
    ("/overloaded", Some(503), "the responder is overloaded"),
    ("/hang", Some(504), "reading the response timed out"),
    ("/x", Some(200), ""),
];

#[test]
fn every_fault_over_every_protocol() {
    let responder = Responder::start();
    let caddy = before(&responder, "read_timeout 3s\n pool 2");
    let mut wrong = vec![];
    for (path, status, line) in FAULTS {
        let asked = responder.asked().len();
        for (protocol, answer) in by_all(&caddy, path) {
            let whole = answer.error.is_empty().then_some(answer.status);
            if whole != *status {
                wrong.push(format!("{path} over {protocol}: {answer:?}"));
            }
        }
        // Three clients, three requests: what has begun is never asked for again.
        let made = responder.asked().len() - asked;
        let line = line.replace("ADDR", &responder.addr);
        let count = |log: &str| log.matches(&line).count();
        let log = caddy.read_when("errors.log", |log| line.is_empty() || count(log) >= 3);
        let logged = count(&log);
        if made != 3 || (!line.is_empty() && logged != 3) {
            wrong.push(format!("{path}: {made} requests, {logged} lines {line:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", wrong.join("\n"), caddy.read("errors.log"));
    // Only what the good answers left may be kept.
    wait_for("broken connections to go", Duration::from_secs(30), || {
        (responder.open.load(Ordering::SeqCst) <= 2).then_some(())
    });
}

#[test]
fn a_flood_of_errors_is_cut() {
    let responder = Responder::start();
    let caddy = before(&responder, "");
    curl(&[], &caddy.plain("/stderr/1000"));
    let memory = caddy.rss_peak();
    for (protocol, answer) in by_all(&caddy, "/stderr/10000000") {
        assert_eq!((answer.status, answer.text().as_str()), (200, "fine"), "{protocol}");
    }
    let log = wait_for("the log", Duration::from_secs(30), || {
        Some(caddy.read("errors.log")).filter(|log| log.matches("more bytes on").count() == 3)
    });
    assert!(log.len() < 100_000, "{} bytes logged", log.len());
    let grown = caddy.rss_peak().saturating_sub(memory);
    assert!(grown < 8 * 1024, "{grown} KiB for a flood");
}

#[test]
fn an_early_answer_reaches_an_uploading_client() {
    let responder = Responder::start();
    let caddy = before(&responder, "");
    let file = caddy.path("body");
    std::fs::write(&file, pattern(3_000_000)).unwrap();
    let file = file.display().to_string();
    for version in ["--http1.1", "--http2"] {
        let answer = curl(&[version, "-T", &file], &caddy.url("/early"));
        assert_eq!((answer.status, answer.error.as_str()), (401, ""), "{version}");
    }
    let job = json!({"method": "PUT", "path": "/early", "body_len": 3_000_000});
    assert_eq!(h3_one(caddy.port(), job).status, 401);
}

#[test]
fn content_that_answers_while_it_is_fed_does_not_block() {
    let responder = Responder::start();
    let caddy = before(&responder, "pool 1");
    let file = caddy.path("body");
    std::fs::write(&file, pattern(20_000_000)).unwrap();
    for version in ["--http1.1", "--http2"] {
        let answer = curl(&[version, "-T", &file.display().to_string()], &caddy.url("/echo"));
        assert_eq!((answer.status, answer.len), (200, 20_000_000), "{version}");
    }
}

#[test]
fn an_aborted_upload_is_never_seen_whole() {
    let responder = Responder::start();
    let caddy = before(&responder, "");
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    stream
        .write_all(b"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
        .unwrap();
    wait_for("the parameters", Duration::from_secs(30), || {
        (responder.begun.load(Ordering::SeqCst) == 1).then_some(())
    });
    drop(stream);
    let asked = wait_for("the request", Duration::from_secs(20), || responder.asked().pop());
    assert!(!asked.complete, "half an upload looks whole");
}

#[test]
fn a_client_that_goes_away_closes_the_connection() {
    let responder = Responder::start();
    let caddy = before(&responder, "pool 2");
    let closed = |count: usize| {
        wait_for("the end of the connection", Duration::from_secs(30), || {
            let is_closed = responder.open.load(Ordering::SeqCst) == 0;
            (is_closed && responder.asked().len() == count).then_some(())
        });
    };
    for (count, version) in [(1, "--http1.1"), (2, "--http2")] {
        let _ = curl(&[version, "--max-time", "8"], &caddy.url("/hang"));
        closed(count);
    }
    h3_one(caddy.port(), json!({"path": "/hang", "stop_at": 5}));
    closed(3);
}

#[test]
fn a_responder_that_closes_what_it_should_keep_costs_nothing() {
    let responder = Responder::start();
    let caddy = before(&responder, "pool 2");
    for turn in 0..10 {
        assert_eq!(curl(&[], &caddy.plain("/close")).text(), "closing", "{turn}");
        assert_eq!(curl(&["-d", "a=b"], &caddy.plain("/echo")).text(), "a=b", "{turn}");
    }
    assert_eq!(responder.asked().len(), 20, "each request was made once");
    assert_eq!(responder.last().params["CONTENT_LENGTH"], "3");
}
