//! Encodes and decodes FastCGI records (FastCGI 1.0, sections 3.3, 3.4 and 5). Does no I/O.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::error::FastCgiError;

const VERSION: u8 = 1;
/// The request id. Requests are not multiplexed: a connection carries one at a time.
const REQUEST: u16 = 1;
const HEADER: usize = 8;
const RESPONDER: u16 = 1;
const KEEP_CONN: u8 = 1;
const BEGIN_REQUEST: u8 = 1;
const END_REQUEST: u8 = 3;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;
/// Bytes of the body of END_REQUEST.
const END_BODY: usize = 8;

/// A stream to the responder.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Params = 4,
    Stdin = 5,
}

/// Begins a request; with `keep` the responder leaves the connection open after it.
pub(super) fn begin(out: &mut BytesMut, keep: bool) {
    put_header(out, BEGIN_REQUEST, 8);
    out.put_u16(RESPONDER);
    out.put_u8(if keep { KEEP_CONN } else { 0 });
    out.put_bytes(0, 5);
}

/// Content of a stream, split into as many records as necessary.
pub(super) fn write(out: &mut BytesMut, stream: Stream, content: &[u8]) {
    for piece in content.chunks(usize::from(u16::MAX)) {
        put_header(out, stream as u8, piece.len() as u16);
        out.extend_from_slice(piece);
    }
}

/// Ends a stream.
pub(super) fn end(out: &mut BytesMut, stream: Stream) {
    put_header(out, stream as u8, 0);
}

/// A name-value pair of the `Params` stream.
pub(super) fn pair(out: &mut BytesMut, name: &[u8], value: &[u8]) {
    for part in [name, value] {
        match u8::try_from(part.len()) {
            Ok(short) if short < 0x80 => out.put_u8(short),
            _ => out.put_u32(part.len() as u32 | 0x8000_0000),
        }
    }
    out.extend_from_slice(name);
    out.extend_from_slice(value);
}

fn put_header(out: &mut BytesMut, kind: u8, length: u16) {
    out.put_u8(VERSION);
    out.put_u8(kind);
    out.put_u16(REQUEST);
    out.put_u16(length);
    out.put_u16(0);
}

/// An event from the responder.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Stdout(Bytes),
    Stderr(Bytes),
    End(Verdict),
}

/// How a request ended (FastCGI 1.0, section 5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Complete,
    /// The responder rejected it as overloaded.
    Overloaded,
    /// The responder rejected it for another reason.
    Refused,
}

/// The decoder's state within the records of one connection.
#[derive(Debug, Default)]
pub(super) struct Reader {
    kind: u8,
    /// Bytes left of the current record.
    content: usize,
    padding: usize,
}

impl Reader {
    /// Takes the next event from the front of `input`, if it is complete. A long record is returned
    /// in pieces as they arrive.
    pub(super) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, FastCgiError> {
        loop {
            if self.content > 0 {
                return Ok(self.content(input));
            }
            let skipped = self.padding.min(input.len());
            input.advance(skipped);
            self.padding -= skipped;
            if self.padding > 0 || input.len() < HEADER {
                return Ok(None);
            }
            self.header(&input.split_to(HEADER))?;
        }
    }

    fn content(&mut self, input: &mut BytesMut) -> Option<Event> {
        if input.is_empty() || (self.kind == END_REQUEST && input.len() < END_BODY) {
            return None;
        }
        let bytes = input.split_to(self.content.min(input.len())).freeze();
        self.content -= bytes.len();
        Some(match self.kind {
            STDOUT => Event::Stdout(bytes),
            STDERR => Event::Stderr(bytes),
            // The first four bytes are the application's exit status, which is not used.
            _ => Event::End(match bytes[4] {
                0 => Verdict::Complete,
                2 => Verdict::Overloaded,
                _ => Verdict::Refused,
            }),
        })
    }

