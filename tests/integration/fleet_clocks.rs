//! A fleet whose machines have clocks that are five minutes ahead and five minutes behind: what
//! counts is the engine's, and how long each machine has waited.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::acme::{DAY, orders, pebble, setup, trusted, wait_trusted, with};
use crate::fleet::member;
use crate::fleet_members::{number, status, wait_count};
use crate::fleet_orders::{adopt, begin};
use crate::fleet_tickets;
use crate::harness::{Caddy, Engine, Kind, Pebble, Setup, WrongClock, curl, h3_tls};

/// In seconds.
const APART: i64 = 300;

fn text(names: &str) -> String {
    format!("{names}\nstatus 200 /\n")
}

/// Machines that were started at once, the first one ahead, the second one behind.
struct Fleet {
    pebble: Pebble,
    machines: Vec<Caddy>,
    _engine: Engine,
    clocks: [WrongClock; 3],
}

impl Fleet {
    /// Each has names of its own behind the one that all have.
    fn start(names: [&str; 3]) -> Self {
        let engine = Engine::start(Kind::Valkey);
        let clocks = [APART, -APART, 0].map(WrongClock::new);
        let machine = |nth: usize| {
            let setup = setup(&text(names[nth])).arg("-control=control.sock");
            clocks[nth].of(member(setup, &engine.url()))
        };
        let setups: Vec<_> = (0..3).map(machine).collect();
        // The CA reaches the machine that is behind. Its own certificate is older than a moment.
        let mut pebble = pebble(&setups[1], DAY);
        pebble.certify(&WrongClock::new(-3600));
        let setups = setups.into_iter().map(|setup| with(setup, &pebble)).collect();
        let machines = adopt(begin(setups));
        Self { pebble, machines, _engine: engine, clocks }
    }

    fn check_clocks(&self, name: &str) {
        for (caddy, clock) in self.machines.iter().zip(&self.clocks) {
            let resolve = format!("{name}:{}:127.0.0.1", caddy.port());
            let url = format!("https://{name}:{}/", caddy.port());
            clock.check(&curl(&["--resolve", &resolve], &url));
        }
    }

    fn wait_trusted(&self, name: &str) {
        let root = self.pebble.root();
        self.machines.iter().for_each(|caddy| wait_trusted(caddy, &root, name));
    }
}

#[test]
fn a_name_is_ordered_once_by_machines_whose_clocks_are_apart() {
    let mut fleet =
        Fleet::start(["a.example, all.example", "b.example, all.example", "all.example"]);
    let root = fleet.pebble.root();
    fleet.wait_trusted("all.example");
    fleet.check_clocks("all.example");
    wait_trusted(&fleet.machines[0], &root, "a.example");
    wait_trusted(&fleet.machines[1], &root, "b.example");
    assert_eq!(orders(&fleet.pebble), 3);
    // To the machine that is behind they are certificates of the future.
    fleet.machines[1].kill();
    fleet.machines[1].start_again();
    for name in ["b.example", "all.example"] {
        assert!(trusted(&fleet.machines[1], &root, name), "{name}");
    }
    // While one orders, nobody takes its lease to be over.
    fleet.pebble.pause();
    for caddy in &fleet.machines {
        caddy.rewrite(&text("all.example, late.example"));
        caddy.reload();
    }
    std::thread::sleep(Duration::from_secs(8));
    fleet.pebble.go_on();
    fleet.wait_trusted("late.example");
    assert_eq!(orders(&fleet.pebble), 4);
}

#[test]
fn machines_whose_clocks_are_apart_are_shown_as_the_engine_sees_them() {
    let engine = Engine::start(Kind::Redis);
    let clocks = [APART, -APART].map(WrongClock::new);
    let machines = clocks.each_ref().map(|clock| {
        let setup = Setup::new("localhost:@PORT@\ntls off\n").arg("-control=control.sock");
        clock.of(member(setup.env("CADDYPATH", "store"), &engine.url())).start()
    });
    for (caddy, clock) in machines.iter().zip(&clocks) {
        clock.check(&curl(&[], &format!("http://localhost:{}/", caddy.port())));
        number(caddy);
        wait_count(caddy, 2);
        let status = status(caddy);
        assert_eq!(status["is_connected"], true);
        for machine in status["machines"].as_array().unwrap() {
            let [silent, lag] =
                ["silent_seconds", "lag_seconds"].map(|what| machine[what].as_f64().unwrap());
            assert!((0.0..45.0).contains(&silent) && (0.0..5.0).contains(&lag), "{machine}");
            let since = DateTime::parse_from_rfc3339(machine["since"].as_str().unwrap()).unwrap();
            let age = Utc::now().signed_duration_since(since).num_seconds();
            assert!((-1..APART - 10).contains(&age), "{age}: {machine}");
        }
    }
}

#[test]
fn sessions_resume_and_keys_change_though_clocks_are_apart() {
    let engine = Engine::start(Kind::Redis);
    let url = format!("{}?tickets=1m", engine.url());
    let clocks = [APART, -APART].map(WrongClock::new);
    let [ahead, behind] =
        clocks.each_ref().map(|clock| clock.of(fleet_tickets::machine(&url)).start());
    for (caddy, clock) in [&ahead, &behind].into_iter().zip(&clocks) {
        clock.check(&curl(&[], &caddy.url("/")));
    }
    fleet_tickets::check_while_keys_change(&ahead, &behind);
    let ports = [ahead.port(), behind.port()];
    let answers = h3_tls(json!({"port": 0, "ports": ports, "sni": "localhost", "times": 11}));
    let answers = answers.as_array().unwrap();
    assert!(answers.iter().all(|answer| answer["status"] == 200), "{answers:?}");
    let resumed = answers.iter().filter(|answer| answer["resumed"] == true).count();
    assert!(resumed >= 10, "{answers:?}");
}
