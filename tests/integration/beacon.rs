//! The beacon of `quic_report` in Chromium: what a page says of its own load over HTTP/2 and
//! HTTP/3, and where the report counts it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::harness::{BINARY, Caddy, Setup, certificate, chromium, curl, wait_for};

const PATIENCE: Duration = Duration::from_secs(60);

const PAGE: &str = "<!doctype html><title>t</title><h1>A page with a text to paint</h1>\
    <script src=/witness.js></script><script async src=/quic-report></script>";

/// Tells the access log what the beacon says, and leaves the page as a visitor does.
const WITNESS: &str = "const send = navigator.sendBeacon.bind(navigator);
navigator.sendBeacon = (to, said) => {
    fetch('/told?' + encodeURIComponent(said), { keepalive: true });
    return send(to, said);
};
addEventListener('load', () => new PerformanceObserver((list, self) => {
    self.disconnect();
    setTimeout(() => { location = '/next.html'; }, 1500);
}).observe({ type: 'largest-contentful-paint', buffered: true }));
";

fn start(keys: &Path) -> (Caddy, String) {
    let (cert, key, pin) = certificate(keys, "10");
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n root www\n \
         header / Content-Security-Policy \"default-src 'self'\"\n \
         quic_report {{\n  beacon /quic-report\n }}\n \
         log / access.log \"{{proto}} {{method}} {{uri}} {{status}}\"\n}}\n"
    );
    let setup = Setup::new(&site)
        .arg("-control=control.sock")
        .file("www/index.html", PAGE)
        .file("www/witness.js", WITNESS)
        .file("www/next.html", "<!doctype html><title>next</title>");
    let state = setup.dir().join("state").display().to_string();
    (setup.env("CADDYPATH", &state).start(), pin)
}

/// What a page that Chromium opened said, once.
fn told(caddy: &Caddy, pin: &str, more: &[String]) -> String {
    let profile = tempfile::tempdir().unwrap();
    let before = caddy.read("access.log").len();
    let mut browser = chromium(profile.path(), 90)
        .arg(format!("--ignore-certificate-errors-spki-list={pin}"))
        .arg("--remote-debugging-port=0")
        .args(more)
        .arg(caddy.url("/"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromium");
    let log = wait_for("the beacon", PATIENCE, || {
        let log = caddy.read("access.log").get(before..)?.to_owned();
        (log.contains("/told?") && log.contains("POST /quic-report 204")).then_some(log)
    });
    kill(Pid::from_raw(browser.id() as i32), Signal::SIGTERM).unwrap();
    browser.wait().unwrap();
    let said = log.lines().find_map(|line| line.split("/told?").nth(1)).unwrap();
    let said = said.split(' ').next().unwrap();
    percent_decode_str(said).decode_utf8().unwrap().into_owned()
}

/// Answers of a measure that were counted for an arm.
fn counted(caddy: &Caddy, measure: &str, arm: &str) -> u64 {
    let socket = caddy.path("control.sock").display().to_string();
    let mut ask = std::process::Command::new(BINARY);
    let said = ask.args(["-control", &socket, "-quic-report", "-json"]).output().unwrap();
    let all: Value = serde_json::from_slice(&said.stdout).unwrap();
    let comparisons = all["sites"][0]["comparisons"].as_array().unwrap();
    let is_it = |one: &&Value| one["measure"] == measure && one["of"] == "all";
    let found = comparisons.iter().find(is_it);
    found.map_or(0, |one| one["answers"][arm].as_u64().unwrap())
}

#[test]
fn chromium_tells_how_it_loaded_a_page() {
    let keys = tempfile::tempdir().unwrap();
    let (caddy, pin) = start(keys.path());
    // Whoever comes from 127.0.0.1 today is in this arm.
    let is_withheld = curl(&["--ipv4"], &caddy.url("/next.html")).header("alt-svc") == "clear";
    let arms = if is_withheld { ["withheld", "offered"] } else { ["offered", "withheld"] };
    let resolve = format!("--host-resolver-rules=MAP localhost:{0} 127.0.0.1:{0}", caddy.port());
    let forced = format!("--origin-to-force-quic-on=localhost:{}", caddy.port());
    let quic = ["--enable-quic".to_owned(), forced, resolve.clone()];
    let tcp = ["--disable-quic".to_owned(), resolve];
    for (count, (protocol, flags)) in (1..).zip([("h2", &tcp[..]), ("h3", &quic[..])]) {
        let said = told(&caddy, &pin, flags);
        assert!(said.len() <= 1024, "{} bytes: {said}", said.len());
        let page: Value = serde_json::from_str(&said).unwrap();
        let names = ["connectStart", "requestStart", "responseStart", "lcp"];
        let times =
            names.map(|name| page[name].as_f64().unwrap_or_else(|| panic!("{name}: {said}")));
        assert!(times.is_sorted() && times[1] > 0.0 && times[3] > 0.0, "{said}");
        assert_eq!(page["nextHopProtocol"], protocol, "{said}");
        for measure in ["page_connect", "page_response", "page_lcp"] {
            wait_for(measure, PATIENCE, || {
                (counted(&caddy, measure, arms[0]) == count).then_some(())
            });
            assert_eq!(counted(&caddy, measure, arms[1]), 0, "{protocol} {measure}");
        }
    }
}
