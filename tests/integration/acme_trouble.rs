//! What a CA may say besides yes: later, no, and renew now.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::harness::{BINARY, Ca, Caddy, Setup, curl, python_script, wait_for};

const PATIENCE: Duration = Duration::from_secs(30);

pub fn start(ca: &Ca, text: &str) -> Caddy {
    Setup::new(text)
        .arg("-agree")
        .arg("-http-port=@PORT2@")
        .arg("-https-port=@PORT@")
        .arg(&format!("-ca={}", ca.url()))
        .env("CADDYPATH", "store")
        .start()
}

fn entry(caddy: &Caddy, ca: &Ca, kind: &str) -> PathBuf {
    caddy.path(&format!("store/acme/{}/sites/a.example/a.example.{kind}", ca.addr))
}

pub fn wait_log(caddy: &Caddy, words: &str) {
    wait_for(words, PATIENCE, || caddy.log().contains(words).then_some(()));
}

#[test]
fn a_busy_ca_is_left_alone_for_as_long_as_it_says() {
    let page = "<html>busy</html>";
    let problem = r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many"}"#;
    for (status, body, said) in [(429, problem, "too many"), (503, page, "HTTP 503")] {
        let ca = Ca::start();
        ca.refuse(status, "600", body);
        let mut caddy = start(&ca, "a.example\nstatus 200 /\n");
        wait_log(&caddy, "a.example: no new certificate: the CA responded: ");
        assert!(caddy.log().contains(said), "{}", caddy.log());
        // A restart loop does not make it come sooner.
        for _ in 0..3 {
            caddy.kill();
            caddy.start_again();
            let resolve = format!("a.example:{}:127.0.0.1", caddy.port());
            let url = format!("https://a.example:{}/", caddy.port());
            assert_eq!(curl(&["--resolve", &resolve], &url).status, 200);
        }
        assert_eq!(ca.orders().len(), 1);
        // As if the ten minutes were over.
        caddy.kill();
        let path = entry(&caddy, &ca, "retry");
        let mut retry: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let wait = retry["next"].as_i64().unwrap() - chrono::Utc::now().timestamp();
        assert!((480..=750).contains(&wait), "{retry}");
        retry["next"] = chrono::Utc::now().timestamp().into();
        std::fs::write(&path, retry.to_string()).unwrap();
        caddy.start_again();
        obtained(&caddy, &ca, 2);
    }
}

#[test]
fn a_busy_ca_is_asked_again_when_the_time_has_come() {
    let ca = Ca::start();
    ca.refuse(503, "3", "busy");
    let began = Instant::now();
    let caddy = start(&ca, "a.example\nstatus 200 /\n");
    wait_log(&caddy, "a.example: no new certificate: the CA responded: ");
    obtained(&caddy, &ca, 2);
    assert!(began.elapsed() >= Duration::from_secs(3));
}

/// Waits for the certificate and for the end of the waiting, after so many orders.
fn obtained(caddy: &Caddy, ca: &Ca, orders: usize) {
    wait_for("the certificate", PATIENCE, || entry(caddy, ca, "crt").exists().then_some(()));
    wait_for("the end of the trouble", PATIENCE, || {
        (!entry(caddy, ca, "retry").exists()).then_some(())
    });
    assert_eq!(ca.orders().len(), orders);
}

#[test]
fn a_refused_name_waits_long_and_troubles_no_other() {
    let ca = Ca::start();
    let body = r#"{"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "never"}"#;
    // Each challenge is one order.
    ca.refuse(403, "0", body);
    ca.refuse(403, "0", body);
    let caddy = start(&ca, "a.example\nstatus 200 /\n");
    wait_log(&caddy, "the CA responded: never (urn:ietf:params:acme:error:rejectedIdentifier)");
    let retry: serde_json::Value =
        serde_json::from_slice(&std::fs::read(entry(&caddy, &ca, "retry")).unwrap()).unwrap();
    let wait = retry["next"].as_i64().unwrap() - chrono::Utc::now().timestamp();
    assert!((1_100..=1_600).contains(&wait), "{retry}");
    caddy.rewrite("a.example, b.example {\nstatus 200 /\n}\n");
    caddy.reload();
    wait_log(&caddy, "b.example: certificate obtained");
    assert!(!entry(&caddy, &ca, "crt").exists());
}

