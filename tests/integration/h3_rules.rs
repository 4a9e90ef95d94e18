//! What RFC 9114 and RFC 9204 ask of an HTTP/3 client, and what becomes of one that does not do it:
//! a malformed request ends its stream and never reaches the origin, a broken connection ends.

use serde_json::{Value, json};

use crate::harness::{Caddy, Origin, curl, h2_raw, h3_raw};

const MESSAGE_ERROR: u64 = 0x10e;

type Fields = &'static [(&'static str, &'static str)];

/// Stands for the site's name and port.
const SITE: &str = "{site}";

const METHOD: (&str, &str) = (":method", "POST");
const SCHEME: (&str, &str) = (":scheme", "https");
const NAME: (&str, &str) = (":authority", SITE);
const PATH: (&str, &str) = (":path", "/echo");
const FIELD: (&str, &str) = ("x-a", "b");

/// Heads that are malformed, by the sections of RFC 9114.
const HEADS: &[(&str, Fields)] = &[
    // 4.3: what there is of pseudo-header fields, and where.
    ("of a response", &[METHOD, SCHEME, NAME, PATH, (":status", "200")]),
    ("of nobody", &[METHOD, SCHEME, NAME, PATH, (":x", "y")]),
    ("behind a field", &[METHOD, SCHEME, NAME, FIELD, PATH]),
    ("all behind a field", &[FIELD, METHOD, SCHEME, NAME, PATH]),
    ("upper case", &[METHOD, SCHEME, NAME, PATH, (":Path", "/echo")]),
    // 4.3.1: exactly one of each.
    ("two methods", &[("x-b", ""), METHOD, METHOD, SCHEME, NAME, PATH]),
    ("second :method", &[METHOD, (":method", "GET"), SCHEME, NAME, PATH]),
    ("second :scheme", &[METHOD, SCHEME, SCHEME, NAME, PATH]),
    ("second :authority", &[METHOD, SCHEME, NAME, NAME, PATH]),
    ("second :path", &[METHOD, SCHEME, NAME, PATH, (":path", "/other")]),
    ("no :method", &[SCHEME, NAME, PATH]),
    ("no :scheme", &[METHOD, NAME, PATH]),
    ("no :path", &[METHOD, SCHEME, NAME]),
    ("neither", &[METHOD, NAME]),
    ("no name", &[METHOD, SCHEME, PATH]),
    ("empty :method", &[(":method", ""), SCHEME, NAME, PATH]),
    ("empty :path", &[METHOD, SCHEME, NAME, (":path", "")]),
    ("empty Host", &[METHOD, SCHEME, PATH, ("host", "")]),
    ("two names", &[METHOD, SCHEME, NAME, PATH, ("host", "other")]),
    ("a user in the name", &[METHOD, SCHEME, (":authority", "me@{site}"), PATH]),
    ("a line in :method", &[(":method", "GET / HTTP/1.1\r\nx"), SCHEME, NAME, PATH]),
    // 4.4: CONNECT has a name alone, 4.3 of RFC 9220: with a protocol it has all.
    ("CONNECT with a path", &[(":method", "CONNECT"), SCHEME, NAME, PATH]),
    ("a protocol without a path", &[(":method", "CONNECT"), NAME, (":protocol", "websocket")]),
    // 4.2: names and values.
    ("upper case name", &[METHOD, SCHEME, NAME, PATH, ("X-A", "b")]),
    ("space in name", &[METHOD, SCHEME, NAME, PATH, ("x a", "b")]),
    ("colon in name", &[METHOD, SCHEME, NAME, PATH, ("x:a", "b")]),
    ("empty name", &[METHOD, SCHEME, NAME, PATH, ("", "b")]),
    ("CR in value", &[METHOD, SCHEME, NAME, PATH, ("x-a", "b\rc")]),
    ("LF in value", &[METHOD, SCHEME, NAME, PATH, ("x-a", "b\nc")]),
    ("NUL in value", &[METHOD, SCHEME, NAME, PATH, ("x-a", "b\0c")]),
    // 4.2: fields of a connection.
    ("connection", &[METHOD, SCHEME, NAME, PATH, ("connection", "close")]),
    ("keep-alive", &[METHOD, SCHEME, NAME, PATH, ("keep-alive", "5")]),
    ("proxy-connection", &[METHOD, SCHEME, NAME, PATH, ("proxy-connection", "close")]),
    ("transfer-encoding", &[METHOD, SCHEME, NAME, PATH, ("transfer-encoding", "chunked")]),
    ("upgrade", &[METHOD, SCHEME, NAME, PATH, ("upgrade", "websocket")]),
    ("te", &[METHOD, SCHEME, NAME, PATH, ("te", "gzip")]),
    // 4.1.2: a length that cannot be one.
    (
        "two lengths",
        &[METHOD, SCHEME, NAME, PATH, ("content-length", "3"), ("content-length", "4")],
    ),
    ("a length in letters", &[METHOD, SCHEME, NAME, PATH, ("content-length", "x")]),
];

