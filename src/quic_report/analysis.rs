//! The comparison of the arms: by what visitors were offered, never by what they used. Visitors
//! over HTTP/3 are those who came again, and would be faster without it too.

use super::book::Book;
use super::bootstrap::{PROBABILITIES, Timed, Times};
use super::figures::{ArmSummary, Claim, Quantile};
use super::measure::Measure;
use super::note::{self, Note};
use super::sample::{Arm, Band, Kind, Sample};
use super::verdict::Verdict;

/// Visitors of each arm that a quantile needs: 20 beyond it at least.
const LEAST: [usize; 3] = [50, 100, 400];

/// What a book says.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The first and the last day with visits, numbered from 1970-01-01.
    pub days: Option<[u32; 2]>,
    /// Whose visitors these are.
    pub machines: usize,
    /// In the order of [`Arm::ALL`], as everywhere.
    pub arms: [ArmSummary; 2],
    pub verdict: Verdict,
    pub notes: Vec<Note>,
    pub comparisons: Vec<Comparison>,
    /// Percentiles 1 to 99 of the wait, in seconds.
    pub curves: [Vec<f64>; 2],
}

/// What answers are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// All after the visitor was told of its arm.
    All,
    Band(Band),
    Kind(Kind),
    /// Those before it was told: what differs here is chance, or a fault of the measurement.
    Control,
}

/// One time of one slice.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    pub measure: Measure,
    pub slice: Slice,
    pub visitors: [u64; 2],
    pub answers: [u64; 2],
    /// The median, p75 and p95, where there are visitors enough.
    pub quantiles: [Option<Quantile>; 3],
}

impl Report {
    /// Compares the arms of a book. The same book and seed give the same report.
    pub fn of(book: &Book, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut comparisons = Vec::new();
        for (measure, slice) in rows() {
            let comparison = Comparison::of(book, measure, slice, &mut random);
            if measure == Measure::Wait || comparison.answers != [0; 2] {
                comparisons.push(comparison);
            }
        }
        let arms = Arm::ALL.map(|arm| ArmSummary::of(book.counts(arm)));
        let of_slice = |slice| {
            let is_it = |one: &&Comparison| one.measure == Measure::Wait && one.slice == slice;
            comparisons.iter().find(is_it)
        };
        let all = of_slice(Slice::All);
        let verdict = all.map_or(Verdict::TooFew { more: 1 }, Comparison::verdict);
        let control = of_slice(Slice::Control).is_some_and(Comparison::has_claim);
        let notes = note::of(&arms, control);
        let ends = [book.days.front(), book.days.back()].map(|day| day.map(|day| day.number));
        let [first, last] = ends;
        let curves = times(book, Measure::Wait, Slice::All);
        let curves = curves.map(|arm| arm.percentiles().into_iter().map(|n| n / 1e6).collect());
        Self {
            days: first.zip(last).map(|(first, last)| [first, last]),
            machines: 1,
            arms,
            verdict,
            notes,
            comparisons,
            curves,
        }
    }
}

/// All times of all answers, and the wait by slices.
fn rows() -> impl Iterator<Item = (Measure, Slice)> {
    let slices = Band::ALL.map(Slice::Band).into_iter().chain(Kind::ALL.map(Slice::Kind));
    let slices = slices.chain([Slice::Control]).map(|slice| (Measure::Wait, slice));
    Measure::ALL.into_iter().map(|measure| (measure, Slice::All)).chain(slices)
}

impl Slice {
    fn has(self, sample: &Sample) -> bool {
        match self {
            Self::All => sample.told,
            Self::Band(band) => sample.told && sample.band() == band,
            Self::Kind(kind) => sample.told && sample.kind == kind,
            Self::Control => !sample.told,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Band(band) => band.name(),
            Self::Kind(kind) => kind.name(),
            Self::Control => "control",
        }
    }
}

/// The times of both arms.
fn times(book: &Book, measure: Measure, slice: Slice) -> [Times; 2] {
    Times::of_arms(Arm::ALL.map(|arm| {
        let samples = book.days.iter().flat_map(|day| {
            let kept = day.reservoirs().into_iter().flat_map(|reservoir| &reservoir.kept);
            kept.map(|sample| (day.number, sample))
        });
        let meant = samples.filter(move |(_, one)| one.arm == arm && slice.has(one));
        meant.filter_map(move |(day, sample)| {
            let micros = measure.of(sample)?;
            Some(Timed { day, visitor: sample.visitor, rtt: sample.rtt, micros })
        })
    }))
}

