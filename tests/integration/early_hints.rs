//! Early hints (103, RFC 8297) of an upstream: what reaches clients over each protocol.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Caddy, Origin, Service, Setup, exchange, h3};

const NAVIGATION: &str = "sec-fetch-mode: navigate";
const PROTOCOLS: [&str; 3] = ["1.1", "2", "3"];

/// What a client receives: the fields of each 103, without pseudo-header fields; the final status;
/// the content.
type Received = (Vec<String>, u16, String);

/// GET with a field.
fn get(caddy: &Caddy, protocol: &str, path: &str, field: &str) -> Received {
    if protocol == "3" {
        return over_h3(caddy, path, field);
    }
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-i", "-k", "--noproxy", "*", "--max-time", "60", "-H", field]);
    let done = curl.arg(format!("--http{protocol}")).arg(caddy.url(path)).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let (mut interim, mut rest) = (vec![], text.as_str());
    while let Some((head, after)) = rest.split_once("\r\n\r\n") {
        let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        if status >= 200 {
            return (interim, status, after.to_owned());
        }
        assert_eq!(status, 103, "{text}");
        interim.push(fields.to_lowercase().replace("\r\n", ", "));
        rest = after;
    }
    panic!("no response: {text}{}", String::from_utf8_lossy(&done.stderr));
}

fn over_h3(caddy: &Caddy, path: &str, field: &str) -> Received {
    let (name, value) = field.split_once(": ").unwrap();
    let job = json!({"requests": [{"path": path, "headers": [[name, value]]}]});
    let answer = &h3(caddy.port(), job)["answers"][0];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let head = |fields: &Value| {
        let fields = fields.as_array().unwrap();
        assert_eq!(fields[0], json!([":status", "103"]));
        let lines =
            fields[1..].iter().map(|field| format!("{}: {}", text(&field[0]), text(&field[1])));
        lines.collect::<Vec<_>>().join(", ")
    };
    let interim = answer["interim"].as_array().unwrap().iter().map(head).collect();
    let status = answer["status"].as_u64().unwrap().try_into().unwrap();
    assert_eq!(answer["error"], "", "{answer}");
    (interim, status, text(&answer["body"]))
}

fn site(origin: &Origin, lines: &str) -> Caddy {
    let text = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n log / access.log \"{{uri}} {{status}}\"\n \
         {lines}\n}}\n"
    );
    Setup::new(&text).set("ORIGIN", origin.addr).start()
}

fn received(hints: &[&str], status: u16, content: &str) -> Received {
    (hints.iter().map(ToString::to_string).collect(), status, content.to_owned())
}

#[test]
fn hints_reach_a_browser_that_loads_a_page() {
    let origin = Origin::start();
    let caddy = site(&origin, "proxy / @ORIGIN@");
    for protocol in PROTOCOLS {
        let seen = get(&caddy, protocol, "/hints", NAVIGATION);
        assert_eq!(seen, received(&["link: </a>"], 200, "after"), "{protocol}");
        for other in ["sec-fetch-mode: cors", "x-none: navigate"] {
            let seen = get(&caddy, protocol, "/hints", other);
            assert_eq!(seen, received(&[], 200, "after"), "{protocol} {other}");
        }
    }
    let lines = caddy.read_when("access.log", |log| log.lines().count() >= 9);
    assert_eq!(lines.trim_end(), ["/hints 200"; 9].join("\n"), "one line for each request");
}

#[test]
fn hints_of_an_http_2_upstream_are_hints_too() {
    let upstream = Service::start("h2upstream.py", &[]);
    let text = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n proxy / h2c://{}\n}}\n",
        upstream.addr
    );
    let caddy = Setup::new(&text).start();
    for protocol in PROTOCOLS {
        let seen = get(&caddy, protocol, "/hints", NAVIGATION);
        assert_eq!(seen, received(&["link: </a>"], 200, "GET 2 "), "{protocol}");
        let seen = get(&caddy, protocol, "/hints", "sec-fetch-mode: cors");
        assert_eq!(seen, received(&[], 200, "GET 2 "), "{protocol}");
        let seen = get(&caddy, protocol, "/rich", NAVIGATION);
        let hints = [&["link: </a>, referrer-policy: origin"][..], &["link: </b>"; 7]].concat();
        assert_eq!(seen, received(&hints, 200, "GET 2 "), "{protocol}");
        // More than an upstream may send.
        let (hints, status, _) = get(&caddy, protocol, "/storm", NAVIGATION);
        assert_eq!((hints.len(), status), (8, 502), "{protocol}");
    }
}

#[test]
fn each_request_of_a_connection_has_its_own_hints() {
    let origin = Origin::start();
    let caddy = site(&origin, "proxy / @ORIGIN@");
    for version in ["--http1.1", "--http2"] {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-i", "-k", "--noproxy", "*", "--max-time", "60", "-H", NAVIGATION]);
        let done = curl.arg(version).args(vec![caddy.url("/hints"); 5]).output().unwrap();
        let text = String::from_utf8(done.stdout).unwrap();
        let statuses = text.split("HTTP/").skip(1).map(|head| head.split(' ').nth(1).unwrap());
        let statuses: Vec<_> = statuses.collect();
        assert_eq!(statuses, ["103", "200"].repeat(5), "{version}");
        assert_eq!(text.matches("after").count(), 5, "{version}");
    }
}

