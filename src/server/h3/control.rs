//! A client's unidirectional streams (RFC 9114 section 6.2, RFC 9204 section 4.2). h3 reads only
//! the control stream and ignores violations there; this reader reports them.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;

use bytes::{BufMut, Bytes, BytesMut};
use h3::error::Code;
use h3::quic::{RecvStream, StreamErrorIncoming};

use super::frames::{
    CANCEL_PUSH, GOAWAY, MAX_PUSH_ID, PRIORITY_UPDATE, PRIORITY_UPDATE_PUSH, SETTINGS, Violation,
    is_known,
};
use super::priorities::Priorities;
use super::varint::{self, VarIntReader};
use crate::limits::QUIC_SETTINGS;

/// Stream types.
const CONTROL: u64 = 0x0;
const PUSH: u64 = 0x1;
const ENCODER: u64 = 0x2;
const DECODER: u64 = 0x3;

/// Boolean settings (RFC 9220 section 3, RFC 9297 section 2.1.1).
const FLAGS: [u64; 2] = [0x8, 0x33];
/// Settings of HTTP/2 that must not be sent (RFC 9114 section 7.2.4.1).
const RESERVED: [u64; 5] = [0x0, 0x2, 0x3, 0x4, 0x5];

/// Number of critical streams of each side: the control stream and those of QPACK.
pub(crate) const CRITICAL_STREAMS: u8 = 3;

/// The error if such a stream ends, or if the client stops one of ours (RFC 9114 section 6.2.1, RFC
/// 9204 section 4.2).
pub(crate) const CLOSED: Violation =
    Violation::Connection(Code::H3_CLOSED_CRITICAL_STREAM, "a critical stream was closed");
const CREATION: Code = Code::H3_STREAM_CREATION_ERROR;

/// The critical streams that the client has opened, a bit for each type.
pub(crate) type Seen = Rc<Cell<u8>>;

/// The kind of a stream.
pub(crate) enum StreamKind<S> {
    /// The control stream, and the bytes received after its type.
    Control(S, Bytes),
    /// A stream that needs no further processing.
    Nothing,
}

/// Reads a stream: up to its type if it is the control stream, else to its end.
pub(crate) async fn read<S>(mut stream: S, seen: Seen) -> Result<StreamKind<S>, Violation>
where
    S: RecvStream<Buf = Bytes>,
{
    let mut number = VarIntReader::default();
    let (kind, mut bytes) = loop {
        // The stream may end before its type is complete.
        let Some(bytes) = next(&mut stream).await.ok().flatten() else {
            return Ok(StreamKind::Nothing);
        };
        let mut rest = &bytes[..];
        if let Some(kind) = number.read(&mut rest) {
            break (kind, bytes.slice_ref(rest));
        }
    };
    match kind {
        CONTROL | ENCODER | DECODER => {
            let (bit, before) = (1_u8 << kind, seen.get());
            if before & bit != 0 {
                return Err(Violation::Connection(
                    CREATION,
                    "a second critical stream of the same type",
                ));
            }
            seen.set(before | bit);
        }
        PUSH => return Err(Violation::Connection(CREATION, "clients must not open push streams")),
        _ => {
            stream.stop_sending(CREATION.value());
            return Ok(StreamKind::Nothing);
        }
    }
    if kind == CONTROL {
        return Ok(StreamKind::Control(stream, bytes));
    }
    let mut acknowledged = Instructions::default();
    loop {
        match kind {
            ENCODER => encoder(&bytes)?,
            _ => acknowledged.decoder(&bytes)?,
        }
        bytes = match next(&mut stream).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) | Err(StreamErrorIncoming::StreamTerminated { .. }) => return Err(CLOSED),
            // The connection has ended.
            Err(_) => return Ok(StreamKind::Nothing),
        };
    }
}

