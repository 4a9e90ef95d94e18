//! A server of the Redis protocol in its own process: Redis or Valkey, as `tests/setup.sh` has
//! unpacked them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{free_port, wait_for};

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
    process: Option<Child>,
}

impl Engine {
    pub fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[])
    }

    /// With these options of its command line.
    pub fn start_with(kind: Kind, options: &[&str]) -> Self {
        let options = options.iter().map(|&option| option.to_owned()).collect();
        let mut engine = Self { kind, port: free_port(), options, process: None };
        engine.run();
        engine
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
            .stdout(Stdio::null())
            .spawn()
            .expect("a server from tests/setup.sh");
        self.process = Some(process);
        wait_for("the engine", Duration::from_secs(10), || {
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
        let name = match self.kind {
            Kind::Redis => "redis",
            Kind::Valkey => "valkey",
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

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}
