//! An engine that has lost a part of what it had, or that is slow to give it.

use std::time::Duration;

use caddy::fleet::seal::Seal;
use nix::sys::signal::Signal;

use crate::acme::{PATIENCE, entry, orders, pebble, setup, wait_trusted, with};
use crate::fleet::{KEY, SITE, first, member, wait_log};
use crate::fleet_faults::tell;
use crate::harness::{Caddy, Engine, Kind, Pebble, Setup, delayed, wait_for};

const CONNECTED: &str = "fleet: connected to";

/// Waits until the engine has the certificate of the first machine.
fn wait_stored(engine: &Engine, one: &Caddy, pebble: &Pebble) {
    wait_log(one, CONNECTED);
    let id = certificate(one, pebble);
    wait_for("the entry", PATIENCE, || {
        (engine.ask(&["HEXISTS", "{caddy}:entries", &id]) == "1").then_some(())
    });
}

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

/// Or that is damaged: the engine has it.
#[test]
fn a_file_that_is_missing_on_one_machine_is_fetched() {
    let engine = Engine::start(Kind::Redis);
    let (pebble, mut one) = first(&engine);
    wait_stored(&engine, &one, &pebble);
    // Its records are written, too.
    one.signal(Signal::SIGTERM);
    assert_eq!(one.wait(), Some(0));
    let account = format!("store/acme/127.0.0.1:{}/users/default/default.key", pebble.port);
    let key = one.read(&account);
    let chain = entry(&one, &pebble, "one.example", "crt");
    let whole = std::fs::read(&chain).unwrap();
    std::fs::write(&chain, &whole[..100]).unwrap();
    std::fs::remove_file(one.path(&account)).unwrap();
    one.start_again();
    wait_trusted(&one, &pebble.root(), "one.example");
    wait_for("the files", PATIENCE, || {
        let is_there =
            std::fs::read(&chain).is_ok_and(|chain| chain.trim_ascii() == whole.trim_ascii());
        (is_there && one.path(&account).exists()).then_some(())
    });
    assert_eq!((orders(&pebble), one.read(&account)), (1, key));
}

/// As while a machine that starts looks after its own files.
#[test]
fn what_comes_while_its_lock_is_taken_is_read_before_an_order() {
    let engine = Engine::start(Kind::Redis);
    let (pebble, one) = first(&engine);
    wait_stored(&engine, &one, &pebble);
    let setup = with(member(setup(SITE), &engine.url()), &pebble);
    let locks = setup.dir().join("store/locks");
    std::fs::create_dir_all(&locks).unwrap();
    let lock = std::fs::File::create(locks.join("one.example.lock")).unwrap();
    lock.lock().unwrap();
    let two = setup.start();
    wait_log(&two, CONNECTED);
    drop(lock);
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
    wait_stored(&engine, &one, &pebble);
    plant(&engine, 600);
    let slow = delayed(([127, 0, 0, 1], engine.port).into(), Duration::from_millis(500));
    let two = with(member(setup(SITE), &format!("redis://127.0.0.1:{slow}")), &pebble).start();
    // 19 batches of a second, and 600 files.
    wait_for(CONNECTED, Duration::from_secs(180), || two.log().contains(CONNECTED).then_some(()));
    wait_trusted(&two, &pebble.root(), "one.example");
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

/// An OCSP response that is good until 8 January 2026.
const STAPLE: &[u8] = b"\x30\x64\x0a\x01\0\xa0\x5f\x30\x5d\x06\x01t\x04\x58\x30\x56\
    \x30\x4e\xa2\x03\x04\x01k\x18\x0f20260101000000Z\x30\x36\x30\x34\x30\x0c\x30\0\x04\x01n\
    \x04\x01k\x02\x02\x01\x02\x80\0\x18\x0f20260101000000Z\xa0\x11\x18\x0f20260108000000Z\
    \x30\0\x03\x02\0s";

#[test]
fn what_has_served_is_dropped_and_stays_so() {
    let engine = Engine::start(Kind::Redis);
    let seal = Seal::new(&KEY).unwrap();
    let mut good = STAPLE.to_vec();
    let end = good.windows(8).position(|part| part == b"20260108").unwrap();
    good[end..end + 4].copy_from_slice(b"2099");
    let sites = "acme/ca.example/sites";
    // The content, its age in days, and whether it stays.
    let planted = [
        (format!("{sites}/a.example/a.example.order"), None, 31, false),
        (format!("{sites}/a.example/a.example.retry"), None, 29, true),
        (format!("{sites}/b.example/b.example.order"), Some(&b"{}"[..]), 31, false),
        (format!("{sites}/b.example/b.example.json"), Some(b"{}"), 900, true),
        (format!("{sites}/c.example/c.example.crt"), None, 399, true),
        (format!("{sites}/d.example/d.example.crt"), None, 401, false),
        ("challenges/http-a.example".to_owned(), Some(b"{}"), 31, false),
        ("ocsp/a.example-1".to_owned(), Some(STAPLE), 1, false),
        ("ocsp/a.example-2".to_owned(), Some(b"not one"), 900, true),
        ("ocsp/a.example-3".to_owned(), Some(&good), 900, true),
    ];
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() * 1_000_000;
    for (name, content, days, _) in &planted {
        let version = now - days * 86_400_000_000;
        let sealed = seal.close(name, *content, version).unwrap();
        let entry = [&version.to_be_bytes(), sealed.as_slice()].concat();
        let (id, number) = (seal.id(name).to_string(), version.to_string());
        tell(&engine, &[b"HSET", b"{caddy}:entries", id.as_bytes(), &entry]);
        tell(&engine, &[b"HSET", b"{caddy}:versions", id.as_bytes(), number.as_bytes()]);
    }
    engine.ask(&["SET", "{caddy}:revision", "planted"]);
    let is_right = || {
        planted.iter().all(|(name, _, _, stays)| {
            let has = |key| engine.ask(&["HEXISTS", key, &seal.id(name).to_string()]) == "1";
            has("{caddy}:entries") == *stays && has("{caddy}:versions") == *stays
        })
    };
    let machine = || {
        let setup = Setup::new("localhost:@PORT@\ntls off\n").env("CADDYPATH", "store");
        member(setup, &engine.url()).start()
    };
    // This one knows them all, and is lost before it drops any.
    let mut one = machine();
    wait_log(&one, CONNECTED);
    one.kill();
    assert!(one.path("store/challenges/http-a.example").exists());
    let two = machine();
    wait_for("the end of what has served", PATIENCE, || is_right().then_some(()));
    one.start_again();
    let files = |caddy: &Caddy| {
        planted.iter().all(|(name, content, _, stays)| {
            caddy.path(&format!("store/{name}")).exists() == (*stays && content.is_some())
        })
    };
    for caddy in [&one, &two] {
        wait_for("its files", PATIENCE, || files(caddy).then_some(()));
    }
    assert!(is_right(), "written again");
    // Nor is it when all is lost.
    engine.ask(&["FLUSHALL"]);
    wait_for("the rest", PATIENCE, || is_right().then_some(()));
    std::thread::sleep(Duration::from_secs(6));
    assert!(is_right(), "written again");
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
