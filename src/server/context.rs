//! State that the tasks of one worker share: the snapshot in force, places for clients, and the
//! count of what is in flight.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::drain::InFlight;
use super::{Engine, ServiceKeys};
use crate::site::Snapshot;

/// What the tasks of one worker share.
pub(super) struct Worker {
    pub(super) engine: Arc<Engine>,
    pub(super) keys: Arc<ServiceKeys>,
    /// The snapshot last used. Its own counter, which no other worker touches, counts requests.
    pub(super) held: RefCell<Rc<Held>>,
    pub(super) slots: Arc<Semaphore>,
    /// Tells an idle client that its slot is wanted, the one that has waited longest first.
    pub(super) room: Arc<Notify>,
    pub(super) in_flight: InFlight,
    /// As [`Drain::linger`].
    pub(super) linger: Cell<Duration>,
    /// Told to finish what is under way and take nothing new.
    pub(super) draining: CancellationToken,
    /// Told to end what is under way.
    pub(super) parting: CancellationToken,
}

/// A worker's own hold on a snapshot.
pub(super) struct Held(pub(super) Arc<Snapshot>);

impl std::ops::Deref for Held {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

impl Worker {
    /// The configuration in force, for as long as one request or handshake needs it.
    pub(super) fn snapshot(&self) -> Rc<Held> {
        let mut held = self.held.borrow_mut();
        if !self.engine.is_current(&held.0) {
            *held = Rc::new(Held(self.engine.load()));
        }
        held.clone()
    }
}
