//! What a report says of visitors whose times are made up, so that the truth is known.

use std::time::Duration;

use super::sample::tests::sample;
use super::*;

const DAY: u32 = 20_000;

/// Visitors of one site.
struct World {
    visitors: u16,
    /// By how many percent times are shorter for those who are offered HTTP/3.
    gain: f64,
    seed: u64,
}

impl World {
    /// Each visitor has a round trip of its own, 8 to 400 ms in most cases; each of its one to
    /// five answers takes a few of them, and the server's time.
    fn book(&self) -> Book {
        let (mut book, mut random) = (Book::default(), fastrand::Rng::with_seed(self.seed));
        for number in 0..self.visitors {
            self.visit(&mut book, DAY + u32::from(number) / 1000, &mut random);
        }
        book
    }

    fn visit(&self, book: &mut Book, day: u32, random: &mut fastrand::Rng) {
        let arm = Arm::ALL[usize::from(random.bool())];
        let rtt = 0.06 * (0.5 * normal(random)).exp();
        let factor = if arm == Arm::Offered { 1.0 - self.gain / 100.0 } else { 1.0 };
        let visitor = random.u16(..);
        book.count(day, arm, &Counts { visitors: 1, ..Counts::default() });
        for _ in 0..random.u32(1..=5) {
            let seconds = factor * (3.0 * rtt * (0.25 * normal(random)).exp() + 0.02);
            let micros = (seconds * 1e6) as u32;
            let kind = Kind::ALL[random.usize(0..3)];
            let rtt = Sample::round_trip(Duration::from_secs_f64(rtt));
            book.record(day, Sample { arm, kind, rtt, ..sample(visitor, micros) }, random);
        }
    }

    fn report(&self) -> Report {
        Report::of(&self.book(), self.seed + 1)
    }

    /// The comparison that the verdict is drawn from.
    fn wait(&self) -> Comparison {
        wait(&self.book(), self.seed)
    }
}

fn wait(book: &Book, seed: u64) -> Comparison {
    let mut random = fastrand::Rng::with_seed(seed + 1);
    Comparison::of(book, Measure::Wait, Slice::All, &mut random)
}

fn claims(comparison: &Comparison) -> bool {
    !matches!(comparison.verdict(), Verdict::NoDifference | Verdict::TooFew { .. })
}

/// Box and Muller's.
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}

fn median(wait: &Comparison) -> Quantile {
    wait.quantiles[0].unwrap()
}

#[test]
fn a_planted_gain_of_a_fifth_is_found() {
    for seed in 0..30 {
        let wait = World { visitors: 2000, gain: 20.0, seed }.wait();
        let found = median(&wait);
        assert!((found.gain - 20.0).abs() <= 5.0, "seed {seed}: {found:?}");
        assert_eq!(wait.verdict(), Verdict::Faster, "seed {seed}: {found:?}");
        let [low, high] = found.gain_between;
        assert!(low < found.gain && found.gain < high, "seed {seed}: {found:?}");
        assert!(found.saved > 0.0 && found.offered < found.withheld, "seed {seed}: {found:?}");
    }
}

#[test]
fn intervals_of_95_percent_hold_the_truth_in_about_so_many_cases() {
    let mut held = 0;
    for seed in 0..200 {
        let found = median(&World { visitors: 300, gain: 20.0, seed }.wait());
        held += u32::from((found.gain_between[0]..=found.gain_between[1]).contains(&20.0));
    }
    // 190 are expected, and three standard deviations are 9.
    assert!((181..=199).contains(&held), "{held} of 200");
}

#[test]
fn without_a_difference_none_is_claimed() {
    let claimed = (0..200)
        .filter(|seed| claims(&World { visitors: 300, gain: 0.0, seed: 1000 + seed }.wait()));
    let claimed = claimed.count();
    // 1 of 20 would be 10.
    assert!(claimed <= 10, "{claimed} of 200");
}

