//! What holds of the streams of HTTP/3 and of WebSockets, whoever writes them. The readers that
//! have a folder keep their targets there.

mod static_table;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::h3_connect::Head;
use super::h3_frames::Frames;
use super::{guard, packets, proxy_protocol, qpack, ws_frames};
use crate::fuzzing::{Target, however_it_comes, two};

/// The targets of this floor.
pub fn targets() -> Vec<Target> {
    [TARGETS, guard::fuzzing::TARGETS, packets::fuzzing::TARGETS, proxy_protocol::fuzzing::TARGETS]
        .concat()
}

const TARGETS: &[Target] = &[
    Target { name: "h3_frames", run: h3_frames, seeds: H3_FRAMES },
    Target { name: "h3_connect", run: h3_connect, seeds: H3_HEADS },
    Target { name: "qpack", run: qpack, seeds: FIELDS },
    Target { name: "ws_frames", run: ws_frames, seeds: WS_FRAMES },
];

const H3_FRAMES: &[&[u8]] = &[
    b"\x01\x03abc\x00\x40\x05hello\x21\x00\x01\x02de",
    b"\x00\x04\x04\x06\x80\x00\x01\x00\x07\x01\x00",
    b"\x02\x3f\xe1\x1f",
    b"\xc0\x00\x00\x00\x00\x00\x00\x21\xff\xff\xff\xff\xff\xff\xff\xff",
];
const H3_HEADS: &[&[u8]] = &[
    b"\x21\x02\x09\x09\x01\x22\x00\x00\xcf\xc1\x50\x04a.b:\x27\x02:protocol\x09websocket\x23x-a\x01b",
    b"\x01\x1b\x00\x00\xcf\x2f\x00\xb9\x5d\x87\x49\xc8\x7a\x3f\x87\xf0\x58\xd0\x72\x75\x2a\x7f\x23x-a\x01b",
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

/// The longest frame that is taken.
const MOST: u64 = 40;

/// However the bytes come, the same streams are refused: those with a length that says too much.
fn h3_frames(data: &[u8]) {
    let measure = |new: fn(u64) -> Frames| {
        however_it_comes(data, |pieces| {
            let mut frames = new(MOST);
            pieces.iter().try_for_each(|piece| frames.pass(piece))
        })
    };
    assert_eq!(measure(Frames::of_request).is_err(), has_long_frame(data));
    let mut rest = data;
    let is_control = number(&mut rest) == Some(0);
    assert_eq!(measure(Frames::of_unidirectional).is_err(), is_control && has_long_frame(rest));
}

fn has_long_frame(mut rest: &[u8]) -> bool {
    while let (Some(kind), Some(length)) = (number(&mut rest), number(&mut rest)) {
        if kind != 0 && length > MOST {
            return true;
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

/// An integer that is all there (RFC 9000 section 16).
fn number(rest: &mut &[u8]) -> Option<u64> {
    let first = *rest.first()?;
    let (bytes, after) = rest.split_at_checked(1 << (first >> 6))?;
    *rest = after;
    Some(bytes[1..].iter().fold(u64::from(first & 0x3f), |sum, byte| sum << 8 | u64::from(*byte)))
}

/// However a request's stream comes, the same goes on: as it is, or with another `:protocol` in
/// its first field section and nothing else changed.
fn h3_connect(data: &[u8]) {
    let passed = however_it_comes(data, |pieces| {
        let mut head = Head::new(MOST);
        let went = pieces.iter().filter_map(|piece| head.pass(Bytes::copy_from_slice(piece)));
        let mut went = went.collect::<Vec<_>>().concat();
        went.extend(head.rest().unwrap_or_default());
        went
    });
    if passed == data {
        return;
    }
    // HEADERS, and all before it the same; what is behind the section stays what it was.
    let (mut before, mut after) = (data, &passed[..]);
    let (sent, made) = loop {
        let kind = number(&mut before);
        assert_eq!(kind, number(&mut after));
        let lengths = (number(&mut before), number(&mut after));
        let (Some(sent), Some(made)) = lengths else { panic!("a frame is cut: {lengths:?}") };
        let sent = before.split_at(sent as usize);
        let made = after.split_at(made as usize);
        (before, after) = (sent.1, made.1);
        if kind == Some(1) {
            break (sent.0, made.0);
        }
        assert_eq!(sent.0, made.0);
    };
    assert_eq!(before, after, "what follows the head");
    if sent == made {
        // Only the frame's length was written longer than it had to be.
        return;
    }
    // The old value may begin as the new one does.
    let start = sent.iter().zip(made).take_while(|(sent, made)| sent == made).count();
    let is_respelled = (start.saturating_sub(12)..=start).any(|at| {
        let names = [&b"\x0bconnect-udp"[..], b"\x0cwebtransport"];
        let behind = names.iter().find_map(|name| made.get(at..)?.strip_prefix(*name));
        behind.is_some_and(|behind| sent.ends_with(behind))
    });
    assert!(is_respelled, "{:?} became {:?}", sent.escape_ascii(), made.escape_ascii());
}

/// What is written of a response's fields is what a reader of RFC 9204 gets out of it.
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

/// A tunnel is between two frames where a plain reader sees the end of one.
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

/// The head of a frame that is all there: its opcode, and its payload's length (RFC 6455
/// section 5.2).
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
