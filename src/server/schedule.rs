//! The order of the responses of one HTTP/2 or HTTP/3 connection (RFC 9218 section 10). A more
//! urgent response goes first. Of one urgency, those that are not incremental go one after another
//! in the order of their requests, and share with the incremental ones as if they were one.
//!
//! A response takes part only while it has content ready. Whether the connection has room for more
//! is known to the protocol.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use http::HeaderMap;

use crate::http::priority::Parameters;

/// Bytes that an incremental response sends before it is the turn of the next one.
const QUANTUM: u64 = 32 * 1024;

/// The responses under way on a connection.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    entries: RefCell<Vec<Entry>>,
    /// Priorities of requests that have not arrived.
    early: RefCell<Vec<(u64, Parameters)>>,
    /// The client has stated a priority, so what it does not state has the defaults of the RFC.
    /// Before, responses share the connection: its requests may be those of many users (section
    /// 13.1).
    is_used: Cell<bool>,
    /// The mark of the response served last.
    mark: Cell<u64>,
}

#[derive(Debug)]
struct Entry {
    stream: u64,
    request: Parameters,
    response: Parameters,
    /// The stream of another protocol, which is incremental.
    is_tunnel: bool,
    /// Bytes sent, counted from the mark of the response served when it began.
    mark: u64,
    /// Waits for its turn.
    waker: Option<Waker>,
}

impl Schedule {
    /// Adds the response to a request.
    pub(crate) fn enter(self: &Rc<Self>, stream: u64, fields: &HeaderMap) -> Scheduled {
        let field = Parameters::of(fields);
        self.is_used.set(self.is_used.get() || field.is_some());
        let mut early = self.early.borrow_mut();
        let updated = early.iter().position(|(known, _)| *known == stream);
        // The frame overrides the field, whichever came first.
        let updated = updated.map(|at| early.remove(at).1);
        self.entries.borrow_mut().push(Entry {
            stream,
            request: updated.or(field).unwrap_or_default(),
            response: Parameters::default(),
            is_tunnel: false,
            mark: 0,
            waker: None,
        });
        Scheduled { schedule: self.clone(), stream }
    }

    /// Takes a PRIORITY_UPDATE for a response under way; false if there is none.
    pub(crate) fn update(&self, stream: u64, stated: Parameters) -> bool {
        self.is_used.set(true);
        let is_here = self.with(stream, |entry| entry.request = stated).is_some();
        if is_here {
            self.call();
        }
        is_here
    }

    /// Keeps a PRIORITY_UPDATE for a request that has not arrived. False if there are more than
    /// `most`: the oldest is forgotten.
    pub(crate) fn keep(&self, stream: u64, stated: Parameters, most: usize) -> bool {
        let mut early = self.early.borrow_mut();
        early.retain(|(known, _)| *known != stream);
        early.push((stream, stated));
        let is_within = early.len() <= most;
        if !is_within {
            early.remove(0);
        }
        is_within
    }

    /// The client uses these priorities.
    pub(crate) fn used(&self) {
        self.is_used.set(true);
    }

    /// Whether `stream` goes before `other`.
    pub(crate) fn prefers(&self, stream: u64, other: u64) -> bool {
        let entries = self.entries.borrow();
        let at = |stream| entries.iter().position(|entry| entry.stream == stream);
        let (Some(one), Some(two)) = (at(stream), at(other)) else { return true };
        self.first(&entries, |at, _| at == one || at == two) == Some(one)
    }

