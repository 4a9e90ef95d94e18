//! The receive windows of the streams of one connection. h2 takes each for as large as possible
//! and announces nothing; the upstream is told of a small one, and of what the client has drained
//! since. A window grows while it holds the upstream back. A client that does not read holds no
//! more than the window of its stream, and blocks no other stream.

use std::time::Instant;

use bytes::BytesMut;

use crate::credit::{Credit, Drain, Grant, RECEIVE, RoundTrip};
use crate::http2_frames::{FIRST_WINDOW, put_window_update};
use crate::limits::{
    UPSTREAM_STREAM_WINDOW, UPSTREAM_STREAM_WINDOW_MOST, UPSTREAM_STREAMS, UPSTREAM_WINDOW_GROWTH,
};

/// The window of a connection: as much as its streams may have together, so that none waits for
/// another.
pub(super) const CONNECTION_WINDOW: u32 =
    UPSTREAM_STREAM_WINDOW * UPSTREAM_STREAMS as u32 + UPSTREAM_WINDOW_GROWTH;

/// The part of a window that is announced at once.
const STEP: u64 = 4;

/// The upstream has sent more than a window allows.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server exceeded the flow-control window")]
pub(super) struct Excess;

#[derive(Debug)]
pub(super) struct Windows {
    /// What all windows of the process may grow by.
    credit: &'static Credit,
    /// In the order of their IDs.
    streams: Vec<Stream>,
    /// Growth of all streams.
    grown: u64,
    /// From our SETTINGS to the upstream's acknowledgement, which it must send at once (RFC 9113
    /// section 6.5.3).
    round_trip: RoundTrip,
    /// WINDOW_UPDATE frames to send between two frames of h2.
    owed: BytesMut,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    /// What the upstream may still send.
    room: i64,
    /// What it may send in addition and was not told of.
    due: i64,
    drain: Drain,
    grant: Grant,
    /// The upstream has ended it.
    has_ended: bool,
}

impl Stream {
    fn window(&self) -> u64 {
        u64::from(UPSTREAM_STREAM_WINDOW) + self.grant.bytes()
    }
}

impl Default for Windows {
    fn default() -> Self {
        Self::within(&RECEIVE)
    }
}

impl Windows {
    fn within(credit: &'static Credit) -> Self {
        Self {
            credit,
            streams: Vec::new(),
            grown: 0,
            round_trip: RoundTrip::default(),
            owed: BytesMut::new(),
        }
    }

    /// A request is being sent. Its ID is the highest.
    pub(super) fn open(&mut self, id: u32, now: Instant) {
        let first = if self.is_settled() { UPSTREAM_STREAM_WINDOW } else { FIRST_WINDOW };
        let (room, drain, grant) = (first.into(), Drain::new(now), Grant::new(self.credit));
        self.streams.push(Stream { id, room, due: 0, drain, grant, has_ended: false });
    }

    /// The response is complete, or nobody waits for it any more.
    pub(super) fn close(&mut self, id: u32) {
        if let Some(at) = self.find(id) {
            self.grown -= self.streams.remove(at).grant.bytes();
        }
    }

    pub(super) fn streams(&self) -> usize {
        self.streams.len()
    }

    /// Our SETTINGS are being sent.
    pub(super) fn asked(&mut self, now: Instant) {
        self.round_trip.asked(now);
    }

    /// The upstream acknowledges SETTINGS, and so the first window of all streams.
    pub(super) fn settled(&mut self, now: Instant) {
        if self.round_trip.answered(now) {
            let more = i64::from(UPSTREAM_STREAM_WINDOW) - i64::from(FIRST_WINDOW);
            self.streams.iter_mut().for_each(|stream| stream.room += more);
        }
    }

    fn is_settled(&self) -> bool {
        self.round_trip.time().is_some()
    }

    /// DATA arrives. h2 knows of all limits but the windows.
    pub(super) fn received(&mut self, id: u32, bytes: usize) -> Result<(), Excess> {
        let Some(at) = self.find(id) else { return Ok(()) };
        let stream = &mut self.streams[at];
        stream.room -= bytes as i64;
        if stream.room < 0 { Err(Excess) } else { Ok(()) }
    }

