//! Properties of a responder's records and of the header section in them, for arbitrary input.

use bytes::{Buf as _, BytesMut};

use super::record::{self, Event, Reader, Stream, Verdict};
use crate::fuzzing::{Target, however_it_comes, splits, two};
use crate::http::cgi_head;
use crate::http::hop;

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "fastcgi_records", run: records, seeds: RECORDS },
    Target { name: "fastcgi_written", run: written, seeds: &[b"A\nx", b"SCRIPT_NAME\n/a.php"] },
    Target { name: "cgi_head", run: head, seeds: HEADS },
];

const RECORDS: &[&[u8]] = &[
    b"\x01\x06\0\x01\0\x03\x05\0abcpadd!\x01\x07\0\x01\0\x01\0\0e\x01\x06\0\x01\0\0\0\0\
        \x01\x03\0\x01\0\x08\0\0\0\0\0\x07\x02\0\0\0",
    b"\x01\x06\0\x01\xff\xff\xff\0abc",
    b"\x01\x03\0\x01\0\x07\0\0",
    b"HTTP/1.1 400 Bad Request\r\n",
];
const HEADS: &[&[u8]] = &[
    b"Status: 404 Not Found\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\nabc",
    b"X-Powered-By: PHP/8.2\nSet-Cookie: a=b\nLocation: /x\n\nabc",
    b"Status: 200\r\nConnection: x-a\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n",
    b"status:\r\n\r\n",
];

/// The output of a responder: the content of each stream, how it ended, and whether it violated the
/// protocol.
#[derive(Debug, Default, PartialEq)]
struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    ends: Vec<Verdict>,
    broken: bool,
}

/// The result does not depend on how the records are split, and equals that of a simple parser.
fn records(data: &[u8]) {
    let output = however_it_comes(data, |pieces| {
        let (mut reader, mut input, mut output) =
            (Reader::default(), BytesMut::new(), Output::default());
        for piece in pieces {
            input.extend_from_slice(piece);
            loop {
                match reader.next(&mut input) {
                    Ok(Some(Event::Stdout(bytes))) => output.stdout.extend_from_slice(&bytes),
                    Ok(Some(Event::Stderr(bytes))) => output.stderr.extend_from_slice(&bytes),
                    Ok(Some(Event::End(verdict))) => output.ends.push(verdict),
                    Ok(None) => break,
                    Err(_) => return Output { broken: true, ..output },
                }
            }
            assert!(input.len() < 8, "{} bytes are kept", input.len());
        }
        output
    });
    assert_eq!(output, plainly(data));
}

/// Parses complete records (section 3.3).
fn plainly(mut rest: &[u8]) -> Output {
    let mut output = Output::default();
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let [version, kind, id_high, id_low, high, low, padding, _] = *head;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let known = matches!((kind, length), (6 | 7, _) | (3, 8));
        if version != 1 || (id_high, id_low) != (0, 1) || !known {
            output.broken = true;
            return output;
        }
        let content = &after[..length.min(after.len())];
        match kind {
            6 => output.stdout.extend_from_slice(content),
            7 => output.stderr.extend_from_slice(content),
            _ => output.ends.extend(content.get(..8).map(|body| match body[4] {
                0 => Verdict::Complete,
                2 => Verdict::Overloaded,
                _ => Verdict::Refused,
            })),
        }
        rest = after.get(length + usize::from(padding)..).unwrap_or_default();
    }
    output
}

/// A simple parser reads back a written stream and a pair in it.
fn written(data: &[u8]) {
    let (name, value) = two(data);
    // Longer than one record.
    let times = if name.len() % 16 == 1 { 70_000 / value.len().max(1) } else { 1 };
    let value = value.repeat(times);
    let mut content = BytesMut::new();
    record::pair(&mut content, name, &value);
    let mut sent = BytesMut::new();
    for piece in &splits(&content)[2] {
        record::write(&mut sent, Stream::Params, piece);
    }
    record::end(&mut sent, Stream::Params);
    let mut read = BytesMut::new();
    loop {
        assert_eq!((sent.get_u8(), sent.get_u8(), sent.get_u16()), (1, 4, 1));
        let (length, padding) = (sent.get_u16(), sent.get_u16());
        assert_eq!(padding, 0);
        if length == 0 {
            break;
        }
        read.extend_from_slice(&sent.split_to(usize::from(length)));
    }
    assert!(sent.is_empty());
    assert_eq!(read, content);
    let [name_length, value_length] = [(); 2].map(|()| match read[0] {
        0..0x80 => usize::from(read.get_u8()),
        _ => read.get_u32() as usize & 0x7fff_ffff,
    });
    assert_eq!((&read.split_to(name_length)[..], value_length), (name, value.len()));
    assert_eq!(read, value);
}

/// A header section is accepted if it is complete, has no connection-specific field, and has a
/// final status code.
fn head(data: &[u8]) {
    let mut input = BytesMut::from(data);
    let head = match cgi_head::parse(&mut input) {
        Ok(Some(head)) => head,
        Ok(None) => return assert_eq!(input, data, "nothing is taken of an unfinished head"),
        Err(_) => return,
    };
    let length = data.len() - input.len();
    assert_eq!(input, data[length..], "what follows the head stays");
    for end in 0..length {
        let part = cgi_head::parse(&mut BytesMut::from(&data[..end]));
        assert!(matches!(part, Ok(None)), "{end} of {length} bytes: {part:?}");
    }
    assert!(!head.status.is_informational(), "{}", head.status);
    assert!(!head.headers.keys().any(hop::is_hop_by_hop), "{:?}", head.headers);
    let lengths: Vec<_> = head.headers.get_all("content-length").iter().collect();
    let numbers = lengths.iter().filter_map(|v| v.to_str().ok()?.parse::<u64>().ok());
    assert_eq!(numbers.collect::<Vec<_>>(), Vec::from_iter(head.length));
    assert_eq!(lengths.len(), usize::from(head.length.is_some()));
}
