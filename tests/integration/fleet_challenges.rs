//! Challenges that the CA asks another machine about than the one that orders, where the engine
//! takes a second for each answer.

use std::time::Duration;

use crate::acme::{DAY, orders, pebble, setup, trusted, wait_trusted, with};
use crate::fleet::{SITE, member, wait_log};
use crate::harness::{Engine, Kind, delayed, wait_for};

/// Of an order, each of whose steps takes a second and more.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_slow_engine_fails_no_challenge() {
    for turned_off in ["-disable-tls-alpn-challenge", "-disable-http-challenge"] {
        let engine = Engine::start(Kind::Valkey);
        let slow = delayed(([127, 0, 0, 1], engine.port).into(), Duration::from_millis(500));
        let url = format!("redis://127.0.0.1:{slow}");
        // The CA reaches this machine.
        let of_one = setup(SITE).arg(turned_off);
        let pebble = pebble(&of_one, DAY);
        let one = with(member(of_one, &url), &pebble).start();
        wait_trusted(&one, &pebble.root(), "one.example");
        wait_log(&one, "fleet: connected to");
        let both = "one.example, two.example\nstatus 200 /\n";
        let two = with(member(setup(both), &url), &pebble).arg(turned_off).start();
        wait_for("its order", PATIENCE, || (orders(&pebble) > 1).then_some(()));
        // Meanwhile this one is busy: it asks for the lease again and again.
        one.rewrite(both);
        one.reload();
        for caddy in [&two, &one] {
            wait_for("the certificate", PATIENCE, || {
                trusted(caddy, &pebble.root(), "two.example").then_some(())
            });
        }
        assert!(!pebble.log().contains("set INVALID"), "{turned_off}: {}", pebble.log());
        assert_eq!(orders(&pebble), 2);
    }
}