    pub(super) fn ended(&mut self, id: u32) {
        if let Some(at) = self.find(id) {
            self.streams[at].has_ended = true;
        }
    }

    /// Padding arrives, which h2 discards.
    pub(super) fn padded(&mut self, id: u32, bytes: usize) {
        if let Some(at) = self.find(id) {
            self.streams[at].due += bytes as i64;
            self.announce(at);
        }
    }

    /// The client has received content. Returns whether the upstream must be told.
    pub(super) fn drained(&mut self, id: u32, bytes: usize, now: Instant) -> bool {
        let Some(at) = self.find(id) else { return false };
        let stream = &mut self.streams[at];
        stream.due += bytes as i64;
        let window = stream.window();
        if let Some(rtt) = self.round_trip.time()
            && stream.drain.drained(bytes as u64, window, now, || rtt)
        {
            let more = window.min(u64::from(UPSTREAM_STREAM_WINDOW_MOST) - window);
            let is_within = self.grown + more <= u64::from(UPSTREAM_WINDOW_GROWTH);
            if is_within && !stream.has_ended && stream.grant.grow_within_share(more) {
                self.grown += more;
                stream.due += more as i64;
            }
        }
        self.announce(at)
    }

    fn announce(&mut self, at: usize) -> bool {
        // h2's windows are the first ones until it reads the acknowledgement.
        let is_settled = self.is_settled();
        let stream = &mut self.streams[at];
        let is_worth = stream.due >= (stream.window() / STEP) as i64;
        let is_due = is_settled && is_worth && !stream.has_ended;
        if is_due {
            put_window_update(&mut self.owed, stream.id, stream.due as u32);
            stream.room += std::mem::take(&mut stream.due);
        }
        is_due
    }

    /// h2 announces on its own what was drained. Returns whether the upstream gets that.
    pub(super) fn announced(&mut self, id: u32, step: u32) -> bool {
        if id == 0 {
            return true;
        }
        if let Some(at) = self.find(id).filter(|_| !self.is_settled()) {
            let stream = &mut self.streams[at];
            stream.room += i64::from(step);
            stream.due -= i64::from(step);
            return true;
        }
        false
    }

    pub(super) fn owed(&mut self) -> &mut BytesMut {
        &mut self.owed
    }

