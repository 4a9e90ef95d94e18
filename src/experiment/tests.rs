//! Tests of the experiment as a whole.

use std::time::UNIX_EPOCH;

use super::*;
use crate::limits::QUIC_REPORT_VISITORS;
use crate::quic_report::{Arm, Kind, Quantile};

const TODAY: Duration = Duration::from_secs(20_000 * 86_400);

/// Of which network, by a number.
fn address(number: u16) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    [10, high, low, 1].into()
}

fn opened(folder: &std::path::Path) -> Arc<Experiment> {
    Experiments::new(folder.to_owned(), None).open("https://a.example")
}

fn answer(requested: Instant, millis: u64) -> Answer {
    Answer {
        requested,
        kind: Kind::Page,
        http3: false,
        setup: None,
        first: None,
        last: Duration::from_millis(millis),
    }
}

fn connected(at: Instant) -> Connected {
    Connected { at, rtt: Duration::from_millis(50), http3: false }
}

/// An experiment with visitors whose wait is half as long with the offer, and its report.
pub(crate) fn reported(site: &str, count: u16) -> Arc<Experiment> {
    let folder = tempfile::tempdir().unwrap();
    let experiment = Experiments::new(folder.path().to_owned(), None).open(site);
    visitors(&experiment, count);
    for number in 0..count {
        let visitor = experiment.visitor(address(number), SystemTime::now());
        let figures = Figures { requests: 3, failures: 0, packets: 30, lost: 1 };
        let http3 = visitor.arm == Arm::Offered;
        experiment.tell(Event::Ended { visitor, http3, figures });
    }
    experiment.report();
    experiment
}

/// A visitor connects and gets `answers` of a length that its arm decides.
fn visit(experiment: &Experiment, visitor: Visitor, answers: u32) {
    let at = Instant::now();
    experiment.tell(Event::Connected(visitor, connected(at)));
    let millis = if visitor.arm == Arm::Offered { 100 } else { 200 };
    for _ in 0..answers {
        let later = at + Duration::from_millis(1);
        experiment.tell(Event::Answered(visitor, answer(later, millis)));
    }
    experiment.inner().collect();
}

fn visitors(experiment: &Experiment, count: u16) {
    let now = SystemTime::now();
    (0..count).for_each(|n| visit(experiment, experiment.visitor(address(n), now), 3));
}

#[test]
fn an_arm_outlives_the_process_but_not_the_day() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let arms = |experiment: &Experiment, now| {
        (0..200).map(|n| experiment.visitor(address(n), now).arm).collect::<Vec<_>>()
    };
    let first = opened(folder.path());
    let drawn = arms(&first, now);
    first.save();
    assert_eq!(arms(&opened(folder.path()), now), drawn);
    let tomorrow = now + Duration::from_secs(86_400);
    assert_ne!(arms(&first, tomorrow), drawn);
    // The old key is gone with its day.
    first.save();
    assert_ne!(arms(&opened(folder.path()), now), drawn);
}

#[test]
fn what_was_measured_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(folder.path());
    visitors(&first, 600);
    let report = first.report();
    assert_eq!(report.arms.map(|arm| arm.counts.visitors).iter().sum::<u64>(), 600);
    first.save();
    let again = opened(folder.path()).report();
    assert_eq!(again.arms, report.arms);
    assert_eq!(again.comparisons[0].answers, report.comparisons[0].answers);
    assert_eq!(again.comparisons[0].quantiles[0].unwrap().gain.round(), 50.0);
}

/// Whoever looks at the last report never makes one, but has it made.
#[tokio::test]
async fn the_last_report_is_made_beside_those_who_look() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = opened(folder.path());
    assert!(experiment.latest().is_none());
    let visits = |experiment: &Experiment| {
        let report = experiment.latest().map(|dated| dated.report)?;
        Some(report.arms.map(|arm| arm.counts.visitors).iter().sum::<u64>())
    };
    visitors(&experiment, 10);
    assert_eq!(visits(&experiment), None);
    let keeps = tokio::spawn(experiment.clone().keep(28));
    let until = async |wanted: u64| {
        let known = async {
            while visits(&experiment) != Some(wanted) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), known).await.unwrap();
    };
    until(10).await;
    visitors(&experiment, 30);
    until(30).await;
    keeps.abort();
}

#[test]
fn a_process_that_hands_over_writes_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let old = opened(folder.path());
    visitors(&old, 10);
    old.save();
    old.release();
    visitors(&old, 50);
    old.save();
    let sum = |experiment: &Experiment| {
        let arms = experiment.report().arms;
        arms.iter().map(|arm| arm.counts.visitors).sum::<u64>()
    };
    assert_eq!(sum(&opened(folder.path())), 10);
    old.resume();
    old.save();
    assert_eq!(sum(&opened(folder.path())), 50);
}

#[test]
fn damaged_state_is_no_state() {
    let folder = tempfile::tempdir().unwrap();
    let first = opened(folder.path());
    visitors(&first, 10);
    first.save();
    let place = folder.path().join("quic_report");
    for entry in std::fs::read_dir(&place).unwrap() {
        std::fs::write(entry.unwrap().path(), b"rubbish").unwrap();
    }
    let again = opened(folder.path());
    assert_eq!(again.report().days, None);
    visitors(&again, 10);
    again.save();
    assert!(opened(folder.path()).report().days.is_some());
}

/// The folder holds neither an address nor what an address gives with the key.
#[test]
fn nothing_of_an_address_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = opened(folder.path());
    visitors(&experiment, 300);
    experiment.save();
    let now = SystemTime::now();
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder.path().join("quic_report")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "book") {
            bytes = std::fs::read(path).unwrap();
        }
    }
    assert!(bytes.len() > 300 * 3 * 15);
    for n in 0..300 {
        let visitor = experiment.visitor(address(n), now);
        let has = |wanted: &[u8]| bytes.windows(wanted.len()).any(|part| part == wanted);
        assert!(!has(&visitor.id.to_le_bytes()) && !has(&visitor.id.to_le_bytes()[..4]));
    }
}

