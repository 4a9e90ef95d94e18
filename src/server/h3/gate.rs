//! Filters the frames of a request stream before h3 reads them: enforces the order of RFC 9114
//! section 4.1, bounds frame sizes, and checks field sections. Content passes without a copy.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;

use super::frames::{DATA, HEADERS, Violation, is_known};
use super::section::{self, Judged, STAND_IN};
use super::varint::{self, VarIntReader};
use crate::server::bad_head::Refused;
use crate::server::field_section::Verdict;

/// The state of a request stream.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Bytes of the longest frame that is accepted, DATA excepted.
    most: u64,
    at: FramePart,
    number: VarIntReader,
    part: Part,
    /// An incomplete field section.
    kept: BytesMut,
    /// Bytes that may be passed on.
    passed: VecDeque<Bytes>,
    /// The request, if it is refused.
    refused: Option<Box<Refused>>,
}

#[derive(Debug, Clone, Copy)]
enum FramePart {
    Type,
    Length(u64),
    /// This many bytes of the payload follow.
    Section(u64),
    Content(u64),
    Ignored(u64),
}

/// The part of the request that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Content,
    /// CONNECT: no further field section may follow (RFC 9114 section 4.4).
    Tunnel,
    Nothing,
}

/// A chunk that is being checked.
struct Chunk<'a> {
    bytes: &'a Bytes,
    rest: &'a [u8],
    /// Start of the bytes that may not be passed on yet.
    from: usize,
    /// Start of the current frame, if it is in this chunk.
    frame: Option<usize>,
}

impl Chunk<'_> {
    fn at(&self) -> usize {
        self.bytes.len() - self.rest.len()
    }

    /// Passes on the checked bytes up to `end`.
    fn pass_to(&mut self, end: usize, passed: &mut VecDeque<Bytes>) {
        if end > self.from {
            passed.push_back(self.bytes.slice(self.from..end));
        }
        self.from = self.at();
    }

    /// The next bytes of the chunk that belong to the current frame.
    fn take(&mut self, left: &mut u64) -> &[u8] {
        let length = self.rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        *left -= length as u64;
        taken
    }
}

impl Gate {
    pub(crate) fn new(most: u64) -> Self {
        let (at, number, part) = (FramePart::Type, VarIntReader::default(), Part::Head);
        let (kept, passed) = (BytesMut::new(), VecDeque::new());
        Self { most, at, number, part, kept, passed, refused: None }
    }

