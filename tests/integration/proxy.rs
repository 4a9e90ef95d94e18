//! The proxy: what the origin gets, what the client gets, kinds of upstream.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;

use serde_json::json;

use crate::harness::{
    Caddy, Origin, Setup, certificate, curl, exchange, h2_raw, h3, h3_one, statuses, wait_for,
};

#[test]
fn header_rules_upstream() {
    let origin = Origin::start();
    let rules = "header_upstream X-Set {host}\n header_upstream +X-Add two\n header_upstream -X-Drop\n\
        header_upstream X-Regex ^a(.*)z$ b$1.y\n header_upstream X-Scheme {scheme}";
    let caddy = Caddy::proxy(origin.addr, rules);
    curl(&["-H", "X-Add: one", "-H", "X-Drop: 1", "-H", "X-Regex: a-z"], &caddy.url("/head"));
    let seen = origin.last();
    assert_eq!(seen.header("x-set").unwrap(), format!("localhost:{}", caddy.port()));
    assert_eq!(seen.all("x-add"), ["one", "two"]);
    assert_eq!(seen.header("x-drop"), None);
    assert_eq!(seen.header("x-regex"), Some("b-.y"));
    assert_eq!(seen.header("x-scheme"), Some("https"));
}

#[test]
fn header_rules_downstream() {
    let origin = Origin::named("secret");
    let rules = "header_downstream -X-Origin\n header_downstream X-New value\n header_downstream Content-Type plain html";
    let caddy = Caddy::proxy(origin.addr, rules);
    let answer = curl(&[], &caddy.url("/"));
    assert_eq!((answer.header("x-origin"), answer.header("x-new")), ("", "value"));
    assert_eq!(answer.header("content-type"), "text/html");
}

#[test]
fn transparent_and_forwarded_for() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "transparent");
    curl(&["-H", "X-Forwarded-For: 6.6.6.6"], &caddy.url("/"));
    let seen = origin.last();
    assert_eq!(seen.header("host").unwrap(), format!("localhost:{}", caddy.port()));
    assert_eq!(seen.header("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-proto"), Some("https"));
    assert_eq!(seen.header("x-forwarded-for"), Some("6.6.6.6, 127.0.0.1"));
}

#[test]
fn host_is_the_upstream_without_rules() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    curl(&[], &caddy.url("/"));
    assert_eq!(origin.last().header("host"), Some(origin.addr.to_string().as_str()));
}

#[test]
fn hop_by_hop_headers_stay_here() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    curl(
        &[
            "--http1.1",
            "-H",
            "Connection: x-hop, host, x-forwarded-for",
            "-H",
            "X-Hop: 1",
            "-H",
            "TE: trailers",
            "-H",
            "Proxy-Authorization: x",
            "-H",
            "Keep-Alive: 1",
            "-H",
            "Proxy-Connection: a",
        ],
        &caddy.plain("/"),
    );
    let seen = origin.last();
    for name in ["x-hop", "proxy-authorization", "keep-alive", "proxy-connection"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
    assert!(seen.header("host").is_some() && seen.header("x-forwarded-for").is_some(), "{seen:?}");
    let answer = curl(&["--http1.1"], &caddy.plain("/raw/hop"));
    assert_eq!(
        (answer.header("x-hop"), answer.header("keep-alive"), answer.text().as_str()),
        ("", "", "ok")
    );
}

/// Request target, upstream path, `without`, and the target the origin gets.
const TARGETS: &[(&str, &str, &str, &str)] = &[
    ("/test", "", "", "/test"),
    ("/test", "/t", "", "/t/test"),
    ("/test?t=w", "/t", "", "/t/test?t=w"),
    ("/test", "/t?foo=bar", "", "/t/test?foo=bar"),
    ("/test?t=w", "/t?foo=bar", "", "/t/test?foo=bar&t=w"),
    ("/test?t=w", "/t?foo=bar", "/test", "/t?foo=bar&t=w"),
    ("/test/", "/t/", "", "/t/test/"),
    ("/test/mypath", "/t/", "/test", "/t/mypath"),
    ("/queues/%2F/fetch", "", "", "/queues/%2F/fetch"),
    ("/a//b", "", "", "/a//b"),
    ("/a%20b", "", "", "/a%20b"),
];