async fn next<S: RecvStream<Buf = Bytes>>(
    stream: &mut S,
) -> Result<Option<Bytes>, StreamErrorIncoming> {
    poll_fn(|cx| stream.poll_data(cx)).await
}

/// The encoder stream. The capacity of our dynamic table is 0, and the only valid instruction sets
/// it to 0 (RFC 9204 section 4.3.1).
fn encoder(bytes: &[u8]) -> Result<(), Violation> {
    const NO_ROOM: u8 = 0x20;
    let why = "the dynamic table has no capacity";
    let fine = bytes.iter().all(|byte| *byte == NO_ROOM);
    fine.then_some(()).ok_or(Violation::Connection(Code::QPACK_ENCODER_STREAM_ERROR, why))
}

/// The decoder stream. We use no dynamic table, so there is nothing to acknowledge; the client may
/// cancel a stream (RFC 9204 section 4.4.2).
#[derive(Debug, Default)]
struct Instructions {
    /// Bytes so far of an unfinished integer.
    long: u8,
}

impl Instructions {
    fn decoder(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        let why = "no dynamic table entry was referenced";
        let wrong = Violation::Connection(Code::QPACK_DECODER_STREAM_ERROR, why);
        for byte in bytes {
            self.long = match self.long {
                0 if byte >> 6 != 0b01 => return Err(wrong),
                0 => u8::from(byte & 0x3f == 0x3f),
                // More bytes than a stream ID needs.
                10.. => return Err(wrong),
                long if byte & 0x80 == 0x80 => long + 1,
                _ => 0,
            };
        }
        Ok(())
    }
}

/// The frames of the control stream. h3 receives those that it handles.
#[derive(Debug)]
pub(crate) struct Control {
    /// Bytes of the longest frame that is accepted.
    most: u64,
    at: FrameState,
    number: VarIntReader,
    /// The received part of a known frame.
    payload: Vec<u8>,
    is_settled: bool,
    /// The last MAX_PUSH_ID, and the last GOAWAY.
    push_id: Option<u64>,
    goaway: Option<u64>,
    priorities: Priorities,
    /// Bytes for h3.
    passed: BytesMut,
}

#[derive(Debug, Clone, Copy)]
enum FrameState {
    Type,
    Length(u64),
    /// A frame of this type with this many bytes left.
    Payload(u64, u64),
}

impl Control {
    pub(crate) fn new(most: u64, priorities: Priorities) -> Self {
        let (at, number, payload) = (FrameState::Type, VarIntReader::default(), vec![]);
        let passed = BytesMut::new();
        let (is_settled, push_id, goaway) = (false, None, None);
        Self { most, at, number, payload, is_settled, push_id, goaway, priorities, passed }
    }

    /// The next bytes for h3.
    pub(crate) fn next(&mut self) -> Option<Bytes> {
        Some(self.passed.split().freeze()).filter(|passed| !passed.is_empty())
    }

    /// The error if the stream has ended.
    pub(crate) fn end(&self) -> Violation {
        let is_between = matches!(self.at, FrameState::Type) && !self.number.is_begun();
        if is_between { CLOSED } else { Violation::frame("the last frame is incomplete") }
    }