    /// Wakes the response that is the first to go. It stays first until it has gone or ended.
    pub(crate) fn call(&self) {
        let entries = self.entries.borrow();
        let first = self.first(&entries, |_, entry| entry.waker.is_some());
        if let Some(waker) = first.and_then(|at| entries[at].waker.as_ref()) {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn is_shared(&self) -> bool {
        self.count() > 1
    }

    /// Responses under way.
    pub(crate) fn count(&self) -> usize {
        self.entries.borrow().len()
    }

    #[cfg(test)]
    pub(crate) fn kept(&self) -> usize {
        self.early.borrow().len()
    }

    /// The first of the entries that take part.
    fn first(
        &self,
        entries: &[Entry],
        takes_part: impl Fn(usize, &Entry) -> bool,
    ) -> Option<usize> {
        let mut urgency = u8::MAX;
        // The first of those that go one after another, and of those that share.
        let (mut in_order, mut sharing): (Option<First>, Option<First>) = (None, None);
        for (at, entry) in entries.iter().enumerate().filter(|(at, entry)| takes_part(*at, entry)) {
            let stated = entry.response.over(entry.request);
            if stated.urgency() > urgency {
                continue;
            }
            if stated.urgency() < urgency {
                (urgency, in_order, sharing) = (stated.urgency(), None, None);
            }
            let first = First { round: entry.mark / QUANTUM, stream: entry.stream, at };
            if !self.shares(entry) {
                let is_first = in_order.is_none_or(|known| first.stream < known.stream);
                in_order = if is_first { Some(first) } else { in_order };
            } else if sharing.is_none_or(|known| first < known) {
                sharing = Some(first);
            }
        }
        in_order.into_iter().chain(sharing).min().map(|first| first.at)
    }

    fn shares(&self, entry: &Entry) -> bool {
        let stated = entry.response.over(entry.request).incremental();
        entry.is_tunnel || stated.unwrap_or(!self.is_used.get())
    }

    fn with<T>(&self, stream: u64, act: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        self.entries.borrow_mut().iter_mut().find(|entry| entry.stream == stream).map(act)
    }
}

/// Compared by the rounds that a response has had, then by its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct First {
    round: u64,
    stream: u64,
    at: usize,
}

/// A response under way.
#[derive(Debug)]
pub(crate) struct Scheduled {
    schedule: Rc<Schedule>,
    stream: u64,
}

impl Scheduled {
    /// Takes the priority that the response states itself.
    pub(crate) fn respond(&self, fields: &HeaderMap) {
        if let Some(stated) = Parameters::of(fields) {
            self.schedule.with(self.stream, |entry| entry.response = stated);
        }
    }

    /// The stream now carries another protocol.
    pub(crate) fn become_tunnel(&self) {
        self.schedule.with(self.stream, |entry| entry.is_tunnel = true);
    }

    /// Its urgency, and whether it is sent along with others of that.
    pub(crate) fn priority(&self) -> (u8, bool) {
        let priority = |entry: &mut Entry| {
            (entry.response.over(entry.request).urgency(), self.schedule.shares(entry))
        };
        self.schedule.with(self.stream, priority).unwrap_or_default()
    }

