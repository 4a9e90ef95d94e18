//! The field section of a request or its trailers, judged before h3 sees it by the rules of
//! [`field_section`](crate::server::field_section): h3 keeps the last of two pseudo-header fields,
//! takes them wherever they stand, and ends the stream of what could be answered. And extended
//! CONNECT for WebSockets (RFC 9220): h3 takes a request whose `:protocol` it does not know for
//! malformed, and it knows two, so `:protocol` is respelled. So are strings in Huffman code, as h3
//! decodes them bit by bit, which costs more than all that is done here.

use std::sync::LazyLock;

use bytes::BytesMut;
use h3::error::Code;
use h3::ext::Protocol;
use http::uri::Authority;
use http::{StatusCode, Version};

use super::frames::Violation;
use super::respelled::{Respelled, Spelling};
use crate::server::bad_head::{Refused, RequestSummary};
use crate::server::compression::hpack::{Field, Judged as _};
use crate::server::compression::huffman;
use crate::server::compression::primitives::{Coded, read_integer, read_string};
use crate::server::compression::qpack_table::TABLE;
use crate::server::field_section::{Line, Section, Verdict};

/// The protocol that h3 receives for `websocket`, which it does not know.
pub(crate) const WEBSOCKET: Protocol = Protocol::CONNECT_UDP;
/// The protocol that h3 receives for any other one.
const OTHER: Protocol = Protocol::WEB_TRANSPORT;

/// `GET https://-/`, which h3 receives instead of a refused request.
pub(crate) const STAND_IN: &[u8] = b"\0\0\xd1\xd7\xc1\x50\x01-";

const UNDECODABLE: Violation =
    Violation::Connection(Code::QPACK_DECOMPRESSION_FAILED, "cannot decode the field section");

/// The result of checking a section.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    pub(crate) is_connect: bool,
    /// Bytes that replace the section, if h3 would not accept it or could read it only slowly.
    pub(crate) respelled: Option<BytesMut>,
}

/// Checks the header section of a request, or its trailer section; `most` bytes and more are too
/// many.
pub(crate) fn judge(section: &[u8], is_head: bool, most: usize) -> Result<Judged, Violation> {
    let mut seen = Section::default();
    let (mut has_host, mut has_authority) = (false, false);
    let mut reader = Reader::new(section)?;
    let mut respelled = Respelled::of(section);
    let mut strings = Vec::with_capacity(STRINGS);
    while let Some(FieldLine { field, entry, spelling }) = reader.next(&mut strings)? {
        let line = entry.and_then(fixed).unwrap_or_else(|| Line::judge(field));
        seen.add(line, field);
        has_host |= field.name == b"host";
        has_authority |= field.name == b":authority";
        if field.name == b":protocol" {
            let name = if field.value == b"websocket" { WEBSOCKET } else { OTHER };
            respelled.line(&spelling, Field { value: name.as_str().as_bytes(), ..field });
        } else if spelling.has_huffman {
            respelled.line(&spelling, field);
        }
    }
    let respelled = respelled.finish();
    let verdict = match is_head {
        true => seen.as_head(false, most),
        false => seen.as_trailers(most),
    };
    let is_to_be_compared = has_host || !has_authority;
    let verdict = match verdict {
        Verdict::Pass if is_head && is_to_be_compared => judge_host(section)?,
        verdict => verdict,
    };
    Ok(Judged { verdict, is_connect: seen.is_connect, respelled })
}

/// A request must name one host (RFC 9114 section 4.3.1).
fn judge_host(section: &[u8]) -> Result<Verdict, Violation> {
    let (mut host, mut is_one) = (None, true);
    each(section, |field| {
        if matches!(field.name, b":authority" | b"host") {
            let before = host.replace(field.value.to_vec());
            is_one &= before.is_none_or(|before| before == field.value);
        }
    })?;
    Ok(match host {
        Some(host) if is_one && !host.is_empty() => match Authority::try_from(host) {
            Ok(_) => Verdict::Pass,
            Err(_) => Verdict::Refused(StatusCode::BAD_REQUEST),
        },
        _ => Verdict::Malformed,
    })
}