#[test]
fn the_ca_says_when_to_renew() {
    let ca = Ca::start();
    ca.advise(3600 * 24 * 30);
    ca.advise_once(-60);
    ca.offer_profiles(&["classic", "short"]);
    let caddy = start(&ca, "a.example {\nstatus 200 /\ntls {\nprofile short\nmust_staple\n}\n}\n");
    wait_log(&caddy, "a.example: the CA advises renewal at ");
    wait_log(&caddy, "a.example: certificate renewed");
    let orders = ca.orders();
    assert_eq!(orders[0]["profile"], "short");
    assert!(orders[0]["replaces"].is_null());
    let tls_feature = b"\x06\x08\x2b\x06\x01\x05\x05\x07\x01\x18";
    let csr = &ca.requests()[0];
    assert!(csr.windows(tls_feature.len()).any(|window| window == tls_feature), "must_staple");
    let replaced = orders[1]["replaces"].as_str().unwrap();
    assert_eq!(replaced.split('.').count(), 2, "{replaced}");
    let advised = || caddy.log().matches("advises renewal").count();
    wait_for("advice for the new one", PATIENCE, || (advised() == 2).then_some(()));
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!((ca.orders().len(), advised()), (2, 2), "{}", caddy.log());
}

#[test]
fn a_rate_limit_of_one_name_stops_no_other() {
    let ca = Ca::start();
    let body = r#"{"type": "urn:ietf:params:acme:error:rateLimited", "detail": "a, this week"}"#;
    ca.refuse(429, "3600", body);
    let caddy = start(&ca, "a.example\nstatus 200 /\n");
    wait_log(&caddy, "a.example: no new certificate: the CA responded: a, this week");
    assert!(caddy.log().contains("Next attempt in 3") || caddy.log().contains("Next attempt in 4"));
    caddy.rewrite("a.example, b.example {\nstatus 200 /\n}\n");
    caddy.reload();
    wait_log(&caddy, "b.example: certificate obtained");
    assert!(!entry(&caddy, &ca, "crt").exists());
}

#[test]
fn a_few_at_a_time() {
    let ca = Ca::start();
    ca.delay(Duration::from_millis(50));
    let names: Vec<String> = (1..=20).map(|n| format!("n{n}.example")).collect();
    let caddy = start(&ca, &format!("{} {{\nstatus 200 /\n}}\n", names.join(", ")));
    for name in names {
        wait_log(&caddy, &format!("{name}: certificate obtained"));
    }
    assert!((2..=8).contains(&ca.most_open()), "{}", ca.most_open());
    assert_eq!(ca.orders().len(), 20);
}

#[test]
fn a_slow_ca_delays_nobody() {
    let ca = Ca::start();
    ca.delay(Duration::from_secs(30));
    let began = Instant::now();
    let caddy = Setup::new("a.example, b.example {\nstatus 200 /\n}\n")
        .arg("-agree")
        .arg("-http-port=@PORT2@")
        .arg("-https-port=@PORT@")
        .arg(&format!("-ca={}", ca.url()))
        .arg("-catimeout=2s")
        .env("CADDYPATH", "store")
        .start();
    caddy.reload();
    assert!(began.elapsed() < Duration::from_secs(25));
    for name in ["a.example", "b.example"] {
        wait_log(
            &caddy,
            &format!("{name}: no new certificate: account: {}: no response within 2s", ca.url()),
        );
    }
    ca.delay(Duration::ZERO);
    wait_log(&caddy, "b.example: certificate obtained");
}

#[test]
fn a_profile_that_the_ca_has_not() {
    let ca = Ca::start();
    let text = "a.example {\nstatus 200 /\ntls {\nprofile shortlived\n}\n}\n";
    let caddy = start(&ca, text);
    wait_log(&caddy, "has no profiles: 'profile shortlived' is ignored");
    wait_log(&caddy, "a.example: certificate obtained");
    assert!(ca.orders()[0]["profile"].is_null());
    ca.offer_profiles(&["tlsserver", "classic"]);
    let caddy = start(&ca, text);
    wait_log(&caddy, "the CA has no profile 'shortlived'; it has classic, tlsserver");
    assert_eq!(ca.orders().len(), 1);
}

