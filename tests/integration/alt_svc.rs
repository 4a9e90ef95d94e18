//! `Alt-Svc`: what the site's rules say goes before the server's own.

use crate::harness::{Origin, Setup, curl};

/// The directives of a site, and its `Alt-Svc` over HTTP/1.1 and HTTP/2.
const SITES: &[(&str, &str)] = &[
    ("", "h3=\":@PORT@\"; ma=2592000"),
    ("header / Alt-Svc \"h3=\\\":443\\\"\"", "h3=\":443\""),
    ("header / Alt-Svc clear", "clear"),
    ("header / -Alt-Svc", ""),
    ("header /other -Alt-Svc", "h3=\":@PORT@\"; ma=2592000"),
    ("proxy / @ORIGIN@ {\nheader_downstream Alt-Svc clear\n}", "clear"),
    ("proxy / @ORIGIN@ {\nheader_downstream -Alt-Svc\n}", ""),
    ("proxy / @ORIGIN@", "h3=\":@PORT@\"; ma=2592000"),
];

#[test]
fn the_rules_of_a_site_are_obeyed() {
    let origin = Origin::start();
    for (lines, expected) in SITES {
        let text = format!("https://localhost:@PORT@ {{\n tls self_signed\n root .\n{lines}\n}}\n");
        let caddy = Setup::new(&text).set("ORIGIN", origin.addr).start();
        let expected = expected.replace("@PORT@", &caddy.port().to_string());
        for version in ["--http1.1", "--http2"] {
            for path in ["/echo", "/status/404"] {
                let answer = curl(&[version], &caddy.url(path));
                assert_eq!(answer.header("alt-svc"), expected, "{lines} {version} {path}");
            }
        }
    }
}

#[test]
fn a_port_mapping_has_its_own_port() {
    let text = "https://localhost:@PORT@ {\n tls self_signed\n root .\n}\n";
    let caddy = Setup::new(text).arg("-alt-svc-port").arg("443").start();
    assert_eq!(curl(&[], &caddy.url("/")).header("alt-svc"), "h3=\":443\"; ma=2592000");
    let said = Setup::new(text).arg("-alt-svc-port=0").output();
    assert_eq!(said.status.code(), Some(2));
}
