//! A company's own CA, which the machine trusts, and Chromium: docs/company-ca.md.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::harness::{Setup, curl, wait_for};

/// Asks for something every half second, long after the browser has learned of HTTP/3.
const PAGE: &str = "<!doctype html><title>t</title><script>
let n = 0;
setInterval(() => fetch('/tick?' + n++, {cache: 'no-store'}), 500);
</script>";

/// A CA, and a certificate of it for a name; PEM files in the directory.
fn company(dir: &Path, name: &str) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let year = chrono::Datelike::year(&chrono::Utc::now());
    params.not_before = rcgen::date_time_ymd(year - 1, 12, 1);
    params.not_after = rcgen::date_time_ymd(year + 1, 1, 31);
    let leaf = params.signed_by(&key, &issuer).unwrap().pem();
    for (name, text) in [("ca.pem", ca), ("leaf.pem", leaf), ("key.pem", key.serialize_pem())] {
        std::fs::write(dir.join(name), text).unwrap();
    }
}

/// Has the user of this home trust the CA, as its administrator would.
fn trust(home: &Path, ca: &Path) {
    let db = format!("sql:{}/.pki/nssdb", home.display());
    std::fs::create_dir_all(home.join(".pki/nssdb")).unwrap();
    let ca = ca.display().to_string();
    for args in [&["-N", "--empty-password"][..], &["-A", "-t", "C,,", "-n", "company", "-i", &ca]]
    {
        let done = Command::new("certutil").args(["-d", &db]).args(args).status().unwrap();
        assert!(done.success());
    }
}

#[test]
fn chromium_trusts_it_and_stays_on_http_2() {
    let home = tempfile::tempdir().unwrap();
    company(home.path(), "intra.example");
    let site = "https://intra.example:@PORT@ {\n tls @HOME@/leaf.pem @HOME@/key.pem\n root www\n \
                log / access.log \"{uri} {proto}\"\n status 204 /tick\n}\n";
    let caddy =
        Setup::new(site).set("HOME", home.path().display()).file("www/index.html", PAGE).start();
    let port = caddy.port();
    let url = format!("https://intra.example:{port}/");
    let resolve = format!("intra.example:{port}:127.0.0.1");
    let offer = curl(&["--resolve", &resolve], &url);
    assert!(offer.header("alt-svc").contains("h3="), "{}", offer.header("alt-svc"));
    trust(home.path(), &home.path().join("ca.pem"));
    let mut browser = Command::new("timeout")
        .env("HOME", home.path())
        .args(["60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--enable-quic", "--remote-debugging-port=0"])
        .arg("--host-resolver-rules=MAP intra.example 127.0.0.1")
        .arg(format!("--user-data-dir={}/profile", home.path().display()))
        .arg(&url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromium");
    let log = wait_for("ten requests", Duration::from_secs(50), || {
        Some(caddy.read("access.log")).filter(|log| log.contains("/tick?9 "))
    });
    kill(Pid::from_raw(browser.id() as i32), Signal::SIGTERM).unwrap();
    browser.wait().unwrap();
    let ticks: Vec<&str> = log.lines().filter(|line| line.starts_with("/tick?")).collect();
    assert!(ticks.iter().all(|line| line.ends_with(" HTTP/2.0")), "{log}");
}
