//! The order of the responses of one connection (RFC 9218) on a road slower than the server. Bytes
//! are compared, not time.

use serde_json::{Value, json};

use crate::harness::{Caddy, Origin, Setup, curl, h2_abuse, h2_order, h3_order, h3_raw};

const SITE: &str = "https://localhost:@PORT@ {
 tls self_signed
 root site
 header /stated Priority u=0
 proxy /upstream http://127.0.0.1:@PORT2@ {
  without /upstream
 }
 proxy /head @ORIGIN@
}
http://:@PORT2@ {
 root site
 header / Priority u=1
}
";

/// Responses of 400 KiB that are under way when another begins.
const BULK: usize = 20;
/// Bytes of all content after which it begins.
const BEGUN: u64 = 1_000_000;
/// Of a response that overtakes: what was in the buffers of the server, the kernel and the road,
/// and what came while a busy machine had not begun it. If all shared, it would be 21 times that
/// of `SMALL`.
const AHEAD: u64 = 2_500_000;
const SMALL: u64 = 200 * 1024;
const LARGE: u64 = 400 * 1024;

fn server(origin: &Origin) -> Caddy {
    let (small, large) = (vec![b's'; SMALL as usize], vec![b'l'; LARGE as usize]);
    Setup::new(SITE)
        .set("ORIGIN", origin.addr)
        .file("site/large", large)
        .file("site/small", &small)
        .file("site/stated", &small)
        .start()
}

fn get(path: &str, priority: &str) -> Value {
    json!({"path": path, "priority": priority})
}

fn later(mut step: Value) -> Value {
    step["after"] = json!(BEGUN);
    step
}

/// Over both protocols: the bulk, all of one priority, and further steps.
fn run(caddy: &Caddy, bulk: &str, steps: &[Value], more: &Value) -> [(&'static str, Value); 2] {
    let bulk = std::iter::repeat_n(get("/large", bulk), BULK);
    let mut job = more.clone();
    job["steps"] = bulk.chain(steps.iter().cloned()).collect();
    let seen = [("h2", h2_order(caddy.port(), job.clone())), ("h3", h3_order(caddy.port(), job))];
    for (protocol, seen) in &seen {
        assert!(seen["error"].is_null(), "{protocol}: {seen}");
    }
    seen
}

/// Bytes of all content between a request, or a point in time, and the end of its response.
fn between(seen: &Value, number: usize, begun: Option<u64>) -> u64 {
    let one = &seen["requests"][number];
    one["ended"].as_u64().unwrap() - begun.or(one["began"].as_u64()).unwrap()
}

#[test]
fn an_urgent_response_overtakes_others() {
    let origin = Origin::start();
    let caddy = server(&origin);
    for (path, priority) in [
        ("/small", "u=1"),
        // The response states more than the request, from the Caddyfile or from an upstream.
        ("/stated", "u=5, i"),
        ("/upstream/small", "u=7"),
    ] {
        for (protocol, seen) in run(&caddy, "u=5, i", &[later(get(path, priority))], &json!({})) {
            assert_eq!(seen["requests"][BULK]["length"], SMALL);
            let ahead = between(&seen, BULK, None);
            assert!(ahead < AHEAD, "{protocol}, {path}: {ahead} bytes, {seen}");
        }
    }
}

#[test]
fn a_background_response_comes_last() {
    let origin = Origin::start();
    let caddy = server(&origin);
    for (protocol, seen) in run(&caddy, "u=3, i", &[later(get("/small", "u=7"))], &json!({})) {
        assert_eq!(seen["order"][BULK], BULK, "{protocol}: {seen}");
    }
}

#[test]
fn a_frame_changes_the_order_of_what_is_under_way_or_to_come() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let update = |number: usize, priority| json!({"update": number, "priority": priority});
    let raise = [later(update(BULK - 1, "u=1"))];
    for (protocol, seen) in run(&caddy, "u=5, i", &raise, &json!({})) {
        let ahead = between(&seen, BULK - 1, Some(BEGUN));
        assert!(ahead < AHEAD + LARGE, "{protocol}: {ahead} bytes, {seen}");
    }
    // The frame comes before its request and overrides the field.
    let early = [update(BULK, "u=0"), later(get("/small", "u=7"))];
    for (protocol, seen) in run(&caddy, "u=5, i", &early, &json!({})) {
        let ahead = between(&seen, BULK, None);
        assert!(ahead < AHEAD, "{protocol}: {ahead} bytes, {seen}");
    }
}

