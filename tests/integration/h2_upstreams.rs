//! Upstreams that refuse requests, leave, or ask for another version, frame by frame.

use serde_json::{Value, json};

use crate::harness::{Answer, Caddy, Service, Setup, certificate, curl, h3_one, wait_for};

const PROTOCOLS: [&str; 3] = ["h1", "h2", "h3"];

/// A proxy over TLS before `to`, with one worker, so that it is known what it knows.
fn before(to: &str, options: &str) -> Caddy {
    let site = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n errors errors.log\n proxy / {to} {{\n{options}\n}}\n}}\n"
    );
    Setup::new(&site).arg("-cpu=1").start()
}

fn plain() -> (Service, Caddy) {
    let upstream = Service::start("h2upstream.py", &[]);
    let caddy = before(&format!("h2c://{}", upstream.addr), "");
    (upstream, caddy)
}

/// A request with or without content over one of the protocols.
fn ask(caddy: &Caddy, protocol: &str, method: &str, path: &str) -> Answer {
    let content = if method == "POST" { "abc" } else { "" };
    if protocol == "h3" {
        return h3_one(caddy.port(), json!({"method": method, "path": path, "body": content}));
    }
    let version = if protocol == "h1" { "--http1.1" } else { "--http2" };
    let data = if method == "POST" { &["--data", content][..] } else { &[] };
    curl(&[&[version], data].concat(), &caddy.url(path))
}

fn text(caddy: &Caddy, protocol: &str, method: &str, path: &str) -> String {
    let answer = ask(caddy, protocol, method, path);
    assert_eq!(answer.status, 200, "{protocol} {method} {path}: {answer:?}\n{}", errors(caddy));
    answer.text()
}

fn errors(caddy: &Caddy) -> String {
    caddy.read("errors.log")
}

/// The requests that the upstream has had for a path: connection and version of each.
fn seen(caddy: &Caddy, path: &str) -> Vec<(u64, String)> {
    among(&text(caddy, "h1", "GET", "/seen"), path)
}

/// The same from the upstream itself, on a connection of its own.
fn seen_by(upstream: &Service, path: &str) -> Vec<(u64, String)> {
    let answer = curl(&["--http2-prior-knowledge"], &format!("http://{}/seen", upstream.addr));
    among(&answer.text(), path)
}

/// Those for a path among all that `/seen` lists.
fn among(list: &str, path: &str) -> Vec<(u64, String)> {
    let all: Value = serde_json::from_str(list).unwrap();
    let all = all.as_array().unwrap().iter().filter(|one| one[3] == path);
    all.map(|one| (one[0].as_u64().unwrap(), one[2].as_str().unwrap().to_owned())).collect()
}

/// RFC 9113 section 8.7: nothing was processed, whatever the method.
#[test]
fn what_is_refused_or_left_out_is_sent_again() {
    let (_upstream, caddy) = plain();
    for protocol in PROTOCOLS {
        for (method, answer) in [("GET", "GET 2 "), ("POST", "POST 2 abc")] {
            let refused = format!("/refuse/1/{protocol}{method}");
            assert_eq!(text(&caddy, protocol, method, &refused), answer);
            let made = seen(&caddy, &refused);
            assert_eq!((made.len(), made[0].0), (2, made[1].0), "the connection stays: {made:?}");
            let left_out = format!("/goaway/1/{protocol}{method}");
            assert_eq!(text(&caddy, protocol, method, &left_out), answer);
            let made = seen(&caddy, &left_out);
            assert!(made.len() == 2 && made[0].0 != made[1].0, "on a new connection: {made:?}");
        }
    }
    assert_eq!(errors(&caddy), "");
}

#[test]
fn the_first_request_of_all_may_be_refused_too() {
    for path in ["/refuse/1/first", "/goaway/1/first"] {
        let (_upstream, caddy) = plain();
        assert_eq!(text(&caddy, "h2", "POST", path), "POST 2 abc");
        assert_eq!(seen(&caddy, path).len(), 2);
    }
}

