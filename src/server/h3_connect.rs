//! Extended CONNECT for WebSockets over HTTP/3 (RFC 9220), beneath h3. h3 takes a request whose
//! `:protocol` it does not know for malformed, and it knows two. So the head of a request is
//! looked at before h3 sees it, and its `:protocol` respelled: `websocket` as [`WEBSOCKET`],
//! every other one as [`OTHER`].

use bytes::{BufMut, Bytes, BytesMut};
use h3::ext::Protocol;

use super::h3_frames::Number;
use super::h3_response::put_length;

/// What h3 calls `websocket`.
pub(super) const WEBSOCKET: Protocol = Protocol::CONNECT_UDP;
/// What h3 calls any other protocol.
const OTHER: Protocol = Protocol::WEB_TRANSPORT;

const HEADERS: u64 = 0x1;
/// `:protocol` and `websocket`, plain and in the Huffman code of RFC 7541 appendix B.
const NAME: [&[u8]; 2] = [b":protocol", b"\xb9\x5d\x87\x49\xc8\x7a\x3f"];
const VALUE: [&[u8]; 2] = [b"websocket", b"\xf0\x58\xd0\x72\x75\x2a\x7f"];

/// The start of a request stream, up to the end of its head.
#[derive(Debug)]
pub(super) struct Head {
    /// What came of it, where that is not all.
    kept: BytesMut,
    /// The longest frame that is looked at; a longer one is not taken by anybody.
    most: u64,
    passed: bool,
}

impl Head {
    pub(super) fn new(most: u64) -> Self {
        Self { kept: BytesMut::new(), most, passed: false }
    }

    /// Takes what came and gives what may go on; nothing while the head is not all here.
    pub(super) fn pass(&mut self, bytes: Bytes) -> Option<Bytes> {
        if self.passed {
            return Some(bytes);
        }
        let bytes = if self.kept.is_empty() {
            bytes
        } else {
            self.kept.extend_from_slice(&bytes);
            self.kept.split().freeze()
        };
        match self.judge(&bytes) {
            Judgement::Plain => {
                self.passed = true;
                Some(bytes)
            }
            Judgement::Respelled(respelled) => {
                self.passed = true;
                Some(respelled)
            }
            Judgement::More => {
                self.kept = BytesMut::from(bytes);
                None
            }
        }
    }

    /// What is kept when the stream ends.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        Some(self.kept.split().freeze()).filter(|rest| !rest.is_empty())
    }

    fn judge(&self, bytes: &Bytes) -> Judgement {
        let mut rest = &bytes[..];
        loop {
            let start = bytes.len() - rest.len();
            let mut number = Number::default();
            let (Some(kind), Some(length)) = (number.read(&mut rest), number.read(&mut rest))
            else {
                return Judgement::More;
            };
            if length > self.most {
                return Judgement::Plain;
            }
            let Some((frame, after)) = rest.split_at_checked(length as usize) else {
                return Judgement::More;
            };
            if kind == HEADERS {
                return match respell(frame) {
                    None => Judgement::Plain,
                    Some(section) => {
                        let mut out = BytesMut::from(&bytes[..start]);
                        out.put_u8(HEADERS as u8);
                        put_length(&mut out, section.len());
                        out.extend_from_slice(&section);
                        out.extend_from_slice(after);
                        Judgement::Respelled(out.freeze())
                    }
                };
            }
            rest = after;
        }
    }
}

enum Judgement {
    Plain,
    Respelled(Bytes),
    More,
}

