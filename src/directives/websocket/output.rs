//! Converts the output of a program to messages: one per line, or one per read.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::limits::WEBSOCKET_MESSAGE;

/// Most bytes of a message that is not a line.
const PIECE: usize = 2048;
/// Bytes of the longest character in UTF-8.
const CHARACTER: usize = 4;

/// How messages are delimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Type {
    /// A line without its end is a message, in both directions.
    #[default]
    Lines,
    /// One read of the program's output, split between characters.
    Text,
    /// One read of the program's output, as binary data.
    Binary,
}

/// The settings for messages.
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

/// The output of a program.
pub(super) struct Output<R> {
    reader: BufReader<R>,
    framing: Framing,
    /// Bytes of an incomplete line or character.
    pending: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Output<R> {
    pub(super) fn new(reader: R, framing: Framing) -> Self {
        Self { reader: BufReader::new(reader), framing, pending: Vec::new() }
    }

    /// The next message, or the close code. Cancelling the future loses no data.
    pub(super) async fn next(&mut self) -> Result<Message, CloseCode> {
        match self.framing.kind {
            Type::Lines => self.line().await,
            Type::Text | Type::Binary => self.piece().await,
        }
    }

    async fn line(&mut self) -> Result<Message, CloseCode> {
        // The limit does not include the line end.
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

/// Offset of an incomplete character at the end.
fn whole(text: &[u8]) -> usize {
    match std::str::from_utf8(text) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => text.len(),
    }
}

/// Invalid UTF-8 is sent as binary data.
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

    /// The messages of these reads: text unchanged, binary data in hexadecimal, the close code
    /// last.
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
