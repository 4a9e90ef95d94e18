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
fn the_example_on_a_taken_port_explains_nothing() {
    let taken = "bash -c 'python3 -m http.server 8443 >/dev/null 2>&1 & server=$!; \
                 until (echo >/dev/tcp/127.0.0.1/8443) 2>/dev/null; do sleep 0.1; done; \
                 examples/quic-proxy/run.sh; code=$?; sleep 1; kill $server; exit $code'";
    let done = bare(taken).stdin(Stdio::null()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(1), "{out}{err}");
    assert!(err.contains("listen tcp [::]:8443: address already in use"), "{err}");
    assert!(!out.contains("HTTP/3"), "{out}");
}