/// A field section with its `:protocol` in words that h3 knows; none if it has none. A section
/// that cannot be read is left for h3 to refuse.
fn respell(section: &[u8]) -> Option<Vec<u8>> {
    let mut rest = section;
    // Required Insert Count and Base (RFC 9204 section 4.5.1).
    integer(&mut rest, 8)?;
    integer(&mut rest, 7)?;
    let value = loop {
        let first = *rest.first()?;
        let literal_name = first & 0xe0 == 0x20;
        let name = if literal_name {
            string(&mut rest, 3)?
        } else {
            let bits = match first {
                0x80.. => 6,
                0x40.. => 4,
                0x10.. => 4,
                _ => 3,
            };
            integer(&mut rest, bits)?;
            &[]
        };
        // Only an index to a whole field has no value behind it.
        if first >= 0x80 || first & 0xf0 == 0x10 {
            continue;
        }
        let start = section.len() - rest.len();
        let value = string(&mut rest, 7)?;
        if literal_name && NAME.contains(&name) {
            break (start, value);
        }
    };
    let (start, value) = value;
    let name = if VALUE.contains(&value) { WEBSOCKET } else { OTHER };
    let mut out = section[..start].to_vec();
    out.push(name.as_str().len() as u8);
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(rest);
    Some(out)
}

/// An integer in the low `bits` of a byte and what follows (RFC 7541 section 5.1).
fn integer(bytes: &mut &[u8], bits: u32) -> Option<usize> {
    let (first, mut rest) = bytes.split_first()?;
    let most = (1_usize << bits) - 1;
    let mut value = usize::from(*first) & most;
    if value == most {
        let mut shift = 0;
        loop {
            let (next, after) = rest.split_first()?;
            rest = after;
            value = value.checked_add(usize::from(next & 0x7f).checked_shl(shift)?)?;
            shift += 7;
            if next & 0x80 == 0 {
                break;
            }
        }
    }
    *bytes = rest;
    Some(value)
}

/// A string whose length is in the low `bits`; Huffman codes stay as they are.
fn string<'a>(bytes: &mut &'a [u8], bits: u32) -> Option<&'a [u8]> {
    let length = integer(bytes, bits)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `:method CONNECT`, `:path /` by index, a name by reference, and `:protocol` as given.
    fn head(protocol: &[u8]) -> Vec<u8> {
        let mut section = b"\0\0\xcf\xc1\x50\x04a.b:".to_vec();
        section.extend_from_slice(protocol);
        section.extend_from_slice(b"\x23x-a\x01b");
        let mut frames = vec![0x21, 2, 9, 9, 1, section.len() as u8];
        frames.extend(section);
        frames.extend(b"\0\x03end");
        frames
    }

    fn passed(bytes: &[u8], size: usize) -> Vec<u8> {
        let mut head = Head::new(1000);
        let parts = bytes.chunks(size).filter_map(|part| head.pass(Bytes::copy_from_slice(part)));
        let mut all: Vec<u8> = parts.collect::<Vec<_>>().concat();
        all.extend(head.rest().unwrap_or_default());
        all
    }

    #[test]
    fn the_protocol_is_respelled_however_it_comes() {
        for (sent, want) in [
            (&b"\x27\x02:protocol\x09websocket"[..], &b"\x27\x02:protocol\x0bconnect-udp"[..]),
            (
                b"\x2f\0\xb9\x5d\x87\x49\xc8\x7a\x3f\x87\xf0\x58\xd0\x72\x75\x2a\x7f",
                b"\x2f\0\xb9\x5d\x87\x49\xc8\x7a\x3f\x0bconnect-udp",
            ),
            (b"\x37\x02:protocol\x0bconnect-udp", b"\x37\x02:protocol\x0cwebtransport"),
            (b"\x27\x02:protocol\0", b"\x27\x02:protocol\x0cwebtransport"),
            (b"\x27\x02:protocox\x09websocket", b"\x27\x02:protocox\x09websocket"),
            (b"", b""),
        ] {
            for size in [1, 3, 7, 1000] {
                assert_eq!(passed(&head(sent), size), head(want), "{sent:?} by {size}");
            }
        }
    }

    #[test]
    fn what_cannot_be_read_goes_on_as_it_is() {
        for bytes in
            [&b"\x01\x05\0\0\xff\xff\xff"[..], b"\x01\x03\0\0\x27", b"\x01\x7f\xff\0\0", b"\x01"]
        {
            assert_eq!(passed(bytes, 1), bytes);
        }
    }
}