#[test]
fn responses_go_one_after_another_or_share() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let ends = |seen: &Value| {
        let ends = seen["requests"].as_array().unwrap().iter();
        ends.map(|one| one["ended"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    for (protocol, seen) in run(&caddy, "u=2", &[], &json!({})) {
        let late = ends(&seen).iter().zip(1..).filter(|(end, n)| **end > n * LARGE + AHEAD).count();
        assert_eq!(late, 0, "{protocol}: {seen}");
    }
    for (protocol, seen) in run(&caddy, "i", &[], &json!({})) {
        // In the last part, most of them are under way.
        let half = BULK as u64 * LARGE / 2;
        let late = ends(&seen).iter().filter(|end| **end > half).count();
        assert!(late > BULK * 3 / 4, "{protocol}: {seen}");
    }
}

#[test]
fn what_the_client_holds_back_holds_back_nothing_else() {
    let origin = Origin::start();
    let caddy = server(&origin);
    // The client opens no window for the most urgent streams, whose first bytes have come.
    let held = json!({"hold": [BULK, BULK + 1, BULK + 2], "window": 20_000});
    let urgent = std::iter::repeat_n(later(get("/large", "u=0")), 3);
    let steps: Vec<_> = urgent.chain([later(get("/small", "u=2"))]).collect();
    for (protocol, seen) in run(&caddy, "u=5, i", &steps, &held) {
        for number in 0..BULK {
            assert_eq!(seen["requests"][number]["length"], LARGE, "{protocol}: {seen}");
        }
        for number in BULK..BULK + 3 {
            let length = seen["requests"][number]["length"].as_u64().unwrap();
            assert!((1..=20_000).contains(&length), "{protocol}: {seen}");
        }
        let ahead = between(&seen, BULK + 3, None);
        assert!(ahead < AHEAD, "{protocol}: {ahead} bytes, {seen}");
    }
}

#[test]
fn a_small_window_of_the_connection_goes_to_the_urgent_first() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let bulk = std::iter::repeat_n(get("/large", "u=5, i"), BULK);
    let steps: Vec<_> = bulk.chain([later(get("/small", "u=1"))]).collect();
    let seen = h2_order(caddy.port(), json!({"steps": steps, "credit": 30_000}));
    assert!(seen["error"].is_null(), "{seen}");
    let ahead = between(&seen, BULK, None);
    assert!(ahead < AHEAD / 2, "{ahead} bytes, {seen}");
}

#[test]
fn both_fields_are_forwarded() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let field = ["-H", "Priority: u=1, i, x=\"y\""];
    let seen = curl(&field, &caddy.url("/head")).text().to_lowercase();
    assert!(seen.contains("priority: u=1, i, x=\"y\""), "{seen}");
    assert_eq!(curl(&[], &caddy.url("/upstream/small")).header("priority"), "u=1");
}

