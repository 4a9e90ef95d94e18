//! Checks the field section of a request or its trailers before h3 decodes it (RFC 9114 section
//! 4.3): h3 keeps the last of two pseudo-header fields and accepts them in any position. For
//! extended CONNECT (RFC 9220) it rewrites `:protocol`, since h3 treats values that it does not
//! know as malformed.

use h3::error::Code;
use h3::ext::Protocol;

use super::frames::Violation;
use crate::server::compression::huffman;
use crate::server::compression::primitives::{Coded, read_integer, read_string};

/// What h3 calls `websocket`.
pub(crate) const WEBSOCKET: Protocol = Protocol::CONNECT_UDP;
/// What h3 calls any other protocol.
const OTHER: Protocol = Protocol::WEB_TRANSPORT;

/// `websocket`, plain and in the Huffman code of RFC 7541 appendix B.
const VALUE: [&[u8]; 2] = [b"websocket", b"\xf0\x58\xd0\x72\x75\x2a\x7f"];

const UNDECODABLE: Violation =
    Violation::Connection(Code::QPACK_DECOMPRESSION_FAILED, "a field section cannot be decoded");

/// What a field line is, as far as order and number are concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Field,
    /// A pseudo-header field of requests, as a bit.
    Pseudo(u8),
}

const AUTHORITY: Line = Line::Pseudo(1);
const METHOD: Line = Line::Pseudo(2);
const PATH: Line = Line::Pseudo(4);
const PROTOCOL: Line = Line::Pseudo(8);
const SCHEME: Line = Line::Pseudo(16);

/// The pseudo-header fields of requests, plain and in Huffman code. A sound string has one code.
const NAMES: [(&[u8], &[u8], Line); 5] = [
    (b":authority", b"\xb8\x3b\x53\x39\xec\x32\x7d\x7f", AUTHORITY),
    (b":method", b"\xb9\x49\x53\x39\xe4", METHOD),
    (b":path", b"\xb9\x58\xd3\x3f", PATH),
    (b":protocol", b"\xb9\x5d\x87\x49\xc8\x7a\x3f", PROTOCOL),
    (b":scheme", b"\xb8\x82\x4e\x5a\x4b", SCHEME),
];

/// The method CONNECT in the static table (RFC 9204 appendix A), plain, and in Huffman code.
const CONNECT_INDEX: u8 = 15;
const CONNECT: [&[u8]; 2] = [b"CONNECT", b"\xbd\xab\x4e\x9c\x17\xb7\xff"];

/// What a section is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) is_connect: bool,
    /// To be put in its place where h3 would not understand it.
    pub(crate) respelled: Option<Vec<u8>>,
}

/// Judges the head of a request, or else its trailers.
pub(crate) fn judge(section: &[u8], is_head: bool) -> Result<Judged, Violation> {
    let mut rest = section;
    // There is no dynamic table: Required Insert Count is 0 (RFC 9204 section 4.5.1), and no
    // line may refer to one.
    if integer(&mut rest, 8)? != 0 {
        return Err(UNDECODABLE);
    }
    integer(&mut rest, 7)?;
    let (mut seen, mut had_field, mut is_well_formed, mut respelled) = (0, false, true, None);
    let mut is_connect = false;
    while !rest.is_empty() {
        let first = rest[0];
        let (line, value) = read_line(&mut rest)?;
        match line {
            Some(Line::Field) => had_field = true,
            Some(Line::Pseudo(bit)) => {
                is_well_formed &= is_head && !had_field && seen & bit == 0;
                seen |= bit;
            }
            None => is_well_formed = false,
        }
        if line == Some(METHOD) {
            is_connect = match value {
                Some(value) => CONNECT.contains(&value.bytes),
                None => first == 0xc0 | CONNECT_INDEX,
            };
        }
        if line == Some(PROTOCOL)
            && let Some(value) = value
        {
            let after = section.len() - rest.len();
            // Where the value's length stands: all that is behind it has been read.
            respelled = Some((value, after));
        }
    }
    // Only now is it known that the whole can be decoded, which comes first.
    if !is_well_formed {
        return Err(Violation::Message);
    }
    let respelled = respelled.map(|(value, after)| respell(section, value, after));
    Ok(Judged { is_connect, respelled })
}

