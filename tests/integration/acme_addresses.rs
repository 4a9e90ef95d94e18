//! Certificates for IP addresses (RFC 8738).

use std::process::Command;

use crate::acme::{DAY, PATIENCE, entry, pebble, setup, wait_trusted, with};
use crate::acme_trouble::{start, wait_log};
use crate::harness::{Ca, curl, wait_for};

#[test]
fn an_address_has_a_certificate_by_each_challenge() {
    for turned_off in ["-disable-tls-alpn-challenge", "-disable-http-challenge"] {
        let text = "127.0.0.1 {\n tls me@mail.example\n status 200 /\n}\n\
                    [::1] {\n tls me@mail.example\n status 200 /\n}\n\
                    name.example {\n status 200 /\n}\n";
        let setup = setup(text).arg(turned_off);
        let pebble = pebble(&setup, DAY);
        let caddy = with(setup, &pebble).start();
        let root = pebble.root().display().to_string();
        for host in ["127.0.0.1", "[::1]"] {
            let url = format!("https://{host}:{}/", caddy.port());
            wait_for(&format!("a certificate for {host}"), PATIENCE, || {
                (curl(&["--no-insecure", "--cacert", &root], &url).status == 200).then_some(())
            });
            let redirect = curl(&[], &format!("http://{host}:{}/x", caddy.port2()));
            assert_eq!(redirect.header("location"), format!("{url}x"));
        }
        wait_trusted(&caddy, &pebble.root(), "name.example");
        let order = entry(&caddy, &pebble, "127.0.0.1", "crt");
        let mut openssl = Command::new("openssl");
        let shown = openssl.args(["x509", "-noout", "-text", "-in"]).arg(order).output().unwrap();
        let text = String::from_utf8(shown.stdout).unwrap();
        assert!(text.contains("IP Address:127.0.0.1") && !text.contains("DNS:"), "{text}");
    }
}

/// Let's Encrypt issues for addresses in this profile only.
#[test]
fn an_address_is_ordered_with_the_profile_of_short_lives() {
    let ca = Ca::start();
    ca.offer_profiles(&["classic", "shortlived"]);
    let caddy = start(&ca, "127.0.0.1 {\nstatus 200 /\ntls me@mail.example\n}\n");
    wait_log(&caddy, "127.0.0.1: certificate obtained");
    let order = &ca.orders()[0];
    assert_eq!(order["profile"], "shortlived");
    assert_eq!(order["identifiers"], serde_json::json!([{ "type": "ip", "value": "127.0.0.1" }]));
}