#[test]
fn targets_and_base_paths() {
    let origin = Origin::start();
    let hosts = TARGETS.iter().enumerate().map(|(i, (_, base, without, _))| {
        let without = if without.is_empty() { String::new() } else { format!("without {without}") };
        format!("http://host{i}.test:@PORT@ {{\n proxy / \"http://@ORIGIN@{base}\" {{\n {without}\n}}\n}}\n")
    });
    let site: String = hosts.collect();
    let caddy = Setup::new(&site).set("ORIGIN", origin.addr).start();
    for (i, (target, _, _, want)) in TARGETS.iter().enumerate() {
        let host = format!("Host: host{i}.test");
        curl(&["--path-as-is", "-H", &host], &format!("http://localhost:{}{target}", caddy.port()));
        assert_eq!(origin.last().target, *want, "{target}: {:?}", TARGETS[i]);
    }
}

#[test]
fn except_goes_to_files() {
    let origin = Origin::start();
    let site =
        "http://:@PORT@ {\n root www\n proxy /proxy @ORIGIN@ {\n except /download /static\n}\n}\n";
    let caddy = Setup::new(site).set("ORIGIN", origin.addr).start();
    for (path, proxied) in [
        ("/proxy", true),
        ("/proxy/dl", true),
        ("/proxy/download", false),
        ("/proxy/static/download", false),
        ("/proxy/something/static", true),
        ("/proxyfoo", true),
        ("/Proxy/x", true),
        ("/proxy/Static-old", false),
        ("/other", false),
    ] {
        let want = if proxied { 200 } else { 404 };
        assert_eq!(
            curl(&[], &format!("http://localhost:{}{path}", caddy.port())).status,
            want,
            "{path}"
        );
    }
}

#[test]
fn unix_upstream() {
    let setup = Setup::new("http://:@PORT@\nproxy / unix:@DIR@/app.sock {\nwithout /proxy\n}\n");
    let listener = UnixListener::bind(setup.dir().join("app.sock")).unwrap();
    let app = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let read = stream.read(&mut head).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nunix").unwrap();
        String::from_utf8_lossy(&head[..read]).into_owned()
    });
    let caddy = setup.start();
    let answer = curl(&[], &format!("http://localhost:{}/proxy/hello", caddy.port()));
    assert_eq!((answer.status, answer.text().as_str()), (200, "unix"));
    assert!(app.join().unwrap().starts_with("GET /hello HTTP/1.1\r\n"));
}

#[test]
fn https_upstream_is_verified_unless_told_otherwise() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n status 203 /\n}}\n\
         http://:@PORT2@ {{\n proxy / https://localhost:@PORT@\n}}\n\
         http://:@PORT3@ {{\n proxy / https://localhost:@PORT@ {{\n insecure_skip_verify\n}}\n}}\n"
    );
    let caddy = Caddy::start(&site);
    assert_eq!(curl(&[], &caddy.plain("/")).status, 502);
    assert_eq!(curl(&[], &caddy.third("/")).status, 203);
}

#[test]
fn trailers_pass_and_early_hints_are_left_out() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let raw = exchange(
        caddy.port2(),
        b"GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n",
        std::time::Duration::from_secs(3),
    );
    let text = String::from_utf8_lossy(&raw).to_lowercase();
    assert!(text.contains("x-sum: 7"), "{text}");
    let result = h3(caddy.port(), json!({"requests": [{"path": "/trailers"}]}));
    assert_eq!(result["answers"][0]["trailers"], json!([["x-sum", "7"]]), "{result}");
    for version in ["--http1.1", "--http2"] {
        let answer = curl(&[version], &caddy.url("/hints"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "after"), "{version}");
    }
    let raw = exchange(
        caddy.port2(),
        b"GET /hints HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        std::time::Duration::from_secs(3),
    );
    assert_eq!(statuses(&raw), [200], "no 103, and one response");
    let result = h3(caddy.port(), json!({"requests": [{"path": "/hints"}]}));
    let answer = &result["answers"][0];
    assert_eq!((&answer["status"], &answer["body"]), (&json!(200), &json!("after")), "{result}");
    assert_eq!((&answer["interim"], &answer["headers"][0][0]), (&json!([]), &json!("x-origin")));
}

#[test]
fn expect_continue_over_http_2_and_3() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let body = "x".repeat(2_000);
    let expect = ["--http2", "-H", "Expect: 100-continue", "--data", &body];
    let h2 = curl(&expect, &caddy.url("/upload"));
    assert!(h2.status == 200 && h2.text().starts_with("2000 "), "{h2:?}");
    assert_eq!(origin.last().header("expect"), Some("100-continue"));
    let job = json!({"method": "POST", "path": "/upload", "body": body,
        "headers": [["expect", "100-continue"]]});
    let h3 = h3(caddy.port(), json!({"requests": [job]}));
    assert!(h3["answers"][0]["body"].as_str().unwrap().starts_with("2000 "), "{h3}");
    assert_eq!(origin.last().header("expect"), Some("100-continue"));
}

