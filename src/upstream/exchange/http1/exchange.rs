//! One request and its response on an HTTP/1.1 connection.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use super::answer::{Answer, Framing};
use super::connection::Conn;
use super::upload::{Grant, Upload, WRONG_ACCEPT};
use crate::limits::INFORMATIONAL;
use crate::upstream::exchange::request::Message;
use crate::upstream::host::error::ProxyError;

/// A request and its response on a connection.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) conn: Box<Conn>,
    /// The rest of the request. It may continue during the response.
    pub(crate) upload: Option<Upload>,
    /// The request could not be sent completely; the response may still be valid.
    refused: Option<ProxyError>,
    /// The upstream has switched protocols.
    pub(crate) switched: bool,
    informational: u8,
    method: Method,
}

/// Why no final response came.
pub(crate) enum Broken {
    /// The connection ended before any byte of a response. A reused one may have been closed
    /// before the upstream received the request (RFC 9112 section 9.3.1).
    Closed(ProxyError),
    Failed(ProxyError),
}

impl Exchange {
    pub(crate) fn start(mut conn: Box<Conn>, message: Message<'_>, now: Instant) -> Self {
        let method = message.method.clone();
        conn.patience.moved_at(now);
        let upload = Some(Upload::start(&mut conn, message));
        Self { conn, upload, refused: None, switched: false, informational: 0, method }
    }

    /// Whether the connection can be reused after the response.
    pub(crate) fn is_clean(&self) -> bool {
        self.upload.is_none() && self.refused.is_none() && !self.conn.has_input()
    }

    /// Continues sending. Only a failure on the client's side is an error.
    pub(crate) fn send(&mut self, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        match upload.poll(&mut self.conn, cx) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) if error.by_client() => return Err(error),
            Poll::Ready(Err(error)) => self.refused = Some(error),
        }
        self.upload = None;
        Ok(())
    }

    /// Continues until everything is sent or sending fails.
    pub(crate) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sent = self.send(cx);
        if sent.is_err() || self.upload.is_none() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Waits for the head of the final response; `hints` gets the fields of each 103 before it.
    pub(crate) async fn answer(
        &mut self,
        silence: Duration,
        hints: impl Fn(HeaderMap),
    ) -> Result<Answer, Broken> {
        let answer = poll_fn(|cx| {
            loop {
                self.send(cx)?;
                match self.conn.poll_answer(&self.method, cx) {
                    Poll::Ready(Ok(answer)) if answer.head.status.is_informational() => {
                        if let Some(last) = self.interim(answer, &hints)? {
                            return Poll::Ready(Ok(last));
                        }
                    }
                    Poll::Ready(Ok(answer)) => {
                        if answer.framing == Framing::Chunked && !self.conn.begins_a_chunk() {
                            return Poll::Ready(Err(ProxyError::CHUNKS));
                        }
                        self.settle();
                        return Poll::Ready(Ok(answer));
                    }
                    Poll::Ready(Err(error)) => {
                        return Poll::Ready(Err(self.refused.take().unwrap_or(error)));
                    }
                    // The timer restarts while the request body makes progress.
                    Poll::Pending => {
                        let patience = self.conn.patience.poll(silence, cx);
                        return patience.map(|()| Err(ProxyError::FirstByte));
                    }
                }
            }
        });
        answer.await.map_err(|error| match error {
            ProxyError::Answer(_) if !self.conn.has_input() && self.informational == 0 => {
                Broken::Closed(error)
            }
            _ => Broken::Failed(error),
        })
    }

    /// Handles a 1xx response: 101 is final.
    fn interim(
        &mut self,
        mut answer: Answer,
        hints: impl Fn(HeaderMap),
    ) -> Result<Option<Answer>, ProxyError> {
        match answer.head.status {
            StatusCode::SWITCHING_PROTOCOLS => {
                let upload = self.upload.as_mut().ok_or(ProxyError::UNASKED)?;
                if let Grant::WrongAccept = upload.switch(&answer.head.headers)? {
                    let from = self.conn.io.peer();
                    log::warn!(
                        "WebSocket of upstream {from}: {WRONG_ACCEPT}; the client decides what to do"
                    );
                }
                self.switched = true;
                answer.framing = Framing::UntilClose;
                answer.keep_alive = false;
                return Ok(Some(answer));
            }
            StatusCode::CONTINUE => self.upload.iter_mut().for_each(Upload::continue_content),
            StatusCode::EARLY_HINTS => hints(answer.head.headers),
            _ => {}
        }
        self.informational += 1;
        if self.informational > INFORMATIONAL {
            return Err(ProxyError::Malformed("too many 1xx responses"));
        }
        Ok(None)
    }

    /// After the final response: content that waits for an interim one is not sent.
    fn settle(&mut self) {
        if let Some(waiting) = self.upload.take_if(|upload| upload.waits()) {
            // Announced content is missing, so the connection cannot be reused.
            self.refused = waiting.is_incomplete().then_some(ProxyError::NotContinued);
        }
    }
}
