//! Socket activation: the ports belong to the supervisor, so a restart refuses nobody.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::harness::{BINARY, Setup, curl, h3, h3_one, python_script, wait_for};
use crate::unread::settled;

/// A supervisor that holds the ports and keeps the server running.
struct Supervisor {
    setup: Setup,
    child: Child,
}

impl Supervisor {
    /// `passed` are the sockets, with the markers of `Setup`.
    fn start(text: &str, passed: &[&str]) -> Self {
        let supervisor = Self::begin(Setup::new(text), passed);
        supervisor.wait_ready(1);
        supervisor
    }

    /// Without waiting for the server.
    fn begin(setup: Setup, passed: &[&str]) -> Self {
        drop(setup.command());
        let file = |name| std::fs::File::create(setup.dir().join(name)).unwrap();
        let mut command = python_script("activate.py");
        command.args(passed.iter().map(|spec| setup.fill(spec)));
        command.args(["--", BINARY, "-conf", "Caddyfile", "-log", "process.log", "-cpu", "2"]);
        command.current_dir(setup.dir()).stdin(Stdio::null());
        let child = command.stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        Self { setup, child }
    }

    /// Waits for the `starts`th start to be complete.
    fn wait_ready(&self, starts: usize) {
        let complete = || self.read("stdout").matches("done.").count() >= starts;
        wait_for("the server to serve", Duration::from_secs(20), || complete().then_some(()));
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.setup.dir().join(name)).unwrap_or_default()
    }

    fn pid(&self) -> i32 {
        self.read("pid").trim().parse().unwrap()
    }

    fn url(&self, scheme: &str, port: usize) -> String {
        format!("{scheme}://localhost:{}/", self.setup.ports[port])
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("{}\n{}", self.read("stderr"), self.read("process.log"));
        }
    }
}

const SITES: &str = "https://localhost:@PORT@ {\n tls self_signed\n status 203 /\n}\n\
                     http://localhost:@PORT2@ {\n bind 127.0.0.1\n status 202 /\n}\n\
                     http://:@PORT3@ {\n status 201 /\n}\n";

#[test]
fn all_protocols_on_passed_sockets_beside_bound_ones() {
    let passed = ["tcp:[::]:@PORT@", "udp:[::]:@PORT@", "tcp:127.0.0.1:@PORT2@"];
    let supervisor = Supervisor::start(SITES, &passed);
    let port = supervisor.setup.ports[0];
    for _ in 0..8 {
        assert_eq!(curl(&["--http1.1"], &supervisor.url("https", 0)).status, 203);
        assert_eq!(curl(&["--http2"], &supervisor.url("https", 0)).status, 203);
        assert_eq!(h3_one(port, json!({"path": "/"})).status, 203);
        assert_eq!(curl(&["-4"], &supervisor.url("http", 1)).status, 202);
        assert_eq!(curl(&[], &supervisor.url("http", 2)).status, 201);
    }
    let words = "is served by 1 of 2 workers";
    wait_for(words, Duration::from_secs(20), || {
        supervisor.read("process.log").contains(words).then_some(())
    });
    let log = supervisor.read("process.log");
    assert!(!log.contains("no site listens"), "{log}");
}

#[test]
fn a_udp_socket_for_each_worker() {
    let passed = ["tcp:[::]:@PORT@", "udp:[::]:@PORT@", "udp:[::]:@PORT@"];
    let supervisor = Supervisor::start(SITES, &passed);
    let port = supervisor.setup.ports[0];
    for _ in 0..10 {
        assert_eq!(h3_one(port, json!({"path": "/"})).status, 203);
    }
    let log = supervisor.read("process.log");
    assert!(!log.contains("of 2 workers"), "{log}");
}

#[test]
fn a_passed_socket_without_a_site_is_told_and_a_reload_takes_it() {
    let sites = SITES.split_inclusive("}\n").next().unwrap();
    let supervisor = Supervisor::start(sites, &["tcp:[::]:@PORT3@"]);
    let told = format!("tcp [::]:{} was passed by the supervisor", supervisor.setup.ports[2]);
    wait_for(&told, Duration::from_secs(30), || {
        supervisor.read("process.log").contains(&told).then_some(())
    });
    std::fs::write(supervisor.setup.dir().join("Caddyfile"), supervisor.setup.fill(SITES)).unwrap();
    kill(Pid::from_raw(supervisor.pid()), Signal::SIGHUP).unwrap();
    let answer = curl(&[], &supervisor.url("http", 2));
    assert_eq!(answer.status, 201, "{}", answer.error);
}