/// An upload that is refused before it is sent is not sent at all.
#[test]
fn the_upstream_decides_whether_content_comes() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let head =
        b"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let answer = exchange(caddy.port2(), head, std::time::Duration::from_secs(5));
    assert_eq!(statuses(&answer), [401], "and no 100 before it");
    assert_eq!(origin.last().header("expect"), Some("100-continue"));

    origin.clear();
    let authority = format!("localhost:{}", caddy.port());
    let pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", &authority)];
    let rest = [(":path", "/early"), ("content-length", "5"), ("expect", "100-continue")];
    let fields = [pseudo, rest].concat();
    let job = json!({"fields": fields, "body": "", "held": true});
    assert_eq!(h2_raw(caddy.port(), job)["status"], 401);
    assert_eq!(origin.last().header("expect"), Some("100-continue"));

    origin.clear();
    let job = json!({"method": "POST", "path": "/early", "held": true,
        "headers": [["content-length", "5"], ["expect", "100-continue"]]});
    let answer = h3_one(caddy.port(), job);
    assert_eq!((answer.status, answer.error.as_str()), (401, ""));
    assert_eq!(origin.last().header("expect"), Some("100-continue"));
}

#[test]
fn a_range_of_ports_is_a_row_of_upstreams() {
    let origins = Origin::row(&["first", "second", "third"]);
    let (first, last) = (origins[0].addr, origins[2].addr.port());
    let caddy = Caddy::proxy(format!("{first}-{last}"), "policy round_robin");
    for _ in 0..9 {
        assert_eq!(curl(&[], &caddy.plain("/")).status, 200);
    }
    let seen: Vec<_> = origins.iter().map(|origin| origin.requests().len()).collect();
    assert_eq!(seen, [3, 3, 3]);
}

#[test]
fn idle_upstream_connections_are_bounded() {
    let origin = Origin::start();
    let caddy = Setup::new("http://:@PORT@ {\n proxy / @ORIGIN@\n}\nhttp://:@PORT2@ {\n proxy / @ORIGIN@ {\n keepalive 2\n}\n}\n")
        .set("ORIGIN", origin.addr)
        .arg("-cpu=1")
        .start();
    for (port, most) in [(caddy.port(), 32), (caddy.port2(), 34)] {
        let url = format!("http://localhost:{port}/slow/1500");
        let clients: Vec<_> = (0..50)
            .map(|_| {
                let url = url.clone();
                std::thread::spawn(move || curl(&[], &url).status)
            })
            .collect();
        assert!(clients.into_iter().all(|client| client.join().unwrap() == 200));
        let open = || origin.open.load(std::sync::atomic::Ordering::SeqCst);
        wait_for("few idle connections", std::time::Duration::from_secs(30), || {
            (1..=most).contains(&open()).then_some(())
        });
    }
}

#[test]
fn expect_continue_and_http_1_0() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let body = "x".repeat(2_000);
    let answer = curl(
        &["--http1.1", "-H", "Expect: 100-continue", "--data", &body],
        &caddy.plain("/upload"),
    );
    assert_eq!((answer.status, answer.text().starts_with("2000 ")), (200, true));
    let old = curl(&["--http1.0"], &caddy.plain("/chunked"));
    assert_eq!(
        (old.status, old.text().as_str(), old.header("transfer-encoding")),
        (200, "abcdefg", "")
    );
    let close = exchange(
        caddy.port2(),
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        std::time::Duration::from_secs(20),
    );
    assert!(String::from_utf8_lossy(&close).to_lowercase().contains("connection: close"));
}

#[test]
fn upstream_connections_are_reused() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let urls = vec![caddy.plain("/"); 20];
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    crate::harness::curl_raw(&urls);
    assert_eq!(origin.requests().len(), 20);
    assert_eq!(origin.last().connection, 0, "one client connection, one upstream connection");
}

#[test]
fn cookies_in_pieces_reach_the_upstream_as_one_field() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let fields = ["--http2", "-H", "Cookie: a=1", "-H", "Cookie: b=2"];
    assert_eq!(curl(&fields, &caddy.url("/")).status, 200);
    assert_eq!(origin.last().all("cookie"), ["a=1; b=2"]);
    let job = json!({"path": "/", "headers": [["cookie", "a=1"], ["cookie", "b=2"]]});
    assert_eq!(h3_one(caddy.port(), job).status, 200);
    assert_eq!(origin.last().all("cookie"), ["a=1; b=2"]);
}
