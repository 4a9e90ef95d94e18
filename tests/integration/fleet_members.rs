//! Which machines of a fleet are there, as `-status`, metrics and the engine say.

use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::acme::PATIENCE;
use crate::fleet::{member, wait_log};
use crate::harness::{BINARY, Caddy, Engine, Kind, Setup, curl, wait_for};
use crate::metrics::{accepted, promtool};

/// As docs/fleet.md says, with time for the machine under load: less than until the next question.
const GONE: Duration = Duration::from_secs(58);

const CLAIM: &str = "store/fleet/machine";

fn machine(engine: &Engine) -> Setup {
    let text = "localhost:@PORT@\ntls off\nprometheus localhost:@PORT3@\nstatus 200 /\n";
    let setup = Setup::new(text).env("CADDYPATH", "store").arg("-control=control.sock");
    member(setup, &engine.url())
}

/// With what the disk of another machine says.
fn with_claim(setup: Setup, claim: &str) -> Setup {
    std::fs::create_dir_all(setup.dir().join("store/fleet")).unwrap();
    setup.file(CLAIM, claim)
}

fn ask(caddy: &Caddy, flags: &[&str]) -> String {
    let socket = caddy.path("control.sock").display().to_string();
    let said = Command::new(BINARY).args(["-control", &socket, "-status"]).args(flags).output();
    String::from_utf8(said.unwrap().stdout).unwrap()
}

pub fn status(caddy: &Caddy) -> Value {
    serde_json::from_str::<Value>(&ask(caddy, &["-json"])).unwrap()["fleet"].take()
}

/// The numbers of the machines that are there.
fn numbers(caddy: &Caddy) -> Vec<u64> {
    let status = status(caddy);
    let machines = status["machines"].as_array().unwrap();
    machines.iter().map(|one| one["number"].as_u64().unwrap()).collect()
}

pub fn number(caddy: &Caddy) -> u64 {
    wait_for("a number", PATIENCE, || status(caddy)["number"].as_u64())
}

/// Until the machine has heard of so many, which takes a question of 15 s.
pub fn wait_count(caddy: &Caddy, count: usize) {
    wait_for("the machines", PATIENCE, || (numbers(caddy).len() == count).then_some(()));
}

fn metric(caddy: &Caddy, name: &str) -> Option<String> {
    let text = curl(&[], &caddy.third("/metrics")).text();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(line, _)| *line == name).map(|(_, value)| value.to_owned()).next()
}

#[test]
fn all_machines_are_shown_and_a_lost_one_disappears() {
    let engine = Engine::start(Kind::Redis);
    let one = machine(&engine).start();
    let two = machine(&engine).start();
    let mut three = machine(&engine).start();
    let all = [&one, &two, &three].map(number);
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{all:?}");
    for caddy in [&one, &two, &three] {
        wait_count(caddy, 3);
        let status = status(caddy);
        assert_eq!(status["number"].as_u64(), Some(number(caddy)));
        assert_eq!((&status["is_connected"], status["lag_seconds"].is_f64()), (&true.into(), true));
        for machine in status["machines"].as_array().unwrap() {
            assert_eq!(machine["version"], env!("CARGO_PKG_VERSION"));
            assert!(machine["host"].as_str().is_some_and(|host| !host.is_empty()), "{machine}");
            assert!(machine["silent_seconds"].as_f64().unwrap() < 44.0, "{machine}");
        }
    }
    let text = ask(&one, &[]);
    let said = |words: &str| text.lines().filter(|line| line.starts_with(words)).count();
    assert_eq!(
        (said("fleet           3 machines; 127.0.0.1:"), said("machine ")),
        (1, 3),
        "{text}"
    );
    assert!(text.contains(&format!("machine         {} ", all[0])), "{text}");
    assert_eq!(text.matches("(this one)").count(), 1, "{text}");
    assert_eq!(metric(&one, "caddy_fleet_members").as_deref(), Some("3.0"));
    assert_eq!(metric(&one, "caddy_fleet_connected").as_deref(), Some("1.0"));
    // Of the last answer, which may have been late.
    wait_for("a quick answer", PATIENCE, || {
        let lag: f64 = metric(&one, "caddy_fleet_lag_seconds")?.parse().unwrap();
        (0.0..1.0).contains(&lag).then_some(())
    });
    let text = curl(&[], &one.third("/metrics")).text();
    accepted(&promtool(&["check", "metrics"], &text));
    for number in all {
        for (family, least) in [("info", 1.0), ("since_seconds", 1e9), ("lag_seconds", 0.0)] {
            let name = format!("caddy_fleet_member_{family}{{number=\"{number}\"");
            let line = text.lines().find(|line| line.starts_with(&name)).expect(&name);
            let value: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
            assert!(value >= least && (least != 1.0 || line.contains("version=")), "{line}");
        }
    }
    // The engine does not read who is there.
    let kept = engine.ask(&["HGETALL", "{caddy}:members"]);
    assert!(kept.len() > 300 && !kept.contains(env!("CARGO_PKG_VERSION")), "{kept}");
    three.kill();
    let killed = Instant::now();
    wait_for("two machines", GONE, || (numbers(&one).len() == 2).then_some(()));
    assert!(killed.elapsed() > Duration::from_secs(14), "{:?}", killed.elapsed());
    assert!(!numbers(&one).contains(&all[2]));
}

