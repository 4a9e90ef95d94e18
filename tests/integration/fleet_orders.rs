//! Orders of a fleet in which something goes wrong: many machines that start at once, an engine
//! that fails over in the middle or whose clock is wrong by years, and a machine that starts anew
//! while another orders. `make test-fleet` has more machines and more runs.

use std::process::Child;
use std::time::Duration;

use caddy::fleet::seal::Seal;

use crate::acme::{DAY, PATIENCE, orders, pebble, setup, wait_trusted, with};
use crate::fleet::{KEY, SITE, member, wait_log};
use crate::harness::{Ca, Caddy, Engine, Kind, Pebble, Setup, Watched, YEAR, wait_for};

/// A variable of `make test-fleet`.
pub fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Starts this many machines at once, without waiting for them.
fn launch(count: usize, url: &str, pebble: &Pebble) -> Vec<(Setup, Child)> {
    let machine = |_| with(member(setup("many.example\nstatus 200 /\n"), url), pebble);
    begin((0..count).map(machine).collect())
}

/// Starts servers at once, without waiting for them.
pub fn begin(setups: Vec<Setup>) -> Vec<(Setup, Child)> {
    let launched = setups.into_iter().map(|setup| {
        let said = std::fs::File::create(setup.dir().join("stdout")).unwrap();
        let child = setup.command().args(["-log", "process.log"]).stdout(said).spawn().unwrap();
        (setup, child)
    });
    launched.collect()
}

/// The CA and the machine that it reaches, which has a certificate of its own.
fn first(url: &str) -> (Pebble, Caddy) {
    let of_first = setup("first.example\nstatus 200 /\n");
    let pebble = pebble(&of_first, DAY);
    let first = with(member(of_first, url), &pebble).start();
    wait_trusted(&first, &pebble.root(), "first.example");
    wait_log(&first, "fleet: connected to");
    (pebble, first)
}

/// Waits until they serve.
pub fn adopt(launched: Vec<(Setup, Child)>) -> Vec<Caddy> {
    launched.into_iter().map(|(setup, child)| setup.adopt(child)).collect()
}

/// Waits until all machines have the certificate; how often it was ordered.
fn settle(launched: Vec<(Setup, Child)>, pebble: &Pebble) -> usize {
    let machines = adopt(launched);
    machines.iter().for_each(|one| wait_trusted(one, &pebble.root(), "many.example"));
    orders(pebble) - 1
}

#[test]
fn machines_that_start_at_once_order_once() {
    let machines = number("MACHINES", 8);
    for run in 0..number("RUNS", 1) {
        let engine = Engine::start(if run % 2 == 0 { Kind::Valkey } else { Kind::Redis });
        let (pebble, _first) = first(&engine.url());
        let ordered = settle(launch(machines, &engine.url(), &pebble), &pebble);
        assert_eq!(ordered, 1, "run {run}");
    }
}

/// Names that DNS does not lead here yet, for instance: a CA counts its refusals over all machines.
#[test]
fn a_name_that_the_ca_refuses_is_asked_for_by_one_machine() {
    let engine = Engine::start(Kind::Redis);
    let ca = Ca::start();
    // So that all wait for the first one.
    ca.delay(Duration::from_secs(2));
    let body = r#"{"type": "urn:ietf:params:acme:error:rejectedIdentifier", "detail": "never"}"#;
    (0..20).for_each(|_| ca.refuse(403, "0", body));
    let machine = || {
        // One challenge, one order.
        let setup = setup("a.example\nstatus 200 /\n").arg("-disable-tls-alpn-challenge");
        member(setup.arg(&format!("-ca={}", ca.url())), &engine.url()).start()
    };
    let machines: Vec<_> = (0..8).map(|_| machine()).collect();
    let knows = |caddy: &Caddy| {
        let log = caddy.log();
        log.contains("a.example: no new certificate: ") || log.contains("earlier attempts failed")
    };
    for caddy in &machines {
        wait_for("the refusal", PATIENCE, || knows(caddy).then_some(()));
    }
    assert_eq!(ca.orders().len(), 1);
    let said: String = machines.iter().map(Caddy::log).collect();
    assert!(said.contains("another machine has tried meanwhile: "), "{said}");
}

/// In turns before the order, in it, and behind the challenge.
#[test]
fn an_engine_that_fails_over_in_mid_order_costs_one_more_order_at_most() {
    let machines = number("MACHINES", 5);
    for run in 0..number("RUNS", 2) {
        let mut engine = Watched::start(if run % 2 == 0 { Kind::Redis } else { Kind::Valkey });
        let (pebble, _first) = first(&engine.url());
        let launched = launch(machines, &engine.url(), &pebble);
        match run % 4 {
            1 => std::thread::sleep(Duration::from_millis(100 * (run as u64 % 9))),
            3 => wait_for("the challenge", PATIENCE, || {
                pebble.log().contains("Pulled a task").then_some(())
            }),
            _ => wait_for("the order", PATIENCE, || (orders(&pebble) > 1).then_some(())),
        }
        engine.fail_over();
        let ordered = settle(launched, &pebble);
        assert!((1..=2).contains(&ordered), "{ordered} orders in run {run}");
    }
}

