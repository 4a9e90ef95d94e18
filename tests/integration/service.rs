//! The process as a service: pid file, `-daemon`, readiness to systemd, privileges.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Caddy, Setup, curl, wait_for};

const PLAIN: &str = "http://:@PORT@\nstatus 204 /\n";

fn pid_in(path: &Path) -> Option<i32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn with_pidfile() -> Setup {
    Setup::new(PLAIN).arg("-pidfile=@DIR@/caddy.pid")
}

#[test]
fn pidfile_holds_the_pid_and_goes_with_it() {
    for (signal, code) in [(Signal::SIGTERM, 0), (Signal::SIGQUIT, 0), (Signal::SIGINT, 0)] {
        let mut caddy = with_pidfile().start();
        let pidfile = caddy.path("caddy.pid");
        assert_eq!(pid_in(&pidfile), i32::try_from(caddy.pid()).ok());
        caddy.signal(signal);
        assert_eq!(caddy.wait(), Some(code), "{signal}");
        assert!(!pidfile.exists(), "{signal}");
    }
}

#[test]
fn a_second_start_names_the_holder() {
    let first = with_pidfile().start();
    let pidfile = first.path("caddy.pid").display().to_string();
    let second = Setup::new(PLAIN).arg(&format!("-pidfile={pidfile}")).output();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("held by process {}", first.pid())), "{said}");
    assert_eq!(pid_in(Path::new(&pidfile)), i32::try_from(first.pid()).ok());
}

#[test]
fn a_stale_pidfile_is_taken_over() {
    let caddy = with_pidfile().file("caddy.pid", "1\n").start();
    assert_eq!(pid_in(&caddy.path("caddy.pid")), i32::try_from(caddy.pid()).ok());
}

#[test]
fn a_failed_start_leaves_no_pidfile() {
    let setup = Setup::new("http://:@PORT@\nnope\n").arg("-pidfile=@DIR@/caddy.pid");
    assert_eq!(setup.output().status.code(), Some(1));
    assert!(!setup.dir().join("caddy.pid").exists());
}

/// Ends a background process that a test started.
struct Background(i32);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
    }
}

#[test]
fn daemon_returns_when_it_listens() {
    let setup = with_pidfile().arg("-daemon").arg("-log=@DIR@/process.log");
    let done = setup.output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}");
    let pid = pid_in(&setup.dir().join("caddy.pid")).expect("a pid file");
    let _background = Background(pid);
    let answer = curl(&[], &format!("http://localhost:{}/", setup.ports[0]));
    assert_eq!(answer.status, 204, "it listens when -daemon returns");
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    wait_for("the end", Duration::from_secs(20), || {
        kill(Pid::from_raw(pid), None).is_err().then_some(())
    });
    assert!(!setup.dir().join("caddy.pid").exists());
}

#[test]
fn daemon_says_why_it_could_not_start() {
    let first = Caddy::start(PLAIN);
    let taken = format!("http://:{}\n", first.port());
    for (text, words) in
        [(taken.as_str(), "in use"), ("http://:@PORT@\nnope\n", "Unknown directive 'nope'")]
    {
        let setup = Setup::new(text).arg("-daemon").arg("-pidfile=@DIR@/caddy.pid");
        let done = setup.output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{said}");
        assert!(said.to_lowercase().contains(&words.to_lowercase()), "{said}");
        assert!(!setup.dir().join("caddy.pid").exists());
    }
}

#[test]
fn systemd_hears_of_ready_reloading_and_stopping() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = || {
        let mut buffer = [0; 4096];
        let len = socket.recv(&mut buffer).expect("a word from the service");
        String::from_utf8_lossy(&buffer[..len]).into_owned()
    };
    let until = |word: &str| while !hear().contains(word) {};
    let mut caddy = Setup::new(PLAIN).env("NOTIFY_SOCKET", &path.display().to_string()).start();
    until("READY=1");
    caddy.signal(Signal::SIGHUP);
    until("RELOADING=1");
    until("READY=1");
    caddy.signal(Signal::SIGTERM);
    until("STOPPING=1");
    assert_eq!(caddy.wait(), Some(0));
}

#[test]
fn user_drops_privileges_after_binding() {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root");
    let setup = Setup::new(PLAIN).arg("-user=nobody").arg("-log=stderr");
    std::os::unix::fs::chown(setup.dir(), Some(65534), None).unwrap();
    let caddy = setup.start();
    assert_eq!(curl(&[], &format!("http://localhost:{}/", caddy.port())).status, 204);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", caddy.pid())).unwrap();
    for task in tasks.flatten() {
        let status = std::fs::read_to_string(task.path().join("status")).unwrap();
        let uid = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
        assert_eq!(uid.split_whitespace().nth(1), Some("65534"), "{status}");
    }
}
