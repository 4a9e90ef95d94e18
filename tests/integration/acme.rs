//! Certificates from a real ACME server (pebble): obtained, renewed, revoked, and what happens
//! when the CA or we are killed half-way.

use std::path::Path;
use std::time::Duration;

use crate::harness::{Caddy, Pebble, Setup, curl, wait_for};

const PATIENCE: Duration = Duration::from_secs(40);
const DAY: u64 = 24 * 3600;

/// A server whose CA is `pebble`.
fn setup(text: &str) -> Setup {
    Setup::new(text)
        .arg("-agree")
        .arg("-http-port=@PORT2@")
        .arg("-https-port=@PORT@")
        .env("CADDYPATH", "store")
}

fn with(setup: Setup, pebble: &Pebble) -> Setup {
    setup.arg(&format!("-ca={}", pebble.url())).env("SSL_CERT_FILE", &pebble.trust())
}

fn pebble(setup: &Setup, lifetime: u64) -> Pebble {
    let port = |marker: &str| setup.fill(marker).parse().unwrap();
    Pebble::start(port("@PORT2@"), port("@PORT@"), lifetime)
}

/// Asks for `https://NAME/` trusting only the CA's root.
fn trusted(caddy: &Caddy, root: &Path, name: &str) -> bool {
    let root = root.display().to_string();
    let resolve = format!("{name}:{}:127.0.0.1", caddy.port());
    let url = format!("https://{name}:{}/", caddy.port());
    let options = ["--no-insecure", "--cacert", &root, "--resolve", &resolve];
    curl(&options, &url).status == 200
}

fn wait_trusted(caddy: &Caddy, root: &Path, name: &str) {
    wait_for(&format!("a certificate for {name}"), PATIENCE, || {
        trusted(caddy, root, name).then_some(())
    });
}

fn entry(caddy: &Caddy, pebble: &Pebble, name: &str, kind: &str) -> std::path::PathBuf {
    caddy.path(&format!("store/acme/127.0.0.1:{}/sites/{name}/{name}.{kind}", pebble.port))
}

#[test]
fn a_certificate_by_each_challenge() {
    for turned_off in ["-disable-tls-alpn-challenge", "-disable-http-challenge"] {
        let setup = setup("one.example\nstatus 200 /\n").arg(turned_off);
        let pebble = pebble(&setup, DAY);
        let caddy = with(setup, &pebble).arg("-email=me@mail.example").start();
        wait_trusted(&caddy, &pebble.root(), "one.example");
        let resolve = format!("one.example:{}:127.0.0.1", caddy.port2());
        let redirect =
            curl(&["--resolve", &resolve], &format!("http://one.example:{}/x?y", caddy.port2()));
        assert_eq!(redirect.status, 301);
        let expected = format!("https://one.example:{}/x?y", caddy.port());
        assert_eq!(redirect.header("location"), expected);
        let account = format!("store/acme/127.0.0.1:{}/users/me@mail.example/me.json", pebble.port);
        assert!(caddy.read(&account).contains("\"Email\":\"me@mail.example\""));
        assert!(!entry(&caddy, &pebble, "one.example", "order").exists());
        let log = caddy.log();
        assert!(log.contains("one.example: certificate obtained"), "{log}");
    }
}
