//! The article's own Caddyfile, whose last closing brace is missing: it ran on 0.9.5 and runs here.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Origin, Setup, curl, h3_one, wait_for};

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
    wait_for("the warning", Duration::from_secs(5), || {
        let said = format!("{}{}", caddy.log(), caddy.read("stderr"));
        said.contains("[WARNING] Caddyfile:1:").then_some(())
    });
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
fn with_an_e_mail_it_runs_and_says_what_is_missing() {
    let origin = Origin::start();
    let text =
        ARTICLE.replace("self_signed", "admin@example.test").replace("localhost", "site.test");
    let caddy = Setup::new(&text).set("ORIGIN", origin.addr).arg("-quic").start();
    wait_for("the warning", Duration::from_secs(5), || {
        let said = format!("{}{}", caddy.log(), caddy.read("stderr")).to_lowercase();
        said.contains("have not been accepted").then_some(())
    });
    let resolve = format!("site.test:{}:127.0.0.1", caddy.port());
    let url = format!("https://site.test:{}/", caddy.port());
    assert_eq!(curl(&["--resolve", &resolve], &url).text(), "hello");
}
