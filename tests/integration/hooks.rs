//! Commands at points of the service's life: `on`, `startup`, `shutdown`.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::harness::{Setup, curl, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// `PID STATE` of the server's children.
fn children(pid: u32) -> String {
    let args = ["-o", "pid=,stat=", "--ppid", &pid.to_string()];
    String::from_utf8(Command::new("ps").args(args).output().unwrap().stdout).unwrap()
}

#[test]
fn commands_run_at_the_start_the_reload_and_the_stop() {
    let mut caddy = Setup::new(
        "http://:@PORT@, http://:@PORT2@ {\n status 204 /\n\
         startup sh -c 'until grep -qs instance events; do sleep 0.1; done; echo background >> events' &\n\
         on startup sh -c 'echo start >> events'\n\
         on instancestartup sh -c 'echo instance >> events'\n\
         on instancerestart sh -c 'echo restart >> events'\n\
         shutdown sh -c 'echo stop >> events'\n}",
    )
    .start();
    wait_for("the command in the background", PATIENCE, || {
        caddy.read("events").contains("background").then_some(())
    });
    assert_eq!(caddy.read("events"), "start\ninstance\nbackground\n");
    wait_for("no child to be left", PATIENCE, || children(caddy.pid()).is_empty().then_some(()));
    caddy.reload();
    wait_for("the commands of the reload", PATIENCE, || {
        let events = caddy.read("events");
        let after = events.strip_prefix("start\ninstance\nbackground\n").unwrap_or_default();
        (after.contains("restart\n") && after.contains("instance\n")).then_some(())
    });
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
    assert!(caddy.read("events").ends_with("stop\n"), "{}", caddy.read("events"));
}

#[test]
fn a_command_inherits_no_descriptor_and_no_key() {
    let caddy = Setup::new(
        "https://localhost:@PORT@ {\n tls self_signed\n log access.log\n jwt /private\n templates\n\
         on startup sh -c 'env > environment; exec ls -l /proc/self/fd > descriptors'\n}",
    )
    .arg("-pidfile=caddy.pid")
    .env("RFC2136_NAMESERVER", "127.0.0.1")
    .env("RFC2136_TSIG_SECRET", "c2VjcmV0")
    .env("WATCHDOG_PID", "1")
    .env("JWT_SECRET", "0123456789abcdef0123456789abcdef")
    .env("KEPT", "yes")
    .file("page.html", "[{{.Env.JWT_SECRET}}{{.Env.RFC2136_TSIG_SECRET}}{{.Env.KEPT}}]")
    .start();
    let descriptors = caddy.read("descriptors");
    assert!(descriptors.contains("/dev/null"), "{descriptors}");
    for own in ["socket:", "anon_inode:", "access.log", "process.log", "caddy.pid"] {
        assert!(!descriptors.contains(own), "{descriptors}");
    }
    let environment = caddy.read("environment");
    assert!(environment.contains("KEPT=yes"), "{environment}");
    for name in ["RFC2136", "WATCHDOG", "JWT_SECRET"] {
        assert!(!environment.contains(name), "{environment}");
    }
    assert_eq!(curl(&[], &caddy.url("/page.html")).text(), "[yes]");
}

#[test]
fn a_failing_command_fails_the_start_and_the_stop_says_so() {
    let setup = Setup::new("http://:@PORT@\non startup sh -c 'exit 3'\n").arg("-pidfile=caddy.pid");
    let done = setup.output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("command 'sh -c exit 3': exit status: 3"), "{said}");
    assert!(!setup.dir().join("caddy.pid").exists());

    let missing = Setup::new("http://:@PORT@\nstartup /nonexistent/program\n").output();
    assert_eq!(missing.status.code(), Some(1));

    let mut caddy = Setup::new("http://:@PORT@\non shutdown sh -c 'exit 3'\n").start();
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(4));
    assert!(caddy.log().contains("command 'sh -c exit 3': exit status: 3"), "{}", caddy.log());
}

#[test]
fn a_signal_ends_a_start_that_waits_for_ever() {
    let setup = Setup::new("http://:@PORT@\non startup sh -c 'echo > begun; exec sleep 600'\n");
    let mut child = setup.command().stdout(std::process::Stdio::null()).spawn().unwrap();
    wait_for("the command", PATIENCE, || setup.dir().join("begun").exists().then_some(()));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    let began = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(began.elapsed() < PATIENCE);
}

#[test]
fn a_check_runs_nothing_and_clients_wait_for_the_start() {
    let text = "http://localhost:@PORT@\nstatus 204 /\non startup sh -c 'sleep 1; echo > ran'\n";
    let setup = Setup::new(text).arg("-validate");
    assert_eq!(setup.output().status.code(), Some(0));
    assert!(!setup.dir().join("ran").exists());

    let caddy = Setup::new(text).arg("-quiet").start();
    assert_eq!(curl(&[], &format!("http://localhost:{}/", caddy.port())).status, 204);
    assert!(caddy.path("ran").exists(), "answered before the command had ended");
}
