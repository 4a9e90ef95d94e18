//! Receive windows that grow. h2's stay as they are; the client is let have more, stream by stream,
//! where what it sends is drained quickly, and DATA beyond h2's windows is kept here until h2 has
//! room. So a stream that is read quickly fills a long path, and one that is not read holds back
//! none of the others.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};

use super::frame_format::{DATA, END_STREAM, Frame, HEAD, WINDOW_UPDATE, put_head};
use crate::limits::{
    H2_CONNECTION_WINDOW, H2_CONNECTION_WINDOW_MOST, STREAM_WINDOW, STREAM_WINDOW_MOST,
};
use crate::receive_credit::{Drain, Grant};

/// The window of a connection before any WINDOW_UPDATE (RFC 9113 section 6.9.2).
const FIRST_WINDOW: i64 = 65_535;
/// Streams with content under way that are followed: more than a client may have.
const STREAMS: usize = 512;
/// Streams remembered that h2 has reset.
const RESET: usize = 64;

/// What becomes of a DATA frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    Pass,
    /// It is to be handed to [`Flow::park`] whole.
    Park,
    /// It is for nobody.
    Drop,
    /// The client sends more than it may.
    Excess,
}

#[derive(Debug)]
pub(super) struct Flow {
    /// What h2 still takes on the connection.
    room: i64,
    /// What it takes on a new stream.
    first: i64,
    /// What the client was let have on the connection beyond h2's windows.
    grant: Grant,
    /// Part of it that streams have been given.
    given: u64,
    parked: usize,
    streams: Vec<Stream>,
    reset: VecDeque<u32>,
    /// WINDOW_UPDATE for the client.
    owed: BytesMut,
    round_trip: RoundTrip,
}

