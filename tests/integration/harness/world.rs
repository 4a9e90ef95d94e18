//! An isolated system for a test, made of namespaces and an overlay of / by `tests/world/enter.sh`,
//! on which the RPM is installed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{h3_by, python_script};
use super::wait_for;
use super::watch::Watch;

/// How long a machine may take to boot or to end on a loaded host.
const PATIENCE: Duration = Duration::from_secs(40);

/// Tells, past the test's own capture, that this host cannot run a test, and how many so far.
pub fn skipped(why: &str) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let _ = writeln!(std::io::stderr(), "SKIPPED ({count} so far): {why}");
}

/// A running machine; ended on drop.
pub struct World {
    share: TempDir,
    child: Child,
    /// PID 1, as the host numbers it.
    init: i32,
    _watch: Watch,
}

impl World {
    /// The directory that will be /share; `None`, said aloud, where namespaces are refused.
    pub fn share() -> Option<TempDir> {
        let allowed = Command::new("unshare")
            .args(["--mount", "--pid", "--net", "--cgroup", "--fork", "true"])
            .output();
        if !allowed.is_ok_and(|done| done.status.success()) {
            skipped("this host refuses namespaces");
            return None;
        }
        Some(tempfile::Builder::new().prefix("caddy-world").tempdir().unwrap())
    }

    /// Boots the machine `kind` of `tests/world`.
    pub fn boot(kind: &str, share: TempDir) -> Self {
        // Should this process die, the machine dies too.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "--"])
            .arg(source("tests/world/enter.sh"))
            .arg(kind)
            .arg(share.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(share.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut world = Self { share, child, init: 0, _watch: Watch::new() };
        // Before that mark PID 1 still has the host's root.
        wait_for("the machine", PATIENCE, || world.path("entered").exists().then_some(()));
        world.init = pid1(world.child.id()).expect("PID 1");
        world
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.share.path().join(name)
    }

    /// Runs a line of shell on the machine; its exit code and what it printed.
    pub fn run(&self, line: &str) -> (i32, String) {
        let target = self.init.to_string();
        let done = Command::new("nsenter")
            .args(["-t", &target, "-m", "-p", "-n", "-u", "-i", "-C", "-r", "-w", "--"])
            .args(["env", "-i", "PATH=/sbin:/usr/sbin:/bin:/usr/bin", "TERM=dumb", "HOME=/root"])
            .args(["bash", "-c", line])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap_or(-1), String::from_utf8_lossy(&text).into_owned())
    }

    /// Runs a line of shell that has to exit with `code`.
    pub fn expect(&self, line: &str, code: i32) -> String {
        let (got, said) = self.run(line);
        assert_eq!(got, code, "{line}: {said}");
        said
    }

    /// Runs a line of shell that has to succeed.
    pub fn ok(&self, line: &str) -> String {
        self.expect(line, 0)
    }

    /// Waits until a line of shell succeeds.
    pub fn until(&self, line: &str) -> String {
        wait_for(line, PATIENCE, || {
            let (code, said) = self.run(line);
            (code == 0).then_some(said)
        })
    }

    /// Waits until PID 1 has ended by itself.
    pub fn ended(&self) {
        let init = Pid::from_raw(self.init);
        wait_for("the machine's end", PATIENCE, || kill(init, None).err());
    }

    /// A program of the host on the machine's network.
    fn on_net(&self, program: &Command) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.init)).arg("--");
        command.arg(program.get_program()).args(program.get_args());
        command
    }

    /// Status, protocol and length of one answer to curl; zeros where there was none.
    pub fn curl(&self, options: &[&str], url: &str) -> String {
        let mut curl = Command::new("curl");
        curl.args(["-sk", "--noproxy", "*", "--max-time", "60", "-o", "/dev/null"]);
        curl.args(["-w", "%{http_code} %{http_version} %{size_download}"]).args(options).arg(url);
        let done = self.on_net(&curl).output().unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// A job of `h3.py` on the machine's network.
    pub fn h3(&self, port: u16, job: Value) -> Value {
        h3_by(self.on_net(&python_script("h3.py")), port, job)
    }

    /// The status of one GET over HTTP/3.
    pub fn h3_status(&self, port: u16, path: &str) -> u64 {
        let result = self.h3(port, json!({"requests": [{"path": path}]}));
        result["answers"][0]["status"].as_u64().unwrap_or(0)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for name in ["stderr", "console"] {
                let text = std::fs::read(self.path(name)).unwrap_or_default();
                eprintln!("--- {name}\n{}", String::from_utf8_lossy(&text));
            }
            eprintln!(
                "--- log\n{}",
                self.run("cat /var/log/caddy/*.log; journalctl -u caddy -n 40 --no-pager").1
            );
        }
        let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// PID 1 of the machine that process `enter` holds: the child of its `unshare`.
fn pid1(enter: u32) -> Option<i32> {
    let children = |of: &str| {
        let children = std::fs::read_to_string(format!("/proc/{of}/task/{of}/children"));
        children.unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let is_unshare = |pid: &String| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        name.is_ok_and(|name| name.trim() == "unshare")
    };
    let unshare = children(&enter.to_string()).into_iter().find(is_unshare)?;
    children(&unshare).first()?.parse().ok()
}

fn source(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The RPM of the release build with this release number, and the stub of the distribution that
/// it stands on, left in `directory` as `caddy-RELEASE.rpm` and `base.rpm`.
pub fn package(directory: &Path, release: u32) {
    static BUILD: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let binary = source("target/release/caddy");
    assert!(binary.exists(), "{}: run make build first", binary.display());
    let script = format!(
        "set -e; cd '{root}'
         work=$(mktemp -d); trap 'rm -rf \"$work\"' EXIT; echo {release} >\"$work/mark\"
         objcopy --strip-debug --add-section .mark=\"$work/mark\" '{binary}' \"$work/caddy\"
         mv \"$(packaging/rpm/build.sh \"$work/caddy\" \"$work/out\" {release})\" \
            '{to}/caddy-{release}.rpm'
         libraries=$(rpm -qp --requires '{to}/caddy-{release}.rpm' 2>/dev/null |
            grep -E '^(lib|ld-|rtld).*[)]$' | tr '\n' ' ')
         rpmbuild -bb --define \"_topdir $work\" --define \"_rpmdir $work\" \
            --define '_rpmfilename base.rpm' --define \"base_libraries $libraries\" \
            tests/world/base.spec >\"$work/log\" 2>&1 || {{ cat \"$work/log\" >&2; exit 1; }}
         mv \"$work/base.rpm\" '{to}/base.rpm'",
        root = env!("CARGO_MANIFEST_DIR"),
        binary = binary.display(),
        to = directory.display(),
    );
    let done = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
