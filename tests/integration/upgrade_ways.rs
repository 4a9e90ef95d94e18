//! Upgrades of services that were started in special ways: each keeps its ways.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Caddy, Setup, curl, h3_one, low_port, wait_for};

const SITE: &str = "http://:@PORT@ {\n status 201 /\n}\n";

fn status(caddy: &Caddy) -> u16 {
    curl(&[], &format!("http://localhost:{}/", caddy.port())).status
}

/// A row of /proc/PID/status, for each thread that does not end meanwhile.
fn rows(caddy: &Caddy, name: &str) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", caddy.pid())).unwrap();
    let row = |task: std::io::Result<std::fs::DirEntry>| {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).ok()?;
        let row = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        Some(row.split_whitespace().next().unwrap().to_owned())
    };
    let rows: Vec<_> = tasks.filter_map(row).collect();
    assert!(!rows.is_empty(), "{name}");
    rows
}

#[test]
fn a_dropped_user_keeps_the_right_to_bind() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root");
    let setup = Setup::new(SITE).arg("-user=nobody").arg("-pidfile=@DIR@/caddy.pid");
    std::fs::set_permissions(setup.dir(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut caddy = setup.start();
    for _ in 0..2 {
        caddy.upgrade();
        assert!(rows(&caddy, "Uid:").iter().all(|uid| uid == "65534"));
        assert!(rows(&caddy, "NoNewPrivs:").iter().all(|it| it == "1"));
        let none = "0000000000000000";
        for set in ["CapInh:", "CapAmb:"] {
            assert!(rows(&caddy, set).iter().all(|caps| caps == none), "{set}");
        }
        let rights = rows(&caddy, "CapEff:");
        let bind = "0000000000000400";
        assert!(rights.iter().all(|caps| caps == none || caps == bind), "{rights:?}");
    }
    assert_eq!(caddy.read("caddy.pid"), format!("{}\n", caddy.pid()));
    let low = low_port();
    caddy.rewrite(&format!("{SITE}http://:{low} {{\n status 203 /\n}}\n"));
    caddy.reload();
    assert_eq!(curl(&[], &format!("http://localhost:{low}/")).status, 203);
    assert_eq!(caddy.wait(), Some(0));
}

#[test]
fn a_caddyfile_from_stdin_is_handed_on() {
    let setup = Setup::new("").arg("-log=@DIR@/process.log");
    let mut command = setup.command();
    // The last -conf counts.
    let stdout = std::fs::File::create(setup.dir().join("stdout")).unwrap();
    command.args(["-conf", "stdin"]).stdin(Stdio::piped()).stdout(stdout);
    let mut child = command.spawn().unwrap();
    let text = setup.fill(SITE);
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let mut caddy = setup.adopt(child);
    for _ in 0..2 {
        caddy.upgrade();
        assert_eq!(status(&caddy), 201);
    }
    caddy.reload();
    assert_eq!(status(&caddy), 201);
}

#[test]
fn logs_go_on_and_are_rolled_by_one_process() {
    let site = "http://:@PORT@ {\n root @DIR@\n log / @DIR@/logs/access.log \"{uri}\"\n}\n\
                http://:@PORT2@ {\n proxy / @ORIGIN@\n}\n";
    let origin = crate::harness::Origin::start();
    let mut caddy = Setup::new(site).set("ORIGIN", origin.addr).start();
    // It keeps the old process for as long as it takes.
    let slow = caddy.plain("/drip/20");
    let download = std::thread::spawn(move || curl(&[], &slow).len);
    wait_for("the request", std::time::Duration::from_secs(20), || origin.requests().pop());
    let get = |caddy: &Caddy, name: &str| {
        curl(&[], &format!("http://localhost:{}/{name}", caddy.port()));
    };
    get(&caddy, "one");
    caddy.upgrade();
    get(&caddy, "two");
    wait_for("both lines", std::time::Duration::from_secs(20), || {
        (caddy.read("logs/access.log") == "/one\n/two\n").then_some(())
    });
    std::fs::rename(caddy.path("logs/access.log"), caddy.path("logs/moved.log")).unwrap();
    caddy.signal(Signal::SIGUSR1);
    wait_for("the new file", std::time::Duration::from_secs(20), || {
        caddy.path("logs/access.log").exists().then_some(())
    });
    get(&caddy, "three");
    assert_eq!(download.join().unwrap(), 20);
    assert_eq!(caddy.wait(), Some(0));
    caddy.signal(Signal::SIGTERM);
    caddy.heir_gone();
    assert_eq!(caddy.read("logs/moved.log"), "/one\n/two\n");
    assert_eq!(caddy.read("logs/access.log"), "/three\n");
}

#[test]
fn fewer_workers_read_all_that_more_had() {
    // A link to the program's arguments would be the way of an operator; here a script is.
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 201 /\n}\n";
    let mut caddy = Setup::new(site).own_program().arg("-cpu=2").start();
    let script = format!(
        "#!/bin/sh\nexec {} $(echo \"$@\" | sed s/-cpu=2/-cpu=1/)\n",
        crate::harness::BINARY
    );
    std::fs::write(caddy.path("one"), script).unwrap();
    std::fs::set_permissions(caddy.path("one"), PermissionsExt::from_mode(0o755)).unwrap();
    crate::harness::install(&caddy.path("one"), &caddy.path("caddy"));
    caddy.upgrade();
    for _ in 0..10 {
        assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).status, 201);
        assert_eq!(curl(&["--http2"], &caddy.url("/")).status, 201);
    }
}