/// A stream with content under way.
#[derive(Debug)]
struct Stream {
    id: u32,
    /// What h2 still takes.
    room: i64,
    /// What the client was let have beyond that.
    extra: u64,
    drain: Drain,
    /// Frames that h2 has no room for, DATA and at their end maybe HEADERS, in one piece each.
    parked: VecDeque<BytesMut>,
    /// Content in them.
    bytes: usize,
    /// The client has sent all.
    ended: bool,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self {
            room: FIRST_WINDOW,
            first: FIRST_WINDOW,
            grant: Grant::default(),
            given: 0,
            parked: 0,
            streams: Vec::new(),
            reset: VecDeque::new(),
            owed: BytesMut::new(),
            round_trip: RoundTrip::default(),
        }
    }

    /// Our first SETTINGS leave.
    pub(super) fn asked(&mut self, now: Instant) {
        self.round_trip.asked.get_or_insert(now);
    }

    /// The client acknowledges SETTINGS: the first ones set the window of all streams.
    pub(super) fn settled(&mut self, now: Instant) {
        let RoundTrip { asked: Some(asked), time: time @ None } = &mut self.round_trip else {
            return;
        };
        *time = Some(now.duration_since(*asked));
        let more = i64::from(STREAM_WINDOW) - self.first;
        self.first += more;
        self.streams.iter_mut().for_each(|stream| stream.room += more);
    }

    /// Judges a DATA frame by its head. One that passes counts from now on.
    pub(super) fn data(&mut self, frame: Frame, now: Instant) -> Way {
        let length = frame.length as i64;
        if self.reset.contains(&frame.stream) {
            if self.room >= length {
                self.room -= length;
                return Way::Pass;
            }
            return Way::Drop;
        }
        let Some(at) = self.find_or_add(frame.stream, now) else {
            self.room -= length;
            return Way::Pass;
        };
        let (stream, has_room) = (&mut self.streams[at], self.room >= length);
        stream.ended |= frame.has(END_STREAM);
        let beyond = stream.bytes as i64 + length - stream.room;
        let all = self.parked as i64 + length - self.room;
        let is_within = beyond <= stream.extra as i64 && all <= self.grant.bytes() as i64;
        let in_turn = stream.parked.is_empty();
        match in_turn && (has_room && stream.room >= length || !is_within) {
            // What is too much is for h2 to judge.
            true => {
                (stream.room, self.room) = (stream.room - length, self.room - length);
                if stream.ended {
                    self.remove(at);
                }
                Way::Pass
            }
            false if is_within => Way::Park,
            false => Way::Excess,
        }
    }

    /// Keeps a frame for later.
    pub(super) fn park(&mut self, stream: u32, frame: &[u8]) {
        let Some(at) = self.find(stream) else { return };
        let stream = &mut self.streams[at];
        let bytes = content(frame);
        stream.bytes += bytes;
        self.parked += bytes;
        stream.parked.push_back(frame.into());
    }

    /// Content is dropped that h2 would have given back.
    pub(super) fn discarded(&mut self, bytes: usize) {
        self.owe(0, bytes as u64);
    }

    /// Whether a field block has to wait behind content.
    pub(super) fn waits(&self, stream: u32) -> bool {
        self.find(stream).is_some_and(|at| !self.streams[at].parked.is_empty())
    }

    /// The client sends no more on a stream.
    pub(super) fn ended(&mut self, stream: u32) {
        if let Some(at) = self.find(stream) {
            self.streams[at].ended = true;
            if self.streams[at].parked.is_empty() {
                self.remove(at);
            }
        }
    }

    /// A stream is over: what is parked of it is for nobody.
    pub(super) fn dropped(&mut self, stream: u32) {
        if let Some(at) = self.find(stream) {
            let bytes = self.streams[at].bytes;
            self.parked -= bytes;
            self.remove(at);
            // h2 never sees them, so it will not give them back.
            self.discarded(bytes);
        }
    }

    /// h2 has reset a stream; the client may not know yet.
    pub(super) fn reset(&mut self, stream: u32) {
        if self.find(stream).is_some() {
            self.reset.truncate(RESET - 1);
            self.reset.push_front(stream);
            self.dropped(stream);
        }
    }

    /// h2 opens a window further, which the client is told.
    pub(super) fn opened(&mut self, stream: u32, step: u32, now: Instant) {
        if stream == 0 {
            self.room += i64::from(step);
            return;
        }
        let Some(at) = self.find(stream) else { return };
        let (rtt, stream) = (self.round_trip.time, &mut self.streams[at]);
        stream.room += i64::from(step);
        let window = u64::from(STREAM_WINDOW) + stream.extra;
        let Some(rtt) = rtt else { return };
        if stream.drain.drained(step.into(), window, rtt, now) && !stream.ended {
            self.grow(at, window.min(u64::from(STREAM_WINDOW_MOST) - window));
        }
    }

    fn grow(&mut self, at: usize, bytes: u64) {
        let spare = self.grant.bytes() - self.given;
        let missing = bytes.saturating_sub(spare);
        let most = u64::from(H2_CONNECTION_WINDOW_MOST - H2_CONNECTION_WINDOW);
        let is_within = self.grant.bytes() + missing <= most;
        if bytes == 0 || !is_within || missing > 0 && !self.grant.grow(missing) {
            return;
        }
        self.given += bytes;
        self.streams[at].extra += bytes;
        self.owe(self.streams[at].id, bytes);
        self.owe(0, missing);
    }

    fn owe(&mut self, stream: u32, bytes: u64) {
        if bytes > 0 {
            put_head(&mut self.owed, Frame { length: 4, kind: WINDOW_UPDATE, flags: 0, stream });
            self.owed.put_u32(bytes as u32);
        }
    }

    /// What the client is to be told between two frames of h2.
    pub(super) fn owed(&mut self) -> &mut BytesMut {
        &mut self.owed
    }

    /// Whether something is parked that h2 has room for.
    pub(super) fn has_ready(&self) -> bool {
        self.parked > 0 && self.streams.iter().any(|stream| self.takes(stream))
    }

    fn takes(&self, stream: &Stream) -> bool {
        stream.parked.front().is_some_and(|frame| {
            let bytes = content(frame) as i64;
            bytes <= stream.room && bytes <= self.room
        })
    }

    /// The next frames that h2 has room for.
    pub(super) fn ready(&mut self) -> Option<BytesMut> {
        if self.parked == 0 {
            return None;
        }
        let at = self.streams.iter().position(|stream| self.takes(stream))?;
        let mut out = BytesMut::new();
        while self.takes(&self.streams[at]) {
            let stream = &mut self.streams[at];
            let Some(frame) = stream.parked.pop_front() else { break };
            let bytes = content(&frame);
            stream.bytes -= bytes;
            stream.room -= bytes as i64;
            (self.room, self.parked) = (self.room - bytes as i64, self.parked - bytes);
            out.unsplit(frame);
        }
        if self.streams[at].parked.is_empty() && self.streams[at].ended {
            self.remove(at);
        }
        Some(out)
    }

    fn find(&self, stream: u32) -> Option<usize> {
        self.streams.iter().position(|known| known.id == stream)
    }

    fn find_or_add(&mut self, id: u32, now: Instant) -> Option<usize> {
        self.find(id).or_else(|| {
            let (room, drain) = (self.first, Drain::new(now));
            let (parked, bytes) = (VecDeque::new(), 0);
            let stream = Stream { id, room, extra: 0, drain, parked, bytes, ended: false };
            (self.streams.len() < STREAMS).then(|| self.streams.push(stream))?;
            Some(self.streams.len() - 1)
        })
    }

    fn remove(&mut self, at: usize) {
        // The client keeps what it has been given on the connection; another stream may have it.
        self.given -= self.streams.swap_remove(at).extra;
    }
}

/// Bytes of a frame that count for flow control.
fn content(frame: &[u8]) -> usize {
    let head = frame.first_chunk().map(Frame::read);
    head.filter(|head| head.kind == DATA).map_or(0, |_| frame.len() - HEAD)
}

/// The time between our first SETTINGS and the client's acknowledgement of them, which it owes at
/// once (RFC 9113 section 6.5.3).
#[derive(Debug, Default)]
struct RoundTrip {
    asked: Option<Instant>,
    time: Option<Duration>,
}
