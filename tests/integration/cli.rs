//! The command line: Go's flag syntax, what stdout gets, exit codes.

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::harness::{BINARY, Caddy, NOT_CONFIGURED, Setup, curl, free_port, wait_for};

fn run(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Command::new(BINARY).args(args).current_dir(dir.path()).stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Arguments, exit code, what stdout and stderr begin with or contain.
const RUNS: &[(&[&str], i32, &str, &str)] = &[
    (&["-nope"], 2, "", "flag provided but not defined: -nope\n"),
    (&["-conf"], 2, "", "flag needs an argument: -conf\n"),
    (&["-quic=maybe"], 2, "", "invalid boolean value \"maybe\" for -quic"),
    (&["-grace", "5"], 2, "", "invalid value \"5\" for flag -grace"),
    (&["-valdate"], 2, "", "not defined: -valdate\ndid you mean -validate?\nUsage of caddy:"),
    (&["-h"], 0, "\nUsage of caddy:\n", ""),
    (&["--help"], 0, "caddy reverse-proxy --from https://localhost:8443 --to localhost:8080", ""),
    (&["-port", "x", "-help", "-nope"], 0, "Default port (2015)", ""),
    (&["help"], 0, "\n  stop [-control FILE] ", ""),
    (&["version"], 0, "Caddy ", ""),
    (&["validate"], 0, "Caddyfile is valid\n", ""),
    (&["validate", "none"], NOT_CONFIGURED, "", "via flag: open none: no such file or directory\n"),
    (
        &["validate", "--config", "none", "--adapter", "caddyfile"],
        NOT_CONFIGURED,
        "",
        "open none: ",
    ),
    (&["validate", "--adapter", "json"], 2, "", "for flag -adapter: must be caddyfile"),
    (&["run", "a", "b"], 2, "", "unexpected word 'b' behind 'run': write caddy run [FILE] ["),
    (&["reverse-proxy"], 2, "", "flag needs to be given: --to\nwrite: caddy reverse-proxy ["),
    (&["reverse-proxy", "--to", "a b"], 2, "", "for flag -to: must be an address"),
    (&["file-server", "-conf", "x"], 2, "", "file-server takes no Caddyfile\n"),
    (&["reload", "-control", "none"], 7, "", "no service listens on the control socket none"),
    (&["stop", "-control", "none"], 7, "", "no service listens on the control socket none"),
    (&["fmt"], NOT_CONFIGURED, "", "no Caddyfile to format: write caddy -fmt -conf FILE"),
    (&["-overwrite"], 2, "", "-overwrite needs -fmt\n"),
    (&["-version"], 0, "Caddy ", ""),
    (&["--version=true"], 0, "Caddy ", ""),
    (&["-plugins"], 0, "Server types:\n  http\n", ""),
    (&["-plugins"], 0, "\n  http.proxy\n", ""),
    (&["-conf", "none"], NOT_CONFIGURED, "", "via flag: open none: no such file or directory\n"),
    (&["-conf", "."], NOT_CONFIGURED, "", "loading Caddyfile via flag: read .: is a directory\n"),
    (
        &["-conf", "none", "browse"],
        NOT_CONFIGURED,
        "",
        "Caddyfile loaded multiple times; first by short, then by flag",
    ),
    (&["-type", "ftp"], 1, "", "unknown server type 'ftp'"),
    (&["-cpu", "0%"], 2, "", "invalid CPU value: percentage must be between 1-100"),
    (&["-validate"], 0, "Caddyfile is valid\n", ""),
    (&["-validate", "nope"], NOT_CONFIGURED, "", "args:2 - Parse error: Unknown directive 'nope'"),
    (&["-validate", "strat"], NOT_CONFIGURED, "", "`caddy help` has the commands"),
    (
        &["-agree", "-email", "a@b.test", "-ca=https://ca.test", "-catimeout=5s", "-version"],
        0,
        "Caddy ",
        "",
    ),
];

#[test]
fn flags_messages_and_exit_codes() {
    let mut wrong = vec![];
    for (args, code, out, err) in RUNS {
        let done = run(args);
        let (stdout, stderr) = (text(&done.stdout), text(&done.stderr));
        if done.status.code() != Some(*code) || !stdout.contains(out) || !stderr.contains(err) {
            wrong.push(format!(
                "{args:?}: want {code} {out:?} {err:?}\n got {:?}\n{stdout}\n{stderr}",
                done.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn start_prints_sites_and_the_descriptor_warning() {
    let text =
        "http://localhost:@PORT@ {\n}\nhttps://example.test:@PORT2@ {\n tls self_signed\n}\n";
    let caddy = Setup::new(text).descriptors(1024).start();
    wait_for("the list of sites", Duration::from_secs(30), || {
        caddy.read("stdout").contains("WARNING").then_some(())
    });
    let out = caddy.read("stdout");
    assert!(out.starts_with("Activating privacy features... done.\n"), "{out}");
    assert!(out.contains(&format!("\nhttp://localhost:{}\n", caddy.port())), "{out}");
    assert!(out.contains(&format!("\nhttps://example.test:{}\n", caddy.port2())), "{out}");
    assert!(out.contains("WARNING: File descriptor limit 1024 is too low"), "{out}");
}

#[test]
fn quiet_prints_nothing() {
    let caddy = Setup::new("http://localhost:@PORT@\n").arg("-quiet").start();
    assert_eq!(caddy.read("stdout"), "");
}

#[test]
fn default_site_serves_the_directory() {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("index.html"), "here").unwrap();
    let mut child = Command::new(BINARY)
        .args(["-port", &port.to_string()])
        .current_dir(dir.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let answer = curl(
        &["--retry", "20", "--retry-connrefused", "--retry-delay", "1"],
        &format!("http://localhost:{port}/"),
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "here"));
}

/// Serves what the arguments and standard input say until one request was answered.
fn serve_once(args: &[&str], stdin: &str) -> u16 {
    let port = free_port();
    let dir = tempfile::tempdir().unwrap();
    let place = |text: &str| text.replace("@PORT@", &port.to_string());
    let mut child = Command::new(BINARY)
        .args(args.iter().map(|arg| place(arg)))
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(place(stdin).as_bytes()).unwrap();
    let answer = curl(
        &["--retry", "20", "--retry-connrefused", "--retry-delay", "1"],
        &format!("http://localhost:{port}/"),
    );
    child.kill().unwrap();
    child.wait().unwrap();
    answer.status
}

#[test]
fn positional_arguments_are_caddyfile_lines() {
    assert_eq!(serve_once(&["-port", "@PORT@", "status 203 /", "header / X-A b"], ""), 203);
}

#[test]
fn caddyfile_from_standard_input() {
    assert_eq!(serve_once(&["-conf", "stdin"], "http://:@PORT@\nstatus 203 /\n"), 203);
}

#[test]
fn both_dashes_and_both_ways_to_give_a_value() {
    assert_eq!(serve_once(&["--port=@PORT@", "--", "status 203 /"], ""), 203);
    assert_eq!(serve_once(&["-port", "@PORT@", "-http2=false", "status 203 /"], ""), 203);
}

#[test]
fn caddyfile_of_the_directory_is_found() {
    let setup = Setup::new("http://:@PORT@\nstatus 203 /\n");
    let command = setup.command();
    let mut bare = Command::new(BINARY);
    let mut child =
        bare.current_dir(command.get_current_dir().unwrap()).stdout(Stdio::null()).spawn().unwrap();
    let url = format!("http://localhost:{}/", setup.ports[0]);
    let answer = curl(&["--retry", "20", "--retry-connrefused", "--retry-delay", "1"], &url);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(answer.status, 203);
}

#[test]
fn a_taken_port_is_an_error_with_code_1() {
    let first = Caddy::start("http://:@PORT@\n");
    let second = Setup::new("http://:@TAKEN@\n").set("TAKEN", first.port()).output();
    let said = text(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&first.port().to_string()), "{said}");
    assert!(said.to_lowercase().contains("in use"), "{said}");
}

#[test]
fn process_log_has_levels_and_sites() {
    let caddy = Caddy::start("http://localhost:@PORT@\n");
    let log = wait_for("the log", Duration::from_secs(30), || {
        Some(caddy.log()).filter(|log| log.contains("http://localhost"))
    });
    let line = log.lines().find(|line| line.contains("http://localhost")).unwrap_or_default();
    let date = line.get(..10).unwrap_or_default();
    assert!(date.split('/').all(|part| part.parse::<u32>().is_ok()), "{log}");
}

#[test]
fn the_environment_decides_whether_case_counts_in_paths() {
    let site = "http://:@PORT@ {\n status 204 /Secret\n}\n";
    for (value, status) in [("", 204), ("1", 404), ("0", 204), ("false", 204)] {
        let caddy = Setup::new(site).env("CASE_SENSITIVE_PATH", value).start();
        let url = |path| format!("http://localhost:{}{path}", caddy.port());
        assert_eq!(curl(&[], &url("/Secret")).status, 204, "{value}");
        assert_eq!(curl(&[], &url("/secret")).status, status, "{value}");
    }
}