/// Heads that are answered with 400, as over HTTP/1.1.
const ANSWERED: &[(&str, Fields)] = &[
    ("name not in ASCII", &[METHOD, SCHEME, NAME, PATH, ("x-\u{e9}", "b")]),
    ("name of no token", &[METHOD, SCHEME, NAME, PATH, ("x(a)", "b")]),
    ("control character in value", &[METHOD, SCHEME, NAME, PATH, ("x-a", "b\u{1}")]),
    ("DEL in value", &[METHOD, SCHEME, NAME, PATH, ("x-a", "b\u{7f}")]),
    ("empty :authority", &[METHOD, SCHEME, (":authority", ""), PATH]),
    ("space in :authority", &[METHOD, SCHEME, (":authority", "a b"), PATH]),
    ("no slash", &[METHOD, SCHEME, NAME, (":path", "echo")]),
    ("space in :path", &[METHOD, SCHEME, NAME, (":path", "/e cho")]),
    ("fragment in :path", &[METHOD, SCHEME, NAME, (":path", "/echo#a")]),
];

/// What may not stand behind the content (4.3, 4.2).
const TRAILERS: &[Fields] = &[
    &[PATH],
    &[(":status", "200")],
    &[FIELD, METHOD],
    &[("connection", "close")],
    &[("keep-alive", "5")],
    &[("X-A", "b")],
];

fn at_site(fields: Fields, port: u16) -> Vec<(&'static str, String)> {
    let site = format!("localhost:{port}");
    fields.iter().map(|(name, value)| (*name, value.replace(SITE, &site))).collect()
}

fn server(origin: &Origin) -> Caddy {
    Caddy::proxy(origin.addr, "")
}

/// Requests that the origin has seen to their end.
fn whole(origin: &Origin) -> usize {
    let whole = origin.requests().iter().filter(|seen| seen.complete).count();
    origin.clear();
    whole
}