    /// The next bytes for h3.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        self.passed.pop_front()
    }

    /// The request, if the bytes taken last show that it must be refused.
    pub(crate) fn refused(&mut self) -> Option<Box<Refused>> {
        self.refused.take()
    }

    /// Reports the end of the stream.
    pub(crate) fn end(&self) -> Result<(), Violation> {
        let is_between = matches!(self.at, FramePart::Type) && !self.number.is_begun();
        if is_between { Ok(()) } else { Err(Violation::frame("the last frame is incomplete")) }
    }

    /// Checks the next bytes of the stream.
    pub(crate) fn take(&mut self, bytes: &Bytes) -> Result<(), Violation> {
        let mut chunk = Chunk { bytes, rest: bytes, from: 0, frame: None };
        while !chunk.rest.is_empty() {
            match self.at {
                FramePart::Type => {
                    if !self.number.is_begun() {
                        chunk.frame = Some(chunk.at());
                    }
                    let Some(kind) = self.number.read(&mut chunk.rest) else { break };
                    self.at = FramePart::Length(kind);
                }
                FramePart::Length(kind) => {
                    let Some(length) = self.number.read(&mut chunk.rest) else { break };
                    self.open(kind, length, &mut chunk)?;
                }
                FramePart::Content(mut left) => {
                    chunk.take(&mut left);
                    self.at = if left == 0 { FramePart::Type } else { FramePart::Content(left) };
                }
                FramePart::Ignored(mut left) => {
                    chunk.take(&mut left);
                    chunk.from = chunk.at();
                    self.at = if left == 0 { FramePart::Type } else { FramePart::Ignored(left) };
                }
                FramePart::Section(mut left) => {
                    self.kept.extend_from_slice(chunk.take(&mut left));
                    chunk.from = chunk.at();
                    self.at = FramePart::Section(left);
                    if left == 0 {
                        let section = self.kept.split().freeze();
                        let respelled = self.judge(&section)?;
                        self.push_section(respelled.as_deref().unwrap_or(&section));
                    }
                }
            }
        }
        // An incomplete frame header is passed on later, re-encoded.
        let is_in_head = matches!(self.at, FramePart::Length(_)) || self.number.is_begun();
        let end = if is_in_head { chunk.frame.unwrap_or(chunk.from) } else { bytes.len() };
        chunk.pass_to(end, &mut self.passed);
        Ok(())
    }

    /// A frame whose type and length are known.
    fn open(&mut self, kind: u64, length: u64, chunk: &mut Chunk<'_>) -> Result<(), Violation> {
        match (kind, self.part) {
            (DATA, Part::Content | Part::Tunnel) => {
                self.at = if length == 0 { FramePart::Type } else { FramePart::Content(length) };
                if chunk.frame.is_none() {
                    chunk.from = chunk.at();
                    self.passed.push_back(frame_head(kind, length as usize, 0).freeze());
                }
                Ok(())
            }
            (HEADERS, Part::Head | Part::Content) if length <= self.most => {
                self.open_section(length, chunk)
            }
            (HEADERS, Part::Head) => {
                // The frame is skipped.
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                self.refused = Some(section::unknown(status).into());
                Err(Violation::too_long())
            }
            (HEADERS, Part::Content) => Err(Violation::too_long()),
            (kind, _) if is_known(kind) => Err(Violation::unexpected()),
            _ if length > self.most => Err(Violation::too_long()),
            _ => {
                chunk.pass_to(chunk.frame.unwrap_or(chunk.from), &mut self.passed);
                self.at = if length == 0 { FramePart::Type } else { FramePart::Ignored(length) };
                Ok(())
            }
        }
    }

    fn open_section(&mut self, length: u64, chunk: &mut Chunk<'_>) -> Result<(), Violation> {
        let whole = usize::try_from(length).ok().and_then(|length| chunk.rest.get(..length));
        let Some(section) = whole else {
            chunk.pass_to(chunk.frame.unwrap_or(chunk.from), &mut self.passed);
            self.at = FramePart::Section(length);
            return Ok(());
        };
        let respelled = self.judge(section)?;
        let begin = chunk.frame;
        if respelled.is_none() && begin.is_some() {
            chunk.rest = &chunk.rest[section.len()..];
            return Ok(());
        }
        chunk.rest = &chunk.rest[section.len()..];
        chunk.pass_to(begin.unwrap_or(chunk.from), &mut self.passed);
        self.push_section(respelled.as_deref().unwrap_or(section));
        Ok(())
    }

    /// Checks a complete field section, and returns its replacement, if any.
    fn judge(&mut self, section: &[u8]) -> Result<Option<BytesMut>, Violation> {
        let (is_head, most) = (self.part == Part::Head, self.most as usize);
        let Judged { verdict, is_connect, respelled } = section::judge(section, is_head, most)?;
        self.part = match self.part {
            Part::Head if is_connect => Part::Tunnel,
            Part::Head => Part::Content,
            _ => Part::Nothing,
        };
        self.at = FramePart::Type;
        match verdict {
            Verdict::Pass => Ok(respelled),
            Verdict::Refused(status) => {
                self.refused = Some(section::describe(section, status).into());
                Ok(Some(STAND_IN.into()))
            }
            Verdict::Malformed => {
                let about = || section::describe(section, StatusCode::BAD_REQUEST).into();
                self.refused = is_head.then(about);
                Err(Violation::Message)
            }
        }
    }

    fn push_section(&mut self, section: &[u8]) {
        let mut frame = frame_head(HEADERS, section.len(), section.len());
        frame.extend_from_slice(section);
        self.passed.push_back(frame.freeze());
    }
}

/// The head of a frame, with room for `more` bytes behind it.
fn frame_head(kind: u64, length: usize, more: usize) -> BytesMut {
    let mut head = BytesMut::with_capacity(9 + more);
    head.put_u8(kind as u8);
    varint::write(&mut head, length);
    head
}

#[cfg(test)]
mod tests {
    use h3::error::Code;

    use super::*;

    /// The output for a stream that arrives in pieces of `size`.
    fn passed(stream: &[u8], size: usize) -> Result<Vec<u8>, Violation> {
        let mut gate = Gate::new(250);
        let mut out = vec![];
        for piece in stream.chunks(size) {
            gate.take(&Bytes::copy_from_slice(piece))?;
            out.extend(std::iter::from_fn(|| gate.next()).flatten());
        }
        gate.end()?;
        Ok(out)
    }

    /// HEADERS with `GET https://a/` and the given lines.
    fn head(lines: &[u8]) -> Vec<u8> {
        section(b"\xd1", lines)
    }

    /// The same with another method.
    fn section(method: &[u8], lines: &[u8]) -> Vec<u8> {
        let lines = [b"\0\0", method, b"\xd7\xc1\x50\x01a", lines].concat();
        [&[1, lines.len() as u8][..], &lines].concat()
    }

    const CONNECT: &[u8] = b"\x01\x06\0\0\xcf\x50\x01a";
    const TRAILERS: &[u8] = b"\x01\x08\0\0\x23x-a\x01b";
    const SIZES: [usize; 5] = [1, 2, 3, 7, 100_000];

