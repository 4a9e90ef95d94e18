//! Three machines of a fleet behind HAProxy (TCP) and a balancer of datagrams: one after the other
//! is upgraded under load, and one is lost.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::fleet::{member, wait_log};
use crate::fleet_packets::{Client, quic, run};
use crate::harness::{
    Caddy, Datagrams, Door, Engine, HaProxy, Kind, Origin, Setup, curl, free_port, h3, wait_for,
};
use crate::upgrade::{Tally, asked, h2, keep_alive};

/// Each says who it is.
const TEXT: &str = "https://one.example, https://localhost:@PORT@ {\n tls self_signed\n \
                    proxy / @ORIGIN@\n header / X-Machine @WHO@\n}\n\
                    http://:@PORT2@ {\n proxy / @ORIGIN@\n}\n";

/// HAProxy before the machines.
struct Balancer {
    _haproxy: HaProxy,
    tls: u16,
    plain: u16,
}

impl Balancer {
    fn start(machines: &[Caddy]) -> Self {
        let (tls, plain) = (free_port(), free_port());
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let door = |port, to: fn(&Caddy) -> u16| Door {
            port,
            machines: machines.iter().map(|caddy| at(to(caddy))).collect(),
        };
        let haproxy = HaProxy::start(&[door(tls, Caddy::port), door(plain, Caddy::port2)]);
        Self { _haproxy: haproxy, tls, plain }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.tls)
    }
}

/// And one for QUIC.
fn datagrams(machines: &[Caddy]) -> Datagrams {
    Datagrams::start("127.0.0.1:0", machines.iter().map(quic).collect())
}

fn machines(engine: &Engine, origin: &Origin) -> Vec<Caddy> {
    let machine = |nth: usize| {
        let setup = Setup::new(TEXT).set("ORIGIN", origin.addr).set("WHO", nth).arg("-cpu=2");
        let setup = setup.arg("-https-port=@PORT@").env("CADDYPATH", "store");
        let caddy = member(setup, &engine.url()).start();
        wait_log(&caddy, "fleet: connected to");
        caddy
    };
    (0..3).map(machine).collect()
}

/// The machine that answers a request.
fn answering(url: &str) -> String {
    let answer = curl(&["--http1.1"], url);
    assert_eq!(answer.status, 200, "{}", answer.error);
    answer.header("x-machine").to_owned()
}

#[test]
fn a_rolling_upgrade_under_load_fails_no_request() {
    let (engine, origin) = (Engine::start(Kind::Redis), Origin::start());
    let mut machines = machines(&engine, &origin);
    let balancer = Balancer::start(&machines);
    let datagrams = datagrams(&machines);
    let udp = datagrams.at.port();
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
        let clients = paths.each_ref().map(|path| {
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
        for client in clients {
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

/// Waits until so many more have succeeded.
fn more(tally: &Tally, count: usize) {
    let enough = tally.ok.load(Ordering::Relaxed) + count;
    wait_for("more requests", Duration::from_secs(60), || {
        (tally.ok.load(Ordering::Relaxed) >= enough).then_some(())
    });
}

#[test]
fn a_machine_that_is_killed_takes_only_what_it_was_doing() {
    let (engine, origin) = (Engine::start(Kind::Valkey), Origin::start());
    let mut machines = machines(&engine, &origin);
    let balancer = Balancer::start(&machines);
    let stop = AtomicBool::new(false);
    let stop_file = machines[1].path("stop").display().to_string();
    let (fresh, http2, url) = (Tally::default(), Tally::default(), balancer.url("/echo"));
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
        scope.spawn(|| h2(&url, &stop, &http2));
        let job = json!({"path": "/echo", "until_file": stop_file, "reconnects": true});
        let client = scope.spawn(move || h3(port, json!({"loop": job})));
        asked(&origin, "/echo", 5);
        more(&http2, 1);
        machines[0].kill();
        let whole = downloads.into_iter().map(|one| one.join().unwrap() == 200);
        assert_eq!(whole.filter(|whole| *whole).count(), 4, "two of six were on the machine");
        more(&fresh, 10);
        more(&http2, 10);
        stop.store(true, Ordering::Relaxed);
        std::fs::write(&stop_file, "").unwrap();
        let said = client.join().unwrap();
        assert_eq!((&said["failed"], &said["lost"]), (&json!(0), &Value::Null), "{said}");
    });
    // The one that was in flight when it was killed.
    for (who, tally) in [("HTTP/1.1", fresh), ("HTTP/2", http2)] {
        let (ok, failed) = (tally.ok.into_inner(), tally.failed.into_inner());
        assert!(failed <= 1 && ok >= 10, "{who}: {ok} requests succeeded, {failed} failed");
    }
    // It comes back, and is given requests again.
    assert!((0..6).all(|_| answering(&url) != "0"));
    machines[0].start_again();
    wait_for("its requests", Duration::from_secs(60), || (answering(&url) == "0").then_some(()));
    let each: BTreeSet<_> = (0..6).map(|_| answering(&url)).collect();
    assert_eq!(each.len(), 3, "{each:?}");
}

/// Ends the loops of a test whose story is over, or has failed.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One request over QUIC, on a connection of its own.
fn fetch(at: SocketAddr, path: &str) -> Result<Vec<u8>, String> {
    run(async { Client::try_connect(at).await?.get(path).await })
}

#[test]
fn over_quic_a_machine_that_is_killed_takes_only_what_it_was_doing() {
    let (engine, origin) = (Engine::start(Kind::Redis), Origin::start());
    let mut machines = machines(&engine, &origin);
    let balancer = datagrams(&machines);
    let at = balancer.at;
    let (stop, fresh) = (AtomicBool::new(false), Tally::default());
    thread::scope(|scope| {
        let _ends = Ends(&stop);
        // Two to each machine: the next one comes when this one is there.
        let downloads: Vec<_> = (1..=6)
            .map(|nth| {
                let download = scope.spawn(move || fetch(at, "/drip/300"));
                asked(&origin, "/drip/300", nth);
                download
            })
            .collect();
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                fresh.add(fetch(at, "/echo").is_ok());
            }
        });
        more(&fresh, 3);
        machines[0].kill();
        balancer.lose(quic(&machines[0]));
        more(&fresh, 10);
        let (whole, cut): (Vec<_>, Vec<_>) =
            downloads.into_iter().map(|one| one.join().unwrap()).partition(Result::is_ok);
        assert!(whole.iter().flatten().all(|content| content.len() == 300), "{whole:?}");
        assert_eq!((whole.len(), cut.len()), (4, 2), "two of six were on the machine: {cut:?}");
        more(&fresh, 10);
    });
    // The one that was in flight when it was killed.
    let failed = fresh.failed.load(Ordering::Relaxed);
    assert!(failed <= 1, "{failed} new connections failed");
}
