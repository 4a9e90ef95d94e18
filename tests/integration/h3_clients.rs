//! HTTP/3 clients that are slow, idle, or break off what they began: the site's timeouts hold for
//! them, and what they cost is bounded.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Caddy, Origin, Setup, by_all, curl, h3, h3_raw, wait_for};

/// HEADERS with `:method GET`, `:scheme https` and `:path /`, and `:authority localhost`.
const GET: &str = "01100000d1d7c150096c6f63616c686f7374";

fn one(caddy: &Caddy, case: Value) -> Value {
    h3_raw(caddy.port(), &[case]).remove(0)
}

#[test]
fn timeouts_of_the_site_hold_over_http_3() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n timeouts {\n  \
        header 2s\n  idle 3s\n }\n}\n";
    let caddy = Caddy::start(site);
    let half = one(&caddy, json!({"streams": [{"bi": "0140ff"}], "wait": 8}));
    let took = half["seconds"].as_f64().unwrap();
    assert!((1.9..6.0).contains(&took), "{half}");
    let stream = &half["streams"]["0"];
    assert_eq!((&stream["reset"], &stream["stop"]), (&json!(0x10d), &json!(0x100)), "{half}");
    for streams in [json!([{"bi": GET, "end": true}]), json!([])] {
        let idle = one(&caddy, json!({"streams": streams, "until": "closed", "wait": 12}));
        let took = idle["seconds"].as_f64().unwrap();
        assert_eq!(idle["closed"], 0x100, "{idle}");
        assert!((2.9..9.0).contains(&took), "{idle}");
        assert!(streams == json!([]) || idle["streams"]["0"]["status"] == 204, "{idle}");
    }
}

#[test]
fn a_request_under_way_is_no_idleness_over_http_3() {
    let origin = Origin::start();
    let site = "https://localhost:@PORT@ {\n tls self_signed\n timeouts {\n  idle 3s\n }\n \
        proxy / @ORIGIN@\n}\n";
    let slow = Setup::new(site).set("ORIGIN", origin.addr).start();
    let asked = json!({"requests": [{"path": "/slow/8000"}, {"path": "/size/1"}]});
    let seen = h3(slow.port(), asked);
    assert_eq!(
        (&seen["answers"][0]["status"], &seen["answers"][1]["status"]),
        (&json!(200), &json!(200))
    );
}

#[test]
fn clients_may_be_without_packets_for_as_long_as_the_site_says() {
    for (idle, want) in [("none", 3600.0), ("5m", 300.0), ("2h", 3600.0), ("40s", 30.0)] {
        let site = format!(
            "https://localhost:@PORT@ {{\n tls self_signed\n timeouts {{\n  idle {idle}\n }}\n \
             status 204 /\n}}\n"
        );
        let seen = h3(Caddy::start(&site).port(), json!({"requests": [{}]}));
        assert_eq!(seen["offered"]["idle"], want, "idle {idle}");
    }
}

#[test]
fn the_cipher_suite_has_its_name_over_every_protocol() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n \
        log / access.log \"{proto} {tls_protocol} {tls_cipher}\"\n}\n";
    let caddy = Caddy::start(site);
    for (protocol, answer) in by_all(&caddy, "/") {
        assert_eq!(answer.status, 204, "{protocol}: {}", answer.error);
    }
    let options = ["--http2", "--tls-max", "1.2", "--ciphers", "ECDHE-ECDSA-AES128-GCM-SHA256"];
    assert_eq!(curl(&options, &caddy.url("/")).status, 204);
    let lines = wait_for("four lines", Duration::from_secs(30), || {
        let log = caddy.read("access.log");
        let lines: Vec<String> = log.lines().map(str::to_owned).collect();
        (lines.len() == 4).then_some(lines)
    });
    for want in [
        "HTTP/1.1 tls1.3 TLS_AES_",
        "HTTP/2.0 tls1.3 TLS_AES_",
        "HTTP/3.0 tls1.3 TLS_AES_",
        "HTTP/2.0 tls1.2 TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ] {
        assert!(lines.iter().any(|line| line.starts_with(want)), "{want}: {lines:?}");
    }
}

#[test]
fn a_flood_of_broken_off_requests_ends_the_connection() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for kind in ["stop", "reset"] {
        let flood = json!({"path": "/size/1", "seconds": 20, "kind": kind});
        let seen = one(&caddy, json!({ "flood": flood }));
        assert_eq!(seen["closed"], 0x107, "{kind}: {seen}");
        assert!(seen["sent"].as_u64().unwrap() < 1500, "{kind}: {seen}");
        let reached = origin.requests().len();
        assert!(reached <= 300, "{kind}: {reached} requests reached the origin");
        origin.clear();
    }
    // As many as a page has, cancelled when the user leaves it.
    let page: Vec<_> = (0..100).map(|_| json!({"path": "/hang/20000", "stop_at": 0.5})).collect();
    let seen = h3(caddy.port(), json!({"requests": page, "parallel": true, "linger": 1}));
    assert_eq!(seen["lost"], Value::Null);
}

#[test]
fn the_rest_of_a_refused_upload_is_read_for_a_while() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n limits {\n  body 1KB\n }\n \
        status 204 /\n}\n";
    let caddy = Caddy::start(site);
    let site = format!("localhost:{}", caddy.port());
    let fields = json!([
        [":method", "POST"],
        [":scheme", "https"],
        [":authority", site],
        [":path", "/"],
        ["content-length", "5000"]
    ]);
    let upload = |end| json!({"fields": fields, "data": "a".repeat(4000), "end": end});
    // It ends by itself: nobody is told to stop.
    let mut whole = upload(true);
    whole["data"] = json!("a".repeat(5000));
    let seen = one(&caddy, json!({"streams": [whole]}));
    assert_eq!(seen["streams"]["0"]["status"], 413, "{seen}");
    assert_eq!(seen["streams"]["0"]["stop"], Value::Null, "{seen}");
    // It is silent from then on.
    let seen = one(&caddy, json!({"streams": [upload(false)], "until": "stopped", "wait": 15}));
    let stream = &seen["streams"]["0"];
    assert_eq!((&stream["status"], &stream["ended"]), (&json!(413), &json!(true)), "{seen}");
    assert_eq!(stream["stop"], 0x100, "{seen}");
    assert!(seen["seconds"].as_f64().unwrap() > 4.5, "{seen}");
}

/// With the sizes of docs/default-limits.md; a round trip takes 0.4 s.
#[test]
fn the_window_of_a_connection_grows_for_an_upload_that_is_read() {
    const MB: u64 = 1 << 20;
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let upload = json!({"method": "PUT", "path": "/upload", "body_len": 6 * MB});
    let seen = h3(caddy.port(), json!({"delay": 0.4, "linger": 1.5, "requests": [upload]}));
    assert_eq!(seen["answers"][0]["status"], 200, "{seen}");
    assert_eq!(seen["offered"]["window"], MB / 4, "{seen}");
    let bytes = |name: &str| seen[name].as_u64().unwrap();
    assert!(bytes("room") > MB, "{seen}");
    assert!(bytes("most_room") <= 8 * MB, "{seen}");
}
