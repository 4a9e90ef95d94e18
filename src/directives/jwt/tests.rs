//! What blocks are read as, and what claims allow.

use serde_json::json;

use super::*;
use crate::directives::testing;
use crate::http::request::tests::request;
use crate::site::Site;
use crate::tokens::Signer;

const SECRET: &str = "a secret of thirty-two characters";

fn site(lines: &str) -> Result<SiteBuilder, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let lines = lines
        .replace("SECRET", &file("secret", &format!("{SECRET}\n")))
        .replace("EMPTY", &file("empty", ""))
        .replace("SET", &file("set", "{\"keys\":[]}"));
    testing::site("jwt", setup, &lines)
}

fn built(lines: &str) -> Site {
    let mut site = site(lines).unwrap();
    site.push(testing::Answer(|req: &mut Request| {
        let mut fields: Vec<_> = req.head.headers.iter().collect();
        fields.retain(|(name, _)| name.as_str().starts_with("token"));
        fields.sort_by_key(|(name, _)| name.as_str());
        let shown = fields.iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap()));
        let shown: Vec<_> = shown.collect();
        Ok(Response::new(Body::from(shown.join(";"))))
    }));
    site.build()
}

fn token(claims: &serde_json::Value) -> String {
    let signer = Signer::new("HS256", SECRET.as_bytes(), None).unwrap();
    signer.sign(claims.as_object().unwrap()).unwrap()
}