/// Whoever looks every day must not find by patience what is not there.
#[test]
fn without_a_difference_28_daily_looks_claim_none() {
    let mut claimed = 0;
    for seed in 0..40 {
        let world = World { visitors: 0, gain: 0.0, seed: 5000 + seed };
        let (mut book, mut random) = (Book::default(), fastrand::Rng::with_seed(world.seed));
        let mut has_claimed = false;
        for day in 0..28 {
            for _ in 0..16 {
                world.visit(&mut book, DAY + day, &mut random);
            }
            has_claimed |= claims(&wait(&book, seed));
        }
        claimed += u32::from(has_claimed);
    }
    // 1 of 20 would be 2 of 40, and three standard deviations above that are 6.
    assert!(claimed <= 6, "{claimed} of 40");
}

#[test]
fn what_is_worse_is_called_worse() {
    for seed in 300..310 {
        let wait = World { visitors: 2000, gain: -25.0, seed }.wait();
        assert_eq!(wait.verdict(), Verdict::Slower, "{:?}", median(&wait));
        assert!((median(&wait).gain + 25.0).abs() <= 5.0, "{:?}", median(&wait));
    }
    let answer = World { visitors: 2000, gain: -25.0, seed: 1 }.report().answer();
    assert!(answer.starts_with("HTTP/3 makes it worse: the median of the wait is "), "{answer}");
    assert!(answer.contains(" % longer (95 % interval "), "{answer}");
}

#[test]
fn few_visits_say_how_many_more() {
    let none = Report::of(&Book::default(), 1);
    assert_eq!(none.verdict, Verdict::TooFew { more: 100 });
    assert!(none.text("a.example").starts_with(
        "a.example: not enough visits yet: about 100 more to see a difference of 10 %\n"
    ));
    let verdict = World { visitors: 200, gain: 0.0, seed: 8 }.wait().verdict();
    let Verdict::TooFew { more } = verdict else {
        panic!("200 visits cannot show that there is no difference of 10 %: {verdict:?}");
    };
    assert!((200..10_000).contains(&more), "{more}");
    // With as many visits as it asks for, there is an answer.
    let visitors = 200 + u16::try_from(more).unwrap() * 3 / 2;
    let enough = World { visitors, gain: 0.0, seed: 9 }.wait().verdict();
    assert_eq!(enough, Verdict::NoDifference);
}

#[test]
fn forged_answers_of_one_visitor_count_as_one() {
    let world = World { visitors: 2000, gain: 20.0, seed: 77 };
    let (honest, mut book) = (median(&world.wait()), world.book());
    let mut random = fastrand::Rng::with_seed(1);
    for source in [Source::Server, Source::Page] {
        for _ in 0..10_000 {
            let forged = Sample { source, arm: Arm::Offered, ..sample(4711, 60_000_000) };
            // On a day of its own, where nothing crowds them out.
            book.record(DAY + 9, forged, &mut random);
        }
    }
    let found = median(&wait(&book, world.seed));
    for (found, honest) in [(found.withheld, honest.withheld), (found.offered, honest.offered)] {
        // One visitor of a thousand, and what it does to the strata.
        assert!((found / honest - 1.0).abs() < 0.005, "{honest:?} {found:?}");
    }
}

#[test]
fn the_parts_add_up_and_are_said_in_every_form() {
    let report = World { visitors: 3000, gain: 20.0, seed: 5 }.report();
    let answers = |wanted: fn(&Slice) -> bool| {
        let of_wait = |one: &&Comparison| one.measure == Measure::Wait && wanted(&one.slice);
        report.comparisons.iter().filter(of_wait).map(|one| one.answers[0]).sum::<u64>()
    };
    let all = answers(|slice| *slice == Slice::All);
    assert_eq!(all, answers(|slice| matches!(slice, Slice::Band(_))));
    assert_eq!(all, answers(|slice| matches!(slice, Slice::Kind(_))));
    let (text, json, svg) = (report.text("a<b"), report.json(), report.svg("a<b"));
    for part in ["HTTP/3 pays off: the median of the wait is ", "RTT 30 to 80 ms", "offered"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(json["verdict"], "faster");
    assert_eq!(json["arms"]["offered"]["visits"], report.arms[0].counts.visitors);
    assert_eq!(json["comparisons"][0]["quantiles"][0]["claim"], "faster");
    assert!(svg.starts_with("<svg ") && svg.contains("a&lt;b") && !svg.contains("a<b"), "{svg}");
    assert!(svg.matches("<polyline").count() == 2 && svg.contains("time saved"), "{svg}");
}