    #[test]
    fn what_h3_knows_goes_on_and_the_rest_is_left_out() {
        let long = [&[0, 0x80, 1, 0x11, 0x70][..], &[0xff; 70_000]].concat();
        let unknown = b"\x21\x03abc\x40\x41\0\x80\x0f\x08\0\x01a";
        let websocket = b"\x27\x02:protocol\x09websocket";
        let respelled = b"\x27\x02:protocol\x0bconnect-udp";
        let plain = head(b"");
        for (stream, want) in [
            (vec![&plain[..]], vec![&plain[..]]),
            (
                vec![&plain, &long, b"\0\x03abc", TRAILERS],
                vec![&plain, &long, b"\0\x03abc", TRAILERS],
            ),
            (vec![&plain, b"\0\0"], vec![&plain, b"\0\0"]),
            (
                vec![unknown, &plain, unknown, b"\0\x01a", unknown, TRAILERS, unknown],
                vec![&plain, b"\0\x01a", TRAILERS],
            ),
            (
                vec![unknown, &section(b"\xcf", websocket), b"\0\x03abc"],
                vec![&section(b"\xcf", respelled), b"\0\x03abc"],
            ),
            (vec![CONNECT, unknown, b"\0\x01a", unknown], vec![CONNECT, b"\0\x01a"]),
        ] {
            for size in SIZES {
                assert_eq!(passed(&stream.concat(), size), Ok(want.concat()), "by {size}");
            }
        }
    }

    #[test]
    fn who_is_refused_is_told_of() {
        let stand_in = [&[1, STAND_IN.len() as u8][..], STAND_IN, b"\0\x01a"].concat();
        let many = b"\x21a\x01b".repeat(4);
        for (stream, went, told) in [
            (vec![&head(b"")[..], b"\0\x01a"], Some([&head(b"")[..], b"\0\x01a"].concat()), None),
            (vec![&head(b"\x23x-\xe9\x01b"), b"\0\x01a"], Some(stand_in.clone()), Some(400)),
            (vec![&head(&many), b"\0\x01a"], Some(stand_in), Some(431)),
            (vec![&head(b"\xd1")], None, Some(400)),
            (vec![b"\x01\x7f\xff"], None, Some(431)),
            (vec![&head(b""), b"\x01\x03\0\0\xd1"], None, None),
        ] {
            let mut gate = Gate::new(250);
            let taken = gate.take(&Bytes::from(stream.concat()));
            let passed: Vec<u8> = std::iter::from_fn(|| gate.next()).flatten().collect();
            assert_eq!(taken.ok().map(|()| passed), went, "{stream:x?}");
            assert_eq!(gate.refused().map(|refused| refused.status.as_u16()), told, "{stream:x?}");
        }
    }

    #[test]
    fn content_in_one_piece_is_not_copied() {
        let bytes = Bytes::from([&head(b"")[..], b"\0\x03abc"].concat());
        let mut gate = Gate::new(200);
        gate.take(&bytes).unwrap();
        assert_eq!(gate.next().unwrap().as_ptr(), bytes.as_ptr());
        assert_eq!(gate.next(), None);
    }

    #[test]
    fn what_breaks_the_rules() {
        let plain = head(b"");
        let unexpected = Violation::unexpected();
        let cut_off = Violation::frame("the last frame is incomplete");
        let undecodable = Code::QPACK_DECOMPRESSION_FAILED;
        let undecodable = Violation::Connection(undecodable, "cannot decode the field section");
        for (stream, want) in [
            (vec![&b"\0\x01a"[..]], unexpected),
            (vec![&plain, TRAILERS, b"\0\x01a"], unexpected),
            (vec![&plain, TRAILERS, TRAILERS], unexpected),
            (vec![CONNECT, TRAILERS], unexpected),
            (vec![CONNECT, b"\0\x01a", TRAILERS], unexpected),
            (vec![b"\x02\0"], unexpected),
            (vec![b"\x03\x01\0"], unexpected),
            (vec![b"\x04\0"], unexpected),
            (vec![&plain, b"\x05\0"], unexpected),
            (vec![&plain, b"\x06\0"], unexpected),
            (vec![&plain, b"\x07\x01\0"], unexpected),
            (vec![&plain, b"\x08\0"], unexpected),
            (vec![&plain, b"\x09\0"], unexpected),
            (vec![&plain, b"\x0d\x01\0"], unexpected),
            (vec![b"\x01\x7f\xff"], Violation::too_long()),
            (vec![&plain, b"\x21\xc0\0\0\0\0\0\x01\0"], Violation::too_long()),
            (vec![&plain, b"\x01\x7f\xff"], Violation::too_long()),
            (vec![&plain, b"\0\x03ab"], cut_off),
            (vec![&plain, b"\0"], cut_off),
            (vec![&plain, b"\x40"], cut_off),
            (vec![&plain, b"\x21\x02a"], cut_off),
            (vec![b"\x01\x03\0\0"], cut_off),
            (vec![&head(b"\xd1")], Violation::Message),
            (vec![&plain, b"\x01\x03\0\0\xd1"], Violation::Message),
            (vec![&head(b"\x10")], undecodable),
        ] {
            for size in SIZES {
                assert_eq!(passed(&stream.concat(), size), Err(want), "{stream:x?} by {size}");
            }
        }
    }
}
