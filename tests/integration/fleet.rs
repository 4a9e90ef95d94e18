//! Several machines that are one service: each server has a folder of its own, and they share what
//! is in it by a real Redis or Valkey.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use caddy::limits::{FLEET_BEAT, FLEET_POLL};

use crate::acme::{DAY, PATIENCE, entry, orders, pebble, setup, trusted, wait_trusted, with};
use crate::harness::{Caddy, Engine, Kind, NOT_CONFIGURED, Pebble, Setup, delayed, wait_for};

pub const KEY: [u8; 32] = [7; 32];
pub const SITE: &str = "one.example\nstatus 200 /\n";

/// A machine of the fleet at this engine.
pub fn member(setup: Setup, url: &str) -> Setup {
    let setup = older(setup).file("fleet.key", KEY);
    let setup = setup.arg(&format!("-fleet={url}")).arg("-fleet-key=fleet.key");
    secret(&setup);
    setup
}

/// Every second machine runs the binary that `OLDER` names, if it names one.
fn older(mut setup: Setup) -> Setup {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let older = std::env::var_os("OLDER").filter(|path| !path.is_empty());
    if let Some(path) = older
        && COUNT.fetch_add(1, Ordering::Relaxed) % 2 == 1
    {
        // It is started in another folder.
        setup.program = Some(std::fs::canonicalize(path).expect("the binary of OLDER"));
    }
    setup
}

fn secret(setup: &Setup) {
    let path = setup.dir().join("fleet.key");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

pub fn wait_log(caddy: &Caddy, words: &str) {
    wait_for(words, PATIENCE, || caddy.log().contains(words).then_some(()));
}

/// The shared files of a machine, by name.
fn files(caddy: &Caddy) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    collect(&caddy.path("store/acme"), &mut found);
    found
}

fn collect(dir: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            let name = entry.file_name().into_string().unwrap();
            let plain = text.split_whitespace().collect();
            found.insert(name, plain);
        }
    }
}

pub fn wait_same(one: &Caddy, other: &Caddy) {
    wait_for("the same files", PATIENCE, || (files(one) == files(other)).then_some(()));
}

/// When the machine has noted what the CA advises, which comes last of all.
fn wait_advice(caddy: &Caddy) {
    wait_for("the advice", PATIENCE, || {
        std::fs::read_dir(caddy.path("store/advice")).ok()?.next().map(drop)
    });
}

/// Asserts that each of so many machines costs the engine a command a second at most, while the
/// test does something that should cost nothing.
pub fn check_cost(engine: &Engine, machines: u64, meanwhile: impl FnOnce()) {
    // What each does at its start only, and locks that nobody came for, which are given back.
    std::thread::sleep(FLEET_BEAT);
    let (begun, before) = (Instant::now(), engine.commands());
    meanwhile();
    // Half a question less than two signs of life, so that no machine asks once more than in them.
    let time = 2 * FLEET_BEAT - FLEET_POLL / 2;
    std::thread::sleep(time.saturating_sub(begun.elapsed()));
    let spent = engine.commands() - before;
    // From one sign of life to the next, whole ones.
    let beat = FLEET_BEAT.as_secs();
    let most = machines * beat * (begun.elapsed().as_secs() / beat + 1);
    assert!((machines..=most).contains(&spent), "{spent} commands of {machines}, at most {most}");
}

/// A CA, and a machine that has its certificate from it.
pub fn first(engine: &Engine) -> (Pebble, Caddy) {
    let setup = setup(SITE);
    let pebble = pebble(&setup, DAY);
    let caddy = with(member(setup, &engine.url()), &pebble).start();
    wait_trusted(&caddy, &pebble.root(), "one.example");
    (pebble, caddy)
}

