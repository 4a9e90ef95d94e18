//! The last minute, from samples of growing totals: requests second by second, response times in
//! spans of five seconds. One thread keeps it; its size does not depend on what is served.

use std::collections::VecDeque;
use std::time::Duration;

use crate::metrics::{Latencies, Protocol, Totals};

/// Seconds that are kept.
const SECONDS: usize = 60;
/// Seconds of one span of response times: in a single one there are often too few for percentiles.
const SPAN: u64 = 5;
const SPANS: usize = SECONDS / SPAN as usize;

/// What was counted in one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    requests: [u64; Protocol::COUNT],
    /// Responses 4xx and 5xx of all protocols.
    pub errors: Errors,
}

/// Responses that are errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Errors {
    pub client: u64,
    pub server: u64,
}

impl Second {
    fn of(totals: &Totals) -> Self {
        let [.., client, server] = totals.classes();
        let requests = Protocol::ALL.map(|protocol| totals.of(protocol).requests());
        Self { requests, errors: Errors { client, server } }
    }

    pub fn all(&self) -> u64 {
        self.requests.iter().sum()
    }

    pub fn of_protocol(&self, protocol: Protocol) -> u64 {
        self.requests[protocol as usize]
    }

    fn map(&self, other: &Self, joined: impl Fn(u64, u64) -> u64) -> Self {
        let requests = std::array::from_fn(|at| joined(self.requests[at], other.requests[at]));
        let client = joined(self.errors.client, other.errors.client);
        let server = joined(self.errors.server, other.errors.server);
        Self { requests, errors: Errors { client, server } }
    }

    fn since(&self, earlier: &Self) -> Self {
        self.map(earlier, u64::saturating_sub)
    }
}

/// The response times of a span, by protocol.
#[derive(Debug, Clone, Default)]
pub struct Span([Latencies; Protocol::COUNT]);

impl Span {
    fn of(totals: &Totals) -> Self {
        Self(Protocol::ALL.map(|protocol| totals.of(protocol).latency.clone()))
    }

    fn since(&self, earlier: &Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].since(&earlier.0[at])))
    }

    fn merge(&mut self, more: &Self) {
        self.0.iter_mut().zip(&more.0).for_each(|(all, one)| all.merge(one));
    }

    pub fn of_protocol(&self, protocol: Protocol) -> &Latencies {
        &self.0[protocol as usize]
    }

    /// Of all protocols.
    pub fn all(&self) -> Latencies {
        let mut all = Latencies::default();
        self.0.iter().for_each(|one| all.merge(one));
        all
    }
}

/// The last minute. Times are counted from the start of the process.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Whole seconds up to the last sample.
    until: u64,
    last: Second,
    seconds: VecDeque<Second>,
    /// At the beginning of the current span.
    span_began: Span,
    spans: VecDeque<Span>,
}

/// The last minute up to now, with the second that has not ended.
#[derive(Debug, Clone)]
pub struct Minute {
    /// Whole seconds, the latest one last.
    pub seconds: Vec<Second>,
    /// Spans of five whole seconds, the latest one last.
    pub spans: Vec<Span>,
    /// What was counted in it.
    pub counted: Second,
    /// Its response times, which may reach back up to 65 s.
    pub latency: Span,
    /// How long it is: less than a minute after the start.
    pub length: Duration,
}

impl History {
    /// Takes a sample: what the totals were at a time. It is for each second that has ended since
    /// the one before, of which there is more than one if the machine was busy or asleep.
    pub fn keep(&mut self, at: Duration, totals: &Totals) {
        let now = at.as_secs();
        let passed = now.saturating_sub(self.until);
        if passed == 0 {
            return;
        }
        let counted = Second::of(totals);
        let grown = counted.since(&self.last);
        for nth in passed.saturating_sub(SECONDS as u64)..passed {
            // Divided evenly, and nothing lost to rounding.
            let part = |n: u64| n * (nth + 1) / passed - n * nth / passed;
            push(&mut self.seconds, grown.map(&grown, |n, _| part(n)), SECONDS);
        }
        if now / SPAN > self.until / SPAN {
            let all = Span::of(totals);
            // Those that were missed are empty: the times are in the first one.
            let missed = (now / SPAN - self.until / SPAN - 1).min(SPANS as u64);
            push(&mut self.spans, all.since(&self.span_began), SPANS);
            (0..missed).for_each(|_| push(&mut self.spans, Span::default(), SPANS));
            self.span_began = all;
        }
        (self.until, self.last) = (now, counted);
    }

    /// The minute before `at`, at which the totals are these.
    pub fn minute(&self, at: Duration, totals: &Totals) -> Minute {
        let mut counted = Second::of(totals).since(&self.last);
        self.seconds.iter().for_each(|one| counted = counted.map(one, u64::wrapping_add));
        let mut latency = Span::of(totals).since(&self.span_began);
        self.spans.iter().for_each(|span| latency.merge(span));
        let begun = Duration::from_secs(self.until.saturating_sub(self.seconds.len() as u64));
        Minute {
            seconds: self.seconds.iter().copied().collect(),
            spans: self.spans.iter().cloned().collect(),
            counted,
            latency,
            length: at.saturating_sub(begun),
        }
    }
}

