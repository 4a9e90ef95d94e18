//! What is known of one connection: when it began, whose it is, and what has been counted.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::quic::QuicWire;
use crate::experiment::{Connected, Event, Experiment, Figures, Visitor};
use crate::net::tcp_info::TcpInfo;

/// Added to three round trips: a first request that comes later after the handshake was not waited
/// for, because the client opened the connection in advance.
const IN_ADVANCE: Duration = Duration::from_millis(100);

/// The measurement of one connection.
pub(crate) struct Meter {
    address: IpAddr,
    first_packet: Instant,
    /// The first round trip that was measured.
    pub(super) rtt: Duration,
    pub(super) http3: bool,
    /// When the handshake ended.
    ready: Cell<Option<Instant>>,
    pub(super) wire: OnceCell<Wire>,
    /// Whether an answer is being measured.
    pub(super) busy: Cell<bool>,
    pending: RefCell<Option<Weak<dyn Pending>>>,
    part: RefCell<Option<Part>>,
    figures: Cell<Figures>,
}

/// The connection below.
pub(crate) enum Wire {
    Tcp(Weak<dyn TcpWire>),
    Quic(QuicWire),
}

/// A TCP connection with TLS.
pub(crate) trait TcpWire {
    /// `None` when it is gone.
    fn info(&self) -> Option<TcpInfo>;
    /// Whether the socket has all that was to be sent.
    fn is_flushed(&self) -> bool;
}

/// An answer on a TCP connection whose acknowledgement is awaited.
pub(super) trait Pending {
    /// Whether all of it has been handed to the protocol, but not yet to the socket.
    fn awaits_end(&self) -> bool;
    /// It ends with what is written to the socket now.
    fn ends_at(&self, written: u64);
    /// Compares it with what is acknowledged; true if nothing more is to be found out.
    fn look(&self, info: &TcpInfo) -> bool;
    /// The client has broken the connection off.
    fn broken(&self);
}

/// Packets of a connection.
pub(crate) struct Traffic {
    pub(crate) packets: u64,
    pub(crate) lost: u64,
}

/// The experiment of the connection's first request, which it is counted for.
struct Part {
    experiment: Arc<Experiment>,
    visitor: Visitor,
    was_told: bool,
}

impl Meter {
    pub(crate) fn tcp(address: IpAddr, accepted: Instant, rtt: Duration) -> Self {
        // The client's SYN came a round trip before its ACK.
        let first_packet = accepted.checked_sub(rtt).unwrap_or(accepted);
        Self::new(address, first_packet, rtt, false)
    }

    pub(crate) fn quic(address: IpAddr, first_packet: Instant, rtt: Duration) -> Self {
        Self::new(address, first_packet, rtt, true)
    }

    fn new(address: IpAddr, first_packet: Instant, rtt: Duration, http3: bool) -> Self {
        Self {
            address,
            first_packet,
            rtt,
            http3,
            ready: Cell::default(),
            wire: OnceCell::new(),
            busy: Cell::default(),
            pending: RefCell::default(),
            part: RefCell::default(),
            figures: Cell::default(),
        }
    }

    /// The handshake has ended.
    pub(crate) fn ready(&self, wire: Wire) {
        self.ready.set(Some(Instant::now()));
        let _ = self.wire.set(wire);
    }

    pub(super) fn watch(&self, pending: Weak<dyn Pending>) {
        self.pending.replace(Some(pending));
    }

    fn pending(&self) -> Option<Rc<dyn Pending>> {
        self.pending.borrow().as_ref()?.upgrade()
    }

    /// All that was to be sent is in the socket.
    pub(crate) fn flushed(&self, info: impl FnOnce() -> Option<TcpInfo>) {
        if let Some(pending) = self.pending().filter(|pending| pending.awaits_end())
            && let Some(info) = info()
        {
            pending.ends_at(info.written);
        }
    }

    /// The TCP connection ends.
    pub(crate) fn closed(&self, info: &TcpInfo) {
        if let Some(pending) = self.pending()
            && !pending.look(info)
            && info.is_broken
        {
            pending.broken();
        }
        self.sent(&Traffic { packets: info.packets, lost: info.retransmitted });
    }

    /// What was sent in all; the connection ends.
    pub(crate) fn sent(&self, traffic: &Traffic) {
        let Traffic { packets, lost } = *traffic;
        self.figures.set(Figures { packets, lost, ..self.figures.get() });
    }

    /// The visitor on this connection. After midnight it is another one.
    pub(crate) fn visitor(&self, experiment: &Arc<Experiment>, now: SystemTime) -> Visitor {
        let mut part = self.part.borrow_mut();
        let is_same = |part: &&Part| Arc::ptr_eq(&part.experiment, experiment);
        let known = part.as_ref().filter(is_same).map(|part| part.visitor);
        if let Some(visitor) = known.filter(|visitor| visitor.is_of(now)) {
            return visitor;
        }
        let visitor = experiment.visitor(self.address, now);
        match &mut *part {
            None => {
                let experiment = experiment.clone();
                *part = Some(Part { experiment, visitor, was_told: false });
            }
            Some(part) if known.is_some() => {
                (part.visitor, part.was_told) = (visitor, false);
            }
            // A connection with requests of several sites is counted for the first one.
            Some(_) => {}
        }
        visitor
    }

    /// Whether requests on this connection are a visitor's.
    pub(super) fn is_known(&self) -> bool {
        self.part.borrow().is_some()
    }

    /// The head of an answer with the offer is on its way.
    pub(super) fn told(&self) {
        let mut part = self.part.borrow_mut();
        let Some(part) = part.as_mut().filter(|part| !part.was_told) else { return };
        part.was_told = true;
        let told = Connected { at: Instant::now(), rtt: self.rtt, http3: self.http3 };
        part.experiment.tell(Event::Connected(part.visitor, told));
    }

    /// Takes the time up to the first request, which comes now; `None` for a later request, and if
    /// the client did not wait for it.
    pub(super) fn setup(&self, requested: Instant) -> Option<Duration> {
        let idle = requested.saturating_duration_since(self.ready.take()?);
        let waited = idle <= 3 * self.rtt + IN_ADVANCE;
        waited.then(|| requested.saturating_duration_since(self.first_packet))
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Figures)) {
        let mut figures = self.figures.get();
        change(&mut figures);
        self.figures.set(figures);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let Some(part) = self.part.take() else { return };
        let (visitor, figures) = (part.visitor, self.figures.get());
        part.experiment.tell(Event::Ended { visitor, http3: self.http3, figures });
    }
}
