//! What a program writes, as messages: a line each, or what comes with each read.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::limits::WEBSOCKET_MESSAGE;

/// Bytes of a message where the program's lines do not count.
const PIECE: usize = 2048;
/// Bytes of the longest character in UTF-8.
const CHARACTER: usize = 4;

/// What makes a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Type {
    /// A line of the program, without its end, and one to it.
    #[default]
    Lines,
    /// What the program writes at a time, cut between characters.
    Text,
    /// What the program writes at a time, as bytes.
    Binary,
}

/// How messages are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Framing {
    pub(super) kind: Type,
    /// Bytes of the longest message; 0: the default.
    pub(super) size: usize,
}

impl Framing {
    fn longest(self) -> usize {
        match (self.kind, self.size) {
            (Type::Lines, 0) => WEBSOCKET_MESSAGE,
            (_, 0) => PIECE,
            (Type::Text, size) => size.max(CHARACTER),
            (_, size) => size,
        }
    }
}

/// A program's output.
pub(super) struct Output<R> {
    reader: BufReader<R>,
    framing: Framing,
    /// Read, and no whole line or character yet.
    pending: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Output<R> {
    pub(super) fn new(reader: R, framing: Framing) -> Self {
        Self { reader: BufReader::new(reader), framing, pending: Vec::new() }
    }

    /// The next message, or the code that tells the client why there is none. Dropped before it
    /// is done, it loses nothing.
    pub(super) async fn next(&mut self) -> Result<Message, CloseCode> {
        match self.framing.kind {
            Type::Lines => self.line().await,
            Type::Text | Type::Binary => self.piece().await,
        }
    }

    async fn line(&mut self) -> Result<Message, CloseCode> {
        // The line's end does not count.
        let room = self.framing.longest() + 1 - self.pending.len();
        let mut rest = (&mut self.reader).take(room as u64);
        match rest.read_until(b'\n', &mut self.pending).await {
            Ok(_) if self.pending.is_empty() => return Err(CloseCode::Normal),
            Ok(_) => {}
            Err(_) => return Err(CloseCode::Error),
        }
        let mut line = std::mem::take(&mut self.pending);
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        } else if line.len() > self.framing.longest() {
            return Err(CloseCode::Size);
        }
        Ok(message(line))
    }

    async fn piece(&mut self) -> Result<Message, CloseCode> {
        loop {
            let begun = self.pending.len();
            let mut piece = self.pending.clone();
            piece.resize(self.framing.longest(), 0);
            let count = match self.reader.read(&mut piece[begun..]).await {
                Ok(0) if begun == 0 => return Err(CloseCode::Normal),
                Ok(0) => return Ok(Message::binary(std::mem::take(&mut self.pending))),
                Ok(count) => count,
                Err(_) => return Err(CloseCode::Error),
            };
            piece.truncate(begun + count);
            self.pending.clear();
            if self.framing.kind == Type::Binary {
                return Ok(Message::binary(piece));
            }
            self.pending = piece.split_off(whole(&piece));
            if !piece.is_empty() {
                return Ok(message(piece));
            }
        }
    }
}

/// Where a character at the end begins of which not all bytes are there.
fn whole(text: &[u8]) -> usize {
    match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => text.len(),
    }
}

/// What is no text goes as bytes.
fn message(bytes: Vec<u8>) -> Message {
    match String::from_utf8(bytes) {
        Ok(text) => Message::text(text),
        Err(bytes) => Message::binary(bytes.into_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio_util::io::StreamReader;

    use super::*;

    /// The messages of these reads: text as it is, bytes in hexadecimal, the code last.
    async fn messages(kind: Type, size: usize, reads: &[&[u8]]) -> String {
        let reads = reads.iter().map(|read| Ok::<_, std::io::Error>(Bytes::copy_from_slice(read)));
        let program = StreamReader::new(futures_util::stream::iter(reads));
        let mut output = Output::new(program, Framing { kind, size });
        let mut all = Vec::new();
        loop {
            match output.next().await {
                Ok(Message::Text(text)) => all.push(text.to_string()),
                Ok(Message::Binary(bytes)) => all.push(format!("{:02x?}", bytes.to_vec())),
                Ok(other) => all.push(format!("{other:?}")),
                Err(code) => break all.push(u16::from(code).to_string()),
            }
        }
        all.join("|")
    }

    #[tokio::test]
    async fn what_makes_a_message() {
        use Type::{Binary, Lines, Text};
        for (kind, size, reads, expected) in [
            (Lines, 0, &[&b"a\nb"[..], b"c\r\n", b"\n", b"d"][..], "a|bc||d|1000"),
            (Lines, 3, &[b"abc\n", b"abcd"], "abc|1009"),
            (Lines, 0, &[b"\xff\n"], "[ff]|1000"),
            (Text, 0, &[b"a\nb", b"c"], "a\nb|c|1000"),
            (Text, 0, &["aä".as_bytes().split_at(2).0, b"\xa4b"], "a|äb|1000"),
            (Text, 4, &["\u{10348}x".as_bytes()], "\u{10348}|x|1000"),
            (Text, 1, &["\u{10348}".as_bytes()], "\u{10348}|1000"),
            (Text, 0, &[b"\xe2\x82"], "[e2, 82]|1000"),
            (Text, 0, &[b"\xffa"], "[ff, 61]|1000"),
            (Binary, 0, &[b"a\nb"], "[61, 0a, 62]|1000"),
            (Binary, 2, &[b"abc"], "[61, 62]|[63]|1000"),
        ] {
            assert_eq!(messages(kind, size, reads).await, expected, "{kind:?} {reads:?}");
        }
    }
}
