//! Follows the frames of an HTTP/2 client, checks each field block, and decides what h2 reads in
//! its place. Does no I/O.

use std::task::Context;
use std::time::Instant;

use bytes::BytesMut;
use http::StatusCode;

use super::GateLinks;
use super::field_block::{self, Block, Row};
use super::flow::{Flow, Way};
use super::interim::{self, TAG_BYTES};
use super::position::At;
use super::priorities;
use super::refusals::describe;
use super::sent::{Sent, SentEvent};
use super::stop::{Reason, Replacement, Stop};
use super::streams::Streams;
use super::uploads::Uploads;
use super::windows::Windows;
use crate::http2_frames::{
    self, ACK, DATA, END_HEADERS, END_STREAM, Frame, HEAD, HEADERS, MOST, NO_ERROR, PREFACE,
    PRIORITY_UPDATE, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, cancel, number, put_block,
    put_head,
};
use crate::server::bad_head::Refused;
use crate::server::compression::hpack::{Decoder, write_literal};
use crate::server::field_section::{Line, Section, Verdict};

/// A field block for which h2 resets the stream with PROTOCOL_ERROR: `:method GET` twice.
const MALFORMED: &[u8] = b"\x82\x82";
/// h2 closes the connection if a header section exceeds its limit this many times.
const ABUSE: usize = 4;

#[derive(Debug)]
pub(super) struct Framer {
    /// Bytes of header fields from which a request is refused.
    most: usize,
    at: At,
    decoder: Decoder<Line>,
    /// h2's dynamic table differs from the client's: blocks are re-encoded as literals.
    is_apart: bool,
    streams: Streams,
    windows: Windows,
    flow: Flow,
    uploads: Uploads,
    sent: Sent,
    links: GateLinks,
}

impl Framer {
    pub(super) fn new(most: usize, links: GateLinks) -> Self {
        Self {
            most,
            at: At::Plain(PREFACE),
            decoder: Decoder::new(),
            is_apart: false,
            streams: Streams::new(Instant::now()),
            windows: Windows::default(),
            flow: Flow::new(),
            uploads: Uploads::default(),
            sent: Sent::default(),
            links,
        }
    }

    /// Whether all further bytes are discarded.
    pub(super) fn has_ended(&self) -> bool {
        self.at == At::Ended
    }