#[test]
fn a_visitor_is_told_once_and_counts_so_often() {
    let mut ledger = Ledger::new(Book::default(), 1);
    let draw = Draw::of(20_000, [7; 32]);
    let (visitor, other) = (draw.visitor(address(1)), draw.visitor(address(2)));
    let at = Instant::now() + Duration::from_secs(10);
    // Of somebody who never connected.
    ledger.add(Event::Answered(other, answer(at, 100)));
    for _ in 0..3 {
        ledger.add(Event::Connected(visitor, connected(at)));
    }
    for _ in 0..1000 {
        ledger.add(Event::Answered(visitor, answer(at - Duration::from_secs(1), 100)));
        ledger.add(Event::Answered(visitor, answer(at + Duration::from_secs(1), 100)));
        let beacon = Beacon {
            at: at + Duration::from_secs(1),
            http3: true,
            connect: Duration::ZERO,
            response: Duration::ZERO,
            lcp: None,
        };
        ledger.add(Event::Reported(visitor, beacon));
        ledger.add(Event::Reported(other, beacon));
    }
    let report = Report::of(ledger.book(), 1);
    let counts = report.arms[visitor.arm as usize].counts;
    assert_eq!((counts.visitors, counts.connections), (1, 3));
    let answers = |measure: &str, slice: &str| {
        let is_it = |one: &&crate::quic_report::Comparison| {
            one.measure.name() == measure && one.slice.name() == slice
        };
        report.comparisons.iter().find(is_it).map_or(0, |one| one.answers.iter().sum::<u64>())
    };
    assert_eq!((answers("wait", "all"), answers("wait", "control")), (16, 16));
    assert_eq!((answers("page_connect", "all"), answers("page_lcp", "all")), (8, 0));
}

/// Forged by five networks of one arm, which have been here today.
#[test]
fn ten_thousand_forged_beacons_count_as_five_visitors() {
    let folder = tempfile::tempdir().unwrap();
    let (experiment, now) = (opened(folder.path()), SystemTime::now());
    let beacon = |millis| Beacon {
        at: Instant::now() + Duration::from_secs(1),
        http3: false,
        connect: Duration::from_millis(millis),
        response: Duration::from_millis(millis),
        lcp: None,
    };
    let tell = |visitor: Visitor, millis| {
        experiment.tell(Event::Reported(visitor, beacon(millis)));
        experiment.inner().collect();
    };
    visitors(&experiment, 1200);
    // The times of each arm are spread evenly, whichever visitors are drawn for it.
    let mut told = [0; 2];
    for number in 0..1200 {
        let visitor = experiment.visitor(address(number), now);
        let least = if visitor.arm == Arm::Offered { 100 } else { 200 };
        tell(visitor, least + told[visitor.arm as usize] % 100);
        told[visitor.arm as usize] += 1;
    }
    let times = || {
        // A report is not made anew at once.
        let report = Report::of(experiment.inner().collect().book(), 1);
        let is_it = |one: &&crate::quic_report::Comparison| one.measure.name() == "page_response";
        let found = report.comparisons.iter().find(is_it).unwrap();
        let all: Vec<_> = found.quantiles.iter().flatten().copied().collect();
        assert_eq!(all.len(), 3, "{found:?}");
        Arm::ALL.map(|arm| {
            let is_offered = arm == Arm::Offered;
            let of = |one: &Quantile| if is_offered { one.offered } else { one.withheld };
            (found.answers[arm as usize], all.iter().map(of).collect::<Vec<_>>())
        })
    };
    let honest = times();
    let forgers: Vec<Visitor> = (5000..6000)
        .map(|number| experiment.visitor(address(number), now))
        .filter(|visitor| visitor.arm == Arm::Offered)
        .take(5)
        .collect();
    forgers.iter().for_each(|visitor| visit(&experiment, *visitor, 0));
    for nth in 0..10_000 {
        tell(forgers[nth % forgers.len()], 60_000);
    }
    let forged = times();
    // Eight of each are kept, and the other arm is as it was.
    assert_eq!(forged[0].0, honest[0].0 + 5 * 8);
    assert_eq!(forged[1], honest[1]);
    // Five of about 600 visitors move a quantile by less than a percentile, which is a millisecond.
    for (forged, honest) in forged[0].1.iter().zip(&honest[0].1) {
        let moved = ((forged - honest) * 1e3).round();
        assert!((0.0..=1.0).contains(&moved), "{forged} {honest}");
    }
}

#[test]
fn visitors_of_a_day_are_bounded_and_forgotten() {
    let mut ledger = Ledger::new(Book::default(), 1);
    let at = Instant::now();
    for (day, wanted) in [(20_000_u32, QUIC_REPORT_VISITORS as u64), (20_001, 10)] {
        let draw = Draw::of(day, [day as u8; 32]);
        for n in 0..(wanted + if wanted > 10 { 1000 } else { 0 }) as u32 {
            let [_, high, middle, low] = n.to_be_bytes();
            let visitor = draw.visitor([10 + high, middle, low, 1].into());
            ledger.add(Event::Connected(visitor, connected(at)));
        }
        ledger
            .forget(UNIX_EPOCH + TODAY + Duration::from_secs(u64::from(day - 20_000) * 86_400), 1);
        let visitors = Report::of(ledger.book(), 1).arms.map(|arm| arm.counts.visitors);
        assert_eq!(visitors.iter().sum::<u64>(), wanted);
    }
}