/// The value of a field line, and where its string begins.
#[derive(Clone, Copy)]
struct Value<'a> {
    bytes: &'a [u8],
    /// Bytes from the string's beginning to the end of the line.
    whole: usize,
}

fn respell(section: &[u8], value: Value<'_>, after: usize) -> Vec<u8> {
    let name = if VALUE.contains(&value.bytes) { WEBSOCKET } else { OTHER };
    let mut out = section[..after - value.whole].to_vec();
    out.push(name.as_str().len() as u8);
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(&section[after..]);
    out
}

/// One field line (RFC 9204 section 4.5): what it is, none if no request may have it; and its
/// value where it is spelled out.
fn read_line<'a>(rest: &mut &'a [u8]) -> Result<(Option<Line>, Option<Value<'a>>), Violation> {
    let first = *rest.first().ok_or(UNDECODABLE)?;
    let line = match first {
        0xc0.. => return Ok((static_line(integer(rest, 6)?)?, None)),
        0x40..0x80 if first & 0x10 != 0 => static_line(integer(rest, 4)?)?,
        0x20..0x40 => literal_line(string(rest, 3)?),
        _ => return Err(UNDECODABLE),
    };
    let before = rest.len();
    let bytes = string(rest, 7)?.bytes;
    Ok((line, Some(Value { bytes, whole: before - rest.len() })))
}

/// A line by the index of its name in the static table (RFC 9204 appendix A).
fn static_line(index: usize) -> Result<Option<Line>, Violation> {
    match index {
        0 => Ok(Some(AUTHORITY)),
        1 => Ok(Some(PATH)),
        15..=21 => Ok(Some(METHOD)),
        22 | 23 => Ok(Some(SCHEME)),
        // `:status`, of responses.
        24..=28 | 63..=71 => Ok(None),
        2..=14 | 29..=62 | 72..=98 => Ok(Some(Line::Field)),
        _ => Err(UNDECODABLE),
    }
}

fn literal_line(name: Coded<'_>) -> Option<Line> {
    let Coded { bytes, is_huffman } = name;
    // The code of a colon is 1011100.
    let is_pseudo = match bytes.first()? {
        first if is_huffman => first >> 1 == 0x5c,
        first => *first == b':',
    };
    if !is_pseudo {
        return Some(Line::Field);
    }
    let known = |(plain, coded, _): &&(&[u8], &[u8], Line)| {
        bytes == if is_huffman { *coded } else { *plain }
    };
    NAMES.iter().find(known).map(|(_, _, line)| *line)
}

fn integer(bytes: &mut &[u8], bits: u32) -> Result<usize, Violation> {
    read_integer(bytes, bits).ok_or(UNDECODABLE)
}

