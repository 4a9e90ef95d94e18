//! Upgrades that fail leave the running process as it was; and those of services that were
//! started in special ways.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::harness::{BINARY, Caddy, Setup, curl, install, wait_for};

const SITE: &str = "http://:@PORT@\nstatus 201 /\n";

fn status(caddy: &Caddy) -> u16 {
    curl(&[], &format!("http://localhost:{}/", caddy.port())).status
}

/// Sends USR2 and waits until the log says what went wrong.
fn fails(caddy: &mut Caddy, says: &str) {
    let before = caddy.pid();
    let said = |caddy: &Caddy| caddy.log().matches("the upgrade failed").count();
    let count = said(caddy);
    caddy.signal(Signal::SIGUSR2);
    wait_for("the failure", Duration::from_secs(40), || (said(caddy) > count).then_some(()));
    let log = caddy.log();
    let line = log.lines().rev().find(|line| line.contains("the upgrade failed")).unwrap();
    assert!(line.contains(says), "{says}: {line}");
    assert!(caddy.alive());
    assert_eq!((status(caddy), caddy.pid()), (201, before));
    assert_eq!(caddy.read("caddy.pid"), format!("{before}\n"));
}

#[test]
fn a_new_program_that_fails_leaves_the_old_one_serving() {
    let mut caddy = Setup::new(SITE).own_program().arg("-pidfile=@DIR@/caddy.pid").start();
    for (text, says) in [
        ("#!/bin/sh\nexit 3\n", "the new process ended before it was ready (exit status: 3)"),
        ("#!/bin/sh\nkill -9 $$\n", "signal: 9"),
        ("garbage", "Exec format error"),
        (
            "#!/bin/sh\nprintf garbage-and-more >&0\nexec sleep 60\n",
            "the new process does not support upgrades",
        ),
        ("#!/no/such/shell\n", "No such file or directory"),
    ] {
        let program = caddy.path("another");
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        install(&program, &caddy.path("caddy"));
        fails(&mut caddy, says);
    }
    std::fs::remove_file(caddy.path("caddy")).unwrap();
    fails(&mut caddy, "No such file or directory");
    install(BINARY.as_ref(), &caddy.path("caddy"));
    caddy.upgrade();
    assert_eq!((status(&caddy), caddy.wait()), (201, Some(0)));
}

#[test]
fn a_bad_caddyfile_leaves_the_old_process_serving() {
    let mut caddy = Setup::new(SITE).arg("-pidfile=@DIR@/caddy.pid").start();
    caddy.rewrite("http://:@PORT@\nnope\n");
    fails(&mut caddy, "Caddyfile:2:1 - Parse error: Unknown directive 'nope'");
    let other = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let taken = other.local_addr().unwrap().port();
    caddy.rewrite(&format!(
        "{}http://:{taken} {{\n}}\n",
        SITE.replace("\nstatus", " {\nstatus") + "}\n"
    ));
    fails(&mut caddy, "address already in use");
    caddy.rewrite(SITE);
    caddy.upgrade();
    assert_eq!((status(&caddy), caddy.wait()), (201, Some(0)));
}

#[test]
fn a_stop_while_the_new_process_starts_stops() {
    let mut caddy = Setup::new(SITE).own_program().start();
    let program = caddy.path("slow");
    std::fs::write(&program, "#!/bin/sh\necho $$ >started\nexec sleep 60\n").unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    install(&program, &caddy.path("caddy"));
    caddy.signal(Signal::SIGUSR2);
    wait_for("the start", Duration::from_secs(30), || {
        caddy.read("started").trim().parse::<u32>().ok()
    });
    assert_eq!(status(&caddy), 201);
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
    let started: u32 = caddy.read("started").trim().parse().unwrap();
    assert!(crate::harness::has_ended(started), "nothing is left of it");
}