#[test]
fn an_upstream_that_refuses_all_is_left_for_another() {
    let (upstream, caddy) = plain();
    let path = "/refuse/99/x";
    assert_eq!(ask(&caddy, "h3", "POST", path).status, 502);
    let made = seen(&caddy, path).len();
    assert!((2..=3).contains(&made), "{made} requests for one");
    let log = wait_for("the log", std::time::Duration::from_secs(30), || {
        Some(errors(&caddy)).filter(|log| !log.is_empty())
    });
    assert!(log.contains("the upstream refused the request"), "{log}");
    assert!(log.contains("the server reset the stream (REFUSED_STREAM)"), "{log}");

    let other = Service::start("h2upstream.py", &[]);
    let to = format!("h2c://{} h2c://{}", upstream.addr, other.addr);
    // The other one takes them, as it has refused as many as it does.
    let (alone, path) = (before(&format!("h2c://{}", other.addr), ""), "/refuse/5/y");
    let refusals = (0..5).take_while(|_| ask(&alone, "h1", "GET", path).status == 502).count();
    assert!((1..5).contains(&refusals), "{refusals}");
    let caddy = before(&to, "policy first");
    assert_eq!(text(&caddy, "h2", "POST", path), "POST 2 abc");
    assert_eq!(errors(&caddy), "");
}

#[test]
fn what_an_upstream_may_have_processed_is_not() {
    let (_upstream, caddy) = plain();
    for protocol in PROTOCOLS {
        text(&caddy, protocol, "GET", "/x");
        let before = seen(&caddy, "/taken").len();
        assert_eq!(ask(&caddy, protocol, "POST", "/taken").status, 502);
        assert_eq!(seen(&caddy, "/taken").len(), before + 1, "{protocol}");
    }
}

/// The upstream takes two requests at a time on a connection.
#[test]
fn a_connection_with_no_room_is_not_waited_for() {
    let upstream = Service::start("h2upstream.py", &["2"]);
    let caddy = before(&format!("h2c://{}", upstream.addr), "");
    text(&caddy, "h1", "GET", "/first");
    let held: Vec<_> = (0..2)
        .map(|_| {
            let url = caddy.url("/hold/100");
            std::thread::spawn(move || curl(&["--http1.1", "--max-time", "20"], &url))
        })
        .collect();
    // Through the server, this would take one of the two places itself.
    let both = wait_for("both", std::time::Duration::from_secs(30), || {
        Some(seen_by(&upstream, "/hold/100")).filter(|made| made.len() == 2)
    });
    assert_eq!(both[0].0, both[1].0, "on the connection that is there");
    let begun = std::time::Instant::now();
    for path in ["/a", "/b", "/c"] {
        assert_eq!(text(&caddy, "h2", "GET", path), "GET 2 ");
        let made = seen_by(&upstream, path);
        assert_ne!(made[0].0, both[0].0, "on another connection: {made:?}");
    }
    assert!(begun.elapsed().as_secs() < 15, "before there is room on the first one");
    held.into_iter().for_each(|thread| drop(thread.join().unwrap()));
}

#[test]
fn a_ping_is_answered_and_requests_go_on() {
    let (_upstream, caddy) = plain();
    for protocol in PROTOCOLS {
        assert_eq!(text(&caddy, protocol, "POST", "/ping"), "POST 2 abc");
        assert_eq!(text(&caddy, protocol, "GET", "/x"), "GET 2 ");
    }
    let made = [seen(&caddy, "/ping"), seen(&caddy, "/x")].concat();
    assert!(made.len() == 6 && made.iter().all(|one| one.0 == made[0].0), "{made:?}");
}

/// RST_STREAM with NO_ERROR is for uploads: it completes no response (RFC 9113 section 8.1).
#[test]
fn a_response_that_is_cut_off_is_not_complete() {
    let (_upstream, caddy) = plain();
    for protocol in PROTOCOLS {
        let answer = ask(&caddy, protocol, "GET", "/broken");
        assert_ne!(answer.error, "", "{protocol}: {answer:?}");
    }
}

/// A response may end before the upload does, and the upstream then asks for no more of it.
#[test]
fn a_complete_response_may_end_an_upload() {
    let (_upstream, caddy) = plain();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("upload");
    std::fs::write(&file, vec![b'x'; 4 * 1024 * 1024]).unwrap();
    for version in ["--http1.1", "--http2"] {
        for _ in 0..3 {
            let upload = format!("@{}", file.display());
            let answer = curl(&[version, "--data-binary", &upload], &caddy.url("/early"));
            assert_eq!((answer.status, answer.text().as_str()), (200, "early"), "{answer:?}");
        }
    }
    let made = seen(&caddy, "/seen");
    assert!(made.iter().all(|one| one.0 == 0), "on one connection: {made:?}");
    assert_eq!(errors(&caddy), "");
}

