//! Which pages may read what.

use http::StatusCode;

use super::*;
use crate::directives::testing;
use crate::http::request::tests::request;
use crate::http::{Fault, Reply};

/// An upstream with CORS fields of its own.
fn inner(req: &mut Request) -> Reply {
    if req.path() == "/fails" {
        return Err(Fault::status(StatusCode::BAD_GATEWAY));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().append(ACCESS_CONTROL_ALLOW_ORIGIN, "https://own.test".parse().unwrap());
    response.headers_mut().append("vary", "Accept".parse().unwrap());
    Ok(response)
}

async fn ask(lines: &str, line: &str, fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut site = testing::site("cors", setup, lines).unwrap();
    site.push(testing::Answer(inner));
    let (method, path) = line.split_once(' ').unwrap();
    let mut req = request(method, path);
    for (name, value) in fields {
        req.head.headers.append(*name, value.parse().unwrap());
    }
    let site = site.build();
    match site.handle(&mut req).await {
        Ok(response) => response.into_parts().0.headers,
        Err(fault) => fault.headers,
    }
}

fn shown(headers: &HeaderMap) -> String {
    let mut lines: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines.join(" | ").replace("access-control-", "")
}

#[tokio::test]
async fn who_is_let_in() {
    let named = "cors / https://a.test,HTTPS://B.test/ https://*.c.test:8443 {\norigin_regexp ^http://d[0-9]\\.test$\n}";
    for (lines, origin, allowed) in [
        ("cors", "https://a.test", "*"),
        ("cors / *", "null", "*"),
        (named, "https://a.test", "https://a.test"),
        (named, "https://b.test", "https://b.test"),
        (named, "https://x.c.test:8443", "https://x.c.test:8443"),
        (named, "https://x.y.c.test:8443", "https://x.y.c.test:8443"),
        (named, "http://d1.test", "http://d1.test"),
        // Others get what the upstream says.
        (named, "https://c.test:8443", "https://own.test"),
        (named, "https://.c.test:8443", "https://own.test"),
        (named, "https://evil.test/.c.test:8443", "https://own.test"),
        (named, "https://x.c.test", "https://own.test"),
        (named, "http://a.test", "https://own.test"),
        (named, "https://a.test.evil.test", "https://own.test"),
        (named, "http://d1.test.evil.test", "https://own.test"),
        ("cors /api", "https://a.test", "https://own.test"),
    ] {
        let headers = ask(lines, "GET /", &[("origin", origin)]).await;
        let all: Vec<_> = headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect();
        assert_eq!(all, [allowed], "{lines}: {origin}");
    }
}

#[tokio::test]
async fn caches_keep_origins_apart() {
    for (lines, fields, vary) in [
        ("cors", &[("origin", "https://a.test")][..], "Accept"),
        ("cors", &[], "Accept"),
        ("cors / https://a.test", &[("origin", "https://a.test")], "Accept, Origin"),
        ("cors / https://a.test", &[("origin", "https://b.test")], "Accept, Origin"),
        ("cors / https://a.test", &[], "Accept, Origin"),
        ("cors / https://a.test *", &[], "Accept"),
        ("cors / https://a.test * {\nallow_credentials true\n}", &[], "Accept, Origin"),
        ("cors /api https://a.test", &[], "Accept"),
    ] {
        let headers = ask(lines, "GET /", fields).await;
        let all: Vec<_> = headers.get_all("vary").iter().map(|v| v.to_str().unwrap()).collect();
        assert_eq!(all.join(", "), vary, "{lines} {fields:?}");
    }
}

#[tokio::test]
async fn preflights_are_answered_here() {
    let lines = "cors / https://a.test {\nmethods PUT,PATCH\nallowed_headers X-A, X-B\nmax_age 60\n\
                 exposed_headers X-C\nallow_credentials true\n}";
    let asks = [("origin", "https://a.test"), ("access-control-request-method", "PUT")];
    let headers = ask(lines, "OPTIONS /x", &asks).await;
    let expected = "allow-credentials: true | allow-headers: X-A, X-B | allow-methods: PUT, PATCH | \
                    allow-origin: https://a.test | max-age: 60 | vary: Origin";
    assert_eq!(shown(&headers), expected);
    let headers = ask(lines, "OPTIONS /x", &asks[..1]).await;
    let expected = "allow-credentials: true | allow-origin: https://a.test | expose-headers: X-C | \
                    vary: Accept | vary: Origin";
    assert_eq!(shown(&headers), expected, "no preflight: the site answers");
    let stranger = [("origin", "https://b.test"), asks[1]];
    assert_eq!(shown(&ask(lines, "OPTIONS /x", &stranger).await), "vary: Origin");
    let wants = [asks[0], asks[1], ("access-control-request-headers", "x-q, x-r")];
    let headers = ask("cors / {\nallowed_headers *\n}", "OPTIONS /", &wants).await;
    assert_eq!(
        shown(&headers),
        "allow-headers: x-q, x-r | allow-methods: POST, GET, OPTIONS, PUT, DELETE | allow-origin: *"
    );
}

#[tokio::test]
async fn a_page_sees_errors() {
    let headers = ask("cors / https://a.test", "GET /fails", &[("origin", "https://a.test")]).await;
    assert_eq!(shown(&headers), "allow-origin: https://a.test | vary: Origin");
}

#[tokio::test]
async fn all_origins_never_get_credentials() {
    let lines = "cors / https://a.test,* {\nallow_credentials true\n}";
    let site = testing::site("cors", setup, lines).unwrap();
    let warnings: Vec<_> = site.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings[0].contains("allow_credentials has no effect for all origins"),
        "{warnings:?}"
    );
    for (origin, expected) in [
        ("https://a.test", "allow-credentials: true | allow-origin: https://a.test"),
        ("https://b.test", "allow-origin: *"),
    ] {
        let headers = ask(lines, "GET /", &[("origin", origin)]).await;
        assert_eq!(shown(&headers), format!("{expected} | vary: Accept | vary: Origin"));
    }
}

#[test]
fn what_is_refused_and_what_is_doubted() {
    for (lines, message) in [
        ("cors https://a.test", "'https://a.test' is not a path: a path begins with '/'"),
        ("cors / https://a.*.test", "'https://a.*.test': the wildcard stands for the first labels"),
        ("cors / {\nmethods \"A B\"\n}", "'A B' is not a method"),
        ("cors / {\nallowed_headers a:b\n}", "'a:b' is not a header field name"),
        ("cors / {\nallow_credentials yes\n}", "unknown value 'yes'"),
        ("cors / {\nmax_age soon\n}", "max_age must be a whole number, not 'soon'"),
        ("cors / {\norigin_regexp (\n}", "invalid regular expression '('"),
    ] {
        assert_eq!(testing::site("cors", setup, lines).err().as_deref(), Some(message), "{lines}");
    }
    for (lines, doubt) in [
        ("cors / a.test", "'a.test' is not an origin: no page has it"),
        ("cors / https://a.test/x", "'https://a.test/x' is not an origin"),
        ("cors / {\norigin_regexp a\\.test$\n}", "'a\\.test$' also matches origins that only"),
    ] {
        let site = testing::site("cors", setup, lines).unwrap();
        let warnings: Vec<_> = site.warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(doubt), "{lines}: {warnings:?}");
    }
}