const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PRIORITY_UPDATE: u8 = 0x10;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> String {
    let length = (payload.len() as u32).to_be_bytes();
    hex(&[&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat())
}

fn update(stream: u32, field: &[u8]) -> String {
    frame(PRIORITY_UPDATE, 0, 0, &[&stream.to_be_bytes()[..], field].concat())
}

/// The error that ends the connection for so many times these frames, if the GET after them gets no
/// response.
fn goaway(caddy: &Caddy, frames: &str, times: usize) -> Option<u64> {
    let name = format!("localhost:{}", caddy.port());
    let block = [b"\x82\x87\x84\x01", &[name.len() as u8][..], name.as_bytes()].concat();
    let get = frame(HEADERS, 5, 1, &block);
    let job = json!({
        "attack": "frames", "many": frames, "times": times, "then": get, "count": 1, "seconds": 0,
    });
    let seen = h2_abuse(caddy.port(), job);
    assert!(seen["goaway"].is_number() || seen["ended"] == json!([1]), "{seen}");
    seen["goaway"].as_u64()
}

#[test]
fn wrong_frames_over_http_2() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let stated = |value: u8| frame(SETTINGS, 0, 0, &[0, 9, 0, 0, 0, value]);
    let many = |count: u32| (1..=count).map(|n| update(2 * n + 1, b"u=1")).collect::<String>();
    for (name, frames, times, want) in [
        ("valid", update(1, b"u=1"), 1, None),
        ("empty", update(1, b""), 1, None),
        ("no field", update(1, b"u=\xff,,"), 1, None),
        ("as long as a frame may be", update(1, &[b'a'; 16_380]), 1, None),
        ("longer", update(1, &[b'a'; 16_381]), 1, Some(6)),
        ("for all that a client may open", many(356), 1, None),
        ("for one more", many(357), 1, Some(1)),
        ("100,000 for one", update(3, b"u=1"), 100_000, None),
        ("for stream 0", update(0, b"u=1"), 1, Some(1)),
        ("for a pushed stream", update(2, b"u=1"), 1, Some(1)),
        ("without a stream", frame(PRIORITY_UPDATE, 0, 0, b"\0\0\x01"), 1, Some(6)),
        ("on a stream", frame(PRIORITY_UPDATE, 0, 1, b"\0\0\0\x01u=1"), 1, Some(1)),
        ("a setting", stated(0), 1, None),
        ("a setting out of range", stated(2), 1, Some(1)),
        ("a setting that changes", stated(1), 1, Some(1)),
    ] {
        assert_eq!(goaway(&caddy, &frames, times), want, "{name}");
    }
    let seen = h2_order(caddy.port(), json!({"steps": [get("/small", "u=1")]}));
    assert_eq!(seen["settings"]["9"], 1, "{seen}");
}

#[test]
fn wrong_frames_over_http_3() {
    const ID_ERROR: u64 = 0x108;
    let origin = Origin::start();
    let caddy = server(&origin);
    let update = |kind: &[u8], payload: &[u8]| {
        let length = (payload.len() as u16 | 0x4000).to_be_bytes();
        hex(&[kind, &length, payload].concat())
    };
    let (request, push) = (b"\x80\x0f\x07\x00", b"\x80\x0f\x07\x01");
    let of_request = |payload: &[u8]| update(request, payload);
    let rows = [
        ("valid", of_request(b"\0u=1"), None),
        ("empty", of_request(b"\0"), None),
        ("no field", of_request(b"\0u=\xff,,"), None),
        ("long", of_request(&[&b"\0"[..], &[b'a'; 10_000]].concat()), None),
        ("the last stream within the limit", of_request(b"\x41\x8cu=1"), None),
        ("the first beyond it", of_request(b"\x41\x94u=1"), Some(ID_ERROR)),
        ("a stream of the server", of_request(b"\x01u=1"), Some(ID_ERROR)),
        ("the control stream", of_request(b"\x02u=1"), Some(ID_ERROR)),
        ("a push", update(push, b"\0u=1"), Some(ID_ERROR)),
        ("without a stream", of_request(b""), Some(0x106)),
        ("half a stream", of_request(b"\x41"), Some(0x106)),
        ("oversized", "800f070080ffffff00".into(), Some(0x107)),
    ];
    let port = caddy.port();
    let fields = json!([
        [":method", "GET"],
        [":scheme", "https"],
        [":path", "/small"],
        [":authority", format!("localhost:{port}")],
    ]);
    let case = |frames: &str| {
        // The request follows when the control stream has been read.
        let streams = json!([{"fields": fields, "end": true}]);
        json!({"control": format!("0400{frames}"), "streams": streams, "wait": 30})
    };
    let cases: Vec<_> = rows.iter().map(|(_, frames, _)| case(frames)).collect();
    for ((name, _, want), seen) in rows.iter().zip(h3_raw(port, &cases)) {
        assert_eq!(seen["closed"].as_u64(), *want, "{name}: {seen}");
        let is_answered = seen["streams"]["0"]["status"] == 200;
        assert!(want.is_some() || is_answered, "{name}: {seen}");
    }
    // On a request stream.
    let bytes = json!({"streams": [{"bi": of_request(b"\0u=1"), "end": true}]});
    assert_eq!(h3_raw(port, &[bytes])[0]["closed"], 0x105);
    let many = json!({"raw": of_request(b"\x04u=1"), "times": 100_000});
    let seen = h3_order(port, json!({"steps": [many, get("/small", "u=3")]}));
    assert_eq!((&seen["error"], &seen["order"]), (&Value::Null, &json!([0])), "{seen}");
}
