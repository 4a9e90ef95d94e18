//! Machines whose shelves are a map.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::experiment::{Answer, Connected, Event, Experiments};
use crate::fleet::seal::Seal;
use crate::quic_report::{Arm, Kind};

const SITE: &str = "https://a.example";

/// Pages by shelf and machine, as the engine has them.
#[derive(Default)]
struct Shelves(BTreeMap<String, BTreeMap<String, Vec<u8>>>);

impl Shelves {
    fn turn(&mut self, experiment: &Experiment, first: bool) -> usize {
        let turns = experiment.turns(first);
        let count = turns.len();
        for turn in turns {
            let shelf = self.0.entry(turn.shelf).or_default();
            if let Some(page) = turn.page
                && !(turn.is_kept && shelf.contains_key(&turn.machine))
            {
                shelf.insert(turn.machine, page);
            }
            let page = |(machine, content): (&String, &Vec<u8>)| Page {
                machine: machine.clone(),
                content: content.clone(),
            };
            if turn.is_read {
                experiment.read(turn.number, shelf.iter().map(page).collect());
            }
        }
        count
    }
}

fn opened(folder: &tempfile::TempDir) -> Arc<Experiment> {
    let common = Arc::new(Seal::new(&[1; 32]).unwrap().common());
    Experiments::new(folder.path().to_owned(), Some(common)).open(SITE)
}

/// Visitors with one answer each.
fn visits(experiment: &Experiment, networks: std::ops::Range<u8>) {
    for network in networks {
        let now = Instant::now();
        let address = IpAddr::from([10, 0, network, 1]);
        let visitor = experiment.visitor(address, SystemTime::now());
        let connected = Connected { at: now, rtt: Duration::from_millis(50), http3: false };
        experiment.tell(Event::Connected(visitor, connected));
        let last = Duration::from_millis(100);
        let requested = now + Duration::from_millis(1);
        let (kind, http3, setup, first) = (Kind::Page, false, None, None);
        let answer = Answer { requested, kind, http3, setup, first, last };
        experiment.tell(Event::Answered(visitor, answer));
    }
}

fn sum(experiment: &Experiment) -> (u64, usize) {
    // Not the last one, which is fresh for a while.
    let inner = experiment.inner().collect().book().clone();
    let (all, machines) = experiment.others().with(&inner, 28);
    (Arm::ALL.map(|arm| all.counts(arm).visitors).iter().sum(), machines)
}

#[test]
fn arms_are_the_same_everywhere_and_results_add_up() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let machines = folders.each_ref().map(opened);
    let arms = machines.each_ref().map(|one| {
        let arm = |network| one.visitor([10, 0, network, 1].into(), SystemTime::now()).arm;
        (0..=255).map(arm).collect::<Vec<_>>()
    });
    assert!(arms[0] == arms[1] && arms[1] == arms[2] && arms[0].contains(&Arm::Offered));
    let mut shelves = Shelves::default();
    for (one, networks) in machines.iter().zip([0..10, 20..50, 60..65]) {
        visits(one, networks);
        assert!(shelves.turn(one, true) == 28);
    }
    assert_eq!(sum(&machines[2]), (45, 3));
    assert_eq!(sum(&machines[0]), (10, 1));
    for one in &machines {
        // Only the days that change.
        assert_eq!(shelves.turn(one, false), 2);
        assert_eq!(sum(one), (45, 3));
    }
    assert_eq!(machines[0].report().machines, 3);
}

#[test]
fn a_machine_that_starts_anew_counts_once() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let other = opened(&folders[1]);
    let mut shelves = Shelves::default();
    for round in 1..4u8 {
        let one = opened(&folders[0]);
        visits(&one, round * 10..round * 10 + 10);
        one.save();
        shelves.turn(&one, true);
        shelves.turn(&one, false);
        shelves.turn(&other, round == 1);
        assert_eq!(sum(&other), (u64::from(round) * 10, 2));
        // The other one has measured nothing.
        assert_eq!(sum(&one), (u64::from(round) * 10, 1));
    }
    // Another process of the machine goes on.
    let old = opened(&folders[0]);
    old.release();
    assert!(old.turns(true).iter().all(|turn| turn.page.is_none()));
}

#[test]
fn pages_of_other_versions_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let one = opened(&folder);
    visits(&one, 0..3);
    let today = day_of(SystemTime::now());
    let page = |content: &[u8]| Page { machine: "x".to_owned(), content: content.to_vec() };
    let other_day = one.inner().collect().book().only(today).encode();
    one.read(today - 1, vec![page(&other_day)]);
    one.read(today, vec![page(b""), page(b"quicrep9 of a later version"), page(&[7; 90])]);
    assert_eq!(sum(&one), (3, 1));
}