#[test]
fn a_second_machine_has_what_the_first_has() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let engine = Engine::start(kind);
        let (pebble, one) = first(&engine);
        let two = with(member(setup(SITE), &engine.url()), &pebble).start();
        wait_trusted(&two, &pebble.root(), "one.example");
        wait_same(&one, &two);
        assert_eq!(orders(&pebble), 1);
        assert!(entry(&two, &pebble, "one.example", "key").exists());
        assert!(!entry(&two, &pebble, "one.example", "arrived").exists());
        // The engine reads neither contents nor names.
        let kept = engine.ask(&["HGETALL", "{caddy}:entries"]) + &engine.ask(&["KEYS", "*"]);
        assert!(kept.len() > 1000, "{kept}");
        for secret in ["BEGIN", "one.example", "127.0.0.1", "users"] {
            assert!(!kept.contains(secret), "{secret}");
        }
        // With the files of neither machine, but with what the engine has.
        let three = with(member(setup(SITE), &engine.url()), &pebble).start();
        wait_trusted(&three, &pebble.root(), "one.example");
        assert_eq!(orders(&pebble), 1);
    }
}

#[test]
fn any_machine_answers_the_ca() {
    for turned_off in ["-disable-tls-alpn-challenge", "-disable-http-challenge"] {
        let engine = Engine::start(Kind::Redis);
        // The balancer sends the CA to the first machine, whatever it asks for.
        let setup_one = setup(SITE);
        let pebble = pebble(&setup_one, DAY);
        let one = with(member(setup_one, &engine.url()), &pebble).arg(turned_off).start();
        wait_trusted(&one, &pebble.root(), "one.example");
        wait_log(&one, "fleet: connected to");
        let text = "two.example, one.example\nstatus 200 /\n";
        let two = with(member(setup(text), &engine.url()), &pebble).arg(turned_off).start();
        wait_trusted(&two, &pebble.root(), "two.example");
        assert_eq!(orders(&pebble), 2);
        // What is answered no longer is gone everywhere.
        // A machine that is slow has none of it on its disk.
        let left = |caddy: &Caddy| {
            std::fs::read_dir(caddy.path("store/challenges")).map_or(0, Iterator::count)
        };
        wait_for("the end", PATIENCE, || (left(&one) + left(&two) == 0).then_some(()));
    }
}

#[test]
fn an_engine_that_lost_everything_gets_it_back() {
    let mut engine = Engine::start(Kind::Redis);
    let (pebble, one) = first(&engine);
    wait_log(&one, "fleet: connected to 127.0.0.1:");
    let count = |engine: &Engine| engine.ask(&["HLEN", "{caddy}:entries"]);
    wait_advice(&one);
    let before = wait_for("the entries", PATIENCE, || {
        let entries = count(&engine);
        std::thread::sleep(Duration::from_secs(1));
        (entries != "0" && count(&engine) == entries).then_some(entries)
    });
    engine.kill();
    wait_log(&one, "; this machine goes on with what it has");
    assert!(trusted(&one, &pebble.root(), "one.example"));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(one.log().matches("goes on with what it has").count(), 1, "{}", one.log());
    engine.run();
    wait_log(&one, "answers again");
    assert!(one.log().contains("; they are written again"), "{}", one.log());
    wait_for("the entries", PATIENCE, || (count(&engine) == before).then_some(()));
    engine.ask(&["FLUSHALL"]);
    wait_for("the entries", PATIENCE, || (count(&engine) == before).then_some(()));
    let two = with(member(setup(SITE), &engine.url()), &pebble).start();
    wait_trusted(&two, &pebble.root(), "one.example");
    assert_eq!(orders(&pebble), 1);
}

#[test]
fn without_the_engine_a_machine_starts_and_gets_its_certificate() {
    let mut engine = Engine::start(Kind::Valkey);
    engine.kill();
    let setup = setup(SITE);
    let pebble = pebble(&setup, DAY);
    let begun = Instant::now();
    let one = with(member(setup, &engine.url()), &pebble).start();
    assert!(begun.elapsed() < Duration::from_secs(9), "the start waited");
    wait_trusted(&one, &pebble.root(), "one.example");
    assert_eq!(one.log().matches("goes on with what it has").count(), 1, "{}", one.log());
    engine.run();
    // What was obtained alone is shared.
    wait_log(&one, "answers again");
    let two = with(member(crate::acme::setup(SITE), &engine.url()), &pebble).start();
    wait_trusted(&two, &pebble.root(), "one.example");
    assert_eq!(orders(&pebble), 1);
}