    /// Processes the next bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Violation> {
        while !bytes.is_empty() {
            self.at = match self.at {
                FrameState::Type => {
                    let Some(kind) = self.number.read(&mut bytes) else { break };
                    self.admit(kind)?;
                    FrameState::Length(kind)
                }
                FrameState::Length(kind) => {
                    let Some(length) = self.number.read(&mut bytes) else { break };
                    if length > self.most {
                        return Err(Violation::too_long());
                    }
                    FrameState::Payload(kind, length)
                }
                FrameState::Payload(kind, left) => {
                    let (part, rest) = bytes.split_at(bytes.len().min(left as usize));
                    bytes = rest;
                    if is_known(kind) {
                        self.payload.extend_from_slice(part);
                    }
                    FrameState::Payload(kind, left - part.len() as u64)
                }
            };
            if let FrameState::Payload(kind, 0) = self.at {
                self.at = FrameState::Type;
                let payload = std::mem::take(&mut self.payload);
                self.act(kind, &payload)?;
                if kind == SETTINGS || kind == GOAWAY {
                    self.passed.put_u8(kind as u8);
                    varint::write(&mut self.passed, payload.len());
                    self.passed.extend_from_slice(&payload);
                }
            }
        }
        Ok(())
    }

    /// Whether a frame is allowed now (RFC 9114 sections 6.2.1 and 7.2).
    fn admit(&mut self, kind: u64) -> Result<(), Violation> {
        if !self.is_settled && kind != SETTINGS {
            let why = "the first frame is not SETTINGS";
            return Err(Violation::Connection(Code::H3_MISSING_SETTINGS, why));
        }
        let fits = match kind {
            SETTINGS => !self.is_settled,
            CANCEL_PUSH | GOAWAY | MAX_PUSH_ID => true,
            PRIORITY_UPDATE | PRIORITY_UPDATE_PUSH => true,
            _ => !is_known(kind),
        };
        self.is_settled = true;
        if fits { Ok(()) } else { Err(Violation::unexpected()) }
    }

    fn act(&mut self, kind: u64, mut payload: &[u8]) -> Result<(), Violation> {
        let wrong = |why| Err(Violation::Connection(Code::H3_ID_ERROR, why));
        match kind {
            SETTINGS => return settings(payload),
            PRIORITY_UPDATE | PRIORITY_UPDATE_PUSH => {
                return self.priorities.update(kind, payload);
            }
            CANCEL_PUSH | GOAWAY | MAX_PUSH_ID => {}
            _ => return Ok(()),
        }
        let value = VarIntReader::default().read(&mut payload);
        let Some(value) = value.filter(|_| payload.is_empty()) else {
            return Err(Violation::frame("the frame does not contain exactly one integer"));
        };
        match kind {
            MAX_PUSH_ID if self.push_id.is_some_and(|before| value < before) => {
                return wrong("MAX_PUSH_ID was reduced");
            }
            MAX_PUSH_ID => self.push_id = Some(value),
            GOAWAY if self.goaway.is_some_and(|before| value > before) => {
                return wrong("the ID of GOAWAY was increased");
            }
            GOAWAY => self.goaway = Some(value),
            _ => return wrong("no push with this ID was promised"),
        }
        Ok(())
    }
}

