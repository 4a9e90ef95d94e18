//! Follows the frames of an HTTP/2 client, checks each field block, and decides what h2 reads in
//! its place. Does no I/O.

use bytes::{BufMut, BytesMut};
use http::{StatusCode, Version};

use super::frame_format::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEAD, HEADERS, LARGEST_WINDOW, MOST,
    PUSH_PROMISE, RST_STREAM, WINDOW_UPDATE, number, put_block, put_head,
};
use super::refusals::Refusals;
use super::windows::Windows;
use crate::server::bad_head::{Refused, Told};
use crate::server::compression::hpack::{Decoder, Mark, write_literal};
use crate::server::field_section::{Line, Section, Verdict};

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: usize = 24;
/// A field block that h2 ends its stream for, with PROTOCOL_ERROR: `:method GET` twice.
const MALFORMED: &[u8] = b"\x82\x82";
/// So many times what a head may have, and the connection ends; so says h2.
const ABUSE: usize = 4;
/// Streams with content under way that are remembered: more than a client may have.
const STREAMS: usize = 512;

/// Where the framer stands in front of what h2 has not been handed yet.
#[derive(Debug)]
pub(super) enum Stop {
    /// A frame that is not all here.
    More,
    /// So many bytes make way for others.
    Replace(Box<Replacement>),
}

#[derive(Debug, Default)]
pub(super) struct Replacement {
    pub(super) bytes: usize,
    pub(super) by: BytesMut,
    /// A request that gets no answer.
    pub(super) unanswered: Option<Refused>,
}

#[derive(Debug)]
pub(super) struct Framer {
    /// Bytes of a request's fields beyond which it is refused.
    most: usize,
    at: At,
    decoder: Decoder<Line>,
    /// h2's table is no longer the client's: it is handed literals.
    is_apart: bool,
    /// The last stream that a head has opened.
    last: u32,
    /// Streams that the client has not ended, in order.
    open: Vec<u32>,
    windows: Windows,
    refusals: Refusals,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Frame,
    /// So many bytes that pass as they are.
    Plain(usize),
    /// h2 ends the connection at what it has been handed, and may have all.
    Lost,
    /// The same, and the rest is for nobody.
    Ended,
}

/// A field block that is all here.
struct Block<'a> {
    stream: u32,
    ends: bool,
    depends_on_itself: bool,
    fields: &'a [u8],
    /// Bytes of its frames.
    length: usize,
}

/// Why h2 is to end the connection.
#[derive(Debug, Clone, Copy)]
enum Reason {
    Protocol,
    FlowControl,
    EnhanceYourCalm,
}

impl Framer {
    pub(super) fn new(most: usize, refusals: Refusals) -> Self {
        Self {
            most,
            at: At::Plain(PREFACE),
            decoder: Decoder::new(),
            is_apart: false,
            last: 0,
            open: Vec::new(),
            windows: Windows::default(),
            refusals,
        }
    }

    /// Whether nothing of what follows is for anybody.
    pub(super) fn has_ended(&self) -> bool {
        self.at == At::Ended
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.windows.sent(bytes);
    }