    fn find(&self, id: u32) -> Option<usize> {
        self.streams.binary_search_by_key(&id, |stream| stream.id).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::http2_frames::{Frame, HEAD, WINDOW_UPDATE, number};

    const WINDOW: i64 = UPSTREAM_STREAM_WINDOW as i64;
    const PIECE: usize = 16 * 1024;
    const RTT: Duration = Duration::from_millis(50);

    /// Windows with a measured round trip, and the time of now.
    fn settled() -> (Windows, Instant) {
        // Tests run side by side, and each is to have all that it asks for.
        static AMPLE: Credit = Credit::new(1 << 40);
        let (mut windows, now) = (Windows::within(&AMPLE), Instant::now());
        windows.asked(now);
        windows.settled(now + RTT);
        (windows, now + RTT)
    }

    /// The increments that were sent for a stream.
    fn told(windows: &mut Windows, id: u32) -> i64 {
        let owed = windows.owed().split();
        let frames = owed.chunks(HEAD + 4).filter(|frame| {
            let head = Frame::read(frame.first_chunk().unwrap());
            assert_eq!((head.kind, head.length), (WINDOW_UPDATE, 4));
            head.stream == id
        });
        frames.map(|frame| i64::from(number(*frame[HEAD..].first_chunk().unwrap()))).sum()
    }

    /// How much an upstream can send on a stream of which nothing is drained.
    fn fill(windows: &mut Windows, id: u32) -> i64 {
        let pieces = (1..).take_while(|_| windows.received(id, PIECE).is_ok());
        pieces.count() as i64 * PIECE as i64
    }

    #[test]
    fn who_does_not_read_holds_one_window() {
        let (mut windows, now) = settled();
        (0..UPSTREAM_STREAMS as u32).for_each(|at| windows.open(2 * at + 1, now));
        for at in 0..UPSTREAM_STREAMS as u32 {
            assert_eq!(fill(&mut windows, 2 * at + 1), WINDOW, "whatever the others hold");
        }
        assert!(windows.owed().is_empty());
    }

    /// The window of a stream whose upstream always sends all it may, and whose client drains
    /// `share` of a window each round trip.
    fn window_after(windows: &mut Windows, id: u32, now: &mut Instant, share: f64) -> i64 {
        let window = |windows: &Windows| windows.streams[windows.find(id).unwrap()].window();
        for _ in 0..1000 {
            *now += RTT / 16;
            let drained = (window(windows) as f64 * share) as usize / 16;
            windows.received(id, drained).unwrap();
            windows.drained(id, drained, *now);
        }
        window(windows) as i64
    }

    #[test]
    fn a_window_grows_for_a_stream_that_it_holds_back() {
        let most = i64::from(UPSTREAM_STREAM_WINDOW_MOST);
        for (share, want) in [(0.7, most), (0.3, most), (0.2, WINDOW)] {
            let (mut windows, mut now) = settled();
            windows.open(1, now);
            assert_eq!(window_after(&mut windows, 1, &mut now, share), want, "{share}");
        }
    }

    #[test]
    fn a_connection_has_a_bound_that_ended_streams_leave() {
        let most = i64::from(UPSTREAM_STREAM_WINDOW_MOST);
        let all = most - WINDOW;
        let fit = i64::from(UPSTREAM_WINDOW_GROWTH) / all;
        let (mut windows, mut now) = settled();
        let ids = (0..fit as u32 + 2).map(|at| 2 * at + 1);
        let grown: Vec<_> = ids
            .map(|id| {
                windows.open(id, now);
                window_after(&mut windows, id, &mut now, 0.5)
            })
            .collect();
        assert!(grown[..fit as usize].iter().all(|window| *window == most), "{grown:?}");
        assert!(*grown.last().unwrap() < most, "{grown:?}");
        windows.close(1);
        windows.open(999, now);
        assert_eq!(window_after(&mut windows, 999, &mut now, 0.5), most);
        assert!(windows.grown <= u64::from(UPSTREAM_WINDOW_GROWTH));
    }

    #[test]
    fn small_responses_cause_no_frame() {
        let (mut windows, now) = settled();
        windows.open(1, now);
        for _ in 0..(WINDOW as u64 / STEP) as usize / PIECE - 1 {
            windows.received(1, PIECE).unwrap();
            assert!(!windows.drained(1, PIECE, now));
        }
        windows.received(1, PIECE).unwrap();
        assert!(windows.drained(1, PIECE, now));
        assert_eq!(told(&mut windows, 1), WINDOW / STEP as i64);
        windows.ended(1);
        assert!(!windows.drained(1, WINDOW as usize, now), "nor do those that have ended");
    }

    #[test]
    fn padding_comes_back() {
        let (mut windows, now) = settled();
        windows.open(1, now);
        for _ in 0..100 {
            windows.received(1, PIECE).unwrap();
            windows.padded(1, PIECE);
        }
        assert!(told(&mut windows, 1) > 90 * PIECE as i64);
    }

    #[test]
    fn h2_announces_until_settings_are_acknowledged() {
        let (mut windows, now) = (Windows::default(), Instant::now());
        windows.asked(now);
        windows.open(1, now);
        windows.received(1, 65_535).unwrap();
        assert_eq!(windows.received(1, 1), Err(Excess), "the first window");
        assert!(!windows.drained(1, 65_536, now));
        assert!(windows.announced(1, 65_536) && windows.announced(0, 1));
        windows.settled(now);
        windows.open(3, now);
        assert_eq!(windows.streams[0].room, WINDOW);
        assert_eq!(windows.streams[1].room, WINDOW);
        assert_eq!(windows.streams[0].due, 0);
        assert!(!windows.announced(1, 1 << 30) && windows.announced(0, 1));
    }
}
