//! An order that two processes of one account go on with: one was stopped in the middle, or both
//! are at work, as two machines whose lease was lost.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::acme::{DAY, PATIENCE, entry, orders, setup, wait_trusted, with};
use crate::harness::{Caddy, Pebble, Setup, wait_for};

/// The seconds after which the CA judges each challenge that it was told of.
fn waits(pebble: &Pebble) -> Vec<u64> {
    let log = pebble.log();
    let said = log.split("Sleeping for ").skip(1);
    said.map(|rest| rest.split_once("s seconds").unwrap().0.parse().unwrap()).collect()
}

fn machine(pebble: &Pebble, name: &str) -> Setup {
    with(setup(&format!("{name}\nstatus 200 /\n")), pebble)
}

/// A process that waits for the CA to judge, for some seconds more, and its name.
fn waiting(pebble: &Pebble) -> (Caddy, String) {
    for number in 1..=20 {
        let name = format!("n{number}.example");
        let before = waits(pebble).len();
        let caddy = machine(pebble, &name).start();
        let wait = wait_for("the challenge", PATIENCE, || waits(pebble).get(before).copied());
        if wait >= 4 {
            return (caddy, name);
        }
    }
    panic!("the CA never takes its time");
}

#[test]
fn an_order_that_another_process_completes_is_complete() {
    for is_stopped in [true, false] {
        let pebble = Pebble::credulous(DAY);
        let (one, name) = waiting(&pebble);
        let ordered = orders(&pebble);
        if is_stopped {
            one.signal(Signal::SIGSTOP);
        }
        let other = machine(&pebble, &name);
        let copied = Command::new("cp").arg("-r").arg(one.path("store")).arg(other.dir()).status();
        assert!(copied.unwrap().success());
        let other = other.start();
        wait_trusted(&other, &pebble.root(), &name);
        // By now there is nothing to be done about the order.
        one.signal(Signal::SIGCONT);
        wait_trusted(&one, &pebble.root(), &name);
        assert_eq!(orders(&pebble), ordered);
        let chains = [&one, &other].map(|caddy| {
            let place = entry(caddy, &pebble, &name, "crt");
            wait_for("the file", PATIENCE, || std::fs::read(&place).ok())
        });
        assert!(chains[0] == chains[1], "two certificates");
        assert!(!one.log().contains("no new certificate"), "{}", one.log());
    }
}
