//! A server of the Redis protocol in its own process: Redis or Valkey, as `tests/setup.sh` has
//! unpacked them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{WrongClock, free_port, wait_for};

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Redis,
    Valkey,
}

/// Runs until dropped; can be stopped and started again, empty, on the same port.
pub struct Engine {
    kind: Kind,
    pub port: u16,
    options: Vec<String>,
    env: Vec<(&'static str, String)>,
    /// Where it works: a replica keeps a dump there.
    dir: tempfile::TempDir,
    process: Option<Child>,
}

impl Engine {
    pub fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[])
    }

    /// With these options of its command line.
    pub fn start_with(kind: Kind, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut engine = Self::stopped(kind);
        engine.options = options;
        engine.run();
        engine
    }

    /// Whose clock is so many seconds ahead.
    pub fn start_at(kind: Kind, ahead: i64) -> (Self, WrongClock) {
        let clock = WrongClock::new(ahead);
        let mut engine = Self::stopped(kind);
        engine.env = clock.env();
        engine.run();
        (engine, clock)
    }

    /// A Sentinel with this configuration.
    pub fn sentinel(kind: Kind, text: &str) -> Self {
        let mut sentinel = Self::stopped(kind);
        let config = sentinel.dir.path().join("sentinel.conf");
        std::fs::write(&config, text).unwrap();
        let process = sentinel
            .command("server")
            .arg(&config)
            .args(["--sentinel", "--bind", "127.0.0.1", "--port", &sentinel.port.to_string()])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        sentinel.process = Some(process);
        wait_for("the Sentinel", Duration::from_secs(30), || {
            let said = sentinel.ask(&["PING"]);
            (said == "PONG" || said.starts_with("NOAUTH")).then_some(())
        });
        sentinel
    }

    fn stopped(kind: Kind) -> Self {
        let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
        Self { kind, port, options: Vec::new(), env: Vec::new(), dir, process: None }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Starts it, without data.
    pub fn run(&mut self) {
        let port = self.port.to_string();
        let process = self
            .command("server")
            .args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(&self.options)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(self.dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("a server from tests/setup.sh");
        self.process = Some(process);
        wait_for("the engine", Duration::from_secs(30), || {
            let said = self.ask(&["PING"]);
            (said == "PONG" || said.starts_with("NOAUTH")).then_some(())
        });
    }

    /// Ends it without a word, and its data with it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// What it answers to a command.
    pub fn ask(&self, words: &[&str]) -> String {
        let port = self.port.to_string();
        let done = self.command("cli").args(["-p", &port]).args(words).output().unwrap();
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// How many commands it has run, those of scripts included, but for those of its cli.
    pub fn commands(&self) -> u64 {
        let stats = self.ask(&["INFO", "commandstats"]);
        let lines = stats.lines().filter(|line| !line.contains("cmdstat_info:"));
        let calls = lines
            .filter_map(|line| line.split_once("calls=")?.1.split(',').next()?.parse::<u64>().ok());
        calls.sum()
    }

    fn command(&self, program: &str) -> Command {
        self.kind.command(program)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Kind {
    fn command(self, program: &str) -> Command {
        let name = match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        };
        let root: PathBuf =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools").join(name).join("usr");
        let libraries: Vec<_> = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
            .map(|machine| root.join("lib").join(machine).display().to_string())
            .to_vec();
        let mut command = Command::new(root.join("bin").join(format!("{name}-{program}")));
        command.env("LD_LIBRARY_PATH", libraries.join(":"));
        command
    }
}

/// A primary with a replica, and a Sentinel that makes the replica the primary within seconds when
/// the first one is gone.
pub struct Watched {
    pub primary: Engine,
    pub replica: Engine,
    sentinel: Engine,
}

impl Watched {
    pub fn start(kind: Kind) -> Self {
        let primary = Engine::start(kind);
        let at = primary.port.to_string();
        let replica = Engine::start_with(kind, &["--replicaof", "127.0.0.1", &at]);
        let text = format!(
            "sentinel monitor main 127.0.0.1 {at} 1\n\
             sentinel down-after-milliseconds main 1000\n\
             sentinel failover-timeout main 10000\n"
        );
        let sentinel = Engine::sentinel(kind, &text);
        // A Sentinel that was not scheduled for 2 s does nothing for 30 s.
        wait_for("the replica", Duration::from_secs(90), || {
            let is_up = replica.ask(&["INFO", "replication"]).contains("master_link_status:up");
            let known = sentinel.ask(&["SENTINEL", "REPLICAS", "main"]);
            (is_up && known.contains(&replica.port.to_string())).then_some(())
        });
        Self { primary, replica, sentinel }
    }

    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.sentinel.port)
    }

    /// Ends the primary without a word, and waits until the replica has its place.
    pub fn fail_over(&mut self) {
        self.primary.kill();
        wait_for("the failover", Duration::from_secs(90), || {
            self.replica.ask(&["ROLE"]).starts_with("master").then_some(())
        });
    }
}
