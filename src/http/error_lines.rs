//! Copies the standard error of a program to the error log, line by line and up to a limit.

use bytes::BytesMut;

use super::sink::{About, ErrorLog};
use crate::error_chain::display_chain;
use crate::limits::{STDERR_BYTES, STDERR_LINE};

/// The standard error for one request.
#[derive(Debug)]
pub struct ErrorLines {
    log: ErrorLog,
    path: Box<str>,
    /// The incomplete line.
    line: BytesMut,
    logged: usize,
    lost: usize,
}

impl ErrorLines {
    pub fn new(log: ErrorLog, path: &str) -> Self {
        Self { log, path: path.into(), line: BytesMut::new(), logged: 0, lost: 0 }
    }

    pub fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = STDERR_BYTES.saturating_sub(self.logged + self.line.len());
            let taken = piece.len().min(STDERR_LINE - self.line.len()).min(room);
            self.line.extend_from_slice(&piece[..taken]);
            self.lost += piece.len() - taken;
            if piece.ends_with(b"\n") {
                self.flush();
            }
        }
    }

    /// Logs an error that happened after the head of the response was sent.
    pub fn say(&mut self, error: &(dyn std::error::Error + 'static)) {
        self.flush();
        self.log.write(self.about(), &display_chain(error));
    }

    /// Status 0: not known here.
    fn about(&self) -> About<'_> {
        About { status: 0, method: "", path: &self.path, request_id: None }
    }

    fn flush(&mut self) {
        let line = self.line.split();
        self.logged += line.len();
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        if !text.is_empty() {
            self.log.write(self.about(), text);
        }
    }
}

impl Drop for ErrorLines {
    fn drop(&mut self) {
        self.flush();
        if self.lost > 0 {
            let text = format!("{} more bytes on standard error", self.lost);
            self.log.write(self.about(), &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::sink::{Roll, Sink, SinkTarget};
    use super::*;

    #[derive(Default)]
    struct Memory(Mutex<Vec<String>>);

    impl Sink for Memory {
        fn write_line(&self, line: &str) {
            let line = &line[line.find('[').unwrap()..];
            self.0.lock().unwrap().push(line.to_owned());
        }
    }

    fn logged(pieces: &[&[u8]]) -> Vec<String> {
        let memory = Arc::new(Memory::default());
        let target = SinkTarget::parse("errors.log", Roll::default());
        let log = ErrorLog::new("site".into(), &target, memory.clone());
        let mut stderr = ErrorLines::new(log, "/x");
        pieces.iter().for_each(|piece| stderr.take(piece));
        drop(stderr);
        std::mem::take(&mut *memory.0.lock().unwrap())
    }

    #[test]
    fn lines_are_put_together_and_told_apart() {
        assert!(logged(&[]).is_empty());
        assert_eq!(
            logged(&[b"one\r\ntw", b"o\n\n\x1b[2J", b"end"]),
            ["[ERROR 0 /x] one", "[ERROR 0 /x] two", "[ERROR 0 /x]  [2Jend"]
        );
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let flood: Vec<&[u8]> = vec![b"0123456789abcde\n"; 10_000];
        let lines = logged(&flood);
        assert_eq!(lines.len(), STDERR_BYTES / 16 + 1);
        let lost = 160_000 - STDERR_BYTES;
        let last = format!("[ERROR 0 /x] {lost} more bytes on standard error");
        assert_eq!(lines.last().unwrap(), &last);
        let endless = logged(&[&[b'x'; 100_000]]);
        assert_eq!((endless.len(), endless[0].len()), (2, STDERR_LINE + "[ERROR 0 /x] ".len()));
    }
}
