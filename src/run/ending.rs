//! The end of a process: when it is told to stop, and when another one has taken its place.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::exit::{FORCED, OK, SHUTDOWN_FAILED};
use super::hooks;
use super::service::Service;
use crate::daemon::signals::Event;
use crate::daemon::upgrade::{Predecessor, Serving};
use crate::daemon::{logfile, notify, processlog};
use crate::limits::{DRAIN_IDLE, STOP_WORKERS};
use crate::server::Drain;
use crate::site;

/// How often it is looked whether the end must come faster.
const STEP: Duration = Duration::from_millis(20);

impl Service {
    /// Lets requests in flight end, and runs the commands of the end; a second signal cuts that
    /// short.
    pub(super) fn stop(self, events: &mpsc::Receiver<Event>) -> u8 {
        notify::stopping();
        self.settings.keeper.stop();
        // However long `-grace` is, the manager should not cut it short.
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

    /// Ends what is under way while the new process serves.
    pub(super) fn leave(self, new: Serving, events: &mpsc::Receiver<Event>) -> u8 {
        self.watchdog.stop();
        // The new process rolls the logs and renews the certificates.
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
            // Its packets come through the new process, and a new start needs the ports.
            let is_over = new_ended.try_recv() == Err(mpsc::TryRecvError::Disconnected);
            is_over.then(|| "the process that serves has ended".to_owned())
        };
        self.drain(DRAIN_IDLE, hurry, || OK)
    }

    /// `hurry` says why there is no more time, `last` what comes of the end.
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
                log::error!("a worker does not end: Force quit");
                break FORCED;
            }
        };
        if code == OK {
            log::info!("Shutdown complete");
        }
        self.sinks.flush();
        processlog::flush();
        code
    }
}

/// Is cancelled when the process before this one has ended: until then it needs us, to be handed
/// its packets.
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
