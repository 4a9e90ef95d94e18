//! The process as a service: pid file, `-daemon`, readiness to systemd, privileges.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::harness::{Caddy, NOT_CONFIGURED, Setup, curl, low_port, wait_for};

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
    assert_eq!(setup.output().status.code(), Some(NOT_CONFIGURED));
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
    for (text, words, code) in [
        (taken.as_str(), "in use", 1),
        ("http://:@PORT@\nnope\n", "Unknown directive 'nope'", NOT_CONFIGURED),
    ] {
        let setup = Setup::new(text).arg("-daemon").arg("-pidfile=@DIR@/caddy.pid");
        let done = setup.output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(code), "{said}");
        assert!(said.to_lowercase().contains(&words.to_lowercase()), "{said}");
        assert!(!setup.dir().join("caddy.pid").exists());
    }
}

/// A stand-in for systemd: what the service says, message by message.
struct Manager {
    socket: UnixDatagram,
    path: String,
    _dir: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self { socket, path: path.display().to_string(), _dir: dir }
    }

    /// The next message with this word.
    fn hear(&self, word: &str) -> String {
        loop {
            let mut buffer = [0; 4096];
            let len = self.socket.recv(&mut buffer).expect("a word from the service");
            let said = String::from_utf8_lossy(&buffer[..len]).into_owned();
            if said.contains(word) {
                return said;
            }
        }
    }

    /// Whether the word comes within a second.
    fn hears(&self, word: &str) -> bool {
        let end = Instant::now() + Duration::from_secs(1);
        self.socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let mut buffer = [0; 4096];
        while Instant::now() < end {
            let len = self.socket.recv(&mut buffer).unwrap_or(0);
            if String::from_utf8_lossy(&buffer[..len]).contains(word) {
                return true;
            }
        }
        false
    }
}

#[test]
fn systemd_hears_of_ready_reloading_and_stopping() {
    let manager = Manager::new();
    let mut caddy = Setup::new(PLAIN).env("NOTIFY_SOCKET", &manager.path).start();
    // The connection that looked whether it listens may still be open.
    let serving = |said: String| {
        let is_quiet = said.starts_with("READY=1\nSTATUS=serving 1 site, 0.0 requests/s, ");
        assert!(is_quiet && !said.contains("failed"), "{said}");
    };
    serving(manager.hear("READY=1"));
    caddy.signal(Signal::SIGHUP);
    assert!(manager.hear("RELOADING=1").contains("\nMONOTONIC_USEC="));
    serving(manager.hear("READY=1"));
    caddy.rewrite("http://:@PORT@\nnope\n");
    caddy.signal(Signal::SIGHUP);
    manager.hear("RELOADING=1");
    let failed = " the reload failed: Caddyfile:2:1 - Parse error: Unknown directive 'nope'\n";
    let said = manager.hear("READY=1");
    assert!(said.ends_with(failed), "{said}");
    // It stays until a reload succeeds, beside figures that go on.
    curl(&[], &format!("http://127.0.0.1:{}/", caddy.port()));
    let said = manager.hear(" (0% HTTP/3), ");
    assert!(said.starts_with("STATUS=serving 1 site, 0.") && said.ends_with(failed), "{said}");
    wait_for("the remedy in the log", Duration::from_secs(30), || {
        caddy.log().contains("; `caddy -plugins` lists the directives").then_some(())
    });
    caddy.signal(Signal::SIGTERM);
    manager.hear("STOPPING=1");
    assert_eq!(manager.hear("EXTEND"), "EXTEND_TIMEOUT_USEC=35000000\n");
    assert_eq!(caddy.wait(), Some(0));
}

#[test]
fn the_watchdog_hears_of_live_workers_only() {
    let manager = Manager::new();
    let caddy = Setup::new(PLAIN)
        .env("NOTIFY_SOCKET", &manager.path)
        .env("WATCHDOG_USEC", "400000")
        .start();
    manager.hear("WATCHDOG=1");
    manager.hear("WATCHDOG=1");
    // One worker hangs; the process and its other threads go on.
    let worker = thread_named(caddy.pid(), "worker-0");
    let traced = nix::sys::ptrace::seize(worker, nix::sys::ptrace::Options::empty())
        .and_then(|()| nix::sys::ptrace::interrupt(worker));
    traced.expect("stopping a thread");
    wait_for("the complaint", Duration::from_secs(30), || {
        caddy.log().contains("a worker has not responded").then_some(())
    });
    while manager.hears("WATCHDOG=1") {}
    nix::sys::wait::waitpid(worker, Some(nix::sys::wait::WaitPidFlag::__WALL)).unwrap();
    nix::sys::ptrace::detach(worker, None).unwrap();
    assert!((0..10).any(|_| manager.hears("WATCHDOG=1")), "it goes on as the worker does");
}

fn thread_named(pid: u32, name: &str) -> Pid {
    let mut tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let is_it = |task: &std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name)
    };
    let task = tasks.find(is_it).expect(name);
    Pid::from_raw(task.file_name().to_str().unwrap().parse().unwrap())
}

/// A server that root starts for nobody, in a directory of root's.
fn as_nobody(text: &str) -> Caddy {
    assert!(nix::unistd::geteuid().is_root(), "this test needs root");
    let setup = Setup::new(text).arg("-user=nobody").arg("-pidfile=@DIR@/caddy.pid");
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(setup.dir(), open).unwrap();
    setup.start()
}

