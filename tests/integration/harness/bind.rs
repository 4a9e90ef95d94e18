//! Debian's BIND with one zone.

use std::io::Write as _;
use std::net::UdpSocket;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
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

    /// Changes records, by lines of nsupdate.
    pub fn update(&self, lines: &str) {
        nsupdate(self.port, lines);
    }

    /// The same server at port 53 of a loopback address of its own, for a resolv.conf.
    pub fn resolver(&self) -> Resolver {
        let ip = format!("127.53.{}.{}", self.port / 250, self.port % 250 + 1);
        let asked = Arc::default();
        relay(&ip, self.port, Arc::clone(&asked));
        Resolver { ip, asked }
    }

    /// What `dig` prints for a question, without the head.
    pub fn dig(&self, name: &str, kind: &str) -> String {
        let port = self.port.to_string();
        let done = Command::new("dig")
            .args(["@127.0.0.1", "-p", &port, "+norec", "+short", name, kind])
            .output()
            .unwrap();
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
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

/// Runs nsupdate with `acme-key` at a port of this machine.
pub fn nsupdate(port: u16, lines: &str) {
    let mut child = Command::new("nsupdate").stdin(Stdio::piped()).spawn().expect("nsupdate");
    let key = format!("hmac-sha256:acme-key {SECRET}");
    let text = format!("server 127.0.0.1 {port}\nkey {key}\n{lines}\nsend\n");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{lines}");
}

/// A name server's address, and what it was asked.
pub struct Resolver {
    pub ip: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Resolver {
    /// Each question as `NAME/TYPE`, in lower case and with the type's number.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// Passes questions on to BIND, which listens on no address that no interface has.
fn relay(ip: &str, port: u16, asked: Arc<Mutex<Vec<String>>>) {
    let outside = Arc::new(UdpSocket::bind((ip, 53)).unwrap());
    thread::spawn(move || {
        let mut packet = [0; 4096];
        while let Ok((len, client)) = outside.recv_from(&mut packet) {
            asked.lock().unwrap().push(question(&packet[12..len]));
            let (outside, packet) = (outside.clone(), packet[..len].to_vec());
            // One that BIND answers late holds no other up.
            thread::spawn(move || {
                let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
                inside.connect(("127.0.0.1", port)).unwrap();
                inside.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let mut answer = [0; 4096];
                let _ = inside.send(&packet);
                if let Ok(len) = inside.recv(&mut answer) {
                    let _ = outside.send_to(&answer[..len], client);
                }
            });
        }
    });
}

/// The question that a message begins with, after its head.
fn question(mut rest: &[u8]) -> String {
    let mut labels = Vec::new();
    while let Some((length @ 1.., tail)) = rest.split_first() {
        let (label, tail) = tail.split_at(usize::from(*length));
        labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
        rest = tail;
    }
    format!("{}/{}", labels.join("."), u16::from_be_bytes([rest[1], rest[2]]))
}

impl Drop for Bind {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("--- named\n{}", self.log());
        }
    }
}
