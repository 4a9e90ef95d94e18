//! A strict parser of the chunked transfer coding (RFC 9112 section 7.1). It separates framing from
//! content and buffers neither.

use crate::limits::CHUNK_EXTENSION_BYTES;

/// Maximum number of hexadecimal digits of a chunk size.
const SIZE_DIGITS: u8 = 16;

/// The position within a chunked body.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    /// Whether whitespace is allowed after a chunk size, as some old servers pad it.
    padded: bool,
    size: u64,
    /// Bytes left for extensions and for the trailer section.
    extensions_left: usize,
    trailers_left: usize,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Size(u8),
    Padding,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerEnd,
    LastLf,
}

impl Chunked {
    /// For a request whose trailer section has at most `trailer_bytes`.
    pub fn of_request(trailer_bytes: usize) -> Self {
        Self {
            state: State::Size(0),
            padded: false,
            size: 0,
            extensions_left: CHUNK_EXTENSION_BYTES,
            trailers_left: trailer_bytes,
        }
    }

    /// For a response.
    pub fn of_response(trailer_bytes: usize) -> Self {
        Self { padded: true, ..Self::of_request(trailer_bytes) }
    }

    /// Bytes of content at this position, before any framing.
    pub fn content(&self) -> u64 {
        if matches!(self.state, State::Data) { self.size } else { 0 }
    }

    /// Whether the trailer section begins here.
    pub fn is_at_trailers(&self) -> bool {
        matches!(self.state, State::TrailerStart)
    }

    /// The number of bytes of framing before the next content or the trailer section; `None` if
    /// one of them is invalid.
    pub fn framing(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while self.content() == 0
            && !self.is_at_trailers()
            && let Some(&byte) = bytes.get(at)
        {
            self.state = self.step(byte)?;
            at += 1;
        }
        Some(at)
    }

    /// The number of bytes that belong to the body, and whether it has ended; the error is the
    /// offset of the first invalid byte.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<(usize, bool), usize> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            if matches!(self.state, State::Data) {
                let rest = bytes.len() - at;
                let take = usize::try_from(self.size).map_or(rest, |size| size.min(rest));
                self.size -= take as u64;
                at += take;
                if self.size == 0 {
                    self.state = State::DataCr;
                }
                continue;
            }
            let ends = matches!(self.state, State::LastLf);
            self.state = self.step(byte).ok_or(at)?;
            at += 1;
            if ends {
                return Ok((at, true));
            }
        }
        Ok((at, false))
    }

    /// The state after `byte`; `None` if it is invalid here.
    fn step(&mut self, byte: u8) -> Option<State> {
        match (self.state, byte) {
            (State::Size(digits), _) if byte.is_ascii_hexdigit() && digits < SIZE_DIGITS => {
                let digit = u64::from(char::from(byte).to_digit(16)?);
                self.size = self.size << 4 | digit;
                Some(State::Size(digits + 1))
            }
            (State::Size(1..), b'\r') | (State::Extension, b'\r') => Some(State::SizeEnd),
            (State::Size(1..), b';') => Some(State::Extension),
            (State::Size(1..) | State::Padding, b' ' | b'\t') if self.padded => {
                Some(State::Padding)
            }
            (State::Padding, b'\r') => Some(State::SizeEnd),
            (State::Padding, b';') => Some(State::Extension),
            (State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                self.extensions_left = self.extensions_left.checked_sub(1)?;
                Some(State::Extension)
            }
            (State::SizeEnd, b'\n') if self.size == 0 => Some(State::TrailerStart),
            (State::SizeEnd, b'\n') => Some(State::Data),
            (State::DataCr, b'\r') => Some(State::DataLf),
            (State::DataLf, b'\n') => Some(State::Size(0)),
            (State::TrailerStart, b'\r') => Some(State::LastLf),
            (State::TrailerStart, b'!'..=b'9' | b';'..=b'~') => self.trailer(),
            (State::Trailer, b'\t' | b' '..=b'~' | 0x80..) => self.trailer(),
            (State::Trailer, b'\r') => Some(State::TrailerEnd),
            (State::TrailerEnd, b'\n') => Some(State::TrailerStart),
            (State::LastLf, b'\n') => Some(State::LastLf),
            _ => None,
        }
    }

    fn trailer(&mut self) -> Option<State> {
        self.trailers_left = self.trailers_left.checked_sub(1)?;
        Some(State::Trailer)
    }
}
