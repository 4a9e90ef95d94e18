//! One request and its response on one connection. Both directions progress at the same time.
//! Dropping an exchange closes the connection, which tells the responder that the client has left.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use super::conn::{self, Conn};
use super::error::FastCgiError;
use super::record::{Event, Verdict};
use super::upload::{Upload, Waits};
use crate::http::error_lines::ErrorLines;

/// The settings of the rule that an exchange needs.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// The key of the connection pool.
    pub(super) upstream: Arc<str>,
    /// Idle connections that may be kept; 0 closes this one.
    pub(super) pool: usize,
    /// The longest time without progress in reading and in sending.
    pub(super) read: Duration,
    pub(super) send: Duration,
}

#[derive(Debug)]
pub(super) struct Exchange {
    conn: Box<Conn>,
    upload: Option<Upload>,
    /// The error that stopped the request's upload; the response still counts.
    refused: Option<FastCgiError>,
    pub(super) stderr: ErrorLines,
    pub(super) terms: Terms,
    /// Whether no byte was received.
    pub(super) silent: bool,
    ended: bool,
}

impl Exchange {
    pub(super) fn new(conn: Box<Conn>, upload: Upload, stderr: ErrorLines, terms: Terms) -> Self {
        let mut conn = conn;
        conn.patience.moved();
        let upload = Some(upload);
        Self { conn, upload, refused: None, stderr, terms, silent: true, ended: false }
    }

    /// The next piece of the response; `None` after the last one.
    pub(super) fn poll_stdout(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, FastCgiError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let waits = self.send(cx)?;
        loop {
            let event = match self.conn.poll_event(cx) {
                Poll::Ready(Ok(event)) => event,
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Some(Err(self.refused.take().unwrap_or(error))));
                }
                Poll::Pending => return self.poll_patience(waits, cx).map(|e| Some(Err(e))),
            };
            self.silent = false;
            match event {
                Event::Stdout(bytes) => return Poll::Ready(Some(Ok(bytes))),
                Event::Stderr(bytes) => self.stderr.take(&bytes),
                Event::End(verdict) => {
                    self.ended = true;
                    return Poll::Ready(match verdict {
                        Verdict::Complete => None,
                        Verdict::Overloaded => Some(Err(FastCgiError::Overloaded)),
                        Verdict::Refused => Some(Err(FastCgiError::Refused)),
                    });
                }
            }
        }
    }

    /// Continues the upload. Only an error of the client is returned.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<Waits, FastCgiError> {
        let Some(upload) = &mut self.upload else { return Ok(Waits::Done) };
        match upload.poll(&mut self.conn, cx) {
            Ok(Waits::Done) => {}
            Ok(waits) => return Ok(waits),
            Err(error) if error.by_client() => return Err(error),
            Err(error) => self.refused = Some(error),
        }
        self.upload = None;
        Ok(Waits::Done)
    }

    fn poll_patience(&mut self, waits: Waits, cx: &mut Context<'_>) -> Poll<FastCgiError> {
        let patience = &mut self.conn.patience;
        match waits {
            // The client has its own time limits.
            Waits::Client => Poll::Pending,
            Waits::Responder => {
                patience.poll(self.terms.send, cx).map(|()| FastCgiError::SendTimeout)
            }
            Waits::Done => patience.poll(self.terms.read, cx).map(|()| FastCgiError::ReadTimeout),
        }
    }

    /// Returns the connection to the pool if both sides have finished.
    pub(super) fn finish(self) {
        let clean = self.upload.is_none() && self.refused.is_none() && self.conn.is_clean();
        if self.ended && clean && self.terms.pool > 0 {
            conn::keep(self.terms.upstream, self.conn, self.terms.pool);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}
