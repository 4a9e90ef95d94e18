//! The sign of life that systemd's watchdog waits for. It is given only when every worker has
//! answered, so that a service that hangs is restarted and not just one that ended.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::daemon::notify;
use crate::server::Pulse;

/// Gives signs of life until it is stopped.
#[derive(Default)]
pub(super) struct Watchdog {
    stopped: Arc<AtomicBool>,
}

impl Watchdog {
    /// Starts giving signs of life, if the manager wants any.
    pub(super) fn start(&self, pulse: Pulse) -> io::Result<()> {
        let Some(interval) = notify::watchdog_interval() else { return Ok(()) };
        // The interval is half the limit: with the wait for an answer a sign still comes in time.
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
                        "a worker has not answered for {patience:?}: no sign to the watchdog"
                    );
                }
            }
        };
        thread::Builder::new().name("watchdog".to_owned()).spawn(watch).map(drop)
    }

    /// Another process gives them from now on.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
