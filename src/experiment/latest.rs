//! The report that was made last. An analysis takes up to a second of a core, so those who look
//! often get the last one, and another is made beside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;

use crate::quic_report::Report;

/// A report is made anew when so many times the time that it took has passed, so that no reader
/// keeps more than a twentieth of a core busy.
const REST: u32 = 20;

pub(super) struct Latest {
    made: ArcSwapOption<Made>,
    /// Held while one is made.
    turn: Mutex<()>,
    /// Somebody has looked since it was made, or there is none.
    wanted: AtomicBool,
}

/// A report, and when it was made.
#[derive(Debug, Clone)]
pub struct Dated {
    pub report: Arc<Report>,
    pub at: SystemTime,
}

/// A report, and what it was made of.
struct Made {
    at: Instant,
    took: Duration,
    changes: u64,
    dated: Dated,
}

impl Default for Latest {
    fn default() -> Self {
        Self { made: ArcSwapOption::empty(), turn: Mutex::default(), wanted: AtomicBool::new(true) }
    }
}

impl Latest {
    /// Never waits. Makes the next one due.
    pub(super) fn get(&self) -> Option<Dated> {
        self.wanted.store(true, Ordering::Relaxed);
        self.made.load().as_ref().map(|made| made.dated.clone())
    }

    /// Whether [`Self::get`] was called since the last time.
    pub(super) fn take_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }

    /// Those who ask while one is made wait for it, and get the same.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last one, if it is not to be made anew after so many changes.
    pub(super) fn fresh(&self, changes: u64) -> Option<Arc<Report>> {
        let made = self.made.load();
        made.as_ref().filter(|made| made.is_fresh(changes)).map(|made| made.dated.report.clone())
    }

    pub(super) fn make(&self, changes: u64, make: impl FnOnce() -> Report) -> Arc<Report> {
        let began = Instant::now();
        let report = Arc::new(make());
        let (at, took) = (Instant::now(), began.elapsed());
        let dated = Dated { report: report.clone(), at: SystemTime::now() };
        self.made.store(Some(Arc::new(Made { at, took, changes, dated })));
        report
    }
}

impl Made {
    fn is_fresh(&self, changes: u64) -> bool {
        self.changes == changes || self.at.elapsed() < self.took * REST
    }
}
