//! gRPC by its own client and server (grpcio), through HTTP/2 and HTTP/3.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Caddy, Service, Setup, certificate, free_port, h3, python_script};

/// A proxy over TLS before `origin`, and the folder with the certificate that it and the service
/// share.
fn proxy(keys: TempDir, origin: &str, options: &str) -> (Caddy, TempDir) {
    let path = |name: &str| keys.path().join(name).display().to_string();
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {} {}\n gzip\n log access.log\n proxy / {origin} {{\n{options}\n}}\n}}\n",
        path("cert.pem"),
        path("key.pem")
    );
    (Setup::new(&site).start(), keys)
}

fn keys() -> (TempDir, String, String) {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    (keys, cert, key)
}

fn calls(caddy: &Caddy, keys: &TempDir) -> Value {
    let done = python_script("grpc_client.py")
        .arg(caddy.port().to_string())
        .arg(keys.path().join("cert.pem"))
        .output()
        .unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// A call of Unary as it is on the wire.
fn unary() -> Value {
    json!({"method": "POST", "path": "/test.Service/Unary", "no_length": true,
        "headers": [["content-type", "application/grpc"], ["te", "trailers"]],
        "body": "\0\0\0\0\u{3}abc"})
}

fn all_methods() -> Value {
    json!({
        "unary": "olleh", "sum": "5", "big": 3_000_000, "count": ["0", "1", "2", "3", "4"],
        "chat": ["echo 0", "echo 1", "echo 2", "echo 3"], "fail": ["NOT_FOUND", "no such thing"],
    })
}

/// What streams come to whose messages are far apart.
fn streams(caddy: &Caddy, keys: &TempDir, count: u32, pause: u32) -> Value {
    let mut script = python_script("grpc_streams.py");
    script.arg(caddy.port().to_string()).arg(keys.path().join("cert.pem"));
    let done = script.args([count.to_string(), pause.to_string()]).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// Each direction in turn is silent for longer than the upstream may be, and the other is not.
#[test]
fn a_stream_lives_while_either_side_speaks() {
    let (keys, _, _) = keys();
    let service = Service::start("grpc_service.py", &[]);
    let options = "idle_timeout 6s\nfirst_byte_timeout 6s";
    let (caddy, keys) = proxy(keys, &format!("h2c://{}", service.addr), options);
    assert_eq!(streams(&caddy, &keys, 14, 1), json!({"watch": 14, "collect": 14, "chat": 14}));
}

#[test]
fn every_kind_of_call_over_http_2() {
    let (keys, _, _) = keys();
    let service = Service::start("grpc_service.py", &[]);
    let (caddy, keys) = proxy(keys, &format!("h2c://{}", service.addr), "");
    assert_eq!(calls(&caddy, &keys), all_methods());
}

#[test]
fn alpn_and_h2_reach_a_service_behind_tls() {
    for scheme in ["https", "h2"] {
        let (keys, cert, key) = keys();
        let service = Service::start("grpc_service.py", &[&cert, &key]);
        let options = format!("ca_certificates {cert}");
        let (caddy, keys) = proxy(keys, &format!("{scheme}://{}", service.addr), &options);
        assert_eq!(calls(&caddy, &keys), all_methods(), "{scheme}");
    }
}

#[test]
fn a_call_over_http_3_has_its_trailers() {
    let (keys, _, _) = keys();
    let service = Service::start("grpc_service.py", &[]);
    let (caddy, _keys) = proxy(keys, &format!("h2c://{}", service.addr), "");
    let result = h3(caddy.port(), json!({"requests": [unary()]}));
    let answer = &result["answers"][0];
    assert_eq!(answer["body"], "\0\0\0\0\u{3}cba", "{result}");
    let trailers = answer["trailers"].as_array().unwrap();
    for field in [json!(["grpc-status", "0"]), json!(["x-sum", "3"])] {
        assert!(trailers.contains(&field), "{result}");
    }
}

/// A message as it is on the wire.
fn message(text: &str) -> String {
    format!("\0\0\0\0{}{text}", text.len() as u8 as char)
}

/// Each message is sent when the answer to the one before is here.
#[test]
fn messages_go_both_ways_over_http_3() {
    let (keys, cert, key) = keys();
    let secure = Service::start("grpc_service.py", &[&cert, &key]);
    let plain = Service::start("grpc_service.py", &[]);
    let (secure, plain) = (format!("https://{}", secure.addr), format!("h2c://{}", plain.addr));
    let mut keys = keys;
    for to in [secure, plain] {
        let (caddy, same) = proxy(keys, &to, &format!("ca_certificates {cert}"));
        keys = same;
        let texts: Vec<_> = (0..20).map(|number| format!("message {number}")).collect();
        let answers: Vec<_> = texts.iter().map(|text| message(&format!("echo {text}"))).collect();
        let talk: Vec<_> = texts.iter().map(|text| message(text)).zip(&answers).collect();
        let call = json!({"method": "POST", "path": "/test.Service/Chat", "talk": talk,
            "headers": [["content-type", "application/grpc"], ["te", "trailers"]]});
        let result = h3(caddy.port(), json!({"requests": [call]}));
        let answer = &result["answers"][0];
        assert_eq!(answer["error"], "", "{to}: {result}");
        assert_eq!(answer["body"], answers.concat(), "{to}: {result}");
        let trailers = answer["trailers"].as_array().unwrap();
        assert!(trailers.contains(&json!(["grpc-status", "0"])), "{to}: {result}");
    }
}

#[test]
fn the_example_passes_calls() {
    let service = Service::start("grpc_service.py", &[]);
    let text = include_str!("../../examples/grpc/Caddyfile")
        .replace("localhost:50051", &service.addr)
        .replace(":8443", ":@PORT@");
    let caddy = Caddy::start(&text);
    let answer = h3(caddy.port(), json!({"requests": [unary()]}));
    assert_eq!(answer["answers"][0]["body"], "\0\0\0\0\u{3}cba", "{answer}");
}

#[test]
fn a_service_that_is_down_is_unavailable() {
    let (keys, _, _) = keys();
    let (caddy, keys) = proxy(keys, &format!("h2c://localhost:{}", free_port()), "");
    assert_eq!(calls(&caddy, &keys)["code"], "UNAVAILABLE");
}
