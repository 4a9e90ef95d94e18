//! The article's own Caddyfile, whose last closing brace is missing: it ran on 0.9.5 and runs here.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Ca, Origin, Setup, curl, h3_one, wait_for};

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
    wait_for("the warning", Duration::from_secs(30), || {
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

/// As a service: without a terminal, without `-agree`.
#[test]
fn with_an_e_mail_it_has_a_certificate_from_the_ca() {
    let (origin, ca) = (Origin::start(), Ca::start());
    let text = ARTICLE
        .replace("self_signed", "admin@example.test")
        .replace("localhost:@PORT@", "site.test, https://other.test");
    let caddy = Setup::new(&text)
        .set("ORIGIN", origin.addr)
        .arg("-quic")
        .arg("-http-port=@PORT2@")
        .arg("-https-port=@PORT@")
        .arg(&format!("-ca={}", ca.url()))
        .env("CADDYPATH", "store")
        .start();
    for name in ["site.test", "other.test"] {
        let entry = format!("store/acme/{}/sites/{name}/{name}.crt", ca.addr);
        wait_for(&entry, Duration::from_secs(30), || caddy.path(&entry).exists().then_some(()));
    }
    let told = format!(
        "with the e-mail address admin@example.test in 'tls' you agree to the terms of {}: \
         http://{}/terms.pdf",
        ca.url(),
        ca.addr
    );
    let log = caddy.log_with(&told);
    assert_eq!(log.matches(&told).count(), 1, "{log}");
    let resolve = format!("site.test:{}:127.0.0.1", caddy.port());
    let url = format!("https://site.test:{}/", caddy.port());
    assert_eq!(curl(&["--resolve", &resolve], &url).text(), "hello");
}