/// A check on another port is one of another server.
#[test]
fn a_connection_of_checks_on_another_port_gets_no_requests() {
    let (upstream, checked) =
        (Service::start("h2upstream.py", &[]), Service::start("h2upstream.py", &[]));
    let port = checked.addr.rsplit(':').next().unwrap();
    let options =
        format!("health_check /check\n health_check_interval 50ms\n health_check_port {port}");
    let caddy = before(&format!("h2c://{}", upstream.addr), &options);
    let beside = before(&format!("h2c://{}", checked.addr), "");
    wait_for("a check", std::time::Duration::from_secs(30), || {
        (!seen(&beside, "/check").is_empty()).then_some(())
    });
    assert_eq!(text(&caddy, "h2", "POST", "/x"), "POST 2 abc");
    assert_eq!((seen(&caddy, "/x").len(), seen(&caddy, "/check").len()), (1, 0));
    assert!(seen(&beside, "/x").is_empty());
    let checks = seen(&beside, "/check").len();
    wait_for("another check", std::time::Duration::from_secs(30), || {
        (seen(&beside, "/check").len() > checks).then_some(())
    });
}

#[test]
fn a_protocol_cannot_be_switched() {
    let (_upstream, caddy) = plain();
    assert_eq!(ask(&caddy, "h2", "GET", "/switch").status, 502);
    let error = "101 without a request to switch";
    let log = caddy.read_when("errors.log", |log| log.contains(error));
    assert!(log.contains(error), "{log}");
}

#[test]
fn an_upstream_that_answers_no_ping_is_left() {
    let (_upstream, caddy) = plain();
    let (answer, page) = std::thread::scope(|scope| {
        let frozen = scope.spawn(|| ask(&caddy, "h1", "POST", "/frozen"));
        (frozen.join().unwrap(), text(&caddy, "h1", "GET", "/x"))
    });
    assert_eq!((answer.status, page.as_str()), (502, "GET 2 "), "a new connection takes over");
    let error = "the upstream did not respond to a PING";
    let log = caddy.read_when("errors.log", |log| log.contains(error));
    assert!(log.contains(error), "{log}");
}

/// Rules of a site may name fields that HTTP/2 forbids.
#[test]
fn fields_of_one_connection_stay_behind() {
    let upstream = Service::start("h2upstream.py", &[]);
    let fields = ["Keep-Alive 5", "Upgrade h2c", "Proxy-Connection x", "TE gzip", "Connection x-a"];
    let rules = fields.map(|field| format!(" header_upstream {field}")).join("\n");
    let caddy = before(&format!("h2c://{}", upstream.addr), &rules);
    assert_eq!(text(&caddy, "h2", "POST", "/x"), "POST 2 abc");
}

#[test]
fn an_https_upstream_that_asks_for_http_1_gets_it() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let upstream = Service::start("h2upstream.py", &[&cert, &key]);
    for (protocol, method, answer) in
        [("h1", "POST", "POST 1.1 abc"), ("h2", "POST", "POST 1.1 abc"), ("h3", "GET", "GET 1.1 ")]
    {
        let caddy =
            before(&format!("https://{}", upstream.addr), &format!("ca_certificates {cert}"));
        assert_eq!(text(&caddy, protocol, "GET", "/x"), "GET 2 ");
        let before = seen(&caddy, "/http1").len();
        for _ in 0..3 {
            assert_eq!(text(&caddy, protocol, method, "/http1"), answer);
        }
        // Once is enough: it is known from then on.
        let made = seen(&caddy, "/http1").split_off(before);
        let versions: Vec<_> = made.iter().map(|one| one.1.as_str()).collect();
        assert_eq!(versions, ["2", "1.1", "1.1", "1.1"]);
        assert_eq!(text(&caddy, protocol, "GET", "/x"), "GET 1.1 ");
        assert_eq!(errors(&caddy), "");
    }
}

#[test]
fn an_upstream_that_is_named_for_http_2_does_not_get_http_1() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let behind_tls = Service::start("h2upstream.py", &[&cert, &key]);
    let in_plain = Service::start("h2upstream.py", &[]);
    for (scheme, addr) in [("h2", &behind_tls.addr), ("h2c", &in_plain.addr)] {
        let trust = format!("ca_certificates {cert}");
        let caddy = before(&format!("{scheme}://{addr}"), &trust);
        assert_eq!(ask(&caddy, "h2", "POST", "/http1").status, 502);
        assert_eq!(seen(&caddy, "/http1").len(), 1);
        let log = wait_for("the log", std::time::Duration::from_secs(30), || {
            Some(errors(&caddy)).filter(|log| !log.is_empty())
        });
        assert!(log.contains(&format!("upstream {scheme}://{addr}: ")), "{log}");
        assert!(log.contains("HTTP_1_1_REQUIRED"), "{log}");
        assert_eq!(text(&caddy, "h1", "GET", "/x"), "GET 2 ", "other requests go on");
    }
}