impl Minute {
    /// Of a count in it.
    pub fn per_second(&self, count: u64) -> f64 {
        if self.length.is_zero() { 0.0 } else { count as f64 / self.length.as_secs_f64() }
    }

    /// The share of a protocol in its requests, from 0.0 to 1.0; `None` without requests.
    pub fn share(&self, protocol: Protocol) -> Option<f64> {
        let all = self.counted.all();
        (all > 0).then(|| self.counted.of_protocol(protocol) as f64 / all as f64)
    }
}

fn push<T>(all: &mut VecDeque<T>, one: T, most: usize) {
    if all.len() == most {
        all.pop_front();
    }
    all.push_back(one);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Family, Metrics, NO_SITE, WorkerMetrics};

    /// A worker that counts, and the sums of it.
    struct Counted(&'static WorkerMetrics, Metrics);

    impl Counted {
        fn new() -> Self {
            let worker = WorkerMetrics::begin();
            Self(worker, [worker].into_iter().collect())
        }

        fn answer(&self, protocol: Protocol, status: u16, count: usize, millis: u64) {
            let traffic = self.0.traffic(NO_SITE, protocol, Family::V4);
            let after = Duration::from_millis(millis);
            for _ in 0..count {
                traffic.answer(status, after.into());
                self.0.latency(protocol).record(after.into());
            }
        }

        fn totals(&self) -> Totals {
            self.1.totals()
        }
    }

    fn secs(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn each_second_has_its_own_count() {
        let (counted, mut history) = (Counted::new(), History::default());
        for second in 1..=100_usize {
            counted.answer(Protocol::Http2, 200, second, 1);
            counted.answer(Protocol::Http3, if second == 99 { 502 } else { 404 }, 1, 1);
            history.keep(secs(second as f64 + 0.001), &counted.totals());
        }
        let minute = history.minute(secs(100.5), &counted.totals());
        assert_eq!(minute.seconds.len(), 60);
        let http2: Vec<u64> = minute.seconds.iter().map(|one| one.requests[1]).collect();
        assert_eq!(http2, (41..=100).collect::<Vec<u64>>());
        assert_eq!(minute.seconds[58].errors, Errors { client: 0, server: 1 });
        assert_eq!(minute.seconds[59].errors, Errors { client: 1, server: 0 });
        assert_eq!((minute.counted.requests[2], minute.length), (60, secs(60.5)));
        assert!((minute.share(Protocol::Http3).unwrap() - 60.0 / 4290.0).abs() < 1e-9);
    }

    #[test]
    fn a_rate_is_known_before_the_first_sample_and_within_a_second() {
        let (counted, mut history) = (Counted::new(), History::default());
        let nothing = history.minute(secs(0.0), &counted.totals());
        assert_eq!((nothing.per_second(0), nothing.share(Protocol::Http1)), (0.0, None));
        counted.answer(Protocol::Http1, 200, 5, 1);
        let minute = history.minute(secs(0.5), &counted.totals());
        assert_eq!((minute.counted.all(), minute.per_second(5)), (5, 10.0));
        assert_eq!(minute.latency.all().count(), 5);
        history.keep(secs(1.0), &counted.totals());
        counted.answer(Protocol::Http1, 200, 5, 1);
        let minute = history.minute(secs(2.0), &counted.totals());
        assert_eq!((minute.counted.all(), minute.per_second(10)), (10, 5.0));
    }

    #[test]
    fn what_was_missed_is_divided_and_nothing_is_lost() {
        let (counted, mut history) = (Counted::new(), History::default());
        history.keep(secs(10.0), &counted.totals());
        counted.answer(Protocol::Http1, 200, 10, 1);
        history.keep(secs(14.2), &counted.totals());
        let minute = history.minute(secs(14.3), &counted.totals());
        let last: Vec<u64> = minute.seconds.iter().rev().map(Second::all).take(5).collect();
        assert_eq!(last, [3, 2, 3, 2, 0]);
        // The machine was asleep.
        counted.answer(Protocol::Http1, 200, 600, 1);
        history.keep(secs(614.2), &counted.totals());
        let minute = history.minute(secs(614.3), &counted.totals());
        assert_eq!((minute.seconds.len(), minute.counted.all()), (60, 60));
        assert_eq!((minute.spans.len(), minute.latency.all().count()), (12, 0));
    }

    #[test]
    fn percentiles_are_of_the_last_minute() {
        let (counted, mut history) = (Counted::new(), History::default());
        for second in 1..=120 {
            let millis = if second <= 50 { 1000 } else { 8 };
            counted.answer(Protocol::Http3, 200, 10, millis);
            history.keep(secs(f64::from(second)), &counted.totals());
        }
        let minute = history.minute(secs(120.0), &counted.totals());
        let latency = minute.latency.of_protocol(Protocol::Http3);
        assert_eq!((minute.spans.len(), latency.count()), (12, 600));
        assert!(latency.quantile(1.0) < Some(secs(0.011)), "{:?}", latency.quantile(1.0));
        assert_eq!(minute.latency.of_protocol(Protocol::Http1).quantile(0.5), None);
        assert_eq!(minute.latency.all().sum(), secs(4.8));
    }
}
