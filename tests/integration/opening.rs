//! What must not open: a Caddyfile without a site, and a site without a root in a service whose
//! working directory is `/`.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{BINARY, Caddy, NOT_CONFIGURED, Setup, curl, free_port, wait_for};

const SITE: &str = "http://:@PORT@ {\n status 201 /\n}\n";

/// Files that hold no site.
const EMPTY: [&str; 5] = ["", "# later\n", "\n\n", "import sites/*\n", "(common) {\n gzip\n}\n"];

#[test]
fn a_caddyfile_without_a_site_is_an_error() {
    for text in EMPTY {
        let setup = Setup::new(text);
        for args in [&["-validate"][..], &[]] {
            let done = setup.command().args(args).output().unwrap();
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert_eq!(done.status.code(), Some(NOT_CONFIGURED), "{text:?} {args:?}: {said}");
            assert!(said.contains("no site in Caddyfile"), "{text:?} {args:?}: {said}");
        }
    }
}

#[test]
fn a_file_that_has_become_empty_changes_nothing() {
    let caddy = Caddy::start(SITE);
    let url = format!("http://127.0.0.1:{}/", caddy.port());
    for text in EMPTY {
        caddy.rewrite(text);
        caddy.hup("[ERROR] SIGHUP: no site in Caddyfile");
        assert_eq!(curl(&[], &url).status, 201, "{text:?}");
    }
    caddy.signal(Signal::SIGUSR1);
    let said = || caddy.log().contains("SIGUSR1: no site in Caddyfile").then_some(());
    wait_for("the reload by USR1", Duration::from_secs(20), said);
    assert_eq!(curl(&[], &url).status, 201);
    caddy.signal(Signal::SIGUSR2);
    let said = || {
        let log = caddy.log();
        let line = log.lines().find(|line| line.contains("the upgrade failed"))?;
        Some(line.to_owned())
    };
    let line = wait_for("the upgrade to fail", Duration::from_secs(20), said);
    assert!(line.contains("no site in Caddyfile"), "{line}");
    assert_eq!(curl(&[], &url).status, 201);
}

#[test]
fn a_caddyfile_that_was_found_and_is_gone_opens_nothing() {
    let setup = Setup::new(SITE);
    let url = format!("http://127.0.0.1:{}/", setup.ports[0]);
    let folder = setup.command().get_current_dir().unwrap().to_owned();
    let log = folder.join("process.log");
    let mut child = Command::new(BINARY)
        .args(["-log", "process.log", "-port", &free_port().to_string()])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let patience = Duration::from_secs(20);
    wait_for("the start", patience, || (curl(&[], &url).status == 201).then_some(()));
    std::fs::remove_file(folder.join("Caddyfile")).unwrap();
    for (signal, says) in [(Signal::SIGHUP, "SIGHUP: "), (Signal::SIGUSR2, "the upgrade failed")] {
        kill(pid, signal).unwrap();
        let line = wait_for(says, patience, || {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            let mut lines = log.lines().filter(|line| line.contains("[ERROR]"));
            lines.find(|line| line.contains(says)).map(str::to_owned)
        });
        assert!(line.contains("open Caddyfile: no such file or directory"), "{line}");
        assert_eq!(curl(&[], &url).status, 201, "{says}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The directives of a site, and whether it may be served with `/` for its working directory.
const SITES: &[(&str, bool)] = &[
    ("", false),
    ("gzip", false),
    ("proxy /api localhost:1", false),
    ("proxy / localhost:1 {\nexcept /static\n}", false),
    ("redir /a /b", false),
    ("redir {\nif {path} is /a\n/ /b\n}", false),
    ("status 404 /secret", false),
    ("fastcgi / localhost:1 php", false),
    ("fastcgi /app localhost:1", false),
    ("websocket / cat", false),
    ("browse", false),
    ("basicauth / u p", false),
    ("proxy / localhost:1", true),
    ("proxy /api localhost:1\nproxy / localhost:2", true),
    ("redir https://a.example{uri}", true),
    ("redir / /b 302", true),
    ("status 404 /", true),
    ("fastcgi / localhost:1", true),
    ("root @DIR@", true),
    ("root /", true),
];

/// What `-validate` says of the Caddyfile in a process that has `/` for its working directory.
fn judged(setup: &Setup, args: &[&str]) -> Result<(), String> {
    let mut command = setup.command();
    let file = setup.dir().join("Caddyfile").display().to_string();
    let done = command.current_dir("/").args(["-conf", &file, "-validate"]).args(args).output();
    let done = done.unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn the_working_directory_of_a_service_is_no_site() {
    for (lines, may) in SITES {
        let setup = Setup::new(&format!("http://:@PORT@ {{\n{lines}\n}}\n"));
        let judged = judged(&setup, &[]);
        assert_eq!(judged.is_ok(), *may, "{lines}: {judged:?}");
        if let Err(said) = judged {
            assert!(said.contains("has no root, and the working directory is /"), "{said}");
            assert!(said.contains("write: root /path/of/the/site"), "{said}");
        }
    }
    let setup = Setup::new("http://:@PORT@");
    let folder = setup.dir().display().to_string();
    assert_eq!(judged(&setup, &["-root", &folder]), Ok(()));
}

/// The implied site is one, too.
#[test]
fn nothing_is_implied_in_the_root_directory() {
    let port = free_port().to_string();
    for args in [&["-port", &port][..], &["-port", &port, "gzip"], &["-port", &port, "-validate"]] {
        let run = Command::new("timeout")
            .args(["20", BINARY])
            .args(args)
            .current_dir("/")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(NOT_CONFIGURED), "{args:?}: {said}");
        assert!(said.contains("the working directory is /"), "{args:?}: {said}");
    }
}

#[test]
fn a_root_that_is_empty_is_an_error() {
    let said = judged(&Setup::new("http://:@PORT@\nroot {$UNSET_HERE}"), &[]).unwrap_err();
    assert!(said.contains(":2 - Parse error: root: the path is empty"), "{said}");
    let said = judged(&Setup::new("http://:@PORT@\n"), &["-root", ""]).unwrap_err();
    assert!(said.contains("invalid value \"\" for flag -root: must be a directory"), "{said}");
}

#[test]
fn an_empty_pipe_opens_nothing() {
    let done = Command::new(BINARY)
        .args(["-conf", "stdin", "-validate"])
        .current_dir("/tmp")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(NOT_CONFIGURED), "{said}");
    assert!(said.contains("no site in stdin"), "{said}");
}