#[test]
fn malformed_heads_over_http_3() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let port = caddy.port();
    let good = json!([{"streams": [{"fields": at_site(&[METHOD, SCHEME, NAME, PATH, FIELD], port),
        "data": "abc", "trailers": [FIELD], "end": true}]}]);
    let good = &h3_raw(port, good.as_array().unwrap())[0];
    assert_eq!((&good["streams"]["0"]["status"], whole(&origin)), (&json!(200), 1), "{good}");
    let mut wrong = vec![];
    for huffman in [false, true] {
        let case = |(_, fields): &(&str, Fields)| {
            let fields = at_site(fields, port);
            json!({"streams": [{"fields": fields, "data": "abc", "end": true, "huffman": huffman}]})
        };
        let cases: Vec<Value> = HEADS.iter().map(case).collect();
        for ((name, _), seen) in HEADS.iter().zip(h3_raw(port, &cases)) {
            let stream = &seen["streams"]["0"];
            let fine = stream["reset"] == MESSAGE_ERROR && stream["status"] == 0;
            if !fine || !seen["closed"].is_null() {
                wrong.push(format!("{name} (Huffman code: {huffman}): {seen}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(whole(&origin), 0);
}

#[test]
fn what_breaks_the_rules_of_http_is_answered_alike() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let port = caddy.port();
    let mut wrong = vec![];
    for (name, fields) in ANSWERED {
        let seen = h2_raw(port, json!({"fields": at_site(fields, port), "body": "abc"}));
        if seen["status"] != 400 {
            wrong.push(format!("{name} over HTTP/2: {seen}"));
        }
    }
    for huffman in [false, true] {
        let case = |(_, fields): &(&str, Fields)| {
            let fields = at_site(fields, port);
            json!({"streams": [{"fields": fields, "data": "abc", "end": true, "huffman": huffman}]})
        };
        let cases: Vec<Value> = ANSWERED.iter().map(case).collect();
        for ((name, _), seen) in ANSWERED.iter().zip(h3_raw(port, &cases)) {
            let stream = &seen["streams"]["0"];
            if stream["status"] != 400 || stream["ended"] != true || !seen["closed"].is_null() {
                wrong.push(format!("{name} over HTTP/3 (Huffman code: {huffman}): {seen}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(whole(&origin), 0);
}

#[test]
fn malformed_heads_over_http_2() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let mut wrong = vec![];
    // What is not in this list the client's encoder does not send, or the RFC does not ask for.
    let own = ["two names", "no name", "empty Host", "a user in the name"];
    for (name, fields) in HEADS.iter().filter(|(name, _)| !own.contains(name)) {
        let fields = at_site(fields, caddy.port());
        let seen = h2_raw(caddy.port(), json!({"fields": fields, "body": "abc"}));
        if !matches!(seen["status"].as_u64(), None | Some(0 | 400)) {
            wrong.push(format!("{name}: {seen}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(whole(&origin), 0);
}

#[test]
fn malformed_content_over_http_3() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let port = caddy.port();
    let head = || at_site(&[METHOD, SCHEME, NAME, PATH], port);
    let mut cases: Vec<Value> = vec![];
    for trailers in TRAILERS {
        cases.push(json!({"streams": [
            {"fields": head(), "data": "abc", "trailers": trailers, "end": true}]}));
    }
    for length in ["2", "4", "0"] {
        let mut fields = head();
        fields.push(("content-length", length.to_owned()));
        cases.push(json!({"streams": [{"fields": fields, "data": "abc", "end": true}]}));
    }
    for (case, seen) in cases.iter().zip(h3_raw(port, &cases)) {
        let stream = &seen["streams"]["0"];
        assert_eq!(
            (&stream["reset"], &seen["closed"]),
            (&json!(0x10e), &Value::Null),
            "{case}: {seen}"
        );
    }
    assert_eq!(whole(&origin), 0);
}

/// `:method GET`, `:scheme https`, `:path /` and `:authority a`, all from the static table.
const GET: &str = "01080000d1d7c1500161";

/// `:scheme https`, `:path /` and `:protocol websocket`.
const WEBSOCKET: &str = "d7c127023a70726f746f636f6c09776562736f636b6574";

fn get(more: &str) -> Value {
    json!({"streams": [{"bi": format!("{GET}{more}"), "end": true}]})
}

fn control(frames: &str) -> Value {
    json!({ "control": frames })
}

fn uni(bytes: &str, end: bool) -> Value {
    json!({"control": null, "streams": [{"uni": "000400"}, {"uni": bytes, "end": end}]})
}

/// A stream that is reset behind an answer, so that the server knows by then what it is; for one
/// of a reserved type, the control stream.
fn reset(bytes: &str) -> Value {
    let number = if bytes == "21" { 2 } else { 6 };
    let (get, reset) = (json!({"bi": GET, "end": true}), json!({"break": number, "later": true}));
    json!({"control": null, "streams": [{"uni": "000400"}, {"uni": bytes}, get, reset]})
}

/// STOP_SENDING for a stream of the server's own, behind an answer.
fn stop(number: u64) -> Value {
    let get = json!({"bi": GET, "end": true});
    json!({"streams": [get, {"refuse": number, "later": true}]})
}

/// CONNECT, plain or to a WebSocket, and then frames.
fn connect(lines: &str, frames: &str) -> Value {
    let head = format!("0000cf500161{lines}");
    json!({"streams": [{"bi": format!("01{:02x}{head}{frames}", head.len() / 2)}]})
}

/// Each case ends its connection with the code beside it, and no other client is disturbed.
fn ends_each(rows: &[(u64, Value)]) {
    let origin = Origin::start();
    let caddy = server(&origin);
    let cases: Vec<Value> = rows.iter().map(|(_, case)| case.clone()).collect();
    let seen = h3_raw(caddy.port(), &cases);
    let wrong = rows.iter().zip(seen).filter(|((code, _), seen)| seen["closed"] != *code);
    let wrong: Vec<_> =
        wrong.map(|((code, case), seen)| format!("want {code:#x} for {case}: {seen}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(curl(&["--http2"], &caddy.url("/echo")).status, 200);
}

#[test]
fn broken_connections_end_with_the_code_of_rfc_9114() {
    ends_each(&[
        // 7.2: frames where they do not belong.
        (0x105, json!({"streams": [{"bi": "000161"}]})),
        (0x105, get("030100")),
        (0x105, get("0400")),
        (0x105, get("050161")),
        (0x105, get("070100")),
        (0x105, get("0d0100")),
        (0x105, get("0200")),
        (0x105, get("0600")),
        (0x105, get("0800")),
        (0x105, get("0900")),
        (0x105, get("0108000023782d610162000161")),
        // 4.4: behind the head of CONNECT there is DATA alone.
        (0x105, connect("", "0108000023782d610162")),
        (0x105, connect("", "0001610108000023782d610162")),
        (0x105, connect(WEBSOCKET, "0001610108000023782d610162")),
        (0x105, control("04000400")),
        (0x105, control("0400000161")),
        (0x105, control("0400010161")),
        (0x105, control("0400050161")),
        (0x105, control("04000200")),
        // 7.1: frames that are cut off, or have too much.
        (0x106, get("000361")),
        (0x106, get("2103")),
        (0x106, get("00")),
        (0x106, json!({"streams": [{"bi": "01080000d1", "end": true}]})),
        (0x106, control("040108")),
        (0x106, control("0403080140")),
        (0x106, control("04000d00")),
        (0x106, control("04000d0140")),
        (0x106, control("04000300")),
        (0x106, control("04000700")),
        (0x106, control("0400070201ff")),
        (0x106, json!({"control": null, "streams": [{"uni": "00040508", "end": true}]})),
        // 6.2: the control stream.
        (0x10a, control("2100")),
        (0x10a, control("070100")),
        (0x103, json!({"streams": [{"uni": "000400"}]})),
        (0x103, json!({"streams": [{"uni": "02"}]})),
        (0x103, json!({"streams": [{"uni": "03"}]})),
        (0x103, uni("0100", false)),
        (0x104, json!({"control": null, "streams": [{"uni": "000400", "end": true}]})),
        (0x104, reset("21")),
        // 6.2.1: our control stream is not wanted.
        (0x104, stop(3)),
        // 7.2.3, 7.2.6, 7.2.7: identifiers.
        (0x108, control("0400030100")),
        (0x108, control("04000d01050d0104")),
        (0x108, control("0400070104070108")),
        // 7.2.4.1 and RFC 9220: settings.
        (0x109, control("04020200")),
        (0x109, control("04020802")),
        (0x109, control("040406010601")),
        // 10.5: a frame that would have to be gathered.
        (0x107, control("0400219fffffff")),
    ]);
}

#[test]
fn broken_connections_end_with_the_code_of_rfc_9204() {
    ends_each(&[
        // RFC 9204, 2.2, 4.1, 4.5: field sections.
        (0x200, json!({"streams": [{"bi": "01030200d1", "end": true}]})),
        (0x200, json!({"streams": [{"bi": "0103000080", "end": true}]})),
        (0x200, json!({"streams": [{"bi": "01040000ff24", "end": true}]})),
        (0x200, json!({"streams": [{"bi": "01090000d1d7518263ff50", "end": true}]})),
        (0x200, json!({"streams": [{"bi": "010b0000d1d75184ffffffff50", "end": true}]})),
        (0x200, get("01070000518263ffc1")),
        // RFC 9204, 4.2 to 4.4: the streams of QPACK.
        (0x201, uni("02ff", false)),
        (0x201, uni("023f01", false)),
        (0x201, uni("0241610162", false)),
        (0x202, uni("03ff", false)),
        (0x202, uni("0380", false)),
        (0x202, uni("0301", false)),
        (0x202, uni("0300", false)),
        (0x104, uni("02", true)),
        (0x104, uni("03", true)),
        (0x104, reset("02")),
        (0x104, reset("03")),
        (0x104, stop(7)),
        (0x104, stop(11)),
    ]);
}

#[test]
fn what_a_client_may_send() {
    let origin = Origin::start();
    let caddy = server(&origin);
    let port = caddy.port();
    let fields = at_site(&[(":method", "GET"), SCHEME, NAME, PATH, ("te", "trailers")], port);
    let get = || json!({"fields": fields.clone(), "end": true});
    let with =
        |uni: &str| json!({"control": null, "streams": [{"uni": "000400"}, {"uni": uni}, get()]});
    let rows = [
        // Reserved frames, settings, and streams.
        json!({"control": "0402210040490301", "streams": [get()]}),
        json!({"control": "0400210361626340410161", "streams": [get()]}),
        json!({"control": "04000d01050d01050d0109", "streams": [get()]}),
        with("21ffff"),
        with("4054616161"),
        // QPACK without a table: no room for one, a stream that is cancelled.
        with("0220"),
        with("0344"),
        // No stream but the request's; one that ends before its type is known.
        json!({"control": null, "streams": [get()]}),
        json!({"streams": [{"uni": "", "end": true}, {"uni": "40", "end": true}, get()]}),
        json!({"streams": [{"fields": fields.clone(), "end": true, "huffman": true}]}),
    ];
    for (case, seen) in rows.iter().zip(h3_raw(port, &rows)) {
        assert_eq!(
            (&seen["streams"]["0"]["status"], &seen["closed"]),
            (&json!(200), &Value::Null),
            "{case}: {seen}"
        );
    }
    assert_eq!(whole(&origin), rows.len());
}
