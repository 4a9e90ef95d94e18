//! Properties of the readers of HTTP/3 streams and WebSocket frames for arbitrary input. Readers
//! that have a folder of their own keep their targets there.

mod static_table;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::fuzzing::{Target, however_it_comes, two};
use crate::server::compression::{hpack, qpack};
use crate::server::h3::control::Control;
use crate::server::h3::frames::Violation;
use crate::server::h3::gate::Gate;
use crate::server::h3::priorities::Priorities;
use crate::server::quic::packets;
use crate::server::tcp::{guard, h2_gate};
use crate::server::tunnel::ws_frames;

/// The targets of this module.
pub fn targets() -> Vec<Target> {
    [
        TARGETS,
        guard::fuzzing::TARGETS,
        h2_gate::fuzzing::TARGETS,
        hpack::fuzzing::TARGETS,
        packets::fuzzing::TARGETS,
        packets::relay::fuzzing::TARGETS,
    ]
    .concat()
}

const TARGETS: &[Target] = &[
    Target { name: "h3_control", run: h3_control, seeds: H3_FRAMES },
    Target { name: "h3_gate", run: h3_gate, seeds: H3_HEADS },
    Target { name: "qpack", run: qpack, seeds: FIELDS },
    Target { name: "ws_frames", run: ws_frames, seeds: WS_FRAMES },
];

const H3_FRAMES: &[&[u8]] = &[
    b"\x01\x03abc\x00\x40\x05hello\x21\x00\x01\x02de",
    b"\x00\x04\x04\x06\x80\x00\x01\x00\x07\x01\x00",
    b"\x02\x3f\xe1\x1f",
    b"\x04\x00\x80\x0f\x07\x00\x04\x04u=1\x80\x0f\x07\x01\x01\x00",
    b"\xc0\x00\x00\x00\x00\x00\x00\x21\xff\xff\xff\xff\xff\xff\xff\xff",
];
const H3_HEADS: &[&[u8]] = &[
    b"\x21\x02\x09\x09\x01\x26\x00\x00\xcf\xd7\xc1\x50\x04a.b:\x27\x02:protocol\x09\
      websocket\x23x-a\x01b",
    b"\x01\x1f\x00\x00\xcf\xd7\xc1\x50\x01a\x2f\x00\xb9\x5d\x87\x49\xc8\x7a\x3f\x87\xf0\x58\xd0\x72\
      \x75\x2a\x7f\x23x-a\x01b",
    b"\x01\x0e\x00\x00\xd1\xd7\xc1\x50\x01a\x23x-\xe9\x01b\x00\x03end",
    b"\x01\x06\x00\x00\xd1\xc1\xd7\x80\x00\x03end",
    b"\x01\x7f\xff\x00\x00\x27\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
];
const FIELDS: &[&[u8]] = &[
    b"200\ncontent-type: text/plain\ncache-control: no-cache\nx-a: b",
    b"418\nset-cookie: a=b\nset-cookie: c=d\nvary: accept-encoding\netag: \"x\"",
    b"304\nage: 0\nx-frame-options: sameorigin\nlocation: /\xe9",
];
const WS_FRAMES: &[&[u8]] = &[
    b"\x81\x05hello\x89\x00\x88\x02\x03\xe8",
    b"\x02\xfe\x00\x03\x01\x02\x03\x04abc\x80\x7f\x00\x00\x00\x00\x00\x00\x00\x01a",
    b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04",
];

/// Bytes of the longest frame that is accepted.
const MOST: u64 = 40;

/// The verdict on a control stream does not depend on how it is split, and h3 receives only
/// SETTINGS and GOAWAY.
fn h3_control(data: &[u8]) {
    let passed = however_it_comes(data, |pieces| {
        let mut control = Control::new(MOST, Priorities::default());
        let mut went = vec![];
        for piece in pieces {
            control.take(piece)?;
            went.extend(control.next().unwrap_or_default());
        }
        Ok::<_, Violation>(went)
    });
    let frames = passed.map(|passed| frames(&passed)).unwrap_or_default();
    assert!(frames.iter().all(|(kind, _)| [4, 7].contains(kind)), "{frames:?}");
}

/// The frames of a stream with any encoding of their headers; the last one may be incomplete.
fn frames(mut rest: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut frames = vec![];
    while let (Some(kind), Some(length)) = (number(&mut rest), number(&mut rest)) {
        let length = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
        let (payload, after) = rest.split_at(length);
        frames.push((kind, payload.to_vec()));
        rest = after;
    }
    frames
}

