//! What the service and the connection's clock know of a guard, and tell it.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use http::StatusCode;
use tokio::time::Instant;

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between messages: nothing of the next head is here.
    Idle,
    /// Part of a head is here.
    Head,
    Body,
}

/// The service's view of a [`Guard`].
#[derive(Debug, Clone)]
pub(crate) struct GuardHandle(pub(super) Rc<RefCell<Shared>>);

#[derive(Debug)]
pub(super) struct Shared {
    /// Heads handed to hyper, stand-ins counted.
    pub(super) heads: u64,
    /// Requests that the service began.
    pub(super) begun: u64,
    /// The status for a head that was replaced, and the number of its request.
    pub(super) verdict: Option<(u64, StatusCode)>,
    /// The head that was replaced, or what came of it.
    pub(super) replaced: Vec<u8>,
    pub(super) broken: Option<StatusCode>,
    pub(super) phase: Phase,
    pub(super) head_started: Option<Instant>,
    pub(super) transparent: bool,
    pub(super) refused: bool,
    pub(super) reader: Option<Waker>,
    /// The next thing to come is the head of a request.
    pub(super) quiet: bool,
    pub(super) unsent: bool,
    /// As in [`Guard`].
    pub(super) left: bool,
}

/// What the clock of a connection has to know of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glance {
    /// When the first byte of an unfinished head came.
    pub(crate) head_started: Option<Instant>,
    /// The client has ended its stream while a request waited for its answer.
    pub(crate) left: bool,
    /// The client does not take what is written.
    pub(crate) unsent: bool,
}

impl GuardHandle {
    /// To be called once for each request, in order: the status to answer this one with, where
    /// its head was bad.
    pub(crate) fn begin_request(&self) -> Option<StatusCode> {
        let mut shared = self.0.borrow_mut();
        shared.begun += 1;
        shared.verdict.filter(|(request, _)| *request == shared.begun).map(|(_, status)| status)
    }

    /// Of a request that [`Self::begin_request`] gave a status for: its own head.
    pub(crate) fn replaced(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().replaced)
    }

    /// The status for a request whose body's framing is broken, if it is unanswered.
    #[cfg(test)]
    pub(crate) fn broken(&self) -> Option<StatusCode> {
        self.0.borrow().broken
    }

    /// Says that the request which asked for an upgrade gets an ordinary response, where the
    /// guard cannot see that for itself (its head leaves behind the end of another response).
    pub(crate) fn not_upgraded(&self) {
        let mut shared = self.0.borrow_mut();
        shared.refused = true;
        wake(&mut shared);
    }

    #[cfg(test)]
    pub(crate) fn phase(&self) -> Phase {
        self.0.borrow().phase
    }

    /// Whether all that is left to do is to wait for the next request.
    pub(crate) fn may_rest(&self) -> bool {
        let shared = self.0.borrow();
        shared.quiet && !shared.unsent
    }

    pub(crate) fn glance(&self) -> Glance {
        let Shared { head_started, left, unsent, .. } = *self.0.borrow();
        Glance { head_started, left, unsent }
    }
}

pub(super) fn wake(shared: &mut Shared) {
    if let Some(reader) = shared.reader.take() {
        reader.wake();
    }
}