    fn header(&mut self, header: &[u8]) -> Result<(), FastCgiError> {
        let length = u16::from_be_bytes([header[4], header[5]]);
        if header[0] != VERSION {
            return Err(FastCgiError::Malformed("a record has an unknown version"));
        }
        if u16::from_be_bytes([header[2], header[3]]) != REQUEST {
            return Err(FastCgiError::Malformed("a record has an unknown request id"));
        }
        match (header[1], usize::from(length)) {
            (STDOUT | STDERR, _) | (END_REQUEST, END_BODY) => {}
            (END_REQUEST, _) => {
                return Err(FastCgiError::Malformed("an END_REQUEST record has the wrong length"));
            }
            _ => return Err(FastCgiError::Malformed("a record has an unexpected type")),
        }
        self.kind = header[1];
        self.content = usize::from(length);
        self.padding = usize::from(header[6]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(bytes: &[u8], step: usize) -> Result<Vec<Event>, String> {
        let (mut reader, mut input, mut events) =
            (Reader::default(), BytesMut::new(), Vec::<Event>::new());
        for piece in bytes.chunks(step) {
            input.extend_from_slice(piece);
            while let Some(event) = reader.next(&mut input).map_err(|e| e.to_string())? {
                match (events.last_mut(), event) {
                    (Some(Event::Stdout(all)), Event::Stdout(more)) => {
                        *all = [&all[..], &more].concat().into();
                    }
                    (_, event) => events.push(event),
                }
            }
        }
        Ok(events)
    }

    #[test]
    fn records_are_read_whatever_pieces_they_come_in() {
        let bytes = b"\x01\x06\0\x01\0\x03\x05\0abcpadd!\x01\x07\0\x01\0\x01\0\0e\
            \x01\x06\0\x01\0\0\0\0\x01\x03\0\x01\0\x08\0\0\0\0\0\x07\x02\0\0\0";
        for step in [1, 2, 7, 100] {
            let want = [
                Event::Stdout(Bytes::from_static(b"abc")),
                Event::Stderr(Bytes::from_static(b"e")),
                Event::End(Verdict::Overloaded),
            ];
            assert_eq!(events(bytes, step).unwrap(), want, "{step}");
        }
    }

    #[test]
    fn records_that_lie_are_refused() {
        for (bytes, said) in [
            (b"\x02\x06\0\x01\0\0\0\0", "unknown version"),
            (b"HTTP/1.1", "unknown version"),
            (b"\x01\x06\0\x02\0\0\0\0", "unknown request id"),
            (b"\x01\x06\0\0\0\0\0\0", "unknown request id"),
            (b"\x01\x03\0\x01\0\x07\0\0", "wrong length"),
            (b"\x01\x03\0\x01\xff\xff\0\0", "wrong length"),
            (b"\x01\x05\0\x01\0\x01\0\0", "unexpected type"),
            (b"\x01\x63\0\x01\0\x01\0\0", "unexpected type"),
        ] {
            let error = events(bytes, 8).unwrap_err();
            assert!(error.contains(said), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn what_is_sent_stands_as_the_specification_has_it() {
        let mut out = BytesMut::new();
        begin(&mut out, true);
        assert_eq!(&out[..], b"\x01\x01\0\x01\0\x08\0\0\0\x01\x01\0\0\0\0\0");
        out.clear();
        pair(&mut out, b"A", &[b'x'; 200]);
        assert_eq!(&out[..7], b"\x01\x80\0\0\xc8Ax");
        out.clear();
        write(&mut out, Stream::Stdin, &vec![b'y'; 65_536]);
        end(&mut out, Stream::Stdin);
        assert_eq!(&out[..9], b"\x01\x05\0\x01\xff\xff\0\0y");
        assert_eq!(&out[8 + 65_535..], b"\x01\x05\0\x01\0\x01\0\0y\x01\x05\0\x01\0\0\0\0");
    }
}