#[test]
fn a_client_of_http_1_0_gets_none() {
    let origin = Origin::start();
    let plain = "http://localhost:@PORT@ {\n proxy / @ORIGIN@\n}\n";
    let caddy = Setup::new(plain).set("ORIGIN", origin.addr).start();
    for (version, count) in [("1.1", 1), ("1.0", 0)] {
        let request = format!(
            "GET /hints HTTP/{version}\r\nHost: localhost\r\n{NAVIGATION}\r\n\
             Connection: close\r\n\r\n"
        );
        let raw = exchange(caddy.port(), request.as_bytes(), Duration::from_secs(10));
        let raw = String::from_utf8(raw).unwrap();
        assert_eq!(raw.matches("103 Early Hints").count(), count, "{raw}");
        assert!(raw.contains("200 OK") && raw.ends_with("after"), "{raw}");
    }
}

#[test]
fn fields_number_and_size_of_hints_are_bounded() {
    let origin = Origin::start();
    let caddy = site(&origin, "proxy / @ORIGIN@");
    for protocol in PROTOCOLS {
        let seen = get(&caddy, protocol, "/fault/rich-hints", NAVIGATION);
        let first = "link: </a>, referrer-policy: origin";
        let hints = [&[first][..], &["link: </b>"; 7]].concat();
        assert_eq!(seen, received(&hints, 200, "after"), "{protocol}");
        // More than an upstream may send.
        let (hints, status, _) = get(&caddy, protocol, "/fault/storm", NAVIGATION);
        assert_eq!((hints.len(), status), (8, 502), "{protocol}");
    }
}

#[test]
fn rules_for_responses_apply_to_hints() {
    let origin = Origin::start();
    for (lines, hint) in [
        ("header / -Link\n proxy / @ORIGIN@", None),
        ("proxy / @ORIGIN@ {\n header_downstream -Link\n }", None),
        ("header / {\n +Link </b>\n X-A b\n }\n proxy / @ORIGIN@", Some("link: </a>, link: </b>")),
        (
            "header / Content-Security-Policy \"img-src {?none}'self'\"\n proxy / @ORIGIN@",
            Some("link: </a>, content-security-policy: img-src 'self'"),
        ),
        (
            "header /else -Link\n proxy / @ORIGIN@ {\n header_downstream Link a ({method})\n }",
            Some("link: </(get)>"),
        ),
    ] {
        let caddy = site(&origin, lines);
        for protocol in PROTOCOLS {
            let (hints, status, _) = get(&caddy, protocol, "/hints", NAVIGATION);
            let hints: Vec<_> = hints.iter().map(|hint| hint.to_lowercase()).collect();
            assert_eq!(hints, Vec::from_iter(hint), "{lines} {protocol}");
            assert_eq!(status, 200, "{lines} {protocol}");
        }
    }
}

#[test]
fn a_server_that_fails_after_its_hints_is_followed_by_a_correct_response() {
    let origins = [Origin::start(), Origin::start()];
    let (first, second) = (origins[0].addr, origins[1].addr);
    for (fault, status) in [("hints-close", 502), ("hints-garbage", 502)] {
        for protocol in PROTOCOLS {
            let lines = format!("proxy / {first} {second} {{\n policy round_robin\n }}");
            let caddy = site(&origins[0], &lines);
            origins.iter().for_each(Origin::clear);
            let (hints, got, _) = get(&caddy, protocol, &format!("/fault/{fault}"), NAVIGATION);
            assert_eq!((hints, got), (vec!["link: </a>".to_owned()], status), "{fault} {protocol}");
            let tried: usize = origins.iter().map(|origin| origin.requests().len()).sum();
            assert_eq!(tried, 2, "the second server is tried, and its hints are not sent again");
        }
    }
}

#[test]
fn hints_behind_a_response_reach_nobody() {
    let origin = Origin::start();
    let caddy = site(&origin, "proxy / @ORIGIN@");
    for protocol in PROTOCOLS {
        for path in ["/fault/late-hints", "/fault/late-hints", "/size/5"] {
            let (hints, status, _) = get(&caddy, protocol, path, NAVIGATION);
            assert_eq!((hints.len(), status), (0, 200), "{path} {protocol}");
        }
    }
}

#[test]
fn the_name_of_a_stream_goes_to_no_upstream() {
    let origin = Origin::start();
    let caddy = site(&origin, "proxy / @ORIGIN@");
    get(&caddy, "2", "/hints", NAVIGATION);
    let seen = origin.last();
    assert_eq!(seen.header("sec-fetch-mode"), Some("navigate"));
    assert_eq!(seen.header("caddy-stream"), None, "{seen:?}");
}