impl Comparison {
    pub(super) fn of(
        book: &Book,
        measure: Measure,
        slice: Slice,
        random: &mut fastrand::Rng,
    ) -> Self {
        let arms = times(book, measure, slice);
        Self {
            measure,
            slice,
            visitors: [arms[0].visitors() as u64, arms[1].visitors() as u64],
            answers: [arms[0].answers() as u64, arms[1].answers() as u64],
            quantiles: quantiles(&arms, random),
        }
    }

    /// What it says alone.
    pub(super) fn verdict(&self) -> Verdict {
        Verdict::of(&self.quantiles, self.visitors.iter().sum(), 2 * LEAST[0] as u64)
    }

    fn has_claim(&self) -> bool {
        self.quantiles.iter().flatten().any(|quantile| quantile.claim != Claim::None)
    }
}

fn quantiles(arms: &[Times; 2], random: &mut fastrand::Rng) -> [Option<Quantile>; 3] {
    let visitors = arms[0].visitors().min(arms[1].visitors());
    let (Some(offered), Some(withheld)) = (arms[0].quantiles(), arms[1].quantiles()) else {
        return [None; 3];
    };
    if visitors < LEAST[0] {
        return [None; 3];
    }
    let drawn = [arms[0].drawn(random), arms[1].drawn(random)];
    std::array::from_fn(|at| {
        let of = |arm: usize| drawn[arm].iter().map(|quantiles| quantiles[at]).collect();
        let pair = Pair { offered: offered[at], withheld: withheld[at], drawn: [of(0), of(1)] };
        (visitors >= LEAST[at]).then(|| pair.quantile(PROBABILITIES[at]))
    })
}

/// One quantile of both arms in microseconds, and what it was in each draw.
struct Pair {
    offered: f64,
    withheld: f64,
    drawn: [Vec<f64>; 2],
}

impl Pair {
    fn quantile(&self, probability: f64) -> Quantile {
        // A time below a microsecond is one.
        let ratio = |offered: f64, withheld: f64| (withheld.max(1.0) / offered.max(1.0)).ln();
        let percent = |ratio: f64| 100.0 * (1.0 - (-ratio).exp());
        let draws = || self.drawn[0].iter().zip(&self.drawn[1]);
        let ratios: Vec<f64> = draws().map(|(one, other)| ratio(*one, *other)).collect();
        let saved: Vec<f64> = draws().map(|(one, other)| other - one).collect();
        let (difference, error) = (ratio(self.offered, self.withheld), deviation(&ratios));
        Quantile {
            probability,
            offered: self.offered / 1e6,
            withheld: self.withheld / 1e6,
            saved: (self.withheld - self.offered) / 1e6,
            saved_between: middle(saved).map(|micros| micros / 1e6),
            gain: percent(difference),
            gain_between: middle(ratios).map(percent),
            claim: Claim::of(difference, error),
            error,
        }
    }
}

