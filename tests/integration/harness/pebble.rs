//! A test CA: Debian's pebble in its own process, with a DNS server that resolves every name to
//! this machine.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::network::BESIDE;
use super::{WrongClock, curl_raw, free_port, wait_for};

/// In base64url.
pub const EAB_KEY: &str = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";

/// Runs until dropped; can be stopped and started again on the same ports.
pub struct Pebble {
    dir: tempfile::TempDir,
    host: String,
    pub port: u16,
    management: u16,
    dns: u16,
    own_dns: bool,
    env: Vec<(String, String)>,
    processes: Vec<Child>,
}

impl Pebble {
    /// A CA that validates on these ports; `lifetime` of its certificates in seconds.
    pub fn start(http: u16, tls: u16, lifetime: u64) -> Self {
        Self::start_with(http, tls, lifetime, None)
    }

    /// As [`Self::start`], with another DNS server on loopback. Accounts need a binding then:
    /// `key-1` with [`EAB_KEY`].
    pub fn start_with(http: u16, tls: u16, lifetime: u64, dns: Option<u16>) -> Self {
        let mut pebble = Self::stopped(http, tls, lifetime, dns);
        pebble.run();
        pebble
    }

    /// As [`Self::start`], at another address of this machine: [`BESIDE`].
    pub fn start_at(host: &str, http: u16, tls: u16, lifetime: u64) -> Self {
        let mut pebble = Self::stopped(http, tls, lifetime, None);
        pebble.host = host.to_owned();
        let path = pebble.dir.path().join("pebble.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let port = pebble.port;
        let text = text.replace(&format!("127.0.0.1:{port}"), &format!("{host}:{port}"));
        std::fs::write(path, text).unwrap();
        pebble.run();
        pebble
    }

    /// Starts it anew with a certificate of its own that was made by this clock.
    pub fn certify(&mut self, clock: &WrongClock) {
        self.kill();
        certify(self.dir.path(), &clock.env());
        self.run();
    }

    /// A CA that asks nobody: up to 9 s after it was told of a challenge it takes it as met.
    pub fn credulous(lifetime: u64) -> Self {
        let mut pebble = Self::stopped(free_port(), free_port(), lifetime, None);
        pebble.env.retain(|(name, _)| name != "PEBBLE_VA_NOSLEEP");
        for (name, value) in [("PEBBLE_VA_ALWAYS_VALID", "1"), ("PEBBLE_VA_SLEEPTIME", "10")] {
            pebble.env.push((name.to_owned(), value.to_owned()));
        }
        pebble.run();
        pebble
    }

    fn stopped(http: u16, tls: u16, lifetime: u64, dns: Option<u16>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        make_certificate(dir.path());
        let (port, management) = (free_port(), free_port());
        let (own_dns, dns) = (dns.is_none(), dns.unwrap_or_else(free_port));
        let path = |name: &str| dir.path().join(name).display().to_string();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": path("cert.pem"),
            "privateKey": path("key.pem"),
            "httpPort": http,
            "tlsPort": tls,
            "certificateValidityPeriod": lifetime,
            "externalAccountBindingRequired": !own_dns,
            "externalAccountMACKeys": { "key-1": EAB_KEY },
        }});
        std::fs::write(dir.path().join("pebble.json"), config.to_string()).unwrap();
        let env = [
            ("PEBBLE_VA_NOSLEEP", "1"),
            ("PEBBLE_WFE_NONCEREJECT", "25"),
            ("PEBBLE_AUTHZREUSE", "50"),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let host = "127.0.0.1".to_owned();
        Self { dir, host, port, management, dns, own_dns, env, processes: Vec::new() }
    }

    /// The URL of its directory.
    pub fn url(&self) -> String {
        format!("https://{}:{}/dir", self.host, self.port)
    }

    /// The certificate that vouches for the CA's own HTTPS.
    pub fn trust(&self) -> String {
        self.dir.path().join("ca.pem").display().to_string()
    }

    /// The root of what it issues, in a file; another after a new start.
    pub fn root(&self) -> PathBuf {
        let path =
            self.dir.path().join(format!("root-{}.pem", self.processes.last().unwrap().id()));
        let answer = curl_raw(&[&format!("https://127.0.0.1:{}/roots/0", self.management)]);
        std::fs::write(&path, answer.body).unwrap();
        path
    }

    /// Ends it without a word, and everything it knew with it.
    pub fn kill(&mut self) {
        for mut process in self.processes.drain(..) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub fn run(&mut self) {
        if self.own_dns {
            self.processes.push(run_dns(self.dns));
        }
        let said = std::fs::File::create(self.dir.path().join("pebble.log")).unwrap();
        let pebble = Command::new("pebble")
            .arg("-config")
            .arg(self.dir.path().join("pebble.json"))
            .args(["-dnsserver", &format!("127.0.0.1:{}", self.dns)])
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stderr(said.try_clone().unwrap())
            .stdout(said)
            .spawn()
            .expect("pebble");
        self.processes.push(pebble);
        let url = self.url();
        wait_for("pebble", Duration::from_secs(30), || {
            (curl_raw(&[&url]).status == 200).then_some(())
        });
    }

    /// Lets it wait, as if it were slow.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.processes.last().unwrap().id();
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("pebble.log")).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let text = self.log();
            let cut = text.len().saturating_sub(6_000);
            eprintln!("--- pebble\n{}", text.get(cut..).unwrap_or(&text));
        }
    }
}

fn run_dns(port: u16) -> Child {
    Command::new("pebble-challtestsrv")
        .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
        .args(["-dns01", &format!("127.0.0.1:{port}")])
        .args(["-management", &format!("127.0.0.1:{}", free_port())])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("pebble-challtestsrv")
}

/// A CA (`ca.pem`) and a certificate of it for this machine (`cert.pem`, `key.pem`).
pub fn make_certificate(dir: &Path) {
    certify(dir, &[]);
}

fn certify(dir: &Path, env: &[(&str, String)]) {
    let script = "cd \"$1\" && exec 2>/dev/null
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \
            -subj /CN=test-ca -keyout ca.key -out ca.pem &&
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
            -keyout key.pem -out leaf.csr &&
        printf '%s\\n' subjectAltName=DNS:localhost,IP:127.0.0.1,IP:$2 basicConstraints=CA:FALSE \
            crlDistributionPoints=URI:http://localhost/crl >ext &&
        openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -days 90 -extfile ext -out cert.pem";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(dir).arg(BESIDE).envs(env.iter().cloned());
    let made = command.status().expect("openssl");
    assert!(made.success());
}
