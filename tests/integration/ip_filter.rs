//! `ipfilter`: countries by a database that another program wrote, behind a proxy that names
//! clients, over all protocols.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{Caddy, NOT_CONFIGURED, Setup, curl, h3_one, python_script};

/// A database with the countries of networks.
fn database(file: &Path, networks: &[(&str, &str)]) {
    let record = |code: &&str| json!({"country": {"iso_code": code, "names": {"en": code}}});
    let records: Value = networks
        .iter()
        .map(|(network, code)| ((*network).to_owned(), record(code)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    write(file, "GeoLite2-Country", &records);
}

fn write(file: &Path, kind: &str, records: &Value) {
    let fresh = file.with_extension("new");
    let done = python_script("mmdb.py").arg(&fresh).args([kind, &records.to_string()]).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::rename(fresh, file).unwrap();
}

const SITE: &str = "https://localhost:@PORT@ {\n tls self_signed\n root www\n realip 127.0.0.1 ::1\n\
    ipfilter / {\n rule allow\n database geo.mmdb\n country us JP\n ip 203.0.113\n\
    blockpage no.html\n}\n\
    ipfilter /eu {\n rule block\n country US\n}\n}\n";

fn start() -> Caddy {
    let setup = Setup::new(SITE).file("www/index.html", "in").file("www/eu", "eu");
    let setup = setup.file("no.html", "<p>elsewhere").file("www/geo.mmdb", "");
    let networks = [("192.0.2.0/24", "US"), ("2001:db8::/32", "JP"), ("198.51.100.0/24", "DE")];
    database(&setup.dir().join("geo.mmdb"), &networks);
    setup.start()
}

/// Status and content over each protocol, which are the same.
fn seen(caddy: &Caddy, path: &str, client: &str) -> String {
    let field = format!("X-Forwarded-For: {client}");
    let fields = json!([["x-forwarded-for", client]]);
    let [h1, h2, h3] = [
        curl(&["--http1.1", "-H", &field], &caddy.url(path)),
        curl(&["--http2", "-H", &field], &caddy.url(path)),
        h3_one(caddy.port(), json!({"path": path, "headers": fields})),
    ]
    .map(|answer| format!("{} {}", answer.status, answer.text()));
    assert!(h1 == h2 && h1 == h3, "{path} {client}: {h1}, {h2}, {h3}");
    h1
}

#[test]
fn clients_come_in_by_their_country() {
    let caddy = start();
    for (path, client, expected) in [
        ("/", "192.0.2.7", "200 in"),
        ("/", "2001:db8::7", "200 in"),
        ("/", "203.0.113.9", "200 in"),
        ("/", "198.51.100.7", "403 <p>elsewhere"),
        ("/", "2001:db9::7", "403 <p>elsewhere"),
        ("/eu", "198.51.100.7", "200 eu"),
    ] {
        assert_eq!(seen(&caddy, path, client), expected, "{path} {client}");
    }
    let refused = seen(&caddy, "/eu", "192.0.2.7");
    assert!(refused.starts_with("403 ") && !refused.contains("eu"), "{refused}");
    let head = curl(&["--head", "-H", "X-Forwarded-For: 198.51.100.7"], &caddy.url("/"));
    assert_eq!((head.status, head.header("content-length")), (403, "12"));
    // Without a word of the proxy it is the proxy.
    assert_eq!(curl(&[], &caddy.url("/")).status, 403);
}

#[test]
fn a_reload_takes_a_new_database() {
    let caddy = start();
    assert!(seen(&caddy, "/", "198.51.100.7").starts_with("403 "));
    database(&caddy.path("geo.mmdb"), &[("198.51.100.0/24", "US")]);
    caddy.reload();
    assert_eq!(seen(&caddy, "/", "198.51.100.7"), "200 in");
    assert!(seen(&caddy, "/", "192.0.2.7").starts_with("403 "), "the old one is gone");
}

#[test]
fn a_database_without_countries_is_no_database_of_countries() {
    let setup = Setup::new(SITE).file("no.html", "").arg("-validate");
    let record = json!({"192.0.2.0/24": {"autonomous_system_number": 64496}});
    write(&setup.dir().join("geo.mmdb"), "GeoLite2-ASN", &record);
    let done = setup.output();
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(NOT_CONFIGURED), "{said}");
    assert!(said.contains("'geo.mmdb': it has no countries, it is of type GeoLite2-ASN"), "{said}");
    assert!(said.contains("Caddyfile:7 - ") && said.contains("hint: "), "{said}");
}
