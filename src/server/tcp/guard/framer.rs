//! Finds the messages in the bytes of one connection: where each head begins and ends, and what is
//! wrong with it. Does no I/O.

use http::StatusCode;

use super::head::{self, Length};
use super::limits::GuardLimits;
use crate::http::chunked::Chunked;

/// Bytes for the method, the version and the spaces of a request line.
const LINE_SLACK: usize = 64;

/// Why [`Framer::advance`] stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Everything is checked except an incomplete head.
    More,
    BadHead(StatusCode),
    BadBody,
}

#[derive(Debug)]
pub(super) struct Framer {
    limits: GuardLimits,
    state: State,
    /// Bytes of the incomplete head that have been checked.
    scanned: usize,
    /// Offset of that head's current line.
    line: usize,
    /// Length of the request line without its end; 0 until it is complete.
    request_line: usize,
    /// Whether an empty line preceded this head: one is tolerated (RFC 9112 section 2.2).
    blank: bool,
    heads: u64,
    /// Whether the last head requests an upgrade and has no response yet.
    upgrade: bool,
    connect: bool,
    released: bool,
}

#[derive(Debug)]
enum State {
    Head,
    Sized(u64),
    Chunked(Chunked),
    /// After a message that may switch the connection to another protocol.
    Held,
}

impl Framer {
    pub(super) fn new(limits: GuardLimits) -> Self {
        Self {
            limits,
            state: State::Head,
            scanned: 0,
            line: 0,
            request_line: 0,
            blank: false,
            heads: 0,
            upgrade: false,
            connect: false,
            released: false,
        }
    }

    /// Number of heads passed.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    pub(super) fn in_body(&self) -> bool {
        matches!(self.state, State::Sized(_) | State::Chunked(_))
    }

    pub(super) fn holds(&self) -> bool {
        matches!(self.state, State::Held)
    }

    pub(super) fn may_upgrade(&self) -> bool {
        self.upgrade
    }

    pub(super) fn is_connect(&self) -> bool {
        self.connect
    }

    /// The upgrade was refused: HTTP follows.
    pub(super) fn release(&mut self) {
        self.upgrade = false;
        if self.holds() {
            self.state = State::Head;
            self.released = true;
        }
    }

    /// Whether [`Framer::release`] ended a hold since the last call.
    pub(super) fn take_released(&mut self) -> bool {
        std::mem::take(&mut self.released)
    }

    /// Checks `bytes`, which follow those that passed last, and returns how many may pass.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> (usize, Stop) {
        let mut at = 0;
        while at < bytes.len() {
            match &mut self.state {
                State::Head => match self.head(&bytes[at..]) {
                    Ok(0) => return (at, Stop::More),
                    Ok(count) => at += count,
                    Err(status) => return (at, Stop::BadHead(status)),
                },
                State::Sized(left) => {
                    let rest = bytes.len() - at;
                    let take = usize::try_from(*left).map_or(rest, |left| left.min(rest));
                    *left -= take as u64;
                    at += take;
                    if *left == 0 {
                        self.message_end();
                    }
                }
                State::Chunked(chunked) => match chunked.advance(&bytes[at..]) {
                    Ok((count, ended)) => {
                        at += count;
                        if ended {
                            self.message_end();
                        }
                    }
                    Err(good) => return (at + good, Stop::BadBody),
                },
                State::Held => break,
            }
        }
        (at, Stop::More)
    }

    fn message_end(&mut self) {
        self.state = if self.upgrade { State::Held } else { State::Head };
    }

    /// Bytes of a complete head (or of the empty line before it); 0 if it is incomplete.
    fn head(&mut self, bytes: &[u8]) -> Result<usize, StatusCode> {
        while let Some(&byte) = bytes.get(self.scanned) {
            let after_cr = self.scanned > self.line && bytes[self.scanned - 1] == b'\r';
            let at = self.scanned;
            self.scanned += 1;
            match (byte, after_cr) {
                (b'\n', true) if at == 1 => return self.blank_line(),
                (b'\n', true) if at == self.line + 1 => return self.head_end(&bytes[..=at]),
                (b'\n', true) => {
                    if self.line == 0 {
                        self.request_line = at - 1;
                        head::check_line(&bytes[..at - 1], &self.limits)?;
                    }
                    self.line = at + 1;
                }
                (b'\n', false) | (0, _) | (_, true) => return Err(StatusCode::BAD_REQUEST),
                _ => {}
            }
            self.check_size(bytes)?;
        }
        Ok(0)
    }

    fn check_size(&self, bytes: &[u8]) -> Result<(), StatusCode> {
        if self.request_line == 0 {
            if self.scanned > self.limits.uri_bytes + LINE_SLACK {
                // A request line with a target is too long; without one it is invalid.
                let spaced = bytes[..LINE_SLACK.min(bytes.len())].contains(&b' ');
                return Err(if spaced {
                    StatusCode::URI_TOO_LONG
                } else {
                    StatusCode::BAD_REQUEST
                });
            }
        } else if self.scanned - self.request_line > self.limits.header_bytes + 4 {
            return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        }
        Ok(())
    }

    fn blank_line(&mut self) -> Result<usize, StatusCode> {
        if std::mem::replace(&mut self.blank, true) {
            return Err(StatusCode::BAD_REQUEST);
        }
        self.scanned = 0;
        Ok(2)
    }

    fn head_end(&mut self, bytes: &[u8]) -> Result<usize, StatusCode> {
        let head = head::check(bytes, &self.limits)?;
        self.scanned = 0;
        self.line = 0;
        self.request_line = 0;
        self.blank = false;
        self.heads += 1;
        self.upgrade = head.upgrade;
        self.connect = head.connect;
        match head.length {
            Length::Sized(0) => self.message_end(),
            Length::Sized(length) => self.state = State::Sized(length),
            Length::Chunked => {
                self.state = State::Chunked(Chunked::of_request(self.limits.header_bytes));
            }
        }
        Ok(bytes.len())
    }
}
