//! What happens on a TCP connection, from which its timers follow.

use std::cell::Cell;
use std::rc::Rc;

use tokio::time::Instant;

use super::guard::GuardHandle;
use crate::http::Peer;
use crate::http::timeouts::Timeouts;
use crate::limits::REST_AFTER;

/// The state of one connection, updated by dispatch and by response bodies.
#[derive(Clone)]
pub(crate) struct Activity(Rc<State>);

struct State {
    requests: Cell<usize>,
    /// Responses whose last frame waits for the client.
    unread: Cell<usize>,
    /// The time of the last progress: a request ended or a frame was returned.
    progress: Cell<Instant>,
    /// Whether no request has arrived yet.
    fresh: Cell<bool>,
    /// When the last response must be complete, over HTTP/1.1. While a part of it waits for the
    /// client, nothing polls its body.
    respond_by: Cell<Option<Instant>>,
    /// Whether the connection must end.
    closing: Cell<bool>,
    /// Over HTTP/1.1, the framing and the sender of responses.
    guard: Option<(GuardHandle, Rc<Peer>)>,
}

impl Activity {
    pub(crate) fn new(guard: Option<(GuardHandle, Rc<Peer>)>) -> Self {
        Self(Rc::new(State {
            requests: Cell::new(0),
            unread: Cell::new(0),
            progress: Cell::new(Instant::now()),
            fresh: Cell::new(true),
            respond_by: Cell::new(None),
            closing: Cell::new(false),
            guard,
        }))
    }

    /// The verdict on the request that starts now, if its head is invalid.
    pub(crate) fn begin(&self) -> Option<http::StatusCode> {
        self.0.requests.set(self.0.requests.get() + 1);
        self.0.fresh.set(false);
        self.0.respond_by.set(None);
        self.0.guard.as_ref().and_then(|(guard, _)| guard.begin_request())
    }

    /// The head of the current request, if there is a verdict on it.
    pub(crate) fn replaced(&self) -> Vec<u8> {
        self.0.guard.as_ref().map(|(guard, _)| guard.replaced()).unwrap_or_default()
    }

    /// The current request asks for an upgrade but gets an ordinary response.
    pub(crate) fn not_upgraded(&self) {
        if let Some((guard, _)) = &self.0.guard {
            guard.not_upgraded();
        }
    }

    /// A response is complete, failed or dropped.
    pub(crate) fn end(&self, now: Instant) {
        self.0.requests.set(self.0.requests.get() - 1);
        self.0.progress.set(now);
    }

    /// Counts as a request until the returned value is dropped.
    pub(crate) fn busy(&self) -> Busy {
        self.0.requests.set(self.0.requests.get() + 1);
        Busy(self.clone())
    }

    /// A response body returned a frame, which the client has to read.
    pub(crate) fn handed_out(&self, now: Instant) {
        self.0.unread.set(self.0.unread.get() + 1);
        self.0.progress.set(now);
    }

    /// The frame was read.
    pub(crate) fn taken(&self) {
        self.0.unread.set(self.0.unread.get() - 1);
    }

    /// `timeouts write` of the current response, which is the only one of the connection.
    pub(crate) fn respond_by(&self, deadline: Option<Instant>) {
        self.0.respond_by.set(deadline);
    }

    /// Whether a response must announce that the connection closes after it.
    pub(crate) fn is_last(&self) -> bool {
        self.0.closing.get() && self.0.guard.is_some()
    }

    pub(super) fn close(&self) {
        self.0.closing.set(true);
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.0.fresh.get()
    }

    /// The deadline of the connection in its current state.
    pub(super) fn deadline(&self, timeouts: &Timeouts) -> Option<Instant> {
        let state = &self.0;
        let progress = state.progress.get();
        let (mut unsent, mut head_started) = (None, None);
        if let Some((guard, peer)) = &state.guard {
            let seen = guard.glance();
            (unsent, head_started) = (seen.unsent, seen.head_started);
            let waits = state.requests.get() > 0 && state.unread.get() == 0 && unsent.is_none();
            if seen.left && waits && peer.values.awaits_upstream() {
                // No client waits for the response.
                return Some(progress);
            }
        }
        if state.unread.get() > 0 || unsent.is_some() {
            return self.unread_deadline(unsent.map_or(progress, |at| at.max(progress)), timeouts);
        }
        if state.requests.get() > 0 {
            return None;
        }
        if let Some(started) = head_started {
            // One that came with the request before is not read until that has its response.
            return timeouts.header.map(|limit| started.max(progress) + limit);
        }
        let limit = if state.fresh.get() { timeouts.header } else { timeouts.idle };
        limit.map(|limit| progress + limit)
    }

    /// The deadline of output of which the client has taken nothing since then.
    pub(super) fn unread_deadline(&self, since: Instant, timeouts: &Timeouts) -> Option<Instant> {
        let idle = timeouts.write_idle.map(|limit| since + limit);
        idle.into_iter().chain(self.0.respond_by.get()).min()
    }

    /// Whether the client does not read a response.
    pub(super) fn is_unread(&self) -> bool {
        let unsent =
            self.0.guard.as_ref().is_some_and(|(guard, _)| guard.glance().unsent.is_some());
        unsent || self.0.unread.get() > 0
    }

    /// When the connection has been idle for long enough to be suspended, in its current state.
    pub(super) fn rest(&self) -> Option<Instant> {
        let state = &self.0;
        let rests = state.guard.as_ref().is_none_or(|(guard, _)| guard.may_rest());
        (rests && state.requests.get() == 0).then(|| state.progress.get() + REST_AFTER)
    }
}

/// A tunnel in a stream: the connection is not idle until the tunnel is dropped.
pub(crate) struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.end(Instant::now());
    }
}
