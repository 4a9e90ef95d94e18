//! The article's own Caddyfile, whose last closing brace is missing: it ran on 0.9.5 and runs here.

use serde_json::json;

use crate::harness::{Origin, Setup, curl, h3_one};

/// Host and e-mail replaced; everything else as in the article.
const ARTICLE: &str = "https://localhost:@PORT@ {
proxy / @ORIGIN@ {
header_upstream Host {host}
header_upstream X-Forwarded-For {remote}
}
tls self_signed {
}
";

#[test]
fn runs_with_a_warning_that_names_the_block() {
    let origin = Origin::start();
    let caddy = Setup::new(ARTICLE).set("ORIGIN", origin.addr).arg("-quic").start();
    let said = format!("{}{}{}", caddy.log(), caddy.read("stderr"), caddy.read("stdout"));
    assert!(said.contains("Caddyfile:1") && said.contains("WARNING"), "{said}");
    assert_eq!(curl(&[], &caddy.url("/")).text(), "hello");
    assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).text(), "hello");
    let seen = origin.last();
    assert_eq!(seen.header("host").unwrap(), format!("localhost:{}", caddy.port()));
    assert!(
        seen.all("x-forwarded-for").iter().all(|value| value.contains("127.0.0.1")),
        "{seen:?}"
    );
}

#[test]
fn automatic_https_is_said_to_be_missing() {
    let setup =
        Setup::new("https://example.test {\nproxy / localhost:1\ntls admin@example.test {\n}\n");
    let done = setup.arg("-validate").output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("Caddyfile:3"), "{said}");
    assert!(said.to_lowercase().contains("automatic https"), "{said}");
}
