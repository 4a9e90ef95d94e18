//! Three machines of a fleet behind HAProxy (TCP) and a balancer of datagrams: one after the other
//! is upgraded under load, and one is lost.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{member, wait_log};
use crate::harness::{Caddy, Engine, Kind, Origin, Setup, curl, free_port, h3, wait_for};
use crate::upgrade::{Tally, asked, h2, keep_alive};

const TEXT: &str = "https://one.example, https://localhost:@PORT@ {\n tls self_signed\n proxy / @ORIGIN@\n}\n\
                    http://:@PORT2@ {\n proxy / @ORIGIN@\n}\n";

/// HAProxy, which passes connections on and knows nothing of what is in them.
struct Balancer {
    process: Child,
    _dir: tempfile::TempDir,
    tls: u16,
    plain: u16,
}

impl Balancer {
    fn start(machines: &[Caddy]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (tls, plain) = (free_port(), free_port());
        let mut text = "defaults\n mode tcp\n timeout connect 2s\n timeout client 60s\n \
                        timeout server 60s\n retries 3\n option redispatch 1\n"
            .to_owned();
        for (name, port) in [("tls", tls), ("plain", plain)] {
            text += &format!("listen {name}\n bind 127.0.0.1:{port}\n balance roundrobin\n");
            for (nth, caddy) in machines.iter().enumerate() {
                let to = if name == "tls" { caddy.port() } else { caddy.port2() };
                text += &format!(" server m{nth} 127.0.0.1:{to} check inter 200ms fall 2\n");
            }
        }
        let file = dir.path().join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let mut haproxy = Command::new("haproxy");
        let process = haproxy.arg("-db").arg("-f").arg(&file).stdout(Stdio::null());
        let process = process.stderr(Stdio::null()).spawn().expect("haproxy");
        let balancer = Self { process, _dir: dir, tls, plain };
        wait_for("HAProxy", Duration::from_secs(30), || {
            std::net::TcpStream::connect(("127.0.0.1", plain)).ok()
        });
        balancer
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.tls)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Passes the datagrams of each client address to one machine, and back.
fn datagrams(machines: Vec<u16>) -> u16 {
    let front = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
    let port = front.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut roads: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut datagram = vec![0; 65_536];
        while let Ok((size, client)) = front.recv_from(&mut datagram) {
            let next = machines[roads.len() % machines.len()];
            let road = roads.entry(client).or_insert_with(|| back(&front, client, next));
            // A machine that is gone is not told of.
            let _ = road.send(&datagram[..size]);
        }
    });
    port
}

/// A socket for one client, whose answers go back to it.
fn back(front: &Arc<UdpSocket>, client: SocketAddr, machine: u16) -> Arc<UdpSocket> {
    let road = Arc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
    road.connect(("127.0.0.1", machine)).unwrap();
    let (front, answers) = (front.clone(), road.clone());
    thread::spawn(move || {
        let mut datagram = vec![0; 65_536];
        loop {
            if let Ok(size) = answers.recv(&mut datagram)
                && front.send_to(&datagram[..size], client).is_err()
            {
                return;
            }
        }
    });
    road
}

fn machines(engine: &Engine, origin: &Origin) -> Vec<Caddy> {
    let machine = |_| {
        let setup = Setup::new(TEXT).set("ORIGIN", origin.addr).arg("-cpu=2");
        let setup = setup.arg("-https-port=@PORT@").env("CADDYPATH", "store");
        let caddy = member(setup, &engine.url()).start();
        wait_log(&caddy, "fleet: connected to");
        caddy
    };
    (0..3).map(machine).collect()
}