/// A complete integer (RFC 9000 section 16).
fn number(rest: &mut &[u8]) -> Option<u64> {
    let first = *rest.first()?;
    let (bytes, after) = rest.split_at_checked(1 << (first >> 6))?;
    *rest = after;
    Some(bytes[1..].iter().fold(u64::from(first & 0x3f), |sum, byte| sum << 8 | u64::from(*byte)))
}

/// The verdict on a request stream does not depend on how it is split, and h3 receives a header
/// section, content, and at most one trailer section.
fn h3_gate(data: &[u8]) {
    let passed = however_it_comes(data, |pieces| {
        let mut gate = Gate::new(MOST);
        let mut went = vec![];
        for piece in pieces {
            gate.take(&Bytes::copy_from_slice(piece))?;
            went.extend(std::iter::from_fn(|| gate.next()).flatten());
        }
        gate.end()?;
        Ok::<_, Violation>(frames(&went))
    });
    let kinds: Vec<u64> = passed.iter().flatten().map(|(kind, _)| *kind).collect();
    let content = kinds.strip_prefix(&[1]).unwrap_or_default();
    let content = content.strip_suffix(&[1]).unwrap_or(content);
    assert!(content.iter().all(|kind| *kind == 0), "{kinds:?}");
    assert!(kinds.is_empty() || kinds[0] == 1, "{kinds:?}");
}

/// A decoder of RFC 9204 reads back the fields of a response.
fn qpack(data: &[u8]) {
    let (status, lines) = two(data);
    let status = std::str::from_utf8(status).ok().and_then(|text| text.parse::<u16>().ok());
    let Some(status) = status.and_then(|code| StatusCode::from_u16(code).ok()) else { return };
    let mut fields = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n') {
        let (name, value) = line.split_at(line.iter().position(|b| *b == b':').unwrap_or(0));
        let value = HeaderValue::from_bytes(value.strip_prefix(b": ").unwrap_or(value));
        if let (Ok(name), Ok(mut value)) = (HeaderName::from_bytes(name), value) {
            value.set_sensitive(name == "set-cookie");
            fields.append(name, value);
        }
    }
    let mut section = BytesMut::new();
    qpack::write_head(&mut section, status, &fields);
    let mut read = static_table::read(&section);
    assert_eq!(read.remove(0), (b":status".to_vec(), status.as_str().as_bytes().to_vec()));
    let sent = fields.iter().map(|(name, value)| (name.as_str().into(), value.as_bytes().into()));
    let sent: Vec<(Vec<u8>, Vec<u8>)> = sent.collect();
    assert_eq!(read, sent);
    section.clear();
    qpack::write_trailers(&mut section, &fields);
    assert_eq!(static_table::read(&section), sent);
}

/// A tunnel is between two frames exactly where a simple parser sees the end of one.
fn ws_frames(data: &[u8]) {
    let (is_between, is_closed) = however_it_comes(data, |pieces| {
        let mut frames = ws_frames::Frames::default();
        pieces.iter().for_each(|piece| frames.pass(piece));
        (frames.is_between(), frames.is_closed())
    });
    let mut rest = data;
    let mut closed = false;
    while let Some((opcode, length)) = ws_head(&mut rest) {
        closed |= opcode == 8;
        let Some(after) = usize::try_from(length).ok().and_then(|length| rest.get(length..)) else {
            assert!(!is_between);
            rest = b"";
            break;
        };
        rest = after;
        assert!(is_between || !rest.is_empty());
    }
    assert_eq!(is_closed, closed);
    assert!(!is_between || rest.is_empty());
}

/// A complete frame header: its opcode, and the length of its payload (RFC 6455 section 5.2).
fn ws_head(rest: &mut &[u8]) -> Option<(u8, u64)> {
    let (&[first, second], after) = rest.split_first_chunk()?;
    let bytes = [0, 2, 8][usize::from((second & 0x7f).saturating_sub(125))];
    let (extended, after) = after.split_at_checked(bytes)?;
    let length = extended.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let length = if bytes == 0 { u64::from(second & 0x7f) } else { length };
    *rest = after.get(if second & 0x80 == 0 { 0 } else { 4 }..)?;
    Some((first & 0xf, length))
}

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(&targets(), 1000);
}
