//! The notifications for systemd's watchdog. They are sent only while every worker responds, so
//! that systemd also restarts a service that hangs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::daemon::notify;
use crate::server::Pulse;

/// Notifies the watchdog until it is stopped.
#[derive(Default)]
pub(super) struct Watchdog {
    stopped: Arc<AtomicBool>,
}

impl Watchdog {
    /// Starts the notifications, if a watchdog is set.
    pub(super) fn start(&self, pulse: Pulse) -> io::Result<()> {
        let Some(interval) = notify::watchdog_interval() else { return Ok(()) };
        // The interval is half the limit, so a notification after this wait is still in time.
        let patience = interval / 2;
        let stopped = self.stopped.clone();
        let watch = move || {
            loop {
                thread::sleep(interval);
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                if pulse.beats(patience) {
                    notify::watchdog();
                } else {
                    log::error!(
                        "a worker has not responded for {patience:?}: not notifying the watchdog"
                    );
                }
            }
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(watch).map(drop)
    }

    /// Stops: another process notifies the watchdog from now on.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