#[test]
fn nothing_waits_for_a_slow_engine() {
    let engine = Engine::start(Kind::Redis);
    let to = ([127, 0, 0, 1], engine.port).into();
    // A second for each answer.
    let slow = delayed(to, Duration::from_millis(500));
    let setup = setup(SITE);
    let pebble = pebble(&setup, DAY);
    let caddy = with(member(setup, &format!("redis://127.0.0.1:{slow}")), &pebble).start();
    wait_trusted(&caddy, &pebble.root(), "one.example");
    wait_log(&caddy, "fleet: connected to");
    let root = pebble.root();
    let is_quick = |_: &i32| {
        let begun = Instant::now();
        assert!(trusted(&caddy, &root, "one.example"));
        begun.elapsed() < Duration::from_millis(950)
    };
    // This machine may be busy for a while; the engine is slow all the time.
    let quick: Vec<_> = (0..5).map(|_| (0..10).filter(is_quick).count()).collect();
    assert!(quick.iter().any(|quick| *quick >= 9), "of 10 handshakes each {quick:?} were quick");
    assert_eq!(orders(&pebble), 1);
}

#[test]
fn an_idle_machine_costs_the_engine_a_command_a_second_at_most() {
    let engine = Engine::start(Kind::Redis);
    let (pebble, one) = first(&engine);
    let two = with(member(setup(SITE), &engine.url()), &pebble).start();
    wait_trusted(&two, &pebble.root(), "one.example");
    wait_same(&one, &two);
    [&one, &two].into_iter().for_each(wait_advice);
    check_cost(&engine, 2, || ());
}

#[test]
fn a_revoked_certificate_is_gone_on_all_machines() {
    let engine = Engine::start(Kind::Redis);
    let (pebble, one) = first(&engine);
    let two = with(member(setup(SITE), &engine.url()), &pebble).start();
    wait_trusted(&two, &pebble.root(), "one.example");
    wait_same(&one, &two);
    let third = with(member(setup(SITE), &engine.url()), &pebble).arg("-revoke=one.example");
    // A process that has nothing of its own.
    let done = third.output();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for caddy in [&one, &two] {
        let chain = entry(caddy, &pebble, "one.example", "crt");
        wait_for("the removal", PATIENCE, || (!chain.exists()).then_some(()));
    }
}

#[test]
fn nothing_is_revoked_while_the_engine_is_away() {
    let mut engine = Engine::start(Kind::Valkey);
    let (pebble, one) = first(&engine);
    let two = with(member(setup(SITE), &engine.url()), &pebble).start();
    wait_trusted(&two, &pebble.root(), "one.example");
    wait_same(&one, &two);
    engine.kill();
    let url = engine.url();
    let revoke = || {
        let folder = two.path("store").display().to_string();
        let setup = with(member(setup(SITE), &url), &pebble).env("CADDYPATH", &folder);
        setup.arg("-revoke=one.example").output()
    };
    let done = revoke();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success() && said.contains("nothing is revoked: the engine of"), "{said}");
    assert!(entry(&two, &pebble, "one.example", "crt").exists());
    assert!(!pebble.log().contains("revoke"), "{}", pebble.log());
    engine.run();
    let done = revoke();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for caddy in [&one, &two] {
        let chain = entry(caddy, &pebble, "one.example", "crt");
        wait_for("the removal", PATIENCE, || (!chain.exists()).then_some(()));
    }
}

