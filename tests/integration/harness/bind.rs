//! Debian's BIND with one zone that takes updates signed by a key.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{free_port, wait_for};

pub struct Bind {
    dir: tempfile::TempDir,
    pub port: u16,
    process: Child,
}

/// The key's secret, in base64.
pub const SECRET: &str = "c2VjcmV0LW9mLXRoZS10ZXN0cy1vZi1jYWRkeSEhISE=";

impl Bind {
    /// Serves `dns.example` on loopback; the key is named `acme-key`.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let path = dir.path().display();
        let conf = format!(
            "options {{ directory \"{path}\"; listen-on port {port} {{ 127.0.0.1; }};
                listen-on-v6 {{ none; }}; pid-file \"{path}/named.pid\"; recursion no;
                dnssec-validation no; session-keyfile \"{path}/session.key\"; }};
            controls {{ }};
            key acme-key {{ algorithm hmac-sha256; secret \"{SECRET}\"; }};
            zone \"dns.example\" {{ type primary; file \"{path}/zone\";
                update-policy {{ grant acme-key zonesub TXT; }}; }};"
        );
        let zone = "$TTL 60\n@ SOA ns.dns.example. a.dns.example. 1 60 60 600 60\n\
                    @ NS ns.dns.example.\n@ A 127.0.0.1\n* A 127.0.0.1\nns A 127.0.0.1\n";
        std::fs::write(dir.path().join("named.conf"), conf).unwrap();
        std::fs::write(dir.path().join("zone"), zone).unwrap();
        let said = std::fs::File::create(dir.path().join("log")).unwrap();
        let process = Command::new("/usr/sbin/named")
            .args(["-g", "-n", "1", "-c"])
            .arg(dir.path().join("named.conf"))
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("named");
        let bind = Self { dir, port, process };
        wait_for("named", Duration::from_secs(15), || {
            bind.log().contains("all zones loaded").then_some(())
        });
        bind
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Bind {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- named\n{}", self.log());
        }
    }
}
