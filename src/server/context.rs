//! State that the tasks of one worker share: the snapshot in force, places for clients, and the
//! count of what is in flight.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::drain::InFlight;
use super::quic::Shared;
use super::{Engine, ServiceKeys};
use crate::limits::DRAIN_IDLE;
use crate::metrics::WorkerMetrics;
use crate::site::Snapshot;

/// State shared by the tasks of one worker.
pub(super) struct Worker {
    pub(super) engine: Arc<Engine>,
    pub(super) keys: Arc<ServiceKeys>,
    /// The snapshot used last. Its reference counter belongs to this worker, so counting requests
    /// causes no contention between workers.
    pub(super) held: RefCell<Rc<Held>>,
    pub(super) quic: Arc<Shared>,
    pub(super) slots: Arc<Semaphore>,
    /// Asks the client that has been idle for longest to give up its slot.
    pub(super) room: Arc<Notify>,
    pub(super) in_flight: InFlight,
    /// Written by this worker only.
    pub(super) metrics: &'static WorkerMetrics,
    /// As [`Drain::linger`].
    pub(super) linger: Cell<Duration>,
    /// Cancelled when tasks must finish and start nothing new.
    pub(super) draining: CancellationToken,
    /// Cancelled when tasks must end at once.
    pub(super) parting: CancellationToken,
}

/// A worker's own reference to a snapshot.
pub(super) struct Held(pub(super) Arc<Snapshot>);

impl std::ops::Deref for Held {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.0
    }
}

impl Worker {
    pub(super) fn new(
        engine: Arc<Engine>,
        keys: Arc<ServiceKeys>,
        slots: Arc<Semaphore>,
        metrics: &'static WorkerMetrics,
        quic: Arc<Shared>,
    ) -> Self {
        Self {
            keys,
            quic,
            held: RefCell::new(Rc::new(Held(engine.load()))),
            engine,
            slots,
            room: Arc::default(),
            in_flight: InFlight::default(),
            metrics,
            linger: Cell::new(DRAIN_IDLE),
            draining: CancellationToken::new(),
            parting: CancellationToken::new(),
        }
    }

    /// The current configuration, held while one request or handshake requires it.
    pub(super) fn snapshot(&self) -> Rc<Held> {
        let mut held = self.held.borrow_mut();
        if !self.engine.is_current(&held.0) {
            *held = Rc::new(Held(self.engine.load()));
        }
        held.clone()
    }
}
