//! An engine that has lost a part of what it had, or that is slow to give it.

use std::time::Duration;

use caddy::fleet::seal::Seal;

use crate::acme::{PATIENCE, entry, orders, pebble, setup, trusted, wait_trusted, with};
use crate::fleet::{KEY, SITE, first, member, wait_log};
use crate::fleet_faults::tell;
use crate::harness::{Caddy, Engine, Kind, Pebble, Setup, delayed, wait_for};

const CONNECTED: &str = "fleet: connected to";

/// The place of the certificate at the engine.
fn certificate(caddy: &Caddy, pebble: &Pebble) -> String {
    let place = entry(caddy, pebble, "one.example", "crt");
    let name = place.strip_prefix(caddy.path("store")).unwrap().to_str().unwrap();
    Seal::new(&KEY).unwrap().id(name).to_string()
}

#[test]
fn what_the_engine_drops_is_written_again() {
    let engine = Engine::start(Kind::Redis);
    let (pebble, one) = first(&engine);
    wait_log(&one, CONNECTED);
    let id = certificate(&one, &pebble);
    let has = |key: &str| engine.ask(&["HEXISTS", key, &id]) == "1";
    let keys = ["{caddy}:entries", "{caddy}:versions"];
    wait_for("the entry", PATIENCE, || keys.iter().all(|key| has(key)).then_some(()));
    for key in keys {
        engine.ask(&["DEL", key]);
        wait_for(key, PATIENCE, || has(key).then_some(()));
    }
    let two = with(member(setup(SITE), &engine.url()), &pebble).start();
    wait_trusted(&two, &pebble.root(), "one.example");
    assert_eq!(orders(&pebble), 1);
}

#[test]
fn a_certificate_that_replaces_what_the_engine_has_lost_is_written() {
    let engine = Engine::start(Kind::Valkey);
    let setup = setup(SITE);
    // Renewed every few seconds.
    let pebble = pebble(&setup, 12);
    let one = with(member(setup, &engine.url()), &pebble).start();
    wait_trusted(&one, &pebble.root(), "one.example");
    wait_log(&one, CONNECTED);
    let id = certificate(&one, &pebble);
    let version = || engine.ask(&["HGET", "{caddy}:versions", &id]).parse::<u64>().unwrap_or(0);
    wait_for("the entry", PATIENCE, || (version() > 1).then_some(()));
    // As after an older dump was read.
    let before = version();
    engine.ask(&["HSET", "{caddy}:versions", &id, "1"]);
    wait_for("the next certificate", PATIENCE, || (version() > before).then_some(()));
}

#[test]
fn who_fetches_much_from_a_slow_engine_orders_nothing() {
    let engine = Engine::start(Kind::Redis);
    let (pebble, one) = first(&engine);
    wait_log(&one, CONNECTED);
    let id = certificate(&one, &pebble);
    wait_for("the entry", PATIENCE, || {
        (engine.ask(&["HEXISTS", "{caddy}:entries", &id]) == "1").then_some(())
    });
    plant(&engine, 600);
    let slow = delayed(([127, 0, 0, 1], engine.port).into(), Duration::from_millis(500));
    let two = with(member(setup(SITE), &format!("redis://127.0.0.1:{slow}")), &pebble).start();
    wait_log(&two, CONNECTED);
    assert!(trusted(&two, &pebble.root(), "one.example"));
    assert_eq!(orders(&pebble), 1);
}

/// Writes this many entries, 32 of which are fetched at once.
fn plant(engine: &Engine, count: u64) {
    let seal = Seal::new(&KEY).unwrap();
    let (mut entries, mut versions) = (Vec::new(), Vec::new());
    for version in 1..=count {
        let name = format!("ocsp/planted-{version}");
        let id = seal.id(&name).to_string().into_bytes();
        let sealed = seal.close(&name, Some(b"a staple"), version).unwrap();
        entries.extend([id.clone(), [&version.to_be_bytes(), sealed.as_slice()].concat()]);
        versions.extend([id, version.to_string().into_bytes()]);
    }
    for (key, fields) in [("{caddy}:entries", entries), ("{caddy}:versions", versions)] {
        let words = [b"HSET".to_vec(), key.as_bytes().to_vec()].into_iter().chain(fields);
        let words: Vec<_> = words.collect();
        let words: Vec<_> = words.iter().map(Vec::as_slice).collect();
        assert_eq!(tell(engine, &words), format!(":{count}\r\n"));
    }
}

#[test]
fn a_machine_that_was_refused_does_not_take_an_emptied_engine() {
    let engine = Engine::start(Kind::Valkey);
    let machine = || {
        let setup = Setup::new("localhost:@PORT@\ntls off\n").env("CADDYPATH", "store");
        member(setup, &engine.url())
    };
    let mut one = machine().start();
    wait_log(&one, CONNECTED);
    let mut wrong = machine().file("fleet.key", [8; 32]).start();
    wait_log(&wrong, "-fleet-key is not the key of the machines that are there");
    one.kill();
    engine.ask(&["FLUSHALL"]);
    let count = || engine.commands();
    let next_attempt = || {
        let before = count();
        wait_for("another attempt", PATIENCE, || (count() > before + 5).then_some(()));
        assert_eq!(engine.ask(&["EXISTS", "{caddy}:fingerprint"]), "0");
    };
    next_attempt();
    // Nor does it when it starts anew.
    wrong.kill();
    wrong.start_again();
    let mark = wrong.path("store/fleet/refused");
    wait_log(&wrong, "fleet/refused and start caddy anew");
    next_attempt();
    one.start_again();
    wait_log(&one, CONNECTED);
    wait_for("the fleet", PATIENCE, || {
        (engine.ask(&["GET", "{caddy}:fingerprint"]) == Seal::new(&KEY).unwrap().fingerprint())
            .then_some(())
    });
    // With the right key it is one of them.
    wrong.kill();
    std::fs::write(wrong.path("fleet.key"), KEY).unwrap();
    wrong.start_again();
    wait_log(&wrong, CONNECTED);
    wait_for("the end of it", PATIENCE, || (!mark.exists()).then_some(()));
}
