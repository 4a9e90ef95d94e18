//! HTTP/3 clients whose address changes: the kernel then leaves their packets at any worker's
//! socket, and the connection goes on at its own.

use serde_json::{Value, json};

use crate::harness::{Caddy, Setup, crc, h3, pattern};

const SITE: &str = "https://localhost:@PORT@ {\n tls self_signed\n root @DIR@\n}\n";

fn two_workers() -> Caddy {
    Setup::new(SITE).arg("-cpu=2").file("big", pattern(SIZE)).start()
}

const SIZE: usize = 16 << 20;

/// What a client that moves ten times a second and more saw of the requests.
fn moving(caddy: &Caddy, requests: Value) -> Value {
    let seen = h3(caddy.port(), json!({"moves": 0.08, "requests": requests}));
    assert!(seen["moved"].as_u64() > Some(5), "{seen}");
    assert_eq!(seen["lost"], json!(null), "{seen}");
    seen
}

#[test]
fn a_download_goes_on() {
    let caddy = two_workers();
    let seen = moving(&caddy, json!([{"path": "/big"}]));
    let answer = &seen["answers"][0];
    let whole = (&json!(200), &json!(SIZE), &json!(crc(&pattern(SIZE))));
    assert_eq!((&answer["status"], &answer["len"], &answer["crc"]), whole, "{}", answer["error"]);
}

#[test]
fn requests_go_on() {
    let caddy = two_workers();
    let seen = moving(&caddy, json!(vec![json!({"path": "/Caddyfile"}); 600]));
    let answers = seen["answers"].as_array().unwrap();
    assert!(answers.iter().all(|answer| answer["status"] == 404), "{answers:?}");
}
