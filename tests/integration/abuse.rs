//! Clients that abuse HTTP/2 and HTTP/3 to cost more than they pay: the connection ends or the
//! work stays bounded, memory stays flat, and others are served meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Caddy, Origin, Setup, curl, h2_abuse, h3, h3_flood, python_script, wait_for};

/// What a flood may add to the resident peak, in KiB.
const FLAT: u64 = 16 * 1024;

fn server() -> Caddy {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n root www\n}\n";
    let big = vec![b'x'; 2_000_000];
    Setup::new(site).file("www/index.html", "home").file("www/big", big).start()
}

/// Runs the attack; says how much memory it took, after another client was served.
fn attack(caddy: &Caddy, job: Value) -> (Value, u64) {
    assert_eq!(curl(&["--http2"], &caddy.url("/")).status, 200);
    let before = caddy.rss_peak();
    let url = caddy.url("/");
    let other = std::thread::spawn(move || curl(&["--http2", "--max-time", "20"], &url).status);
    let seen = h2_abuse(caddy.port(), job.clone());
    assert_eq!(other.join().unwrap(), 200, "a client beside {job}");
    assert_eq!(curl(&["--http2"], &caddy.url("/")).status, 200, "a client after {job}");
    (seen, caddy.rss_peak().saturating_sub(before))
}

#[test]
fn floods_that_end_the_http_2_connection() {
    let caddy = server();
    for (name, count, most) in [
        // What fits into the sockets' buffers is sent before the end is noticed.
        ("rapid_reset", 300_000, 200_000),
        ("made_you_reset", 300_000, 200_000),
        ("continuation", 100_000, 20_000),
        ("empty_continuation", 100_000, 20_000),
        ("empty_data", 100_000, 20_000),
        ("bomb", 100, 100),
    ] {
        let (seen, grown) = attack(&caddy, json!({"attack": name, "count": count}));
        assert!(!seen["seconds"].is_null(), "{name}: the connection lives on: {seen}");
        assert!(seen["sent"].as_u64().unwrap() <= most, "{name}: {seen}");
        assert!(grown < FLAT, "{name} took {grown} KiB");
    }
}

#[test]
fn requests_that_are_cancelled_under_way_over_http_2() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let cancel = |count| {
        let job = json!({"attack": "cancel_running", "count": count, "path": "/hang/20000"});
        h2_abuse(caddy.port(), job)
    };
    let few = cancel(150);
    assert_eq!((&few["goaway"], &few["sent"]), (&Value::Null, &json!(150)), "{few}");
    let many = cancel(5000);
    // ENHANCE_YOUR_CALM: a burst of 200, and 25 each second.
    assert_eq!(many["goaway"], 11, "{many}");
    // What was under way: SETTINGS are acknowledged, and a PING behind each request.
    let (acks, seconds) = (many["acks"].as_u64().unwrap(), many["seconds"].as_f64().unwrap());
    let most = 200 + (25.0 * seconds) as u64 + 2;
    assert!((200..=most).contains(&(acks - 1)), "{many}");
    assert_eq!(curl(&["--http2"], &caddy.url("/")).status, 200, "another client");
}

#[test]
fn control_frames_cost_little_over_http_2() {
    let caddy = server();
    for name in ["ping", "settings", "priority", "window_update"] {
        let before = caddy.cpu_ticks();
        let (seen, grown) = attack(&caddy, json!({"attack": name, "count": 100_000}));
        let ticks = caddy.cpu_ticks() - before;
        assert!(grown < FLAT, "{name} took {grown} KiB: {seen}");
        assert!(ticks < 500, "{name} took {ticks} ticks of CPU");
        if name == "ping" || name == "settings" {
            assert!(seen["acks"].as_u64().unwrap() <= 100_001, "{name}: {seen}");
        }
    }
}

#[test]
fn what_a_head_beyond_the_limit_gets_over_http_2() {
    let caddy = server();
    for (name, count, want) in [
        ("header", 15_000, 200),
        ("header_in_many", 20_000, 431),
        ("crumbs", 90, 200),
        ("crumbs", 150, 431),
    ] {
        let (seen, _) = attack(&caddy, json!({"attack": name, "count": count, "seconds": 1}));
        assert_eq!(seen["statuses"]["1"], want, "{name} {count}: {seen}");
        assert_eq!(seen["settings"]["6"], 48 * 1024, "SETTINGS_MAX_HEADER_LIST_SIZE");
    }
    let (seen, grown) =
        attack(&caddy, json!({"attack": "header_in_many", "count": 5_000_000, "seconds": 10}));
    assert!(!seen["seconds"].is_null() && grown < FLAT, "{grown} KiB: {seen}");
}