/// Describes the request of a header section for the log.
pub(crate) fn describe(section: &[u8], status: StatusCode) -> Refused {
    let mut summary = RequestSummary { version: Version::HTTP_3, ..RequestSummary::default() };
    // A section that cannot be decoded closes the connection, and is not described.
    let _ = each(section, |field| summary.read(field.name, field.value));
    summary.refused(status)
}

/// Describes a request whose header section is incomplete.
pub(crate) fn unknown(status: StatusCode) -> Refused {
    RequestSummary { version: Version::HTTP_3, ..RequestSummary::default() }.refused(status)
}

fn each(section: &[u8], mut each: impl FnMut(Field<'_>)) -> Result<(), Violation> {
    let (mut reader, mut strings) = (Reader::new(section)?, Vec::new());
    while let Some(found) = reader.next(&mut strings)? {
        each(found.field);
    }
    Ok(())
}

/// Room for the decoded strings of most field lines.
const STRINGS: usize = 256;

/// The verdict on each entry of the static table.
fn fixed(index: usize) -> Option<Line> {
    static LINES: LazyLock<Vec<Line>> = LazyLock::new(|| {
        let field = |(name, value): &(&'static str, &'static str)| Field {
            name: name.as_bytes(),
            value: value.as_bytes(),
        };
        TABLE.iter().map(|entry| Line::judge(field(entry))).collect()
    });
    LINES.get(index).copied()
}

/// Reads the field lines of a section.
struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

/// One field line.
struct FieldLine<'a> {
    field: Field<'a>,
    /// The entry of the static table, if the whole line is one.
    entry: Option<usize>,
    spelling: Spelling,
}

impl<'a> Reader<'a> {
    fn new(section: &'a [u8]) -> Result<Self, Violation> {
        let mut rest = section;
        // There is no dynamic table: Required Insert Count is 0 (RFC 9204 section 4.5.1), and no
        // line may refer to it.
        if integer(&mut rest, 8)? != 0 {
            return Err(UNDECODABLE);
        }
        integer(&mut rest, 7)?;
        Ok(Self { rest, length: section.len() })
    }

    /// The next field line (RFC 9204 section 4.5); decoded strings are stored in `strings`.
    fn next<'s>(&mut self, strings: &'s mut Vec<u8>) -> Result<Option<FieldLine<'s>>, Violation>
    where
        'a: 's,
    {
        let length = self.length;
        let rest = &mut self.rest;
        let start = length - rest.len();
        let Some(first) = rest.first() else { return Ok(None) };
        strings.clear();
        let name = match first {
            0xc0.. => {
                let index = integer(rest, 6)?;
                let (name, value) = entry(index)?;
                let field = Field { name: name.as_bytes(), value: value.as_bytes() };
                let end = length - rest.len();
                let spelling = Spelling { start, value_at: end, end, has_huffman: false };
                return Ok(Some(FieldLine { field, entry: Some(index), spelling }));
            }
            0x40..0x80 if first & 0x10 != 0 => {
                let (name, _) = entry(integer(rest, 4)?)?;
                Coded { bytes: name.as_bytes(), is_huffman: false }
            }
            0x20..0x40 => read_string(rest, 3).ok_or(UNDECODABLE)?,
            _ => return Err(UNDECODABLE),
        };
        let value_at = length - rest.len();
        let value = read_string(rest, 7).ok_or(UNDECODABLE)?;
        let has_huffman = name.is_huffman || value.is_huffman;
        let spelling = Spelling { start, value_at, end: length - rest.len(), has_huffman };
        decode(name, strings)?;
        let middle = strings.len();
        decode(value, strings)?;
        let (names, values) = strings.split_at(middle);
        let name = if name.is_huffman { names } else { name.bytes };
        let value = if value.is_huffman { values } else { value.bytes };
        Ok(Some(FieldLine { field: Field { name, value }, entry: None, spelling }))
    }
}

fn entry(index: usize) -> Result<&'static (&'static str, &'static str), Violation> {
    TABLE.get(index).ok_or(UNDECODABLE)
}

fn integer(bytes: &mut &[u8], bits: u32) -> Result<usize, Violation> {
    read_integer(bytes, bits).ok_or(UNDECODABLE)
}

