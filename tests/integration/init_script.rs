//! `init.d/caddy` run for real: every verb and its LSB exit code.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::{BINARY, Setup, curl, has_ended, wait_for};

/// The script with a sysconfig file of the test's own; stops the server on drop.
struct Script {
    setup: Setup,
}

impl Script {
    fn new(text: &str) -> Self {
        let setup = Setup::new(text);
        let dir = setup.dir().display().to_string();
        let lines = format!(
            "DAEMON={BINARY}\nCADDYFILE={dir}/Caddyfile\nPIDFILE={dir}/caddy.pid\nLOGFILE={dir}/caddy.log\n\
             CADDYPATH={dir}/state\nSTOP_TIMEOUT=10\nUSER=root\nLOCK={dir}/lock\nOPTIONS=-quic\n"
        );
        let script = Self { setup: setup.file("sysconfig", lines) };
        script.caddyfile(text);
        script
    }

    fn caddyfile(&self, text: &str) {
        std::fs::write(self.setup.dir().join("Caddyfile"), self.setup.fill(text)).unwrap();
    }

    /// Exit code and what it said.
    fn run(&self, verb: &str) -> (i32, String) {
        let file = |name: &str| std::fs::File::create(self.setup.dir().join(name)).unwrap();
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("init.d/caddy");
        let status = Command::new("bash")
            .arg(script)
            .arg(verb)
            .env("CADDY_SYSCONFIG", self.setup.dir().join("sysconfig"))
            .stdin(Stdio::null())
            .stdout(file("said"))
            .stderr(file("complained"))
            .status()
            .unwrap();
        let read = |name: &str| std::fs::read_to_string(self.setup.dir().join(name)).unwrap();
        (status.code().unwrap_or(-1), read("said") + &read("complained"))
    }

    fn expect(&self, verb: &str, code: i32) -> String {
        let (got, said) = self.run(verb);
        assert_eq!(got, code, "{verb}: {said}");
        said
    }

    fn status(&self) -> u16 {
        curl(&[], &format!("http://localhost:{}/", self.setup.ports[0])).status
    }

    fn pid(&self) -> String {
        std::fs::read_to_string(self.setup.dir().join("caddy.pid")).unwrap_or_default()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        self.run("stop");
    }
}

const SITE: &str = "http://:@PORT@\nstatus 203 /\n";

#[test]
fn start_status_stop() {
    let script = Script::new(SITE);
    script.expect("status", 3);
    script.expect("stop", 0);
    script.expect("start", 0);
    assert_eq!(script.status(), 203, "it serves when start returns");
    script.expect("start", 0);
    let said = script.expect("status", 0);
    assert!(said.contains("running"), "{said}");
    script.expect("stop", 0);
    script.expect("status", 3);
    assert_eq!((script.status(), script.pid().as_str()), (0, ""));
}

#[test]
fn restart_is_another_process_and_reload_the_same() {
    let script = Script::new(SITE);
    script.expect("reload", 7);
    script.expect("condrestart", 0);
    script.expect("status", 3);
    script.expect("restart", 0);
    let first = script.pid();
    script.caddyfile(&SITE.replace("203", "202"));
    script.expect("reload", 0);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while script.status() != 202 && std::time::Instant::now() < end {}
    assert_eq!((script.status(), script.pid()), (202, first.clone()));
    script.expect("force-reload", 0);
    script.expect("try-restart", 0);
    assert_ne!(script.pid(), first);
    assert_eq!(script.status(), 202);
}

#[test]
fn a_bad_caddyfile_stops_nothing() {
    let script = Script::new(SITE);
    script.expect("start", 0);
    let pid = script.pid();
    script.caddyfile("http://:@PORT@\nnope\n");
    for verb in ["configtest", "restart", "reload", "force-reload", "condrestart"] {
        let said = script.expect(verb, 6);
        assert!(said.contains("Unknown directive 'nope'"), "{verb}: {said}");
        assert_eq!((script.status(), script.pid()), (203, pid.clone()), "{verb}");
    }
    script.expect("stop", 0);
    script.expect("start", 6);
    script.expect("status", 3);
}

#[test]
fn a_dead_process_leaves_status_1() {
    let script = Script::new(SITE);
    script.expect("start", 0);
    let pid = script.pid();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    wait_for("its end", std::time::Duration::from_secs(20), || {
        has_ended(pid.trim().parse().unwrap()).then_some(())
    });
    script.expect("status", 1);
    script.expect("start", 0);
    assert_ne!(script.pid(), pid);
    assert_eq!(script.status(), 203);
}

#[test]
fn wrong_usage_is_2() {
    let script = Script::new(SITE);
    script.expect("dance", 2);
    script.expect("", 2);
}

#[test]
fn a_taken_port_fails_the_start() {
    let taken = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let script =
        Script::new(&format!("http://:{}\nstatus 200 /\n", taken.local_addr().unwrap().port()));
    let (code, said) = script.run("start");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("in use"), "{said}");
}