/// A string, which stays in its code.
fn string<'a>(bytes: &mut &'a [u8], bits: u32) -> Result<Coded<'a>, Violation> {
    let coded = read_string(bytes, bits).ok_or(UNDECODABLE)?;
    if coded.is_huffman && !huffman::is_sound(coded.bytes) {
        return Err(UNDECODABLE);
    }
    Ok(coded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `:method CONNECT`, `:path /` by index, a name by reference, and lines as given.
    fn section(lines: &[u8]) -> Vec<u8> {
        [b"\0\0\xcf\xc1\x50\x04a.b:", lines, b"\x23x-a\x01b"].concat()
    }

    #[test]
    fn the_protocol_is_respelled_however_it_comes() {
        for (sent, want) in [
            (
                &b"\x27\x02:protocol\x09websocket"[..],
                Some(&b"\x27\x02:protocol\x0bconnect-udp"[..]),
            ),
            (
                b"\x2f\0\xb9\x5d\x87\x49\xc8\x7a\x3f\x87\xf0\x58\xd0\x72\x75\x2a\x7f",
                Some(b"\x2f\0\xb9\x5d\x87\x49\xc8\x7a\x3f\x0bconnect-udp"),
            ),
            (b"\x37\x02:protocol\x0bconnect-udp", Some(b"\x37\x02:protocol\x0cwebtransport")),
            (b"\x27\x02:protocol\0", Some(b"\x27\x02:protocol\x0cwebtransport")),
            (b"\x27\x02protocolx\x09websocket", None),
            (b"", None),
        ] {
            let judged = judge(&section(sent), true);
            let want = Judged { is_connect: true, respelled: want.map(section) };
            assert_eq!(judged, Ok(want), "{sent:?}");
        }
    }

    #[test]
    fn connect_is_told_from_other_methods() {
        for (lines, want) in [
            (&b"\xcf"[..], true),
            (b"\x5f\0\x07CONNECT", true),
            (b"\x5f\x02\x87\xbd\xab\x4e\x9c\x17\xb7\xff", true),
            (b"\x27\0:method\x07CONNECT", true),
            (b"\x2d\xb9\x49\x53\x39\xe4\x07CONNECT", true),
            (b"\xd1", false),
            (b"\x5f\0\x07connect", false),
            (b"\xd1\x23x-a\x07CONNECT", false),
        ] {
            let judged = judge(&[b"\0\0", lines].concat(), true).unwrap();
            assert_eq!(judged.is_connect, want, "{lines:x?}");
        }
    }

    #[test]
    fn pseudo_fields_come_once_and_first() {
        for (lines, head, trailers) in [
            (&b""[..], true, true),
            (b"\x23x-b\x01c", true, true),
            (b"\xc1", true, false),
            (b"\xc1\xc1", false, false),
            // `:path` by index, by its name's index, spelled out, and in Huffman code.
            (b"\xc1\x51\x01/", false, false),
            (b"\xc1\x25:path\x01/", false, false),
            (b"\xc1\x2c\xb9\x58\xd3\x3f\x01/", false, false),
            // Behind a field; of responses; of nobody.
            (b"\x23x-b\x01c\xc1", false, false),
            (b"\xd9", false, false),
            (b"\x5f\x09\x03200", false, false),
            (b"\x27\0:status\x03200", false, false),
            (b"\x22:x\x01c", false, false),
            (b"\x20\x01c", false, false),
        ] {
            let section = [b"\0\0", lines].concat();
            for (is_head, want) in [(true, head), (false, trailers)] {
                let fine = Judged { is_connect: false, respelled: None };
                let want = if want { Ok(fine) } else { Err(Violation::Message) };
                assert_eq!(judge(&section, is_head), want, "{lines:x?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_decoded() {
        for section in [
            &b""[..],
            b"\0",
            // A dynamic table: counted, indexed, named, indexed behind the base.
            b"\x02\0",
            b"\0\0\x80",
            b"\0\0\x40\x01a",
            b"\0\0\x10",
            b"\0\0\x00\x01a",
            // No such entry; cut off in a name, a value, an integer; an integer without an end.
            b"\0\0\xff\x24",
            b"\0\0\x27\x02:prot",
            b"\0\0\x51\x05/",
            b"\0\0\xff",
            b"\0\0\x51\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            // Huffman code with eight bits of padding, in a value and in a name.
            b"\0\0\x51\x82\x63\xff",
            b"\0\0\x2d\xb9\x58\xd3\x3f\xff\x01/",
            // Malformed before it is undecodable.
            b"\0\0\xd9\x10",
        ] {
            assert_eq!(judge(section, true), Err(UNDECODABLE), "{section:x?}");
        }
    }
}
