//! Idle timers of a QUIC connection. It ends when no packet arrives for [`limits::QUIC_IDLE`], or
//! earlier if the client asks for that. While a request is in flight the server sends PING frames,
//! since a tunnel or an event stream may be silent for longer. Without a request the connection
//! ends after the site's idle timeout, whatever packets arrive.

use std::cell::Cell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::limits;
use crate::server::drain::InFlight;
use crate::server::h3::connection_window::ConnectionWindow;

/// When to send the next packet that keeps the connection alive.
#[derive(Default)]
pub(crate) struct Alive(Option<Pin<Box<Sleep>>>);

impl Alive {
    /// Sends it once when it is due. Polled only while there are requests.
    pub(crate) async fn keep(&mut self, window: &ConnectionWindow, requests: &InFlight) {
        let due = self.0.get_or_insert_with(|| Box::pin(sleep(limits::QUIC_ALIVE)));
        due.as_mut().await;
        // The time may have passed without a request: then the first one has only just arrived.
        let is_late = due.deadline().elapsed() > Duration::from_secs(1);
        due.as_mut().reset(Instant::now() + limits::QUIC_ALIVE);
        if !is_late && requests.count() > 0 {
            window.announce();
        }
    }
}

/// `timeouts idle`: how long the connection may be without a request.
pub(crate) struct Idle {
    limit: Option<Duration>,
    /// Since when there has been no request; `None` while there is one.
    since: Rc<Cell<Instant>>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Idle {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Self { limit, since: Rc::new(Cell::new(Instant::now())), timer: None }
    }

    /// Counts a request until the returned value is dropped.
    pub(crate) fn busy(&self) -> Busy {
        Busy(self.since.clone())
    }

    /// Returns when the connection has had no request for the allowed time.
    pub(crate) async fn is_over(&mut self, requests: &InFlight) {
        let Some(limit) = self.limit else { return pending().await };
        let since = &self.since;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(since.get() + limit)));
        loop {
            timer.as_mut().await;
            let now = Instant::now();
            let due = if requests.count() > 0 { now + limit } else { since.get() + limit };
            if due <= now {
                return;
            }
            timer.as_mut().reset(due);
        }
    }
}

/// One request in progress.
pub(crate) struct Busy(Rc<Cell<Instant>>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(Instant::now());
    }
}
