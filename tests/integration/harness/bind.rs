//! Debian's BIND with one zone.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{free_port, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// On a port of 127.0.0.1.
pub struct Bind {
    dir: tempfile::TempDir,
    pub port: u16,
    process: Child,
}

/// The secret of the key `acme-key`, in base64.
pub const SECRET: &str = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1jYWRkeSEhISE=";

impl Bind {
    /// Serves `dns.example`, which takes updates signed by `acme-key`.
    pub fn start() -> Self {
        let records = "$TTL 60\n@ SOA ns.dns.example. a.dns.example. 1 60 60 600 60\n\
                       @ NS ns.dns.example.\n@ A 127.0.0.1\n* A 127.0.0.1\nns A 127.0.0.1\n";
        Self::serve("dns.example", records, "update-policy { grant acme-key zonesub TXT; };")
    }

    /// Serves a zone of these records, with more options of its own.
    pub fn serve(zone: &str, records: &str, options: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = dir.path().display();
        let conf = format!(
            "options {{ directory \"{path}\"; listen-on port {port} {{ 127.0.0.1; }};
                listen-on-v6 {{ none; }}; pid-file none; recursion no; dnssec-validation no;
                session-keyfile \"{path}/session.key\"; }};
            controls {{ }};
            key acme-key {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};
            zone \"{zone}\" {{ type primary; file \"{path}/zone\"; {options} }};"
        );
        std::fs::write(dir.path().join("named.conf"), conf).unwrap();
        std::fs::write(dir.path().join("zone"), records).unwrap();
        let said = std::fs::File::create(dir.path().join("log")).unwrap();
        let process = Command::new("/usr/sbin/named")
            .args(["-g", "-n", "1", "-c"])
            .arg(dir.path().join("named.conf"))
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("named");
        let bind = Self { dir, port, process };
        bind.wait_said("all zones loaded");
        // Before that a HUP would end it.
        bind.wait_said("running");
        bind
    }

    /// Serves other records in place of those it has; `loaded` is what it says of them.
    pub fn change(&self, records: &str, loaded: &str) {
        std::fs::write(self.dir.path().join("zone"), records).unwrap();
        kill(Pid::from_raw(self.process.id().try_into().unwrap()), Signal::SIGHUP).unwrap();
        self.wait_said(loaded);
    }

    pub fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn wait_said(&self, text: &str) {
        wait_for("named", PATIENCE, || self.log().contains(text).then_some(()));
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- named\n{}", self.log());
        }
    }
}