#[test]
fn a_machine_that_starts_anew_answers_the_challenges_of_others() {
    for turned_off in ["-disable-tls-alpn-challenge", "-disable-http-challenge"] {
        let engine = Engine::start(Kind::Redis);
        // The CA reaches this machine.
        let of_one = setup(SITE).arg(turned_off);
        let pebble = pebble(&of_one, DAY);
        let mut one = with(member(of_one, &engine.url()), &pebble).start();
        wait_trusted(&one, &pebble.root(), "one.example");
        wait_log(&one, "fleet: connected to");
        let of_two = setup("two.example, one.example\nstatus 200 /\n").arg(turned_off);
        let two = with(member(of_two, &engine.url()), &pebble).start();
        let folder = one.path("store/challenges");
        wait_for("the answer", PATIENCE, || {
            let names = std::fs::read_dir(&folder).ok()?.flatten();
            let mut names = names.map(|entry| entry.file_name().into_string().unwrap());
            names.any(|name| name.ends_with("-two.example")).then_some(())
        });
        // The CA has not been told to ask.
        pebble.pause();
        one.kill();
        one.start_again();
        pebble.go_on();
        wait_trusted(&two, &pebble.root(), "two.example");
        assert_eq!(orders(&pebble), 2);
    }
}

/// The time of the CA's advice that this machine follows.
fn advised(caddy: &Caddy) -> String {
    let words = "a.example: the CA advises renewal at ";
    wait_log(caddy, words);
    let log = caddy.log();
    log.split(words).nth(1).unwrap().lines().next().unwrap().to_owned()
}

#[test]
fn one_machine_asks_the_ca_when_to_renew() {
    let engine = Engine::start(Kind::Valkey);
    let ca = Ca::start();
    ca.advise(3600 * 24 * 30);
    let machine = || {
        let setup = setup("a.example\nstatus 200 /\n").arg(&format!("-ca={}", ca.url()));
        member(setup, &engine.url()).start()
    };
    let one = machine();
    let at = advised(&one);
    let pages = || std::fs::read_dir(one.path("store/advice")).map_or(0, Iterator::count);
    wait_for("the advice", PATIENCE, || (pages() > 0).then_some(()));
    let mut others = [machine(), machine()];
    assert_eq!(others.each_ref().map(advised), [at.clone(), at.clone()]);
    // Nor does one that starts anew.
    others[0].kill();
    others[0].start_again();
    assert_eq!(advised(&others[0]), at);
    assert_eq!((ca.asked_for_advice(), ca.orders().len()), (1, 1));
}

/// Renewals and leases, while the clock of the engine jumps by decades.
#[test]
fn a_clock_of_the_engine_that_is_wrong_by_years_harms_nothing() {
    let (engine, clock) = Engine::start_at(Kind::Redis, 20 * YEAR);
    let setup_one = setup(SITE);
    let pebble = pebble(&setup_one, 12);
    let one = with(member(setup_one, &engine.url()), &pebble).start();
    wait_trusted(&one, &pebble.root(), "one.example");
    let two = with(member(setup(SITE), &engine.url()), &pebble).start();
    wait_trusted(&two, &pebble.root(), "one.example");
    let renewed = (one.log() + &two.log()).matches("certificate renewed").count();
    assert!(orders(&pebble) <= renewed + 2, "{renewed} renewals");
    for years in [0, -20, 30, 0] {
        clock.set(years * YEAR);
        let before = orders(&pebble);
        wait_for("two renewals", PATIENCE, || (orders(&pebble) >= before + 2).then_some(()));
        for caddy in [&one, &two] {
            wait_trusted(caddy, &pebble.root(), "one.example");
        }
    }
    let said = one.log() + &two.log();
    let done = said.matches("certificate renewed").count() + 1;
    let ordered = orders(&pebble);
    assert!((done..=done + 1).contains(&ordered), "{ordered} orders for {done} certificates");
}

/// Nor does it keep others from ordering: what it repairs are its own files.
#[test]
fn a_machine_that_starts_anew_takes_no_lease_and_asks_for_many_at_once() {
    let engine = Engine::start(Kind::Valkey);
    let ca = Ca::start();
    ca.advise(3600 * 24 * 30);
    let names: Vec<_> = (1..=50).map(|number| format!("n{number}.example")).collect();
    let text = format!("{}\nstatus 200 /\n", names.join(", "));
    let mut one = member(setup(&text).arg(&format!("-ca={}", ca.url())), &engine.url()).start();
    for name in &names {
        wait_log(&one, &format!("{name}: the CA advises renewal at "));
    }
    wait_log(&one, "fleet: connected to");
    // Locks that nobody came for are given back.
    std::thread::sleep(Duration::from_secs(6));
    one.kill();
    let before = engine.commands();
    one.start_again();
    wait_for("the fleet", PATIENCE, || {
        (one.log().matches("fleet: connected to").count() == 2).then_some(())
    });
    std::thread::sleep(Duration::from_secs(5));
    let spent = engine.commands() - before;
    assert!(spent < 60, "{spent} commands of a start with 50 certificates");
    // Nobody knows when to renew: 16 pages, about 30 commands each.
    one.kill();
    std::fs::remove_dir_all(one.path("store/advice")).unwrap();
    let seal = Seal::new(&KEY).unwrap();
    for page in 0..16 {
        let id = seal.id(&format!("advice/1-{page}")).to_string();
        for key in ["{caddy}:entries", "{caddy}:versions"] {
            engine.ask(&["HDEL", key, &id]);
        }
    }
    assert_eq!(ca.asked_for_advice(), 50);
    let before = engine.commands();
    one.start_again();
    wait_for("the advice", PATIENCE, || (ca.asked_for_advice() == 100).then_some(()));
    std::thread::sleep(Duration::from_secs(8));
    let spent = engine.commands() - before;
    assert!(spent < 60 + 16 * 30, "{spent} commands for the advice of 50 certificates");
    assert_eq!((ca.asked_for_advice(), ca.orders().len()), (100, 50));
}
