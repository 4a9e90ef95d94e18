//! The order in which the responses of an HTTP/2 connection hand their content to h2, which sends
//! what it has in no particular order. So h2 gets little at a time, and more when the socket has
//! taken that.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::Request;

use crate::http::priority::Parameters;
use crate::limits::{H2_PRIORITIES, SEND_BUFFER};
use crate::server::schedule::{Schedule, Scheduled};

/// The window of a connection before any WINDOW_UPDATE (RFC 9113 section 6.9.2).
const FIRST_WINDOW: i64 = 65_535;
/// Most requests between the gate and the service: more than a client may have.
const ARRIVING: usize = 512;

/// Shared by the gate, the responses and the clock of a connection.
#[derive(Debug)]
pub(crate) struct SendOrder {
    schedule: Rc<Schedule>,
    /// Bytes that h2 got since the socket had taken all that it could send.
    backlog: Cell<usize>,
    /// The client's window on the connection. What waits for it is in no backlog: h2 would send it
    /// in the order in which it came.
    window: Cell<i64>,
    /// Requests that the gate has passed, in order. hyper does not tell the stream of a request.
    arriving: RefCell<VecDeque<Arriving>>,
    /// SETTINGS_NO_RFC7540_PRIORITIES in the client's first SETTINGS.
    pub(super) no_rfc7540: Cell<Option<u32>>,
    /// The numbers of requests whose streams are unknown, above those of streams.
    unknown: Cell<u64>,
}

#[derive(Debug)]
struct Arriving {
    stream: u32,
    /// Detects that h2 has refused a request in between.
    path_length: usize,
}

impl SendOrder {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            schedule: Rc::default(),
            backlog: Cell::new(0),
            window: Cell::new(FIRST_WINDOW),
            arriving: RefCell::default(),
            no_rfc7540: Cell::default(),
            unknown: Cell::new(u64::from(u32::MAX)),
        })
    }

    /// The gate passes a request.
    pub(super) fn passed(&self, stream: u32, path_length: usize) {
        let mut arriving = self.arriving.borrow_mut();
        arriving.truncate(ARRIVING - 1);
        arriving.push_back(Arriving { stream, path_length });
    }

    /// The request arrives at the service.
    pub(super) fn enter<B>(self: &Rc<Self>, request: &Request<B>) -> Ordered {
        let path = request.uri().path_and_query().map_or("", |target| target.as_str());
        let mut arriving = self.arriving.borrow_mut();
        let found = std::iter::from_fn(|| arriving.pop_front())
            .find(|known| known.path_length == path.len());
        let stream = found.map_or_else(
            || {
                self.unknown.set(self.unknown.get() + 1);
                self.unknown.get()
            },
            |known| known.stream.into(),
        );
        Ordered { scheduled: self.schedule.enter(stream, request.headers()), order: self.clone() }
    }

    /// Takes a PRIORITY_UPDATE; false if there are too many for requests to come. `last` is the
    /// last stream that the client has opened.
    pub(super) fn update(&self, stream: u32, stated: Parameters, last: u32) -> bool {
        let is_to_come = || {
            let arriving = self.arriving.borrow();
            stream > last || arriving.iter().any(|known| known.stream == stream)
        };
        if self.schedule.update(stream.into(), stated) || !is_to_come() {
            return true;
        }
        let beside = self.schedule.count() + self.arriving.borrow().len();
        self.schedule.keep(stream.into(), stated, H2_PRIORITIES.saturating_sub(beside))
    }

    /// The client has stated that it uses these priorities.
    pub(super) fn used(&self) {
        self.schedule.used();
    }

    /// The client increases its window on the connection.
    pub(super) fn opened(&self, step: u32) {
        self.window.set(self.window.get() + i64::from(step));
        self.call();
    }

    /// h2 sends content.
    pub(super) fn sent(&self, bytes: usize) {
        self.window.set(self.window.get() - bytes as i64);
    }

    /// The socket has taken all that h2 can send.
    pub(super) fn drained(&self) {
        if self.backlog.replace(0) > 0 {
            self.call();
        }
    }

    fn has_room(&self) -> bool {
        let backlog = self.backlog.get();
        backlog < SEND_BUFFER && self.window.get() > backlog as i64
    }

    fn call(&self) {
        if self.has_room() {
            self.schedule.call();
        }
    }
}

/// A response of the connection.
pub(crate) struct Ordered {
    pub(super) scheduled: Scheduled,
    order: Rc<SendOrder>,
}

impl Ordered {
    /// Ready when it is the turn of this response to send so many bytes.
    pub(super) fn poll_turn(&self, bytes: usize, cx: &Context<'_>) -> Poll<()> {
        let order = &self.order;
        if order.schedule.is_shared() {
            ready!(self.scheduled.poll_turn(order.has_room(), cx));
            self.scheduled.sent(bytes);
        }
        order.backlog.set(order.backlog.get() + bytes);
        // This response may now have to wait for the client where it is not seen.
        order.call();
        Poll::Ready(())
    }
}
