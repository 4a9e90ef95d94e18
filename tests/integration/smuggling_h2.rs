//! Row 16: what HTTP/2 and HTTP/3 carry that HTTP/1 must never see.

use serde_json::{Value, json};

use crate::harness::{Caddy, Origin, h2_raw, h3_one};

type Fields = &'static [(&'static str, &'static str)];

const EXTRA: &[(&str, Fields, &str)] = &[
    ("H2.CL", &[("content-length", "0")], "GET /smuggled HTTP/1.1\r\n\r\n"),
    ("H2.CL long", &[("content-length", "9")], "abc"),
    ("H2.TE", &[("transfer-encoding", "chunked")], "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
    ("connection", &[("connection", "close")], ""),
    ("CRLF in value", &[("x-a", "a\r\nb: c")], ""),
    ("LF in value", &[("x-a", "a\nb: c")], ""),
    ("NUL in value", &[("x-a", "a\0b")], ""),
    ("colon in name", &[("x: y", "a")], ""),
    ("upper case name", &[("X-A", "a")], ""),
];

const PSEUDO: &[(&str, &str, &str)] = &[
    ("space in path", "GET", "/a b"),
    ("CRLF in path", "GET", "/a\r\nb"),
    ("line in method", "GET / HTTP/1.1\r\nx", "/"),
    ("empty path", "GET", ""),
    ("no slash", "GET", "a"),
];

fn refused(name: &str, outcome: &Value, origin: &Origin) -> Option<String> {
    let status = outcome["status"].as_u64().unwrap_or(0);
    let whole = origin.requests().iter().filter(|seen| seen.complete).count();
    let fine = (status == 0 || status == 400) && whole == 0;
    origin.clear();
    (!fine).then(|| format!("{name}: {outcome}, the origin saw {whole} requests"))
}

#[test]
fn wrong_requests_over_http_2_are_reset() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let authority = format!("localhost:{}", caddy.port());
    let mut wrong = vec![];
    let ask = |method: &str, path: &str, extra: Fields, body: &str| {
        let pseudo = [
            (":method", method),
            (":scheme", "https"),
            (":authority", &authority),
            (":path", path),
        ];
        h2_raw(caddy.port(), json!({"fields": &[&pseudo, extra].concat(), "body": body}))
    };
    assert_eq!(ask("POST", "/echo", &[], "fine")["status"], 200, "a right request");
    origin.clear();
    for (name, extra, body) in EXTRA {
        wrong.extend(refused(name, &ask("POST", "/echo", extra, body), &origin));
    }
    for (name, method, path) in PSEUDO {
        wrong.extend(refused(name, &ask(method, path, &[], ""), &origin));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wrong_requests_over_http_3_are_reset() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let mut wrong = vec![];
    for (name, fields, body) in EXTRA {
        let headers: Vec<_> = fields.iter().map(|(n, v)| json!([n, v])).collect();
        let asked = json!({"method": "POST", "path": "/echo", "headers": headers, "body": body,
            "no_length": true, "timeout": 5});
        let answer = h3_one(caddy.port(), asked);
        let outcome = json!({"status": answer.status, "error": answer.error});
        wrong.extend(refused(name, &outcome, &origin));
    }
    for (name, method, path) in PSEUDO {
        let answer = h3_one(caddy.port(), json!({"method": method, "path": path, "timeout": 5}));
        let outcome = json!({"status": answer.status, "error": answer.error});
        wrong.extend(refused(name, &outcome, &origin));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_fragment_never_reaches_the_origin() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let authority = format!("localhost:{}", caddy.port());
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", &authority),
        (":path", "/status/204#a"),
    ];
    let h2 = h2_raw(caddy.port(), json!({"fields": fields, "body": ""}));
    let h3 = h3_one(caddy.port(), json!({"path": "/status/204#a"}));
    for (name, status) in [("h2", h2["status"].as_u64()), ("h3", Some(h3.status.into()))] {
        assert!(matches!(status, Some(0 | 204 | 400)), "{name}: {status:?}");
    }
    let targets: Vec<_> = origin.requests().into_iter().map(|seen| seen.target).collect();
    assert!(targets.iter().all(|target| target == "/status/204"), "{targets:?}");
}
