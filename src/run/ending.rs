//! Ending the process: on a stop signal, and after an upgrade.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::exit::{FORCED, OK, SHUTDOWN_FAILED};
use super::service::Service;
use super::{fleet, hooks};
use crate::daemon::signals::Event;
use crate::daemon::upgrade::{Predecessor, Serving};
use crate::daemon::{logfile, notify, processlog};
use crate::limits::{DRAIN_IDLE, STOP_WORKERS};
use crate::server::Drain;
use crate::site;

/// How often the drain checks for a second signal.
const STEP: Duration = Duration::from_millis(20);

impl Service {
    /// Drains the requests in flight and runs the shutdown commands; a second signal ends both at
    /// once.
    pub(super) fn stop(self, events: &mpsc::Receiver<Event>) -> u8 {
        self.status.stop();
        notify::stopping();
        self.settings.keeper.stop();
        // systemd must not end the process before `-grace` does.
        notify::extend_timeout(self.grace + Duration::from_secs(5));
        let engine = self.engine.clone();
        let hurry = || match events.try_recv() {
            Ok(Event::Stop(signal) | Event::StopNow(signal)) => Some(signal.to_owned()),
            _ => None,
        };
        let mut forced = false;
        self.drain(Duration::ZERO, hurry, || {
            let give_up = || {
                forced |= hurry().is_some();
                forced
            };
            match hooks::run(&engine.load().hooks, site::Event::Shutdown, &[], give_up) {
                Ok(()) => return OK,
                Err(error) => log::error!("{error}"),
            }
            if forced { FORCED } else { SHUTDOWN_FAILED }
        })
    }

    /// Drains the requests in flight while the new process serves.
    pub(super) fn leave(mut self, new: Serving, events: &mpsc::Receiver<Event>) -> u8 {
        self.watchdog.stop();
        self.status.stop();
        self.control.release();
        if let Some(shared) = &self.fleet {
            shared.resign();
        }
        if let Some(machines) = self.keys.machines() {
            machines.retire();
        }
        // The new process rotates the logs and renews the certificates.
        logfile::disable_rotation();
        self.settings.keeper.stop();
        let (ended, new_ended) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            new.ended();
            drop(ended);
        });
        let hurry = || {
            if let Ok(Event::Stop(signal) | Event::StopNow(signal)) = events.try_recv() {
                return Some(signal.to_owned());
            }
            // Packets arrive through the new process, and a new start needs the ports.
            let is_over = new_ended.try_recv() == Err(mpsc::TryRecvError::Disconnected);
            is_over.then(|| "the new process has ended".to_owned())
        };
        self.drain(DRAIN_IDLE, hurry, || OK)
    }

    /// `hurry` returns a reason to stop at once, `last` the exit code after a complete drain.
    fn drain(
        self,
        linger: Duration,
        hurry: impl Fn() -> Option<String>,
        last: impl FnOnce() -> u8,
    ) -> u8 {
        let how = Drain { grace: self.grace, linger, until: self.alone };
        let (done, drained) = mpsc::channel();
        let workers = self.workers;
        std::thread::spawn(move || {
            workers.drain(&how);
            let _ = done.send(());
        });
        let deadline = Instant::now() + self.grace + STOP_WORKERS;
        let code = loop {
            match drained.recv_timeout(STEP) {
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                _ => break last(),
            }
            if let Some(reason) = hurry() {
                log::warn!("{reason}: Force quit");
                break FORCED;
            }
            if Instant::now() > deadline {
                log::error!("a worker does not stop: Force quit");
                break FORCED;
            }
        };
        if code == OK {
            log::info!("Shutdown complete");
        }
        self.engine.load().experiments.iter().for_each(|one| one.save());
        if let Some(shared) = &self.fleet {
            fleet::stop(shared);
        }
        self.sinks.flush();
        if let Some(traces) = &self.traces {
            traces.flush();
        }
        processlog::flush();
        code
    }
}

/// Is cancelled when the previous process has ended. Until then it needs this process, which
/// forwards packets to it.
pub(super) fn alone(before: Option<Predecessor>) -> CancellationToken {
    let alone = CancellationToken::new();
    let Some(before) = before else {
        alone.cancel();
        return alone;
    };
    let ended = alone.clone();
    std::thread::spawn(move || {
        before.ended();
        ended.cancel();
    });
    alone
}