#[test]
fn a_number_is_kept_over_restarts_and_upgrades() {
    let mut engine = Engine::start(Kind::Valkey);
    let mut one = machine(&engine).start();
    let two = machine(&engine).start();
    let numbers = [&one, &two].map(number);
    one.upgrade();
    wait_for("the connection of the next process", PATIENCE, || {
        (one.log().matches("fleet: connected to").count() == 2).then_some(())
    });
    assert_eq!(number(&one), numbers[0]);
    // A machine that stops is gone at once.
    let entry = numbers[0].to_string();
    let there = |engine: &Engine| engine.ask(&["HEXISTS", "{caddy}:members", &entry]);
    wait_for("the entry", PATIENCE, || (there(&engine) == "1").then_some(()));
    one.signal(Signal::SIGTERM);
    one.heir_gone();
    assert_eq!(there(&engine), "0");
    let again = with_claim(machine(&engine), &one.read(CLAIM)).start();
    assert_eq!(number(&again), numbers[0]);
    // With the engine away, the number and the others are known still.
    wait_count(&two, 2);
    engine.kill();
    wait_log(&two, "; this machine goes on with what it has");
    let away = status(&two);
    assert_eq!((&away["is_connected"], &away["lag_seconds"]), (&false.into(), &Value::Null));
    assert!(ask(&two, &[]).contains(": AWAY since "));
    assert_eq!(metric(&two, "caddy_fleet_connected").as_deref(), Some("0.0"));
    assert_eq!(metric(&two, "caddy_fleet_lag_seconds"), None);
    assert_eq!(status(&two)["machines"].as_array().unwrap().len(), 2);
}

#[test]
fn a_number_of_another_machine_is_given_up() {
    let engine = Engine::start(Kind::Redis);
    let one = machine(&engine).start();
    let taken = number(&one);
    // As another machine has it after its engine came back empty.
    let other = with_claim(machine(&engine), &format!("{taken} 00000000000000aa\n")).start();
    wait_log(&other, &format!("fleet: number {taken} is another machine's now"));
    wait_for("another number", PATIENCE, || (number(&other) != taken).then_some(()));
    assert_eq!(number(&one), taken);
    // A copy of a disk.
    let copy = with_claim(machine(&engine), &one.read(CLAIM)).start();
    let says = |caddy: &Caddy| caddy.log().contains("as after its disk was copied");
    wait_for("one that notices", Duration::from_secs(120), || {
        (says(&one) || says(&copy)).then_some(())
    });
    wait_for("two numbers", PATIENCE, || (number(&one) != number(&copy)).then_some(()));
}
