//! The server under test, started in a new directory. It is killed on drop, and its log is printed
//! if the test fails.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::watch::Watch;
use super::{BINARY, free_port, wait_for};

/// What the log says behind the PID of the process that an upgrade put in place.
const UPGRADED: &str = " serves now, this one finishes its requests";

/// How long a start, a reload or a stop may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// A Caddyfile with its surroundings, before the start. `@PORT@`, `@PORT2@`, `@PORT3@` stand for
/// free ports, `@DIR@` for the directory, `@NAME@` for what `set` says.
pub struct Setup {
    dir: TempDir,
    text: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    values: Vec<(String, String)>,
    pub ports: [u16; 3],
    nofile: Option<u32>,
    umask: Option<u32>,
    world: Option<String>,
    /// Another binary than the one under test.
    pub program: Option<PathBuf>,
    _watch: Watch,
}

impl Setup {
    pub fn new(text: &str) -> Self {
        let ports = [free_port(), free_port(), free_port()];
        let dir = tempfile::tempdir().unwrap();
        let values = vec![
            ("PORT".to_owned(), ports[0].to_string()),
            ("PORT2".to_owned(), ports[1].to_string()),
            ("PORT3".to_owned(), ports[2].to_string()),
            ("DIR".to_owned(), dir.path().display().to_string()),
        ];
        let text = text.to_owned();
        let (args, env) = (vec![], vec![]);
        Self {
            dir,
            text,
            args,
            env,
            values,
            ports,
            nofile: None,
            umask: None,
            world: None,
            program: None,
            _watch: Watch::new(),
        }
    }

    pub fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.values.push((name.to_owned(), value.to_string()));
        self
    }

    pub fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs with this many file descriptors at most.
    pub fn descriptors(mut self, most: u32) -> Self {
        self.nofile = Some(most);
        self
    }

    pub fn umask(mut self, mask: u32) -> Self {
        self.umask = Some(mask);
        self
    }

    /// Runs in a mount namespace of its own, behind what this shell script does to it. Its files
    /// are seen from outside through `/proc/PID/root`.
    pub fn world(mut self, script: &str) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "a mount namespace needs root");
        self.world = Some(script.to_owned());
        self
    }

    /// Runs a copy of the binary, `caddy` in its directory, which may be replaced.
    pub fn own_program(mut self) -> Self {
        let program = self.dir.path().join("caddy");
        install(Path::new(BINARY), &program);
        self.program = Some(program);
        self
    }

    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// `text` with its markers replaced.
    pub fn fill(&self, text: &str) -> String {
        self.values
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("@{name}@"), value))
    }

    /// The command line, with the Caddyfile written.
    pub fn command(&self) -> Command {
        std::fs::write(self.dir.path().join("Caddyfile"), self.fill(&self.text)).unwrap();
        let program = self.program.as_deref().unwrap_or(Path::new(BINARY));
        let mut command = match (self.nofile, &self.world) {
            (None, None) => match self.umask {
                None => Command::new(program),
                Some(mask) => {
                    let mut command = Command::new("sh");
                    let script = format!("umask {mask:o}; exec \"$@\"");
                    command.args(["-c", &script, "sh"]).arg(program);
                    command
                }
            },
            (Some(most), _) => {
                let mut command = Command::new("prlimit");
                command.arg(format!("--nofile={most}:{most}")).arg(program);
                command
            }
            (None, Some(script)) => {
                let mut command = Command::new("unshare");
                let script = format!("set -e\n{}\nexec \"$@\"", self.fill(script));
                command.args(["--mount", "sh", "-c", &script, "sh"]).arg(program);
                command
            }
        };
        command.current_dir(self.dir.path()).args(["-conf", "Caddyfile"]);
        command.args(self.args.iter().map(|arg| self.fill(arg)));
        command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs to the end: for `-validate` and starts that fail.
    pub fn output(&self) -> Output {
        self.command().output().unwrap()
    }

    pub fn start(self) -> Caddy {
        let child = self.spawn();
        self.adopt(child)
    }

    /// A server that the test has started itself, by [`Self::command`].
    pub fn adopt(self, child: Child) -> Caddy {
        let mut caddy = Caddy { setup: self, child, heirs: vec![] };
        caddy.wait_listening();
        caddy
    }

    fn spawn(&self) -> Child {
        let mut command = self.command();
        let file = |name| std::fs::File::create(self.dir.path().join(name)).unwrap();
        if !self.args.iter().any(|arg| arg.starts_with("-log")) {
            command.args(["-log", "process.log"]);
        }
        command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap()
    }
}

/// A running server.
pub struct Caddy {
    setup: Setup,
    child: Child,
    /// The processes that took its place, one after the other.
    heirs: Vec<u32>,
}

/// Puts a program in place in one step, as a package does.
pub fn install(program: &Path, to: &Path) {
    let fresh = to.with_extension("new");
    // In another process: a child that another thread starts meanwhile would hold the file open
    // for writing, and it could not be run.
    assert!(Command::new("cp").arg(program).arg(&fresh).status().unwrap().success());
    std::fs::rename(fresh, to).unwrap();
}