/// The ends of the middle 95 %.
fn middle(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (values.len().saturating_sub(1) as f64 * share).round() as usize;
        values.get(place).copied().unwrap_or_default()
    };
    [at(0.025), at(0.975)]
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::book::Counts;
    use super::super::sample::Source;
    use super::super::sample::tests::sample;
    use super::*;

    const DAY: u32 = 20_000;

    /// A page for each of so many visitors, half of them in each arm, that takes a time around
    /// 100 ms with the offer and 200 ms without.
    fn filled(visitors: u16, change: impl Fn(Sample) -> Sample) -> Book {
        let (mut book, mut random) = (Book::default(), fastrand::Rng::with_seed(1));
        for visitor in 0..visitors {
            let arm = usize::from(visitor % 2) as u32;
            let micros = 100_000 * (arm + 1) + random.u32(0..20_000);
            let drawn = sample(visitor, micros);
            assert_eq!(drawn.arm, Arm::ALL[arm as usize]);
            book.record(DAY, change(drawn), &mut random);
        }
        book
    }

    fn found(report: &Report, measure: Measure, slice: Slice) -> &Comparison {
        let is_it = |one: &&Comparison| one.measure == measure && one.slice == slice;
        report.comparisons.iter().find(is_it).unwrap()
    }

    #[test]
    fn the_same_book_and_seed_give_the_same_report() {
        let book = filled(400, |sample| sample);
        assert_eq!(Report::of(&book, 1), Report::of(&book, 1));
        let ends = |seed| Report::of(&book, seed).wait().unwrap().quantiles[0].unwrap();
        let (one, other) = (ends(1), ends(2));
        assert_ne!(one.gain_between, other.gain_between);
        assert_eq!(one.gain, other.gain);
    }

    #[test]
    fn each_arm_has_its_own_counts_and_times() {
        let mut book = filled(400, |sample| sample);
        book.count(DAY, Arm::Offered, &Counts { visitors: 3, ..Counts::default() });
        book.count(DAY, Arm::Withheld, &Counts { failures: 5, ..Counts::default() });
        let report = Report::of(&book, 1);
        let counts = report.arms.map(|arm| [arm.counts.visitors, arm.counts.failures]);
        assert_eq!(counts, [[3, 0], [0, 5]]);
        let median = report.wait().unwrap().quantiles[0].unwrap();
        assert!((0.1..0.12).contains(&median.offered), "{median:?}");
        assert!((0.2..0.22).contains(&median.withheld), "{median:?}");
        assert!((median.saved - (median.withheld - median.offered)).abs() < 1e-9, "{median:?}");
        assert!((median.gain - 100.0 * median.saved / median.withheld).abs() < 1e-6, "{median:?}");
        assert_eq!((median.claim, report.verdict), (Claim::Faster, Verdict::Faster));
        let [offered, withheld] = report.curves.each_ref().map(|curve| curve[49]);
        assert!(offered < 0.12 && withheld >= 0.2, "{offered} {withheld}");
    }

    /// What differs before visitors are told is no gain, and spoils the report.
    #[test]
    fn answers_before_visitors_are_told_are_the_control() {
        let report = Report::of(&filled(400, |sample| Sample { told: false, ..sample }), 1);
        assert_eq!(found(&report, Measure::Wait, Slice::All).answers, [0, 0]);
        assert_eq!(found(&report, Measure::Wait, Slice::Control).answers, [200, 200]);
        assert_eq!(report.verdict, Verdict::TooFew { more: 100 });
        assert_eq!(report.notes, [Note::Control]);
        let report = Report::of(&filled(400, |sample| sample), 1);
        assert_eq!(found(&report, Measure::Wait, Slice::Control).answers, [0, 0]);
        assert!(report.notes.is_empty(), "{:?}", report.notes);
    }

    #[test]
    fn a_wait_has_the_set_up_and_a_beacon_is_none() {
        let set_up = |sample: Sample| Sample { times: [1_000_000, 1, sample.times[2]], ..sample };
        let mut book = filled(200, set_up);
        let mut random = fastrand::Rng::with_seed(1);
        let page = Sample { source: Source::Page, times: [7, 8, 9], ..sample(0, 1) };
        book.record(DAY, page, &mut random);
        let report = Report::of(&book, 1);
        let wait = found(&report, Measure::Wait, Slice::All);
        assert_eq!(wait.answers, [100, 100]);
        let median = wait.quantiles[0].unwrap();
        assert!((1.1..1.12).contains(&median.offered), "{median:?}");
        let setup = found(&report, Measure::Setup, Slice::All).quantiles[0].unwrap();
        assert_eq!((setup.offered, setup.withheld), (1.0, 1.0));
        for measure in [Measure::PageConnect, Measure::PageResponse, Measure::PageLcp] {
            assert_eq!(found(&report, measure, Slice::All).answers, [1, 0], "{measure:?}");
        }
    }

    #[test]
    fn a_quantile_needs_visitors_beyond_it() {
        for (visitors, known) in [(98, 0), (100, 1), (198, 1), (200, 2), (798, 2), (800, 3)] {
            let report = Report::of(&filled(visitors, |sample| sample), 1);
            let quantiles = report.wait().unwrap().quantiles;
            assert_eq!(quantiles.iter().flatten().count(), known, "{visitors}");
        }
    }

    /// Numbers of visitors are drawn anew each day, so that two days may have the same.
    #[test]
    fn visitors_of_two_days_are_two() {
        let (mut book, mut random) = (Book::default(), fastrand::Rng::with_seed(1));
        for day in [DAY, DAY, DAY + 1] {
            book.record(day, sample(4, 100), &mut random);
        }
        let report = Report::of(&book, 1);
        let wait = report.wait().unwrap();
        assert_eq!((wait.visitors, wait.answers), ([2, 0], [3, 0]));
    }
}