    /// Judges `bytes`, the first of which follows the last that passed: how many may pass.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Stop) {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
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
                    let nothing = Replacement { bytes: rest.len(), ..Replacement::default() };
                    return (at, Stop::Replace(nothing.into()));
                }
            }
        }
        (at, Stop::More)
    }

    /// A frame begins: how much of it passes for now.
    fn frame(&mut self, bytes: &[u8]) -> Result<usize, Stop> {
        if bytes.first_chunk().is_some_and(|length| frame_format::length(*length) > MOST) {
            self.at = At::Lost;
            return Ok(0);
        }
        let frame = Frame::read(bytes.first_chunk().ok_or(Stop::More)?);
        match frame.kind {
            HEADERS => return self.block(frame, bytes),
            PUSH_PROMISE => return Err(self.end(Reason::Protocol, bytes.len(), None)),
            WINDOW_UPDATE if frame.stream != 0 && frame.length == 4 => {
                let step = bytes[HEAD..].first_chunk().ok_or(Stop::More)?;
                if !self.windows.open(frame.stream, number(*step)) {
                    return Err(self.end(Reason::FlowControl, bytes.len(), None));
                }
            }
            RST_STREAM => self.close(frame.stream),
            DATA if frame.has(END_STREAM) => self.close(frame.stream),
            _ => {}
        }
        self.at = At::Plain(frame.length);
        Ok(HEAD)
    }

    /// HEADERS and the CONTINUATION behind it.
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
        let Row { fragments, length, is_whole } = self.row(&block, bytes)?;
        let fields = fragments.concat();
        (block.fields, block.length) = (&fields, length);
        if is_whole {
            return self.judge(&block);
        }
        // As much as there is of it, for the log.
        let (mark, mut section) = (self.decoder.mark(), Section::default());
        let _ = self.decoder.decode(&fields, |line, field| section.add(line, field));
        let unanswered = self.describe(&fields, mark, section.too_large());
        Err(self.end(Reason::EnhanceYourCalm, bytes.len(), Some(unanswered)))
    }

    /// The parts of a block in several frames; not whole if they are too many.
    fn row<'a>(&mut self, block: &Block<'a>, bytes: &'a [u8]) -> Result<Row<'a>, Stop> {
        let (mut fragments, mut length) = (vec![block.fields], block.length);
        // Of those that end no block, so says h2.
        let frames = (self.most / MOST).max(1);
        let mut left = (frames + frames / 4).max(5);
        loop {
            let rest = &bytes[length..];
            let next = Frame::read(rest.first_chunk().ok_or(Stop::More)?);
            let belongs = next.kind == CONTINUATION && next.stream == block.stream;
            if !belongs || next.length > MOST {
                return Err(self.end(Reason::Protocol, bytes.len(), None));
            }
            let is_whole = next.has(END_HEADERS);
            if !is_whole && left == 0 {
                return Ok(Row { fragments, length, is_whole });
            }
            left -= usize::from(!is_whole);
            fragments.push(rest[HEAD..].get(..next.length).ok_or(Stop::More)?);
            length += HEAD + next.length;
            if is_whole {
                return Ok(Row { fragments, length, is_whole });
            }
        }
    }

    fn judge(&mut self, block: &Block<'_>) -> Result<usize, Stop> {
        let &Block { stream, ends, length, fields, .. } = block;
        let (mark, most) = (self.decoder.mark(), self.most);
        let mut literals = self.is_apart.then(BytesMut::new);
        let mut section = Section::default();
        let read = self.decoder.decode(fields, |line, field| {
            section.add(line, field);
            if let Some(literals) = literals.as_mut().filter(|_| section.size < most) {
                write_literal(literals, field);
            }
        });
        if read.is_err() {
            return Err(self.end(Reason::Protocol, length, None));
        }
        let is_head = stream > self.last;
        if section.size >= most * ABUSE {
            let unanswered = self.describe(fields, mark, section.too_large());
            return Err(self.end(Reason::EnhanceYourCalm, length, Some(unanswered)));
        }
        let verdict = if is_head {
            self.last = stream;
            section.as_head(ends, most)
        } else if self.open.binary_search(&stream).is_ok() {
            section.as_trailers(most)
        } else {
            // For h2 to say what is wrong with the stream, whatever the fields.
            return self.pass(block, literals.map(|_| BytesMut::new()));
        };
        if ends {
            self.close(stream);
        } else if is_head {
            self.remember(stream);
        }
        let is_malformed = block.depends_on_itself || verdict == Verdict::Malformed;
        match verdict {
            _ if is_malformed => {
                let about = || self.describe(fields, mark, StatusCode::BAD_REQUEST);
                let unanswered = is_head.then(about);
                Err(self.replace(block, MALFORMED, unanswered))
            }
            Verdict::Refused(status) => {
                let Refused { head, status } = self.describe(fields, mark, status);
                let fields = self.refusals.block(&head, status);
                Err(self.replace(block, &fields, None))
            }
            _ => self.pass(block, literals),
        }
    }

    /// What there is to tell of a request of whose head only `bytes` are here as the connection
    /// ends.
    pub(super) fn unfinished(&mut self, bytes: &[u8]) -> Option<Refused> {
        let frame = Frame::read(bytes.first_chunk()?);
        let is_head = frame.kind == HEADERS && frame.stream > self.last;
        if self.at != At::Frame || !is_head {
            return None;
        }
        let payload = bytes[HEAD..].get(..frame.length).unwrap_or_default();
        let fields = frame.fragment(payload).map(|first| first.bytes).unwrap_or_default();
        let mark = self.decoder.mark();
        // As much as there is of it.
        let _ = self.decoder.decode(fields, |_, _| {});
        Some(self.describe(fields, mark, StatusCode::REQUEST_TIMEOUT))
    }

    /// A block that passes: as it came, or in literals.
    fn pass(&mut self, block: &Block<'_>, literals: Option<BytesMut>) -> Result<usize, Stop> {
        match literals {
            Some(fields) => Err(self.replace(block, &fields, None)),
            None => Ok(block.length),
        }
    }

    fn replace(&mut self, block: &Block<'_>, fields: &[u8], unanswered: Option<Refused>) -> Stop {
        self.is_apart = true;
        let mut by = BytesMut::new();
        put_block(&mut by, block.stream, block.ends, fields);
        Stop::Replace(Replacement { bytes: block.length, by, unanswered }.into())
    }

    /// What there is to tell of the request that a block begins.
    fn describe(&self, fields: &[u8], mark: Mark, status: StatusCode) -> Refused {
        let mut told = Told { version: Version::HTTP_2, ..Told::default() };
        self.decoder.recall(fields, mark, |field| {
            let value = || field.value.to_vec().into();
            match field.name {
                b":method" => told.method = value(),
                b":path" => told.target = value(),
                b":authority" => told.host = Some(value()),
                b"host" if told.host.is_none() => told.host = Some(value()),
                _ => {}
            }
        });
        told.refused(status)
    }

    /// Has h2 end the connection, by frames that it must end it for.
    fn end(&mut self, reason: Reason, bytes: usize, unanswered: Option<Refused>) -> Stop {
        self.at = At::Ended;
        let mut by = BytesMut::new();
        let (kind, stream) = (CONTINUATION, 1);
        let empty = Frame { length: 0, kind, flags: 0, stream };
        match reason {
            Reason::Protocol => put_head(&mut by, empty),
            Reason::FlowControl => {
                for _ in 0..2 {
                    put_head(
                        &mut by,
                        Frame { length: 4, kind: WINDOW_UPDATE, flags: 0, stream: 0 },
                    );
                    by.put_u32(LARGEST_WINDOW);
                }
            }
            Reason::EnhanceYourCalm => {
                put_head(&mut by, Frame { kind: HEADERS, ..empty });
                let frames = 2 * (self.most / MOST) + 6;
                (0..frames).for_each(|_| put_head(&mut by, empty));
            }
        }
        Stop::Replace(Replacement { bytes, by, unanswered }.into())
    }

    fn remember(&mut self, stream: u32) {
        if self.open.len() == STREAMS {
            self.open.remove(0);
        }
        self.open.push(stream);
    }

    fn close(&mut self, stream: u32) {
        if let Ok(at) = self.open.binary_search(&stream) {
            self.open.remove(at);
        }
    }
}

/// Parts of a block.
struct Row<'a> {
    fragments: Vec<&'a [u8]>,
    /// Bytes of their frames.
    length: usize,
    is_whole: bool,
}
