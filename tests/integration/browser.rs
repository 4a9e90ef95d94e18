//! Headless Chromium loads the site over HTTP/3, as the operator of the main job sees it.

use std::process::Command;

use crate::harness::{Setup, certificate};

const PAGE: &str = "<!doctype html><title>t</title><p id=p>none</p><script>
const entry = performance.getEntriesByType('navigation')[0];
document.getElementById('p').textContent = 'protocol=' + entry.nextHopProtocol;
</script>";

#[test]
fn chromium_reports_h3() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, pin) = certificate(keys.path(), "10");
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n proxy / localhost:@PORT2@\n}}\n\
         http://:@PORT2@ {{\n root www\n}}\n"
    );
    let caddy = Setup::new(&site).arg("-quic").file("www/index.html", PAGE).start();
    let profile = tempfile::tempdir().unwrap();
    let done = Command::new("timeout")
        .args(["60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--enable-quic", "--virtual-time-budget=5000"])
        .arg(format!("--origin-to-force-quic-on=localhost:{}", caddy.port()))
        .arg(format!("--ignore-certificate-errors-spki-list={pin}"))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &caddy.url("/")])
        .output()
        .expect("chromium");
    let dom = String::from_utf8_lossy(&done.stdout);
    assert!(dom.contains("protocol=h3"), "{dom}\n{}", String::from_utf8_lossy(&done.stderr));
}