/// The fields with claims, or the status and the challenge's end.
async fn ask(site: &Site, target: &str, fields: &[(&'static str, String)]) -> String {
    let mut req = request("GET", target);
    for (name, value) in fields {
        req.head.headers.append(*name, value.parse().unwrap());
    }
    match site.handle(&mut req).await {
        Ok(response) if response.status() == 200 => {
            use http_body_util::BodyExt as _;
            let body = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        }
        Ok(response) => {
            format!("{} {:?}", response.status().as_u16(), response.headers()[LOCATION])
        }
        Err(fault) => {
            let challenge = fault.headers[WWW_AUTHENTICATE].to_str().unwrap();
            let error = challenge.split("error=").nth(1).unwrap_or("none");
            format!("{} {error}", fault.status.as_u16())
        }
    }
}

#[tokio::test]
async fn who_is_let_in() {
    let lines =
        "jwt {\npath /\nexcept /open\nallowroot\ndeny role guest\nallow sub max\nsecret SECRET\n}";
    let site = built(lines);
    let bearer = |claims| ("authorization", format!("Bearer {}", token(&claims)));
    for (target, fields, expected) in [
        ("/a", vec![], "401 none"),
        ("/", vec![], ""),
        ("/%2e", vec![], "401 none"),
        ("/open/a", vec![], ""),
        ("/open/../a", vec![], "401 none"),
        ("/a", vec![bearer(json!({"sub": "kim"}))], "token-claim-sub=kim"),
        ("/a", vec![bearer(json!({"role": "guest"}))], "403 \"insufficient_scope\""),
        ("/a", vec![bearer(json!({"role": ["a", "guest"]}))], "403 \"insufficient_scope\""),
        (
            "/a",
            vec![bearer(json!({"role": "guest", "sub": "max"}))],
            "token-claim-role=guest;token-claim-sub=max",
        ),
        ("/a", vec![bearer(json!({"exp": 1}))], "401 \"invalid_token\""),
        ("/a", vec![("authorization", "Bearer a.b.c".to_owned())], "401 \"invalid_token\""),
        (
            "/a",
            vec![("cookie", format!("x=1; jwt_token={}", token(&json!({"a": 1}))))],
            "token-claim-a=1",
        ),
        (
            "/open",
            vec![("token-claim-sub", "root".to_owned()), ("token_claim_x", "1".to_owned())],
            "",
        ),
    ] {
        assert_eq!(ask(&site, target, &fields).await, expected, "{target} {fields:?}");
    }
    let target = format!("/a?token={}", token(&json!({"a": true})));
    assert_eq!(ask(&site, &target, &[]).await, "token-claim-a=true");
}

#[tokio::test]
async fn blocks_and_their_options() {
    let kim = json!({"sub": "kim", "path": "/a"});
    let cookie = |name: &str| ("cookie", format!("{name}={}", token(&kim)));
    let path = "token-claim-path=/a;token-claim-sub=kim";
    for (options, target, fields, expected) in [
        ("redirect /login?to={uri}", "/a?b", vec![], "303 \"/login?to=/a?b\""),
        ("passthrough", "/a", vec![], ""),
        ("passthrough\nallow sub max", "/a", vec![cookie("jwt_token")], path),
        ("checkpath", "/a", vec![cookie("jwt_token")], path),
        ("checkpath", "/b", vec![cookie("jwt_token")], "401 \"invalid_token\""),
        ("token_source cookie s", "/a", vec![cookie("jwt_token")], "401 none"),
        ("token_source cookie s", "/a", vec![cookie("s")], path),
        (
            "token_source header X",
            "/a",
            vec![("authorization", format!("X {}", token(&kim)))],
            path,
        ),
    ] {
        let site = built(&format!("jwt {{\npath /\nsecret SECRET\n{options}\n}}"));
        assert_eq!(ask(&site, target, &fields).await, expected, "{options} {target}");
    }
    // Each rule that protects a path must hold.
    let site = built(
        "jwt {\npath /\nsecret SECRET\n}\njwt {\npath /admin\nallow role admin\nsecret SECRET\n}",
    );
    for (target, expected) in [("/a", path), ("/admin", "403 \"insufficient_scope\"")] {
        assert_eq!(ask(&site, target, &[cookie("jwt_token")]).await, expected, "{target}");
    }
}

#[test]
fn claims_are_told_as_fields() {
    let claims = json!({
        "user": "test", "logins": 10, "rate": 1.5, "groups": ["user", "operator"], "none": null,
        "data": {"payload": "x"}, "http://example.com/role": "admin", "bad": "a\nb",
    });
    for (strip, role) in
        [(false, "token-claim-http%3a%2f%2fexample.com%2frole"), (true, "token-claim-role")]
    {
        let mut headers = HeaderMap::new();
        claims::tell(claims.as_object().unwrap(), strip, &mut headers);
        let value = |name: &str| headers.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(value("token-claim-groups"), Some("user,operator"));
        assert_eq!(
            (value("token-claim-logins"), value("token-claim-rate")),
            (Some("10"), Some("1.5"))
        );
        assert_eq!((value("token-claim-data.payload"), value(role)), (Some("x"), Some("admin")));
        assert_eq!(headers.len(), 6, "{headers:?}");
    }
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("jwt", "jwt: no path is protected"),
        ("jwt / /b", "Wrong argument count"),
        ("jwt / {\nallowroot\n}", "Wrong argument count"),
        ("jwt {\npath /\npath /b\n}", "path is written twice"),
        ("jwt {\npath /\nallow role\n}", "Wrong argument count"),
        ("jwt {\npath /\nsecret EMPTY\n}", "jwt: "),
        ("jwt {\npath /\npublickey SECRET\n}", "jwt: "),
        ("jwt {\npath /\njwks SET\n}", "jwt: "),
        (
            "jwt {\npath /\njwks http://id.example.com/keys\n}",
            "jwt: 'http://id.example.com/keys': keys",
        ),
        ("jwt {\npath /\nsecret SECRET\njwks https://id.example.com\n}", "jwt: a path has both"),
        ("jwt {\npath /\ntoken_source body x\n}", "unknown source 'body'"),
        ("jwt {\npath /\ntoken_source cookie\n}", "Wrong argument count"),
    ] {
        let error = site(lines).err().unwrap_or_default();
        assert!(error.starts_with(message), "{lines}: {error}");
    }
    for lines in ["jwt /", "jwt {\npath /\nsecret /nonexistent/secret\n}"] {
        assert_eq!(site(lines).unwrap().warnings.len(), 1, "{lines}: nobody may pass");
    }
}

#[test]
fn a_preflight_gets_nothing_that_is_protected() {
    let mut site = site("jwt {\npath /a\nsecret SECRET\n}").unwrap();
    site.push(testing::Answer(|req: &mut Request| {
        let size = hyper::body::Body::size_hint(&req.body).exact();
        let mut response = Response::new(Body::from(format!("protected, {size:?}")));
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("set-cookie", "session=1"),
            ("content-length", "9"),
            ("x-size", if size == Some(0) { "none" } else { "some" }),
        ] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        Ok(response)
    }));
    let site = site.build();
    let asked = |path: &str, is_preflight: bool| {
        let mut req = request("OPTIONS", path);
        req.head.headers.insert(ORIGIN, "https://a".parse().unwrap());
        if is_preflight {
            req.head.headers.insert(ACCESS_CONTROL_REQUEST_METHOD, "GET".parse().unwrap());
        }
        req.body = Body::from("content".to_owned());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(site.handle(&mut req))
    };
    assert_eq!(asked("/a", false).unwrap_err().status, StatusCode::UNAUTHORIZED);
    let answer = asked("/a", true).unwrap();
    let field = |name| answer.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!((field("access-control-allow-origin"), field("x-size")), (Some("*"), Some("none")));
    assert_eq!((field("set-cookie"), field("content-length")), (None, None));
    assert_eq!(hyper::body::Body::size_hint(answer.body()).exact(), Some(0));
    // What nobody protects is as it was.
    let open = asked("/b", true).unwrap();
    assert_eq!(open.headers()["x-size"], "some");
    assert!(hyper::body::Body::size_hint(open.body()).exact() > Some(0));
}