/// Appends a string to `out`, decoded if it is in Huffman code.
fn decode(string: Coded<'_>, out: &mut Vec<u8>) -> Result<(), Violation> {
    let is_sound = !string.is_huffman || huffman::decode(string.bytes, out);
    if is_sound { Ok(()) } else { Err(UNDECODABLE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1000;
    const BAD: Verdict = Verdict::Refused(StatusCode::BAD_REQUEST);

    fn head(lines: &[&[u8]]) -> Result<Judged, Violation> {
        judge(&[b"\0\0", &lines.concat()[..]].concat(), true, MOST)
    }

    /// The section that h3 receives for `GET https://a/` with further lines.
    fn verdict(lines: &[u8]) -> Verdict {
        head(&[b"\xd1\xd7\xc1\x50\x01a", lines]).unwrap().verdict
    }

    /// `:method CONNECT`, `:scheme https`, `:path /` by index, a name by reference, and the given
    /// lines.
    fn section(lines: &[u8]) -> Vec<u8> {
        [b"\0\0\xcf\xd7\xc1\x50\x03a.b", lines, b"\x23x-a\x01b"].concat()
    }

    #[test]
    fn the_protocol_is_respelled_however_it_comes() {
        for (sent, want) in [
            (&b"\x27\x02:protocol\x09websocket"[..], &b"\x27\x02:protocol\x0bconnect-udp"[..]),
            (
                b"\x2f\0\xb9\x5d\x87\x49\xc8\x7a\x3f\x87\xf0\x58\xd0\x72\x75\x2a\x7f",
                b"\x27\x02:protocol\x0bconnect-udp",
            ),
            (b"\x37\x02:protocol\x0bconnect-udp", b"\x37\x02:protocol\x0cwebtransport"),
        ] {
            let judged = judge(&section(sent), true, MOST);
            let respelled = Some(section(want)[..].into());
            let want = Judged { verdict: Verdict::Pass, is_connect: true, respelled };
            assert_eq!(judged, Ok(want), "{sent:?}");
        }
        let judged = judge(&section(b"\x27\x02protocolx\x09websocket"), true, MOST).unwrap();
        assert_eq!(judged.respelled, None);
        let judged = judge(&section(b"\x27\x02:protocol\0"), true, MOST).unwrap();
        assert_eq!(judged.verdict, Verdict::Malformed);
    }

    #[test]
    fn huffman_code_is_respelled() {
        // `:authority www.example.com`, `x: no-cache` with both strings in Huffman code and the bit
        // N, and `no-cache: b` with the name in it.
        let section = b"\0\0\xd1\xd7\xc1\
            \x50\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\
            \x39\xf3\x86\xa8\xeb\x10\x64\x9c\xbf\
            \x2e\xa8\xeb\x10\x64\x9c\xbf\x01b\x23x-a\x01b";
        let want = b"\0\0\xd1\xd7\xc1\x50\x0fwww.example.com\x31x\x08no-cache\
            \x27\x01no-cache\x01b\x23x-a\x01b";
        let judged = judge(section, true, MOST).unwrap();
        assert_eq!((judged.verdict, judged.respelled.as_deref()), (Verdict::Pass, Some(&want[..])));
        let again = judge(want, true, MOST).unwrap();
        assert_eq!(again.respelled, None);
    }

    #[test]
    fn connect_is_told_from_other_methods() {
        for (lines, want) in [
            (&b"\xcf"[..], true),
            (b"\x5f\0\x07CONNECT", true),
            (b"\x5f\x00\x87\xbd\xab\x4e\x9c\x17\xb7\xff", true),
            (b"\x27\0:method\x07CONNECT", true),
            (b"\x2d\xb9\x49\x53\x39\xe4\x07CONNECT", true),
            (b"\xd1", false),
            (b"\x5f\0\x07connect", false),
            (b"\xd1\x23x-a\x07CONNECT", false),
        ] {
            assert_eq!(head(&[lines]).unwrap().is_connect, want, "{lines:x?}");
        }
    }

    #[test]
    fn pseudo_fields_come_once_and_first() {
        for lines in [
            // `:path` by index, by its name's index, as a literal, and in Huffman code.
            &b"\xc1"[..],
            b"\x51\x01/",
            b"\x25:path\x01/",
            b"\x2c\xb9\x58\xd3\x3f\x01/",
            // Fields of responses, and unknown ones.
            b"\xd9",
            b"\x5f\x09\x03200",
            b"\x27\0:status\x03200",
            b"\x22:x\x01c",
            b"\x20\x01c",
        ] {
            assert_eq!(verdict(lines), Verdict::Malformed, "{lines:x?}");
            let trailers = judge(&[b"\0\0", lines].concat(), false, MOST).unwrap();
            assert_eq!(trailers.verdict, Verdict::Malformed, "{lines:x?}");
        }
        assert_eq!(verdict(b""), Verdict::Pass);
        assert_eq!(head(&[b"\xd1\xd7\x23x-b\x01c\xc1"]).unwrap().verdict, Verdict::Malformed);
        for lines in [&b""[..], b"\x23x-b\x01c"] {
            let trailers = judge(&[b"\0\0", lines].concat(), false, MOST).unwrap();
            assert_eq!(trailers.verdict, Verdict::Pass, "{lines:x?}");
        }
    }

    #[test]
    fn what_is_answered() {
        for (lines, want) in [
            (&b"\x23x-\xe9\x01b"[..], BAD),
            (b"\x23x(a\x01b", BAD),
            (b"\x23x-a\x01\x7f", BAD),
            (b"\x23X-A\x01b", Verdict::Malformed),
            (b"\x23x-a\x01\n", Verdict::Malformed),
            (b"\x24host\x01a", Verdict::Pass),
            (b"\x24host\x01b", Verdict::Malformed),
        ] {
            assert_eq!(verdict(lines), want, "{lines:x?}");
        }
        for (name, want) in [
            (&b""[..], Verdict::Malformed),
            (b"\x24host\x01a", Verdict::Pass),
            (b"\x24host\0", Verdict::Malformed),
            (b"\x24host\x03a b", BAD),
            (b"\x24host\x01a\x24host\x01b", Verdict::Malformed),
        ] {
            let verdict = head(&[b"\xd1\xd7\xc1", name]).unwrap().verdict;
            assert_eq!(verdict, want, "{name:x?}");
        }
        let long = [&b"\x23x-a\x7f\x82\x07"[..], &[b'b'; 0x7f + 0x382]].concat();
        let too_large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        assert_eq!(verdict(&long), Verdict::Refused(too_large));
    }

    #[test]
    fn what_is_told_of_a_request() {
        let section = b"\0\0\xd1\xd7\x51\x02/p\x50\x01a\x23x-\xe9\x01b";
        let Refused { head, status } = describe(section, StatusCode::BAD_REQUEST);
        let seen = (head.method().as_str(), head.uri().path(), &head.headers()["host"]);
        assert_eq!((seen.0, seen.1, seen.2.as_bytes()), ("GET", "/p", &b"a"[..]));
        assert_eq!((head.version(), status), (Version::HTTP_3, StatusCode::BAD_REQUEST));
        let stand_in = judge(STAND_IN, true, MOST).unwrap();
        let want = Judged { verdict: Verdict::Pass, is_connect: false, respelled: None };
        assert_eq!(stand_in, want);
    }

    #[test]
    fn what_cannot_be_decoded() {
        for section in [
            &b""[..],
            b"\0",
            // A dynamic table: Required Insert Count, index, name reference, post-base index.
            b"\x02\0",
            b"\0\0\x80",
            b"\0\0\x40\x01a",
            b"\0\0\x10",
            b"\0\0\x00\x01a",
            // No such entry; truncated within a name, a value and an integer; an integer without an
            // end.
            b"\0\0\xff\x24",
            b"\0\0\x27\x02:prot",
            b"\0\0\x51\x05/",
            b"\0\0\xff",
            b"\0\0\x51\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
            // Huffman code with eight bits of padding, in a value and in a name.
            b"\0\0\x51\x82\x63\xff",
            b"\0\0\x2d\xb9\x58\xd3\x3f\xff\x01/",
            // A malformed field before one that cannot be decoded.
            b"\0\0\xd9\x10",
        ] {
            assert_eq!(judge(section, true, MOST), Err(UNDECODABLE), "{section:x?}");
        }
    }
}