#[test]
fn wrong_lines_are_explained() {
    let refused = |args: &[&str], env: &[(&str, &str)], why: &str| {
        let mut setup =
            Setup::new("localhost:@PORT@\ntls off\n").file("fleet.key", KEY).file("short", "x");
        secret(&setup);
        let short = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(setup.dir().join("short"), short).unwrap();
        setup = setup.file("open", KEY).arg("-validate");
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(setup.dir().join("open"), open).unwrap();
        setup = args.iter().fold(setup, |setup, arg| setup.arg(arg));
        setup = env.iter().fold(setup, |setup, (name, value)| setup.env(name, value));
        let done = setup.output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(said.contains(why), "{args:?} {env:?}: {said}");
        assert_eq!(done.status.code(), Some(NOT_CONFIGURED), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    };
    let key = "-fleet-key=fleet.key";
    for (url, why) in [
        ("10.0.0.5", "-fleet: no URL: write redis://HOST:PORT"),
        ("http://:hunter2@10.0.0.5", "unknown scheme 'http'"),
        ("redis://10.0.0.5:99999", "what follows the colon is no port from 1 to 65535"),
        ("redis://10.0.0.5/x", "database 'x': write a number"),
        ("redis://me@10.0.0.5", "a user needs a password"),
        ("redis://:hunter2@", "no host"),
        ("redis://:hunter2/hunter2@10.0.0.5", "in user and password write / as %2F, ? as %3F"),
    ] {
        refused(&[&format!("-fleet={url}"), key], &[], why);
        let variable = why.replace("-fleet: ", "CADDY_FLEET: ");
        refused(&[key], &[("CADDY_FLEET", url)], &variable);
    }
    let url = "-fleet=redis://10.0.0.5";
    for (args, why) in [
        (vec![url], "-fleet needs a key: head -c 32 /dev/urandom >FILE"),
        (vec![key], "-fleet-key needs -fleet redis://HOST:PORT"),
        (vec!["-fleet-listen=:7440"], "-fleet-listen needs -fleet redis://HOST:PORT"),
        (vec![url, key, "-fleet-listen=7440"], "-fleet-listen '7440': write ADDRESS:PORT"),
        (vec![url, "-fleet-key=none"], "-fleet-key none: No such file"),
        (vec![url, "-fleet-key=short"], "-fleet-key short: it has 1 bytes and needs 32"),
        (vec![url, "-fleet-key=open"], "every user of this machine can read it: chmod 0640"),
    ] {
        refused(&args, &[], why);
    }
    let of_v1 = [("CADDY_CLUSTERING", "consul")];
    refused(&[], &of_v1, "CADDY_CLUSTERING=consul is not supported");
    let of_v1 = [("CADDY_CLUSTERING", "redis")];
    refused(&[], &of_v1, "CADDY_CLUSTERING=redis needs a key");
}

#[test]
fn the_variables_of_caddy_1_are_enough() {
    let engine = Engine::start_with(Kind::Redis, &["--requirepass", "right"]);
    let setup = Setup::new("localhost:@PORT@\ntls off\n")
        .env("CADDYPATH", "store")
        .env("CADDY_CLUSTERING", "redis")
        .env("CADDY_CLUSTERING_REDIS_PORT", &engine.port.to_string())
        .env("CADDY_CLUSTERING_REDIS_PASSWORD", "right")
        .env("CADDY_CLUSTERING_REDIS_VALUEPREFIX", "caddy-storage-redis")
        .env("CADDY_CLUSTERING_REDIS_AESKEY", "redistls-01234567890-caddytls-32");
    let caddy = setup.start();
    wait_log(&caddy, "fleet: connected to 127.0.0.1:");
    wait_log(&caddy, "CADDY_CLUSTERING_REDIS_VALUEPREFIX has no meaning here: unset it");
}

#[test]
fn the_example_is_right() {
    let mut setup = Setup::new(include_str!("../../examples/fleet/Caddyfile"));
    setup = setup.file("fleet.key", KEY).arg("-validate");
    secret(&setup);
    for line in include_str!("../../examples/fleet/settings").lines() {
        if let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            let value = if name == "CADDY_FLEET_KEY" { "fleet.key" } else { value };
            setup = setup.env(name, value);
        }
    }
    let done = setup.output();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
