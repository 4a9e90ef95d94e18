//! What `make run` starts: the script of the example, with a bare environment, in a network
//! namespace of its own because its ports are fixed.

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{BINARY, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// The bare machine: only the programs of the base system, no variable but PATH.
fn bare(script: &str) -> Command {
    let mut command = Command::new("unshare");
    let script =
        format!("ip link set lo up\nexec env -i PATH=/usr/bin:/bin CADDY={BINARY} {script}");
    command.args(["--net", "sh", "-c", &script]).current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

#[test]
fn the_example_explains_itself_serves_and_ends_by_ctrl_c() {
    let dir = tempfile::tempdir().unwrap();
    let said = dir.path().join("said");
    let mut child = bare("examples/quic-proxy/run.sh")
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let text = wait_for("the explanation", PATIENCE, || {
        let text = std::fs::read_to_string(&said).unwrap();
        text.contains("Stop with Ctrl-C.").then_some(text)
    });
    assert!(text.contains("The same over HTTP/3:   https://localhost:8443/\n"), "{text}");
    let pin = text.lines().find_map(|line| line.split("spki-list=").nth(1)).unwrap();
    assert_eq!(pin.trim_end_matches([' ', '\\']).len(), 44, "a SHA-256 in base64: {pin}");

    let pid = child.id().to_string();
    let page = Command::new("nsenter")
        .args(["--target", &pid, "--net", "curl", "-sSk", "https://localhost:8443/"])
        .output()
        .unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains("nextHopProtocol"), "{page}");

    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let status = wait_for("the end", PATIENCE, || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn the_example_takes_other_ports_where_its_own_are_taken() {
    let taken = "bash -c 'for port in 8080 8443; do \
                     python3 -m http.server $port >/dev/null 2>&1 & servers+=\" $!\"; \
                     until (echo >/dev/tcp/localhost/$port) 2>/dev/null; do sleep 0.1; done; \
                 done; \
                 examples/quic-proxy/run.sh & demo=$!; \
                 until curl -sk https://localhost:8444/; do sleep 0.1; done; sleep 1; \
                 curl -s http://localhost:8081/; \
                 kill -TERM $demo; wait $demo; code=$?; kill $servers; exit $code'";
    let done = bare(taken).stdin(Stdio::null()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("The same over HTTP/3:   https://localhost:8444/\n"), "{out}{err}");
    assert!(out.contains("--origin-to-force-quic-on=localhost:8444"), "{out}");
    assert_eq!(out.matches("<title>An existing site</title>").count(), 2, "{out}{err}");
}

/// With the binary under test where the README builds one.
#[test]
fn the_readme_leads_to_a_page_and_to_a_site_of_ones_own() {
    let root = env!("CARGO_MANIFEST_DIR");
    let line = format!("ip link set lo up && exec {root}/tests/readme/follow --program {BINARY}");
    let done = Command::new("unshare").args(["--net", "sh", "-c", &line]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(0), "{out}{err}");
    assert!(out.contains("; page to own site: "), "{out}{err}");
}