#[test]
fn five_restarts_refuse_nobody() {
    let passed = ["tcp:[::]:@PORT@", "udp:[::]:@PORT@"];
    let supervisor = Supervisor::start(SITES, &passed);
    let done = Arc::new(AtomicBool::new(false));
    let (port, dir) = (supervisor.setup.ports[0], supervisor.setup.dir());
    let (until, counts) = (dir.join("stop"), dir.join("counts"));
    let job = json!({
        "path": "/", "seconds": 300, "until_file": until, "reconnects": true, "wants": 203, "counts": counts,
    });
    let quic = std::thread::spawn(move || h3(port, json!({"loop": job})));
    let made: Arc<[AtomicUsize; 2]> = Arc::default();
    let clients: Vec<_> = ["--http1.1", "--http2"]
        .into_iter()
        .enumerate()
        .map(|(at, version)| {
            let (url, done, made) = (supervisor.url("https", 0), done.clone(), made.clone());
            std::thread::spawn(move || {
                let mut failed = vec![];
                while !done.load(Ordering::Relaxed) {
                    let answer = curl(&[version], &url);
                    made[at].fetch_add(1, Ordering::Relaxed);
                    if answer.status != 203 {
                        failed.push(answer.error);
                    }
                }
                failed
            })
        })
        .collect();
    for starts in 2..=6 {
        // So that each restart meets a connection.
        wait_for("an answer over HTTP/3", Duration::from_secs(20), || {
            let connections: usize = supervisor.read("counts").parse().ok()?;
            (connections >= starts - 1).then_some(())
        });
        let before = supervisor.pid();
        kill(Pid::from_raw(before), Signal::SIGTERM).unwrap();
        supervisor.wait_ready(starts);
        assert_ne!(supervisor.pid(), before);
    }
    wait_for("more than ten requests of each", Duration::from_secs(60), || {
        made.iter().all(|one| one.load(Ordering::Relaxed) > 10).then_some(())
    });
    done.store(true, Ordering::Relaxed);
    std::fs::write(supervisor.setup.dir().join("stop"), "").unwrap();
    let quic = quic.join().unwrap();
    assert_eq!((&quic["failed"], &quic["lost"]), (&json!(0), &Value::Null), "{quic}");
    assert!(quic["connections"].as_u64() > Some(1), "{quic}");
    for client in clients {
        assert_eq!(client.join().unwrap(), [""; 0]);
    }
    assert_eq!(h3_one(supervisor.setup.ports[0], json!({"path": "/"})).status, 203);
}

#[test]
fn what_is_no_listening_socket_stops_the_start() {
    let setup = Setup::new(SITES);
    let mut command = setup.command();
    // A descriptor that is not open.
    command.env("LISTEN_FDS", "1").env("LISTEN_FDS_FIRST_FD", "900");
    let done = command.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{said}");
    assert!(said.contains("socket activation: fd 900 is not a socket"), "{said}");
}

/// Its connection is older than what the server sets at the listening socket.
#[test]
fn for_a_client_that_came_before_the_start_little_is_held() {
    let site = "http://localhost:@PORT@ {\n bind 127.0.0.1\n root www\n}\n";
    let setup = Setup::new(site).file("www/big", vec![b'x'; 64 << 20]);
    let port = setup.ports[0];
    let supervisor = Supervisor::begin(setup, &["after:go", "tcp:127.0.0.1:@PORT@"]);
    let connect = || TcpStream::connect(("127.0.0.1", port)).ok();
    let mut client = wait_for("the socket", Duration::from_secs(30), connect);
    client.write_all(b"GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    std::fs::write(supervisor.setup.dir().join("go"), "").unwrap();
    supervisor.wait_ready(1);
    let held = settled(port, client.local_addr().unwrap().port());
    assert!(held <= 256 * 1024, "the kernel holds {held} bytes");
}