#[test]
fn a_first_head_that_does_not_end_over_http_2() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n timeouts {\n  header 5s\n  idle 6s\n }\n}\n";
    let caddy = Caddy::start(site);
    for (attack, low, high) in [("empty_continuation", 1.0, 25.0), ("half_head", 2.0, 25.0)] {
        let seen = h2_abuse(caddy.port(), json!({"attack": attack, "count": 1, "seconds": 30}));
        let took = seen["seconds"].as_f64().unwrap_or(f64::MAX);
        assert!((low..=high).contains(&took), "{attack}: {seen}");
    }
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let job = json!({"attack": "many_streams", "count": 400, "path": "/slow/4000", "seconds": 6});
    let seen = h2_abuse(caddy.port(), job);
    assert_eq!(seen["settings"]["3"], 356, "SETTINGS_MAX_CONCURRENT_STREAMS");
    assert_eq!(seen["settings"]["4"], 256 * 1024, "SETTINGS_INITIAL_WINDOW_SIZE");
    assert_eq!(seen["window"], 1024 * 1024, "the connection's window");
    let refused = seen["resets"].as_object().unwrap();
    assert!(refused.len() == 44 && refused.values().all(|code| *code == 7), "{refused:?}");
    let answered = seen["statuses"].as_object().unwrap();
    assert!(answered.len() == 356 && answered.values().all(|code| *code == 200), "{answered:?}");
    let crowd: Vec<_> = (0..150).map(|_| json!({"path": "/slow/1500", "timeout": 60})).collect();
    let kept = h3(caddy.port(), json!({"requests": &crowd[..100], "parallel": true}));
    let answers = kept["answers"].as_array().unwrap();
    assert!(answers.iter().all(|answer| answer["status"] == 200), "{answers:?}");
    let (window, stream_window) = (256 * 1024, 1792 * 1024);
    let offered = json!({
        "idle": 30.0, "streams": 100, "window": window, "stream_window": stream_window,
    });
    assert_eq!(kept["offered"], offered);
    let broken = h3(caddy.port(), json!({"requests": crowd, "parallel": true, "rebel": true}));
    assert!(broken["lost"].as_str().unwrap_or("").starts_with("0x4"), "{}", broken["lost"]);
}

#[test]
fn a_head_beyond_the_limit_over_http_3() {
    let caddy = server();
    let field = json!([["x-a", "a".repeat(20_000)]]);
    let over = h3(caddy.port(), json!({"requests": [{"headers": field, "timeout": 30}, {}]}));
    assert_eq!(over["answers"][0]["status"], 431);
    assert_eq!(over["answers"][1]["status"], 200, "the connection goes on");
    let before = caddy.rss_peak();
    let flood = h3(caddy.port(), json!({"requests": [{"flood_head": 60_000_000}]}));
    let grown = caddy.rss_peak().saturating_sub(before);
    assert!(flood["lost"].as_str().unwrap_or("").starts_with("0x107"), "{flood}");
    assert!(grown < FLAT, "{grown} KiB for a head that does not end");
}

#[test]
fn a_head_that_does_not_end_over_http_3() {
    let caddy = server();
    let stalled = h3(caddy.port(), json!({"requests": [{"half_head": true}, {}]}));
    let took = stalled["answers"][0]["seconds"].as_f64().unwrap();
    assert!((9.0..19.5).contains(&took), "{stalled}");
    assert_eq!(stalled["answers"][1]["status"], 200, "the connection goes on");
}

#[test]
fn a_stop_over_http_3_reaches_the_origin_at_once() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    // The origin is silent: no write of the response would tell.
    let port = caddy.port();
    let asking = std::thread::spawn(move || {
        h3(port, json!({"requests": [{"path": "/hang/20000", "stop_at": 3}], "linger": 14}))
    });
    let open = || origin.open.load(std::sync::atomic::Ordering::SeqCst);
    let asked = || (!origin.requests().is_empty()).then_some(());
    wait_for("the request", Duration::from_secs(30), asked);
    std::thread::sleep(Duration::from_secs(1));
    wait_for("the cancel", Duration::from_secs(10), || (open() == 0).then_some(()));
    assert_eq!(asking.join().unwrap()["lost"], Value::Null);
}

#[test]
fn quic_handshakes_beyond_256_prove_their_address() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n}\n";
    let caddy = Setup::new(site).arg("-cpu=1").start();
    // Some of a crowd's packets may be lost on the way, so fewer may be under way than were begun.
    let flooded = h3_flood(caddy.port(), 420);
    assert!(flooded["retried"].as_u64().unwrap() >= 20, "{flooded}");
    assert!(flooded["answered"].as_u64().unwrap() >= 200, "{flooded}");
    assert_eq!(flooded["client_retried"], true, "{flooded}");
    assert_eq!(flooded["status"], 204, "{flooded}");
    let (sent, received) = (flooded["sent"].as_u64(), flooded["received"].as_u64());
    assert!(received <= sent.map(|sent| sent * 3), "amplified: {flooded}");
    // When the crowd has had its ten seconds.
    wait_for("calm", Duration::from_secs(60), || {
        let calm = h3_flood(caddy.port(), 1);
        (calm["client_retried"] == false && calm["retried"] == 0).then_some(())
    });
}

/// RFC 9000 section 21.4: packet numbers are left out at random, so a client that goes on to
/// acknowledge what it has not received acknowledges one that was never sent.
#[test]
fn acknowledging_what_has_not_come_ends_the_connection() {
    const PROTOCOL_VIOLATION: u64 = 0xa;
    let caddy = server();
    let port = caddy.port().to_string();
    for way in ["honest", "gaps", "ahead"] {
        let done = python_script("h3optimist.py").args([&port, "/big", "200", way]).output();
        let done = done.expect("python");
        let text = String::from_utf8_lossy(&done.stdout);
        let seen: Value = serde_json::from_str(&text)
            .unwrap_or_else(|_| panic!("{way}: {}", String::from_utf8_lossy(&done.stderr)));
        let is_over = seen["closed"] == PROTOCOL_VIOLATION || seen["closed"] == "silent";
        assert_eq!(is_over, way != "honest", "{way}: {seen}");
        assert_eq!(seen["received"] == 2_000_000, way == "honest", "{way}: {seen}");
    }
}