    /// Ready if the connection has room and no response that goes first waits; otherwise this one
    /// waits for [`Schedule::call`].
    pub(crate) fn poll_turn(&self, has_room: bool, cx: &Context<'_>) -> Poll<()> {
        let mut entries = self.schedule.entries.borrow_mut();
        let Some(me) = entries.iter().position(|entry| entry.stream == self.stream) else {
            return Poll::Ready(());
        };
        let takes_part = |at, entry: &Entry| at == me || entry.waker.is_some();
        if has_room && self.schedule.first(&entries, takes_part) == Some(me) {
            entries[me].waker = None;
            return Poll::Ready(());
        }
        match &mut entries[me].waker {
            Some(waker) => waker.clone_from(cx.waker()),
            waker => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Records what it sent in its turn.
    pub(crate) fn sent(&self, bytes: usize) {
        let mark = &self.schedule.mark;
        self.schedule.with(self.stream, |entry| {
            // Whoever has sent nothing for long gets no more than the others from now on.
            mark.set(entry.mark.max(mark.get()));
            entry.mark = mark.get() + bytes as u64;
        });
    }
}

impl Drop for Scheduled {
    fn drop(&mut self) {
        self.schedule.entries.borrow_mut().retain(|entry| entry.stream != self.stream);
        self.schedule.call();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::priority::PRIORITY;

    fn fields(value: &'static str) -> HeaderMap {
        let value = http::HeaderValue::from_static(value);
        HeaderMap::from_iter([(PRIORITY.clone(), value)])
    }

    /// The order in which responses with content for so many turns of a quantum send it.
    fn order(schedule: &Rc<Schedule>, responses: &[(Scheduled, usize)]) -> Vec<u64> {
        let mut left: Vec<usize> = responses.iter().map(|(_, turns)| *turns).collect();
        let cx = Context::from_waker(Waker::noop());
        let mut order = vec![];
        while left.iter().any(|turns| *turns > 0) {
            // All of them ask before the connection has room.
            let ask = |(one, left): (&(Scheduled, usize), &usize)| {
                *left > 0 && one.0.poll_turn(false, &cx).is_ready()
            };
            assert!(!responses.iter().zip(&left).any(ask));
            schedule.call();
            let mut asks = responses.iter().zip(&mut left);
            let turn =
                asks.find(|((one, _), left)| **left > 0 && one.poll_turn(true, &cx).is_ready());
            let Some(((one, _), left)) = turn else { panic!("nobody goes after {order:?}") };
            one.sent(QUANTUM as usize);
            *left -= 1;
            order.push(one.stream);
        }
        order
    }

    fn enter(schedule: &Rc<Schedule>, requests: &[(u64, &'static str, usize)]) -> Vec<u64> {
        let enter = |(stream, field, turns): &(u64, &'static str, usize)| {
            let fields = if field.is_empty() { HeaderMap::new() } else { fields(field) };
            (schedule.enter(*stream, &fields), *turns)
        };
        let responses: Vec<_> = requests.iter().map(enter).collect();
        order(schedule, &responses)
    }

    #[test]
    fn the_more_urgent_goes_first() {
        let requests = [(1, "u=5", 2), (3, "u=0", 2), (5, "u=7, i", 1), (7, "i", 1)];
        assert_eq!(enter(&Rc::default(), &requests), [3, 3, 7, 1, 1, 5]);
    }

    #[test]
    fn of_one_urgency_they_go_in_order_or_share() {
        let in_order = [(5, "u=2", 2), (1, "u=2", 2), (3, "u=2", 2)];
        assert_eq!(enter(&Rc::default(), &in_order), [1, 1, 3, 3, 5, 5]);
        let sharing = [(1, "i", 3), (3, "i", 2), (5, "i", 3)];
        assert_eq!(enter(&Rc::default(), &sharing), [1, 3, 5, 1, 3, 5, 1, 5]);
        let both = [(1, "u=3", 3), (3, "u=3", 2), (5, "i", 4)];
        assert_eq!(enter(&Rc::default(), &both), [1, 5, 1, 5, 1, 3, 5, 3, 5]);
    }

    #[test]
    fn they_share_until_the_client_states_a_priority() {
        let schedule = Rc::default();
        let requests = [(1, "", 2), (3, "", 2)];
        assert_eq!(enter(&schedule, &requests), [1, 3, 1, 3]);
        assert_eq!(enter(&schedule, &[(5, "u=3", 1), (7, "", 1)]), [5, 7]);
        assert_eq!(enter(&schedule, &requests), [1, 1, 3, 3]);
    }

    #[test]
    fn a_response_that_was_silent_does_not_make_up_for_it() {
        let schedule: Rc<Schedule> = Rc::default();
        let first = (schedule.enter(1, &fields("i")), 9);
        let late = (schedule.enter(3, &fields("i")), 0);
        let mut responses = vec![first, late];
        assert_eq!(order(&schedule, &responses), [1; 9]);
        (responses[0].1, responses[1].1) = (3, 3);
        assert_eq!(order(&schedule, &responses), [3, 1, 3, 1, 3, 1]);
    }

    #[test]
    fn frames_override_fields_and_responses_override_both() {
        let schedule: Rc<Schedule> = Rc::default();
        let parse = |field: &str| Parameters::parse(field.as_bytes());
        assert!(!schedule.update(3, parse("u=1")));
        assert!(schedule.keep(5, parse("u=1"), 2));
        assert!(schedule.keep(3, parse("u=1"), 2));
        assert!(schedule.keep(3, parse("u=2"), 2), "the newest counts");
        assert!(!schedule.keep(7, parse("u=1"), 2));
        let one = schedule.enter(1, &fields("u=3"));
        let two = schedule.enter(3, &fields("u=7, i"));
        let urgency = |one: &Scheduled| one.priority().0;
        assert_eq!((urgency(&one), urgency(&two), schedule.kept()), (3, 2, 1));
        assert!(schedule.prefers(3, 1));
        assert!(schedule.update(1, parse("u=0")));
        assert!(schedule.prefers(1, 3));
        two.respond(&fields("u=0, i"));
        one.respond(&HeaderMap::new());
        one.respond(&fields("u=4"));
        assert_eq!((urgency(&one), urgency(&two)), (4, 0));
        assert!(schedule.update(3, parse("u=6")));
        assert_eq!(urgency(&two), 0);
    }

    #[test]
    fn a_tunnel_shares() {
        let schedule: Rc<Schedule> = Rc::default();
        let one = schedule.enter(1, &fields("u=3"));
        let two = schedule.enter(3, &fields("u=3"));
        one.become_tunnel();
        assert_eq!(order(&schedule, &[(one, 3), (two, 3)]), [1, 3, 1, 3, 1, 3]);
    }
}