#[test]
fn a_rolling_upgrade_under_load_fails_no_request() {
    let (engine, origin) = (Engine::start(Kind::Redis), Origin::start());
    let mut machines = machines(&engine, &origin);
    let balancer = Balancer::start(&machines);
    let udp = datagrams(machines.iter().map(Caddy::port).collect());
    let stop = AtomicBool::new(false);
    let stop_file = machines[0].path("stop").display().to_string();
    let (kept, fresh, http2) = (Tally::default(), Tally::default(), Tally::default());
    let url = balancer.url("/echo");
    thread::scope(|scope| {
        // One of each machine at least.
        for _ in 0..3 {
            scope.spawn(|| keep_alive(balancer.plain, &stop, &kept));
        }
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fresh.add(curl(&["--http1.1"], &url).status == 200);
            }
        });
        scope.spawn(|| h2(&url, &stop, &http2));
        let paths = [0, 1, 2].map(|number| format!("/echo?{number}"));
        let quic = paths.each_ref().map(|path| {
            let job = json!({
                "path": path, "seconds": 300, "until_file": stop_file, "reconnects": true,
            });
            scope.spawn(move || h3(udp, json!({"loop": job})))
        });
        asked(&origin, "/echo", 100);
        for caddy in &mut machines {
            caddy.upgrade();
            thread::sleep(Duration::from_secs(1));
        }
        for tally in [&kept, &fresh, &http2] {
            let enough = || (tally.ok.load(Ordering::Relaxed) > 10).then_some(());
            wait_for("more requests", Duration::from_secs(60), enough);
        }
        paths.iter().for_each(|path| asked(&origin, path, 20));
        stop.store(true, Ordering::Relaxed);
        std::fs::write(&stop_file, "").unwrap();
        for client in quic {
            let said = client.join().unwrap();
            assert_eq!((&said["failed"], &said["lost"]), (&json!(0), &Value::Null), "{said}");
            // The process before goes on with the connections that it has.
            assert!(said["ok"].as_u64() > Some(10), "{said}");
        }
    });
    kept.check("HTTP/1.1, kept connections");
    fresh.check("HTTP/1.1, new connections");
    http2.check("HTTP/2");
}

#[test]
fn a_machine_that_is_killed_takes_only_what_it_was_doing() {
    let (engine, origin) = (Engine::start(Kind::Valkey), Origin::start());
    let mut machines = machines(&engine, &origin);
    let balancer = Balancer::start(&machines);
    let stop = AtomicBool::new(false);
    let stop_file = machines[1].path("stop").display().to_string();
    let (fresh, url) = (Tally::default(), balancer.url("/echo"));
    let (drip, port) = (balancer.url("/drip/200"), machines[1].port());
    thread::scope(|scope| {
        // HAProxy gives them to one machine after the other: two to each.
        let downloads: Vec<_> = (0..6)
            .map(|_| {
                let download = scope.spawn(|| curl(&["--http1.1"], &drip).len);
                thread::sleep(Duration::from_millis(100));
                download
            })
            .collect();
        asked(&origin, "/drip/200", 6);
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fresh.add(curl(&["--http1.1"], &url).status == 200);
            }
        });
        let job = json!({"path": "/echo", "until_file": stop_file, "reconnects": true});
        let quic = scope.spawn(move || h3(port, json!({"loop": job})));
        asked(&origin, "/echo", 5);
        machines[0].kill();
        let whole = downloads.into_iter().map(|one| one.join().unwrap() == 200);
        assert_eq!(whole.filter(|whole| *whole).count(), 4, "two of six were on the machine");
        let enough = || (fresh.ok.load(Ordering::Relaxed) > 20).then_some(());
        wait_for("more requests", Duration::from_secs(60), enough);
        stop.store(true, Ordering::Relaxed);
        std::fs::write(&stop_file, "").unwrap();
        let said = quic.join().unwrap();
        assert_eq!((&said["failed"], &said["lost"]), (&json!(0), &Value::Null), "{said}");
    });
    // The one that was in flight when it was killed.
    let (ok, failed) = (fresh.ok.load(Ordering::Relaxed), fresh.failed.load(Ordering::Relaxed));
    assert!(failed <= 1 && ok > 20, "{ok} requests succeeded, {failed} failed");
    // It comes back, and is given requests again.
    machines[0].start_again();
    wait_log(&machines[0], "fleet: connected to");
    let log = || origin.requests().len();
    let before = log();
    (0..6).for_each(|_| assert_eq!(curl(&[], &url).status, 200));
    assert_eq!(log() - before, 6);
}