    /// Processes the output of h2.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        self.windows.sent(bytes.len());
        let (flow, uploads, links) = (&mut self.flow, &mut self.uploads, &self.links);
        let streams = &mut self.streams;
        self.sent.follow(bytes, |event| match event {
            SentEvent::Response(frame) => {
                links.answered(frame);
                streams.answered(frame);
                if uploads.answer(frame) {
                    flow.dropped(frame.stream);
                }
            }
            SentEvent::Settings => flow.asked(Instant::now()),
            SentEvent::Opened { stream, step } => flow.opened(stream, step, Instant::now()),
            SentEvent::Reset(stream) => {
                streams.refused(stream);
                flow.reset(stream);
                uploads.close(stream);
                links.interim.close(stream);
            }
        });
    }

    /// Replaces the first bytes of h2's output: how many.
    pub(super) fn begin(&mut self, bytes: &[u8]) -> Option<usize> {
        let replaced = priorities::extend(bytes, self.flow.owed())?;
        self.sent(&bytes[..replaced]);
        Some(replaced)
    }

    /// Frames for the client before the next frame of h2; none within one.
    pub(super) fn owed(&mut self) -> Option<&mut BytesMut> {
        let owed = self.flow.owed();
        let is_between = self.sent.is_between();
        if is_between {
            self.links.interim.collect(owed);
        }
        (is_between && !owed.is_empty()).then_some(owed)
    }

    /// How many of these bytes of h2 come before an interim response that waits.
    pub(super) fn before_interim(&self, bytes: &[u8]) -> Option<usize> {
        self.links.interim.is_waiting().then(|| self.sent.until_between(bytes))
    }

    /// The task of the connection.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.links.interim.register(cx);
    }

    /// Whether there are frames for h2: buffered ones for which it has room again, or our own.
    pub(super) fn has_ready(&self) -> bool {
        self.at == At::Frame && (self.uploads.has_ready() || self.flow.has_ready())
    }

    /// Checks `bytes`, which follow those that passed last, and returns how many may pass.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Stop) {
        let mut at = 0;
        loop {
            if self.at == At::Frame
                && let Some(by) = self.uploads.ready().or_else(|| self.flow.ready())
            {
                return (at, Stop::Replace(Replacement { by, ..Replacement::default() }.into()));
            }
            let rest = &bytes[at..];
            if rest.is_empty() {
                return (at, Stop::More);
            }
            match self.at {
                At::Frame => match self.frame(rest) {
                    Ok(passed) => at += passed,
                    Err(stop) => return (at, stop),
                },
                At::Plain(left) => {
                    let passed = left.min(rest.len());
                    at += passed;
                    self.at = if passed == left { At::Frame } else { At::Plain(left - passed) };
                }
                At::Lost => return (bytes.len(), Stop::More),
                At::Ended => {
                    return (at, Stop::nothing_for(rest.len()));
                }
            }
        }
    }

    /// Handles a new frame; returns how much of it passes now.
    fn frame(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        if bytes.first_chunk().is_some_and(|length| http2_frames::length(*length) > MOST) {
            self.at = At::Lost;
            return Ok(0);
        }
        let frame = Frame::read(bytes.first_chunk().ok_or(Stop::More)?);
        match frame.kind {
            HEADERS => return self.block(frame, bytes),
            PUSH_PROMISE => return Err(self.end(Reason::Protocol, bytes.len(), None)),
            WINDOW_UPDATE if frame.length == 4 => {
                let step = bytes[HEAD..].first_chunk().ok_or(Stop::More)?;
                if frame.stream == 0 {
                    self.links.order.opened(number(*step));
                } else if !self.windows.open(frame.stream, number(*step)) {
                    return Err(self.end(Reason::FlowControl, bytes.len(), None));
                }
            }
            RST_STREAM => return self.reset(frame, bytes),
            SETTINGS if frame.has(ACK) => self.flow.settled(Instant::now()),
            SETTINGS | PRIORITY_UPDATE => {
                let payload = bytes[HEAD..].get(..frame.length).ok_or(Stop::More)?;
                let read = self.links.read(frame, payload, self.streams.last());
                read.map_err(|reason| self.end(reason, bytes.len(), None))?;
            }
            DATA if frame.stream != 0 => return self.data(frame, bytes),
            _ => {}
        }
        self.at = At::payload(frame.length);
        Ok(HEAD)
    }

    fn reset(&mut self, frame: Frame, bytes: &[u8]) -> Result<usize, Stop> {
        let payload = bytes[HEAD..].get(..frame.length).ok_or(Stop::More)?;
        if !self.streams.reset(frame.stream, Instant::now()) {
            return Err(self.end(Reason::EnhanceYourCalm, bytes.len(), None));
        }
        self.flow.dropped(frame.stream);
        self.uploads.close(frame.stream);
        self.links.interim.close(frame.stream);
        if *payload == NO_ERROR.to_be_bytes() {
            let (bytes, by) = (HEAD + frame.length, cancel(frame.stream));
            return Err(Stop::Replace(Replacement { bytes, by, ..Default::default() }.into()));
        }
        self.at = At::payload(frame.length);
        Ok(HEAD)
    }

    fn data(&mut self, frame: Frame, bytes: &[u8]) -> Result<usize, Stop> {
        let content = frame.content(&bytes[HEAD..]).ok_or(Stop::More)?;
        let way = self.flow.data(frame, Instant::now());
        if way == Way::Excess {
            return Err(self.end(Reason::FlowControl, bytes.len(), None));
        }
        let length = if way == Way::Pass { HEAD } else { HEAD + frame.length };
        let whole = bytes.get(..length).ok_or(Stop::More)?;
        let Some(for_h2) = self.uploads.receive(frame, content) else {
            return Err(self.end(Reason::Protocol, bytes.len(), None));
        };
        if frame.has(END_STREAM) {
            self.streams.ended(frame.stream);
        }
        let mut by = BytesMut::new();
        match way {
            Way::Pass => {
                self.at = At::payload(frame.length);
                if for_h2 == frame {
                    return Ok(HEAD);
                }
                put_head(&mut by, for_h2);
            }
            Way::Park => self.flow.park(for_h2, &whole[HEAD..]),
            Way::Drop | Way::Excess => self.flow.discarded(frame.length),
        }
        Err(Stop::Replace(Replacement { bytes: length, by, ..Replacement::default() }.into()))
    }

    /// HEADERS and its CONTINUATION frames.
    fn block(&mut self, frame: Frame, bytes: &[u8]) -> Result<usize, Stop> {
        let payload = bytes[HEAD..].get(..frame.length).ok_or(Stop::More)?;
        let Some(first) = frame.fragment(payload).filter(|_| frame.stream % 2 == 1) else {
            return Err(self.end(Reason::Protocol, bytes.len(), None));
        };
        let mut block = Block {
            stream: frame.stream,
            ends: frame.has(END_STREAM),
            depends_on_itself: first.depends_on == Some(frame.stream),
            fields: first.bytes,
            length: HEAD + frame.length,
        };
        if frame.has(END_HEADERS) {
            return self.judge(&block);
        }
        let row = field_block::row(&block, bytes, self.most);
        let Row { fragments, length, is_whole } = row.map_err(|reason| match reason {
            Some(reason) => self.end(reason, bytes.len(), None),
            None => Stop::More,
        })?;
        let fields = fragments.concat();
        (block.fields, block.length) = (&fields, length);
        if is_whole {
            return self.judge(&block);
        }
        // As much as has arrived, for the log.
        let (mark, mut section) = (self.decoder.mark(), Section::default());
        let _ = self.decoder.decode(&fields, |line, field| section.add(line, field));
        let unanswered = describe(&self.decoder, &fields, mark, section.too_large());
        Err(self.end(Reason::EnhanceYourCalm, bytes.len(), Some(unanswered)))
    }

    fn judge(&mut self, block: &Block<'_>) -> Result<usize, Stop> {
        let &Block { stream, ends, length, fields, .. } = block;
        let (mark, most) = (self.decoder.mark(), self.most);
        let waits = self.flow.waits(stream);
        let mut literals = (self.is_apart || waits).then(BytesMut::new);
        let (mut section, mut gets_interim) = (Section::default(), false);
        let read = self.decoder.decode(fields, |line, field| {
            section.add(line, field);
            gets_interim |= interim::asks(field);
            if let Some(literals) = literals.as_mut().filter(|_| section.size < most) {
                write_literal(literals, field);
            }
        });
        if read.is_err() {
            return Err(self.end(Reason::Protocol, length, None));
        }
        if section.size >= most * ABUSE {
            let unanswered = describe(&self.decoder, fields, mark, section.too_large());
            return Err(self.end(Reason::EnhanceYourCalm, length, Some(unanswered)));
        }
        let is_head = self.streams.begins(stream);
        let verdict = if is_head {
            section.as_head(ends, most)
        } else if self.streams.is_sending(stream) {
            section.as_trailers(most)
        } else {
            // h2 has to report the error of the stream, regardless of the fields.
            return self.pass(block, literals.map(|_| BytesMut::new()));
        };
        self.streams.section(stream, is_head, ends);
        let is_malformed = block.depends_on_itself || verdict == Verdict::Malformed;
        match verdict {
            _ if is_malformed => {
                let about = || describe(&self.decoder, fields, mark, StatusCode::BAD_REQUEST);
                let unanswered = is_head.then(about);
                Err(self.replace(block, MALFORMED, unanswered))
            }
            Verdict::Refused(status) => {
                let Refused { head, status } = describe(&self.decoder, fields, mark, status);
                let fields = self.links.refusals.block(&head, status);
                Err(self.replace(block, &fields, None))
            }
            _ => {
                if is_head {
                    self.links.order.passed(stream, section.path_length);
                }
                if is_head && !ends {
                    self.uploads.begin(stream, section.length);
                }
                if is_head && gets_interim && section.size + TAG_BYTES < most {
                    return self.pass_tagged(block, literals);
                }
                self.pass(block, literals)
            }
        }
    }

    /// Describes a request for the log if the connection ends after `bytes` of its header section.
    pub(super) fn unfinished(&mut self, bytes: &[u8]) -> Option<Refused> {
        let frame = Frame::read(bytes.first_chunk()?);
        let is_head = frame.kind == HEADERS && frame.stream > self.streams.last();
        if self.at != At::Frame || !is_head {
            return None;
        }
        let payload = bytes[HEAD..].get(..frame.length).unwrap_or_default();
        let fields = frame.fragment(payload).map(|first| first.bytes).unwrap_or_default();
        let mark = self.decoder.mark();
        // As much as has arrived.
        let _ = self.decoder.decode(fields, |_, _| {});
        Some(describe(&self.decoder, fields, mark, StatusCode::REQUEST_TIMEOUT))
    }

    /// A block that passes: as it came, or in literals.
    fn pass(&mut self, block: &Block<'_>, literals: Option<BytesMut>) -> Result<usize, Stop> {
        let passed = match literals {
            Some(fields) if self.flow.waits(block.stream) => {
                // From here on the order of blocks differs from the client's.
                self.is_apart = true;
                let mut frames = BytesMut::new();
                put_block(&mut frames, block.stream, block.ends, &fields);
                self.flow.park_frames(block.stream, frames);
                Err(Stop::nothing_for(block.length))
            }
            Some(fields) => Err(self.replace(block, &fields, None)),
            None => Ok(block.length),
        };
        if block.ends {
            self.flow.ended(block.stream);
        }
        passed
    }

    /// A head that passes with the name of its stream.
    fn pass_tagged(
        &mut self,
        block: &Block<'_>,
        literals: Option<BytesMut>,
    ) -> Result<usize, Stop> {
        let Some(tag) = self.links.interim.tag(block.stream) else {
            return self.pass(block, literals);
        };
        let mut fields = literals.unwrap_or_else(|| block.fields.into());
        fields.unsplit(tag);
        let mut by = BytesMut::new();
        put_block(&mut by, block.stream, block.ends, &fields);
        let (bytes, unanswered) = (block.length, None);
        Err(Stop::Replace(Replacement { bytes, by, unanswered }.into()))
    }

    fn replace(&mut self, block: &Block<'_>, fields: &[u8], unanswered: Option<Refused>) -> Stop {
        self.is_apart = true;
        if self.flow.waits(block.stream) {
            self.flow.dropped(block.stream);
        }
        let mut by = BytesMut::new();
        put_block(&mut by, block.stream, block.ends, fields);
        Stop::Replace(Replacement { bytes: block.length, by, unanswered }.into())
    }

    /// Has h2 end the connection.
    fn end(&mut self, reason: Reason, bytes: usize, unanswered: Option<Refused>) -> Stop {
        self.at = At::Ended;
        Stop::Replace(Replacement { bytes, by: reason.frames(self.most), unanswered }.into())
    }
}
