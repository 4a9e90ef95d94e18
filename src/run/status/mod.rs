//! The status of the service: for `-status`, and as one line for systemd.

mod collect;
mod fleet;
mod line;
mod text;
mod traffic;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use self::collect::Kept;
use crate::daemon::notify;
use crate::experiment::Experiment;
use crate::fleet::store::Shared;
use crate::limits::STATUS_INTERVAL;
use crate::metrics::Metrics;
use crate::report::{self, Changes, Configuration, History, Report, ReportSource};
use crate::server::{Engine, ServiceKeys};

/// The state that a status is made of, for any thread.
pub(super) struct Status {
    engine: Arc<Engine>,
    metrics: Metrics,
    keys: Arc<ServiceKeys>,
    shared: Option<Shared>,
    started: Instant,
    configuration: Mutex<Configuration>,
    changes: Mutex<Changes>,
    history: Mutex<History>,
    stopped: AtomicBool,
}

impl Status {
    pub(super) fn new(
        engine: Arc<Engine>,
        metrics: Metrics,
        keys: Arc<ServiceKeys>,
        shared: Option<Shared>,
        configuration: Configuration,
    ) -> Arc<Self> {
        Arc::new(Self {
            engine,
            metrics,
            keys,
            shared,
            started: Instant::now(),
            configuration: Mutex::new(configuration),
            changes: Mutex::default(),
            history: Mutex::default(),
            stopped: AtomicBool::new(false),
        })
    }

    /// A reload has put a configuration in force. An upgrade that failed before is forgotten.
    pub(super) fn reloaded(&self, by: &str, new: Configuration) {
        *locked(&self.configuration) = new;
        locked(&self.changes).reloaded(by, None);
    }

    pub(super) fn reload_failed(&self, by: &str, error: &str) {
        locked(&self.changes).reloaded(by, Some(error));
    }

    pub(super) fn upgrade_failed(&self, by: &str, error: &str) {
        locked(&self.changes).upgrade_failed(by, error);
    }

    /// One line, as `systemctl status` shows it.
    pub(super) fn line(&self) -> String {
        line::of(&self.report())
    }

    /// For people: the line, then one line for each subject.
    pub(super) fn text(&self) -> String {
        let report = self.report();
        format!("{}\n{}", line::of(&report), text::of(&report))
    }

    /// Those of the configuration in force.
    pub(super) fn experiments(&self) -> Vec<Arc<Experiment>> {
        self.engine.load().experiments.clone()
    }

    pub(super) fn json(&self) -> String {
        report::json(&self.report())
    }

    /// Keeps the counts of the last minute and systemd's text current, from a thread.
    pub(super) fn keep_current(self: &Arc<Self>) -> io::Result<()> {
        let status = self.clone();
        let keep = move || {
            let mut notified = Duration::ZERO;
            loop {
                thread::sleep(to_next_second(status.started.elapsed()));
                if status.stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (now, totals) = (status.started.elapsed(), status.metrics.totals());
                locked(&status.history).keep(now, &totals);
                if notify::is_wanted() && now.saturating_sub(notified) >= STATUS_INTERVAL {
                    notify::status(&status.line());
                    notified = now;
                }
            }
        };
        thread::Builder::new().name("status".to_owned()).spawn(keep).map(drop)
    }

    /// Stops that: another process notifies systemd from now on, or this one ends.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

impl ReportSource for Status {
    fn report(&self) -> Report {
        let (totals, uptime) = (self.metrics.totals(), self.started.elapsed());
        let minute = locked(&self.history).minute(uptime, &totals);
        let kept = Kept {
            configuration: locked(&self.configuration).clone(),
            changes: locked(&self.changes).clone(),
            totals,
            metrics: self.metrics.clone(),
            uptime,
            minute,
            generation: self.keys.generation(),
            fleet: self.shared.as_ref().map(|shared| {
                fleet::of(shared.view(), self.keys.machines().map(|machines| &**machines))
            }),
        };
        collect::report(&self.engine.load(), kept)
    }
}

/// So that no second is missed, however long the work of each takes.
fn to_next_second(now: Duration) -> Duration {
    Duration::from_secs(1) - Duration::from_nanos(now.subsec_nanos().into())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
