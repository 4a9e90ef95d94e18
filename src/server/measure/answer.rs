//! An answer whose acknowledgement is measured.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::meter::{Meter, Pending, Wire};
use super::quic::{Ending, QuicWire};
use crate::experiment::{self, Event, Experiment, Visitor};
use crate::net::tcp_info::TcpInfo;
use crate::quic_report::Kind;

/// What takes longer is entered with this time, so that the slow are not left out.
pub(super) const LONGEST: Duration = Duration::from_secs(120);

/// What is known of an answer when it begins.
pub(super) struct About {
    pub(super) experiment: Arc<Experiment>,
    pub(super) visitor: Visitor,
    pub(super) requested: Instant,
    pub(super) kind: Kind,
    pub(super) setup: Option<Duration>,
}

/// An answer whose acknowledgement is measured.
pub(crate) struct Answer {
    meter: Rc<Meter>,
    about: About,
    first: Cell<Option<Duration>>,
    pub(super) stage: Cell<Stage>,
    /// Over TCP: bytes of the connection before the answer, and with it.
    before: Cell<u64>,
    end: Cell<Option<u64>>,
    looked: Cell<Instant>,
    /// When all of it had been handed to QUIC.
    taken: Cell<Option<Instant>>,
    is_done: Cell<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is no response yet.
    Waiting,
    Sending,
    /// All of it was handed to the protocol.
    Sent,
    Failed,
}

impl Answer {
    pub(super) fn new(meter: Rc<Meter>, about: About) -> Self {
        Self {
            meter,
            about,
            first: Cell::default(),
            stage: Cell::new(Stage::Sending),
            before: Cell::default(),
            end: Cell::default(),
            looked: Cell::new(Instant::now()),
            taken: Cell::default(),
            is_done: Cell::default(),
        }
    }

    /// It begins behind what was written before on its TCP connection.
    pub(super) fn begins_at(self: &Rc<Self>, written: u64) {
        self.before.set(written);
        let pending: Rc<dyn Pending> = self.clone();
        self.meter.watch(Rc::downgrade(&pending));
    }

    pub(super) fn rtt(&self) -> Duration {
        self.meter.rtt
    }

    pub(super) fn quic(&self) -> Option<&QuicWire> {
        match self.meter.wire.get()? {
            Wire::Quic(wire) => Some(wire),
            Wire::Tcp(_) => None,
        }
    }

    /// The client has acknowledged the first byte.
    pub(super) fn first(&self, at: Instant) {
        self.first.set(Some(at.saturating_duration_since(self.about.requested)));
    }

    /// QUIC has taken all of it.
    pub(crate) fn taken(&self) {
        self.taken.set(Some(Instant::now()));
    }

    /// The client has left before it had all that was handed to the protocol. What is not handed
    /// out is counted with its request.
    fn failed(&self) {
        if self.stage.get() == Stage::Sent && !self.is_done.replace(true) {
            self.meter.count(|figures| figures.failures += 1);
        }
    }

    /// It took so long that it counts as [`LONGEST`]; a client that has not acknowledged what was
    /// handed to the protocol has vanished.
    pub(super) fn too_long(&self) {
        if self.is_done.get() {
            return;
        }
        if self.stage.get() == Stage::Sent {
            self.meter.count(|figures| figures.failures += 1);
        }
        self.last(self.about.requested + LONGEST);
    }

    /// Nobody waits any more for a client on a QUIC connection.
    fn given_up(&self) {
        let Some(wire) = self.quic().filter(|_| self.stage.get() == Stage::Sent) else { return };
        match wire.ending() {
            Ending::Clean if self.taken.get().is_some_and(|at| wire.may_have_arrived(at)) => {
                self.last(Instant::now());
            }
            Ending::Silent => self.too_long(),
            Ending::Ours => {}
            // With an open connection it has stopped the stream.
            Ending::None | Ending::Clean | Ending::Broken => self.failed(),
        }
    }

    /// The client has acknowledged the last byte.
    pub(crate) fn last(&self, at: Instant) {
        if self.is_done.replace(true) {
            return;
        }
        let About { experiment, visitor, requested, kind, setup } = &self.about;
        let last = at.saturating_duration_since(*requested).min(LONGEST);
        let answer = experiment::Answer {
            requested: *requested,
            kind: *kind,
            http3: self.meter.http3,
            setup: *setup,
            // With the last byte all of them.
            first: Some(self.first.get().unwrap_or(last).min(last)),
            last,
        };
        experiment.tell(Event::Answered(*visitor, answer));
    }
}

impl Pending for Answer {
    fn awaits_end(&self) -> bool {
        self.stage.get() == Stage::Sent && self.end.get().is_none()
    }

    fn ends_at(&self, written: u64) {
        self.end.set(Some(written));
    }

    fn look(&self, info: &TcpInfo) -> bool {
        if self.is_done.get() || self.stage.get() == Stage::Failed {
            return true;
        }
        let now = Instant::now();
        // The last acknowledgement is the one that is looked for, or a later one.
        let at = now.checked_sub(info.quiet).unwrap_or(now).max(self.looked.replace(now));
        if self.first.get().is_none() && info.acked > self.before.get() {
            self.first(at);
        }
        if self.end.get().is_some_and(|end| info.acked >= end) {
            self.last(at);
        }
        self.is_done.get()
    }

    fn broken(&self) {
        self.failed();
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.given_up();
        self.meter.busy.set(false);
    }
}