/// Runs the shell command at a terminal, where each text is typed once the words before it have
/// been seen. `./serve` is the server, its log on the terminal too. What was seen.
fn at_a_terminal(setup: &Setup, command: &str, steps: &[(&str, &str)]) -> String {
    drop(setup.command());
    let line = format!(
        "#!/bin/sh\nexec {BINARY} -conf Caddyfile {}\n",
        setup.fill("-ca=http://@CA@/dir -http-port=@PORT2@ -https-port=@PORT@ -log stdout"),
    );
    let serve = setup.dir().join("serve");
    std::fs::write(&serve, line).unwrap();
    std::fs::set_permissions(&serve, std::fs::Permissions::from_mode(0o755)).unwrap();
    let done = python_script("terminal.py")
        .arg(serde_json::to_string(steps).unwrap())
        .args(["sh", "-c", command])
        .envs([("CADDYPATH", "store"), ("LC_ALL", "C"), ("PS1", "shell> ")])
        .current_dir(setup.dir())
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{seen}{}", String::from_utf8_lossy(&done.stderr));
    seen
}

const CTRL_C: &str = "\x03";
const CTRL_Z: &str = "\x1a";
const QUESTION: &str = "Do you agree to the terms? (y/n): ";
const SHELL: &str = "exec bash --norc -i";

fn for_a_terminal(ca: &Ca) -> Setup {
    Setup::new("a.example\nstatus 200 /\n").set("CA", ca.addr)
}

#[test]
fn a_person_at_a_terminal_is_asked_once() {
    let ca = Ca::start();
    let setup = for_a_terminal(&ca);
    let no = [(QUESTION, "n\n"), ("To agree later, start with -agree.", CTRL_C)];
    let seen = at_a_terminal(&setup, "exec ./serve", &no);
    assert!(seen.contains(&format!("http://{}/terms.pdf", ca.addr)), "{seen}");
    assert_eq!((ca.orders().len(), ca.accounts().len()), (0, 0));
    let yes = [
        (QUESTION, "y\n"),
        ("E-mail address: ", "nobody\n"),
        ("'nobody' is not an e-mail address.", ""),
        ("E-mail address: ", "me@mail.example\n"),
        ("a.example: certificate obtained", CTRL_C),
    ];
    at_a_terminal(&setup, "exec ./serve", &yes);
    assert_eq!(ca.orders().len(), 1);
    assert_eq!(ca.accounts()[1]["contact"], serde_json::json!(["mailto:me@mail.example"]));
    let again = at_a_terminal(&setup, "exec ./serve", &[("[INFO] http://a.example", CTRL_C)]);
    assert!(!again.contains("Do you agree"), "{again}");
}

#[test]
fn in_the_background_of_a_terminal_nobody_is_asked() {
    let ca = Ca::start();
    let steps = [
        ("shell> ", "./serve &\n"),
        ("start with -agree", "jobs\n"),
        ("Running", "kill %1\n"),
        ("SIGTERM: Shutting down", "exit\n"),
    ];
    let seen = at_a_terminal(&for_a_terminal(&ca), SHELL, &steps);
    assert!(!seen.contains("Do you agree"), "{seen}");
}

#[test]
fn sent_to_the_background_it_serves_and_waits_for_its_answer() {
    let ca = Ca::start();
    let steps = [
        ("shell> ", "./serve\n"),
        (QUESTION, CTRL_Z),
        ("Stopped", "bg\n"),
        // This line is the shell's, though we wait for one.
        ("shell> ", "y\n"),
        ("command not found", "jobs\n"),
        ("Running", "fg\n"),
        ("./serve", "y\n"),
        ("E-mail address: ", "\n"),
        ("a.example: certificate obtained", CTRL_C),
        ("shell> ", "exit\n"),
    ];
    at_a_terminal(&for_a_terminal(&ca), SHELL, &steps);
    assert_eq!(ca.orders().len(), 1);
}