impl Caddy {
    pub fn start(text: &str) -> Self {
        Setup::new(text).start()
    }

    /// A proxy over TLS (first port) and plain (second port) before `origin`.
    pub fn proxy(origin: impl ToString, options: &str) -> Self {
        let text = format!(
            "https://localhost:@PORT@ {{\n tls self_signed\n proxy / @ORIGIN@ {{\n{options}\n}}\n}}\n\
             http://:@PORT2@ {{\n proxy / @ORIGIN@ {{\n{options}\n}}\n}}\n"
        );
        Setup::new(&text).set("ORIGIN", origin).start()
    }

    fn wait_listening(&mut self) {
        let port = self.port();
        let quiet = self.setup.args.iter().any(|arg| arg == "-quiet");
        let (child, dir) = (&mut self.child, self.setup.dir.path());
        wait_for("the server to listen", PATIENCE, || {
            if let Some(status) = child.try_wait().unwrap() {
                let said = std::fs::read_to_string(dir.join("stderr")).unwrap_or_default();
                panic!("the server ended at once with {status}: {said}");
            }
            // The first port may answer before the last is bound; "done." comes behind them all.
            let said = std::fs::read_to_string(dir.join("stdout")).unwrap_or_default();
            let done = quiet || said.contains("done.");
            TcpStream::connect(("127.0.0.1", port)).ok().filter(|_| done)
        });
    }

    /// Ends the process without a word (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts anew in the same folder, after [`Self::kill`].
    pub fn start_again(&mut self) {
        self.child = self.setup.spawn();
        self.wait_listening();
    }

    pub fn port(&self) -> u16 {
        self.setup.ports[0]
    }

    pub fn port2(&self) -> u16 {
        self.setup.ports[1]
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port())
    }

    /// Over the second, plain port.
    pub fn plain(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.port2())
    }

    /// Over the third, plain port.
    pub fn third(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.setup.ports[2])
    }

    /// Of the process that serves.
    pub fn pid(&self) -> u32 {
        self.heirs.last().copied().unwrap_or(self.child.id())
    }

    /// Sends USR2 and waits until another process serves; gives its PID.
    pub fn upgrade(&mut self) -> u32 {
        let said = || {
            let log = self.log();
            let lines =
                log.lines().filter_map(|line| line.strip_suffix(UPGRADED).map(str::to_owned));
            lines.collect::<Vec<_>>()
        };
        let before = said().len();
        self.signal(Signal::SIGUSR2);
        let line = wait_for("the upgrade", PATIENCE, || said().get(before).cloned());
        let pid = line.rsplit(' ').next().unwrap().parse().unwrap();
        self.heirs.push(pid);
        pid
    }

    /// A file as the server sees it, in its own mount namespace.
    pub fn inside(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        Path::new(&format!("/proc/{}/root", self.pid())).join(path.strip_prefix("/").unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.setup.dir.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A file, as soon as it is as it should be, or as it is after some seconds: threads of the
    /// server's own write its logs, behind the responses.
    pub fn read_when(&self, name: &str, is_right: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = self.read(name);
            if is_right(&text) || Instant::now() > end {
                return text;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        self.read("process.log")
    }

    /// The log of the process, as soon as it has these words.
    pub fn log_with(&self, words: &str) -> String {
        self.read_when("process.log", |log| log.contains(words))
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).unwrap()), signal).unwrap();
    }

    /// Writes another Caddyfile; the markers are the same.
    pub fn rewrite(&self, text: &str) {
        std::fs::write(self.path("Caddyfile"), self.setup.fill(text)).unwrap();
    }

    /// Sends HUP and waits until the log says `words` once more than before.
    pub fn hup(&self, words: &str) {
        let before = self.log().matches(words).count();
        self.signal(Signal::SIGHUP);
        wait_for(words, PATIENCE, || (self.log().matches(words).count() > before).then_some(()));
    }

    pub fn reload(&self) {
        self.hup("[INFO] Reloading complete");
    }

    /// Waits for the end of the process that serves, which is none that we started.
    pub fn heir_gone(&self) {
        let pid = self.pid();
        wait_for("the server to end", PATIENCE, || has_ended(pid).then_some(()));
    }

    /// Waits for the end of the first process and gives the exit code; None where a signal ended
    /// it.
    pub fn wait(&mut self) -> Option<i32> {
        let child = &mut self.child;
        wait_for("the server to end", PATIENCE, || child.try_wait().unwrap()).code()
    }

    /// True while the process lives.
    pub fn alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// CPU time so far, in ticks of 10 ms.
    pub fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Peak resident memory in KiB (VmHWM).
    pub fn rss_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        for heir in self.heirs.iter().rev() {
            let _ = kill(Pid::from_raw(i32::try_from(*heir).unwrap()), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            for name in ["Caddyfile", "stdout", "stderr", "process.log"] {
                let text = self.read(name);
                let cut = text.len().saturating_sub(8_000);
                eprintln!("--- {name}\n{}", text.get(cut..).unwrap_or(&text));
            }
        }
    }
}

/// Whether there is no such process, or only what is left of it for a parent that does not ask.
pub fn has_ended(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}
