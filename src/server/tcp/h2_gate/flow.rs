//! Receive windows that grow. h2's windows stay constant; the gate gives the client additional
//! credit on each stream that is read quickly, and buffers DATA beyond h2's windows until h2 has
//! room. A stream that is read quickly can use a path of high delay, and one that is not read does
//! not block others.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::BytesMut;

use crate::credit::{Drain, Grant, RECEIVE, RoundTrip};
use crate::http2_frames::{
    DATA, END_STREAM, FIRST_WINDOW, Frame, HEAD, put_head, put_window_update,
};
use crate::limits::{
    H2_CONNECTION_WINDOW, H2_CONNECTION_WINDOW_MOST, STREAM_WINDOW, STREAM_WINDOW_MOST,
};

/// Most streams with unfinished content that are tracked: more than a client may have.
const STREAMS: usize = 512;
/// Most streams reset by h2 that are remembered.
const RESET: usize = 64;

/// How a DATA frame is handled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Way {
    Pass,
    /// The complete frame must be passed to [`Flow::park`].
    Park,
    /// It is discarded.
    Drop,
    /// The client exceeds its window.
    Excess,
}

#[derive(Debug)]
pub(super) struct Flow {
    /// The window of h2 on the connection.
    room: i64,
    /// The window of h2 for new streams.
    first: i64,
    /// The client's credit on the connection beyond h2's windows.
    grant: Grant,
    /// The part of it that streams use.
    given: u64,
    parked: usize,
    streams: Vec<Stream>,
    reset: VecDeque<u32>,
    /// WINDOW_UPDATE frames for the client.
    owed: BytesMut,
    /// From our first SETTINGS to the client's acknowledgement, which it must send at once (RFC
    /// 9113 section 6.5.3).
    round_trip: RoundTrip,
}

