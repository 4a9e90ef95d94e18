//! What testssl.sh says of the defaults: its grade and its findings.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Caddy, Setup, make_certificate};

/// Debian 12's own gives no grade; `tests/setup.sh` unpacks the one of its backports.
fn testssl() -> Command {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/testssl");
    let program: PathBuf = tools.join("usr/bin/testssl");
    assert!(program.exists(), "{}: no such file; tests/setup.sh makes it", program.display());
    let mut command = Command::new(program);
    command.env("TESTSSL_INSTALL_DIR", tools.join("etc/testssl"));
    command
}

/// All that it says, each with `id`, `severity` and `finding`.
fn scan(caddy: &Caddy) -> Vec<Value> {
    let out = caddy.path("testssl.json");
    let done = testssl()
        .args(["--quiet", "--color", "0", "--sneaky", "--fast", "--ids-friendly", "--jsonfile"])
        .arg(&out)
        .arg("--add-ca")
        .arg(caddy.path("ca.pem"))
        // All that a grade needs, and the other weaknesses it knows.
        .args([
            "--ip",
            "127.0.0.1",
            "-p",
            "-s",
            "-f",
            "-S",
            "-h",
            "-H",
            "-I",
            "-T",
            "--robot",
            "-R",
        ])
        .args(["-C", "-B", "-O", "-Z", "-W", "-A", "-L", "-F", "-J", "-D", "-4", "--winshock"])
        .arg(format!("localhost:{}", caddy.port()))
        .output()
        .expect("testssl");
    let said = String::from_utf8_lossy(&done.stdout);
    let found: Vec<Value> = serde_json::from_slice(&std::fs::read(out).expect(&said)).expect(&said);
    assert!(found.len() > 40, "{said}");
    found
}

fn grade(found: &[Value]) -> Option<&str> {
    found.iter().find(|one| one["id"] == "overall_grade")?["finding"].as_str()
}

/// What is worse than good.
fn findings(found: &[Value]) -> Vec<String> {
    // About this machine and its DNS, fields that are the site's own business, and ciphers that
    // the openssl here has not; and tickets, since this scanner hangs up behind its Finished, at
    // times before they reach it. Resumption has a test of its own.
    let others =
        ["engine_problem", "DNS_CAArecord", "security_headers", "sessionresumption_ticket", "RC4"];
    let bad = |one: &&Value| {
        let severity = one["severity"].as_str().unwrap();
        let ours = !others.contains(&one["id"].as_str().unwrap());
        ours && !matches!(severity, "OK" | "INFO" | "DEBUG")
    };
    let text = |one: &Value| format!("{} {} {}", one["severity"], one["id"], one["finding"]);
    found.iter().filter(bad).map(text).collect()
}

/// A site of the defaults with a certificate of a CA that the scanner knows.
fn site(line: &str) -> Caddy {
    let text = format!(
        "https://localhost:@PORT@ {{\ntls @DIR@/cert.pem @DIR@/key.pem\nstatus 200 /\n{line}\n}}\n"
    );
    let setup = Setup::new(&text);
    make_certificate(setup.dir());
    setup.start()
}

#[test]
fn the_grade_is_a_plus_with_hsts_and_nothing_is_weak() {
    let (strict, plain) = (site("header / Strict-Transport-Security max-age=31536000"), site(""));
    let (strict, plain) = std::thread::scope(|scope| {
        let strict = scope.spawn(|| scan(&strict));
        let plain = scan(&plain);
        (strict.join().unwrap(), plain)
    });
    assert_eq!((grade(&strict), grade(&plain)), (Some("A+"), Some("A")));
    assert_eq!(findings(&strict), Vec::<String>::new());
    let only_hsts = |one: &String| one.contains("HSTS") || one.contains("hsts");
    assert!(findings(&plain).iter().all(only_hsts), "{:?}", findings(&plain));
}