#[test]
fn a_dropped_user_keeps_only_the_right_to_bind() {
    let caddy = as_nobody(PLAIN);
    let mut rights = vec![];
    for task in std::fs::read_dir(format!("/proc/{}/task", caddy.pid())).unwrap().flatten() {
        // One that ends meanwhile has none.
        let Ok(status) = std::fs::read_to_string(task.path().join("status")) else { continue };
        let row = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        for ids in ["Uid:", "Gid:"] {
            assert!(row(ids).split_whitespace().all(|id| id == "65534"), "{status}");
        }
        assert_eq!(row("Groups:").trim(), "65534");
        assert_eq!(row("NoNewPrivs:").trim(), "1", "{status}");
        assert_eq!((row("CapInh:").trim(), row("CapAmb:").trim()), (NONE, NONE));
        rights.push(row("CapPrm:").trim().to_owned());
    }
    assert!(rights.iter().all(|caps| caps == NONE || caps == BIND), "{rights:?}");
    assert!(rights.iter().any(|caps| caps == BIND), "{rights:?}");

    let low = low_port();
    caddy.rewrite(&format!(
        "http://:@PORT@ {{\n status 204 /\n}}\nhttp://:{low} {{\n status 203 /\n}}\n"
    ));
    caddy.reload();
    assert_eq!(curl(&[], &format!("http://localhost:{low}/")).status, 203);
}

/// No capability, and CAP_NET_BIND_SERVICE, as /proc shows them.
const NONE: &str = "0000000000000000";
const BIND: &str = "0000000000000400";

#[test]
fn a_dropped_user_can_open_its_logs_again() {
    let mut caddy = as_nobody("http://:@PORT@ {\n status 204 /\n log / logs/access.log {uri}\n}\n");
    let logs = ["process.log", "logs", "logs/access.log"];
    let nobody = |name: &str| std::fs::metadata(caddy.path(name)).unwrap().uid() == 65534;
    assert!(logs.iter().all(|name| nobody(name)));
    let get = |path: &str| curl(&[], &format!("http://localhost:{}{path}", caddy.port())).status;
    let wait = |name: &str, text: &str| {
        wait_for(text, Duration::from_secs(30), || (caddy.read(name) == text).then_some(()));
    };
    assert_eq!(get("/one"), 204);
    wait("logs/access.log", "/one\n");
    std::fs::rename(caddy.path("logs/access.log"), caddy.path("logs/access.log.1")).unwrap();
    caddy.signal(Signal::SIGUSR1);
    wait_for("the new file", Duration::from_secs(30), || {
        caddy.path("logs/access.log").exists().then_some(())
    });
    assert_eq!(get("/two"), 204);
    wait("logs/access.log", "/two\n");
    wait("logs/access.log.1", "/one\n");
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
    assert_eq!(caddy.read("caddy.pid"), "", "no pid stays behind where only root may remove it");
}

#[test]
fn hup_without_a_supervisor_names_what_stops() {
    let mut caddy = Caddy::start(PLAIN);
    caddy.signal(Signal::SIGHUP);
    let remedy = format!("does not stop this server; to stop it: kill -TERM {}", caddy.pid());
    wait_for("the remedy", Duration::from_secs(30), || caddy.log().contains(&remedy).then_some(()));
    let supervised = with_pidfile().start();
    supervised.signal(Signal::SIGHUP);
    wait_for("the reload", Duration::from_secs(30), || {
        supervised.log().contains("Reloading complete").then_some(())
    });
    assert!(!supervised.log().contains("does not stop"), "{}", supervised.log());
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
}

#[test]
fn the_journal_gets_priorities_and_no_time() {
    let setup = Setup::new("http://:@PORT@ {\n status 204 /\n log / stderr {?q}\n tls a\n}\n");
    let path = setup.dir().join("journal");
    let file = std::fs::File::create(&path).unwrap();
    let meta = file.metadata().unwrap();
    let mut command = setup.command();
    command
        .args(["-quiet", "-log", "stderr"])
        .env("JOURNAL_STREAM", format!("{}:{}", meta.dev(), meta.ino()))
        .stderr(file);
    let mut child = command.spawn().unwrap();
    let url = format!("http://localhost:{}/?q=%3C0%3Eforged", setup.ports[0]);
    let read = || std::fs::read_to_string(&path).unwrap();
    wait_for("the warning", Duration::from_secs(30), || {
        read().contains("<4>[WARNING] ").then_some(())
    });
    wait_for("an answer", Duration::from_secs(20), || {
        (curl(&[], &url).status == 204).then_some(())
    });
    wait_for("the line", Duration::from_secs(30), || read().contains("forged").then_some(()));
    child.kill().unwrap();
    child.wait().unwrap();
    let said = read();
    let starts =
        |line: &str| ["<4>[WARNING] ", "<6>[INFO] ", "<6>"].iter().any(|one| line.starts_with(one));
    assert!(said.lines().all(starts), "{said}");
    assert!(said.contains("\n<6>%3C0%3Eforged\n") || said.contains("\n<6><0>forged\n"), "{said}");
    assert!(said.contains("<4>[WARNING] "), "{said}");
}