fn settings(mut payload: &[u8]) -> Result<(), Violation> {
    let wrong = |why| Err(Violation::Connection(Code::H3_SETTINGS_ERROR, why));
    let mut names = vec![];
    while !payload.is_empty() {
        let mut number = VarIntReader::default();
        let name = number.read(&mut payload);
        let Some((name, value)) = name.zip(number.read(&mut payload)) else {
            return Err(Violation::frame("SETTINGS is incomplete"));
        };
        if RESERVED.contains(&name) {
            return wrong("HTTP/2 settings are not allowed");
        }
        if FLAGS.contains(&name) && value > 1 {
            return wrong("a boolean setting is neither 0 nor 1");
        }
        if names.contains(&name) {
            return wrong("duplicate setting");
        }
        names.push(name);
        if names.len() > QUIC_SETTINGS {
            return Err(Violation::Connection(Code::H3_EXCESSIVE_LOAD, "too many settings"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(frames: &[u8], size: usize) -> Result<Vec<u8>, u64> {
        let mut control = Control::new(1000, Priorities::default());
        let mut passed = vec![];
        for piece in frames.chunks(size) {
            control.take(piece).map_err(code)?;
            passed.extend(control.next().unwrap_or_default());
        }
        Ok(passed)
    }

    fn code(violation: Violation) -> u64 {
        match violation {
            Violation::Connection(code, _) => code.value(),
            Violation::Message => 0,
        }
    }

    #[test]
    fn the_frames_of_the_control_stream() {
        for (frames, want) in [
            (&b"\x04\0"[..], Ok(&b"\x04\0"[..])),
            (b"\x04\x02\x08\x01", Ok(b"\x04\x02\x08\x01")),
            (
                b"\x04\x04\x08\x01\x33\0\x21\x02ab\x40\x41\0\x07\x01\x08\x07\x01\x04",
                Ok(b"\x04\x04\x08\x01\x33\0\x07\x01\x08\x07\x01\x04"),
            ),
            (b"\x04\0\x0d\x01\x05\x0d\x01\x05\x0d\x02\x40\x06", Ok(b"\x04\0")),
            (b"\x21\0\x04\0", Err(0x10a)),
            (b"\x07\x01\0", Err(0x10a)),
            (b"\x04\0\x04\0", Err(0x105)),
            (b"\x04\0\0\x01a", Err(0x105)),
            (b"\x04\0\x01\x01a", Err(0x105)),
            (b"\x04\0\x02\0", Err(0x105)),
            (b"\x04\0\x05\x01a", Err(0x105)),
            (b"\x04\0\x06\x01a", Err(0x105)),
            (b"\x04\0\x08\x01a", Err(0x105)),
            (b"\x04\0\x09\x01a", Err(0x105)),
            (b"\x04\0\x03\x01\0", Err(0x108)),
            (b"\x04\0\x0d\x01\x05\x0d\x01\x04", Err(0x108)),
            (b"\x04\0\x07\x01\x04\x07\x01\x08", Err(0x108)),
            (b"\x04\0\x0d\0", Err(0x106)),
            (b"\x04\0\x0d\x01\x40", Err(0x106)),
            (b"\x04\0\x03\0", Err(0x106)),
            (b"\x04\0\x07\0", Err(0x106)),
            (b"\x04\0\x07\x02\0\0", Err(0x106)),
            (b"\x04\x01\x08", Err(0x106)),
            (b"\x04\x03\x08\x01\x40", Err(0x106)),
            (b"\x04\x02\0\0", Err(0x109)),
            (b"\x04\x02\x02\0", Err(0x109)),
            (b"\x04\x02\x05\0", Err(0x109)),
            (b"\x04\x02\x08\x02", Err(0x109)),
            (b"\x04\x05\x06\x40\x64\x33\x01", Ok(b"\x04\x05\x06\x40\x64\x33\x01")),
            (b"\x04\x04\x06\x01\x06\x01", Err(0x109)),
            (b"\x04\x7f\xff", Err(0x107)),
            (b"\x04\0\x21\x7f\xff", Err(0x107)),
        ] {
            for size in [1, 2, 100] {
                assert_eq!(
                    control(frames, size),
                    want.map(<[u8]>::to_vec),
                    "{frames:x?} by {size}"
                );
            }
        }
    }

    #[test]
    fn the_instructions_of_qpack() {
        for (bytes, want) in [
            (&b"\x20"[..], Ok(())),
            (b"\x21", Err(0x201)),
            (b"\x3f\0", Err(0x201)),
            (b"\xc1\x01a", Err(0x201)),
            (b"\x41a\x01b", Err(0x201)),
            (b"\0", Err(0x201)),
        ] {
            assert_eq!(encoder(bytes).map_err(code), want, "{bytes:x?}");
        }
        for (bytes, want) in [
            (&b"\x44"[..], Ok(())),
            (b"\x7f\x80\x01\x40", Ok(())),
            (b"\x80", Err(0x202)),
            (b"\x44\xff", Err(0x202)),
            (b"\x01", Err(0x202)),
            (b"\0", Err(0x202)),
            (b"\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", Err(0x202)),
        ] {
            for size in [1, 100] {
                let mut instructions = Instructions::default();
                let read = bytes.chunks(size).try_for_each(|piece| instructions.decoder(piece));
                assert_eq!(read.map_err(code), want, "{bytes:x?}");
            }
        }
    }
}
