//! Placeholders against one request.

use std::rc::Rc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::http::{Body, Peer};

fn request() -> Request {
    let (head, ()) = http::Request::builder()
        .method("POST")
        .uri("/new/%61%20b.php?x=1")
        .header("host", "www.Example.com:8080")
        .header("custom", "one")
        .header("custom", "{host}")
        .header("cookie", "a=1; session=\"s3\"")
        .body(())
        .unwrap()
        .into_parts();
    Request {
        head,
        body: Body::empty(),
        upgrade: None,
        peer: Rc::new(Peer {
            remote: "[::ffff:192.0.2.7]:4711".parse().unwrap(),
            local: ([127, 0, 0, 1], 443).into(),
            tls: None,
            values: crate::http::connection_values::ConnectionValues::default(),
        }),
        host: "www.example.com".to_owned(),
        original_uri: "/old/%61dmin?q=a+b%26&r=2".parse().unwrap(),
        user: Some("kim".to_owned()),
        upstream: None,
        watcher: None,
        early_hints: None,
        received: Instant::now(),
    }
}

#[test]
fn values_of_a_request() {
    let req = request();
    for (text, expected) in [
        ("plain", "plain"),
        ("{method} {scheme} {proto}", "POST http HTTP/1.1"),
        ("{host}|{hostonly}", "www.Example.com:8080|www.example.com"),
        ("{path} {path_escaped}", "/old/%61dmin %2Fold%2Fadmin"),
        ("{rewrite_path}|{rewrite_path_escaped}", "/new/%61%20b.php|%2Fnew%2Fa+b.php"),
        ("{query} {query_escaped}", "q=a+b%26&r=2 q%3Da%2Bb%2526%26r%3D2"),
        ("{uri}", "/old/%61dmin?q=a+b%26&r=2"),
        ("{rewrite_uri}", "/new/%61%20b.php?x=1"),
        ("{dir}|{file}", "/new/|%61%20b.php"),
        ("{remote}:{port} {server_port}", "192.0.2.7:4711 443"),
        ("{>Custom} {>CUSTOM}", "one,{host} one,{host}"),
        ("{?q} {?r} {?x}", "a b& 2 -"),
        ("{~session} {~none}", "s3 -"),
        ("{label1}.{label3}.{label4}", "www.com.-"),
        ("{user} {upstream} {status} {1} {fragment}", "kim - - - -"),
        ("Bad {>Custom placeholder {>ShorterVal}", "Bad -"),
        ("Bad {host placeholder...", "Bad {host placeholder..."),
        ("\\{host\\} } {}", "{host} } -"),
        (
            "{\"a\":\"{method}\", \"b\":{ \"c\":\"{nothing}\"}}",
            "{\"a\":\"POST\", \"b\":{ \"c\":\"-\"}}",
        ),
    ] {
        assert_eq!(Template::parse(text).expand(&req, None, "-"), expected, "{text}");
    }
}

#[test]
fn a_response_and_captures() {
    let req = request();
    let mut headers = HeaderMap::new();
    headers.insert("etag", HeaderValue::from_static("x"));
    let facts = ResponseFacts {
        status: 404,
        size: 12,
        latency: Duration::from_micros(1_600),
        headers: &headers,
    };
    let template = Template::parse("{status} {size} {latency} {latency_ms} {<ETag}");
    assert_eq!(template.expand(&req, Some(&facts), "-"), "404 12 2ms 1 x");
    let captures = Captures(vec!["a".to_owned(), "{host}".to_owned()]);
    let template = Template::parse("{2}/{1}{3} {path}?{query}");
    assert_eq!(template.expand_with(&req, &captures), "{host}/a /new/%61%20b.php?x=1");
}

#[test]
fn later_fields_and_names_are_seen() {
    let mut req = request();
    let template = Template::parse("{>X-New}{request_id}");
    assert_eq!(template.expand(&req, None, ""), "");
    req.head.headers.insert("x-new", HeaderValue::from_static("seen"));
    req.head.extensions.insert(RequestId("-7".to_owned()));
    assert_eq!(template.expand(&req, None, ""), "seen-7");
}

#[test]
fn comparisons_see_decoded_paths() {
    let template = Template::parse("{path} {rewrite_path}");
    assert_eq!(template.expand_decoded(&request()), "/old/admin /new/a b.php");
    assert_eq!(Template::parse("x").is_literal(), Some("x"));
    assert_eq!(Template::parse("\\{x").is_literal(), Some("{x"));
    assert_eq!(Template::parse("{x}").is_literal(), None);
}
