//! The state of a guard that the HTTP service and the connection's timer read and set.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::Waker;

use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::interim::Interim;
use crate::http::early_hints::InterimWriter;

/// The state of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between messages, without a byte of the next head.
    Idle,
    /// A part of a head has arrived.
    Head,
    Body,
}

/// The service's handle of a [`Guard`].
#[derive(Debug, Clone)]
pub(crate) struct GuardHandle(pub(super) Rc<RefCell<Shared>>);

#[derive(Debug)]
pub(super) struct Shared {
    /// Heads passed to hyper, including replacements.
    pub(super) heads: u64,
    /// Requests that the service has started.
    pub(super) begun: u64,
    /// The status for a head that was replaced, and the number of its request.
    pub(super) verdict: Option<(u64, StatusCode)>,
    /// The original of the replaced head.
    pub(super) replaced: Vec<u8>,
    pub(super) broken: Option<StatusCode>,
    pub(super) phase: Phase,
    pub(super) head_started: Option<Instant>,
    pub(super) transparent: bool,
    pub(super) refused: bool,
    pub(super) reader: Option<Waker>,
    /// The next bytes are the head of a request.
    pub(super) quiet: bool,
    /// As the fields of [`Guard`].
    pub(super) unsent: Option<Instant>,
    pub(super) left: bool,
    pub(super) interim: Interim,
}

/// The state that the clock of a connection requires.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Glance {
    /// When the first byte of an incomplete head arrived.
    pub(crate) head_started: Option<Instant>,
    /// The client has ended its direction while a request waited for its response.
    pub(crate) left: bool,
    /// Since when the client has not taken the rest of the output.
    pub(crate) unsent: Option<Instant>,
}

impl GuardHandle {
    /// Must be called once per request, in order. Returns the status of the response if the head
    /// was invalid.
    pub(crate) fn begin_request(&self) -> Option<StatusCode> {
        let mut shared = self.0.borrow_mut();
        shared.begun += 1;
        shared.verdict.filter(|(request, _)| *request == shared.begun).map(|(_, status)| status)
    }

    /// The original head of a request for which [`Self::begin_request`] returned a status.
    pub(crate) fn replaced(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().replaced)
    }

    /// The status for a request with invalid framing of its body, if it has no response yet.
    #[cfg(test)]
    pub(crate) fn broken(&self) -> Option<StatusCode> {
        self.0.borrow().broken
    }

    /// Reports that a request with Upgrade gets an ordinary response, if the guard cannot detect it
    /// (the head of the response is sent after the end of another one).
    pub(crate) fn not_upgraded(&self) {
        let mut shared = self.0.borrow_mut();
        shared.refused = true;
        wake(&mut shared);
    }

    #[cfg(test)]
    pub(crate) fn phase(&self) -> Phase {
        self.0.borrow().phase
    }

    /// Whether the connection only waits for its next request.
    pub(crate) fn may_rest(&self) -> bool {
        let shared = self.0.borrow();
        shared.quiet && shared.unsent.is_none()
    }

    pub(crate) fn glance(&self) -> Glance {
        let Shared { head_started, left, unsent, .. } = *self.0.borrow();
        Glance { head_started, left, unsent }
    }
}

impl InterimWriter for GuardHandle {
    fn write(&self, fields: &HeaderMap) {
        self.0.borrow_mut().interim.push(fields);
    }
}

pub(super) fn wake(shared: &mut Shared) {
    if let Some(reader) = shared.reader.take() {
        reader.wake();
    }
}