/// A stream with unfinished content.
#[derive(Debug)]
struct Stream {
    id: u32,
    /// The window of h2 on the stream.
    room: i64,
    /// The client's credit beyond it.
    extra: u64,
    drain: Drain,
    /// Frames for which h2 has no room: DATA, and at the end possibly HEADERS, each in one piece.
    parked: VecDeque<BytesMut>,
    /// Bytes of content in them.
    bytes: usize,
    /// The client has ended the stream.
    ended: bool,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self {
            room: FIRST_WINDOW.into(),
            first: FIRST_WINDOW.into(),
            grant: Grant::new(&RECEIVE),
            given: 0,
            parked: 0,
            streams: Vec::new(),
            reset: VecDeque::new(),
            owed: BytesMut::new(),
            round_trip: RoundTrip::default(),
        }
    }

    /// Our first SETTINGS are being sent.
    pub(super) fn asked(&mut self, now: Instant) {
        self.round_trip.asked(now);
    }

    /// The client acknowledges SETTINGS: the first ones set the window of all streams.
    pub(super) fn settled(&mut self, now: Instant) {
        if !self.round_trip.answered(now) {
            return;
        }
        let more = i64::from(STREAM_WINDOW) - self.first;
        self.first += more;
        self.streams.iter_mut().for_each(|stream| stream.room += more);
    }

    /// Decides about a DATA frame by its header. A frame that passes is counted.
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
        let beyond = stream.bytes as i64 + length - stream.room;
        let all = self.parked as i64 + length - self.room;
        let is_within = beyond <= stream.extra as i64 && all <= self.grant.bytes() as i64;
        let in_turn = stream.parked.is_empty();
        match in_turn && (has_room && stream.room >= length || !is_within) {
            // h2 reports a frame that exceeds its window.
            true => {
                (stream.room, self.room) = (stream.room - length, self.room - length);
                if stream.ended || frame.has(END_STREAM) {
                    self.remove(at);
                }
                Way::Pass
            }
            false if is_within => Way::Park,
            false => Way::Excess,
        }
    }

    /// Buffers a DATA frame.
    pub(super) fn park(&mut self, frame: Frame, payload: &[u8]) {
        let mut parked = BytesMut::with_capacity(HEAD + payload.len());
        put_head(&mut parked, frame);
        parked.extend_from_slice(payload);
        self.park_frames(frame.stream, parked);
        // Not before the whole frame is here: what is parked may go first.
        if frame.has(END_STREAM) {
            self.ended(frame.stream);
        }
    }

    /// Buffers a DATA frame, or the frames of a field block.
    pub(super) fn park_frames(&mut self, stream: u32, frames: BytesMut) {
        let Some(at) = self.find(stream) else { return };
        let stream = &mut self.streams[at];
        let bytes = content(&frames);
        stream.bytes += bytes;
        self.parked += bytes;
        stream.parked.push_back(frames);
    }

    /// Returns the credit of discarded content, which h2 would have returned.
    pub(super) fn discarded(&mut self, bytes: usize) {
        self.owe(0, bytes as u64);
    }

    /// Whether a field block must wait for buffered content.
    pub(super) fn waits(&self, stream: u32) -> bool {
        self.find(stream).is_some_and(|at| !self.streams[at].parked.is_empty())
    }

    /// The client has ended a stream.
    pub(super) fn ended(&mut self, stream: u32) {
        if let Some(at) = self.find(stream) {
            self.streams[at].ended = true;
            if self.streams[at].parked.is_empty() {
                self.remove(at);
            }
        }
    }

    /// A stream has ended: its buffered frames are discarded.
    pub(super) fn dropped(&mut self, stream: u32) {
        if let Some(at) = self.find(stream) {
            let bytes = self.streams[at].bytes;
            self.parked -= bytes;
            self.remove(at);
            // h2 never receives them, so it does not return their credit.
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

    /// h2 increases a window; the client receives its WINDOW_UPDATE too.
    pub(super) fn opened(&mut self, stream: u32, step: u32, now: Instant) {
        if stream == 0 {
            self.room += i64::from(step);
            return;
        }
        let Some(at) = self.find(stream) else { return };
        let (rtt, stream) = (self.round_trip.time(), &mut self.streams[at]);
        stream.room += i64::from(step);
        let window = u64::from(STREAM_WINDOW) + stream.extra;
        let Some(rtt) = rtt else { return };
        if stream.drain.drained(step.into(), window, now, || rtt) && !stream.ended {
            self.grow(at, window.min(u64::from(STREAM_WINDOW_MOST) - window));
        }
    }

    fn grow(&mut self, at: usize, bytes: u64) {
        let spare = self.grant.bytes() - self.given;
        let missing = bytes.saturating_sub(spare);
        let most = u64::from(H2_CONNECTION_WINDOW_MOST - H2_CONNECTION_WINDOW);
        let is_within = self.grant.bytes() + missing <= most;
        if bytes == 0 || !is_within || missing > 0 && !self.grant.grow_within_share(missing) {
            return;
        }
        self.given += bytes;
        self.streams[at].extra += bytes;
        self.owe(self.streams[at].id, bytes);
        self.owe(0, missing);
    }

    fn owe(&mut self, stream: u32, bytes: u64) {
        if bytes > 0 {
            put_window_update(&mut self.owed, stream, bytes as u32);
        }
    }

    /// WINDOW_UPDATE frames to send between two frames of h2.
    pub(super) fn owed(&mut self) -> &mut BytesMut {
        &mut self.owed
    }

    /// Whether h2 has room for a buffered frame.
    pub(super) fn has_ready(&self) -> bool {
        self.parked > 0 && self.streams.iter().any(|stream| self.takes(stream))
    }

    fn takes(&self, stream: &Stream) -> bool {
        stream.parked.front().is_some_and(|frame| {
            let bytes = content(frame) as i64;
            bytes <= stream.room && bytes <= self.room
        })
    }

    /// The buffered frames for which h2 has room.
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
        // The client's credit on the connection cannot be revoked; another stream may use it.
        self.given -= self.streams.swap_remove(at).extra;
    }
}

/// Bytes of a frame that count for flow control.
fn content(frame: &[u8]) -> usize {
    let head = frame.first_chunk().map(Frame::read);
    head.filter(|head| head.kind == DATA).map_or(0, |_| frame.len() - HEAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the last frame of a stream only a part has arrived when h2 has room for those before it.
    #[test]
    fn a_stream_stays_until_its_last_frame_is_whole() {
        let (mut flow, now) = (Flow::new(), Instant::now());
        let data = |length, flags| Frame { length, kind: DATA, flags, stream: 1 };
        assert_eq!(flow.data(data(1, 0), now), Way::Pass);
        (flow.streams[0].room, flow.room) = (10, 1 << 20);
        (flow.streams[0].extra, flow.given) = (1 << 20, 1 << 20);
        assert_eq!(flow.data(data(50, 0), now), Way::Park);
        flow.park(data(50, 0), &[0; 50]);
        let last = data(1000, END_STREAM);
        assert_eq!(flow.data(last, now), Way::Park);
        flow.opened(1, 60, now);
        assert_eq!(flow.ready().map(|frames| frames.len()), Some(HEAD + 50));
        assert_eq!(flow.data(last, now), Way::Park, "h2 has room for 20 bytes");
        flow.park(last, &[0; 1000]);
        flow.opened(1, 980, now);
        assert_eq!(flow.ready().map(|frames| frames.len()), Some(HEAD + 1000));
        assert!(flow.streams.is_empty());
    }
}
