//! The client's control stream as h3 reads it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h3::quic::{self, StreamErrorIncoming, StreamId};

use super::close::end;
use super::control::Control;
use super::priorities::Priorities;

/// The client's control stream, reduced to the frames that h3 handles.
pub(crate) struct ControlStream {
    stream: h3_quinn::RecvStream,
    /// The stream's type and the bytes after it that h3 has not read yet.
    kind: Option<Bytes>,
    begun: Option<Bytes>,
    frames: Control,
    quic: quinn::Connection,
}

impl ControlStream {
    /// `begun` has the bytes after the type; `frame_bytes` bounds a frame.
    pub(super) fn new(
        stream: h3_quinn::RecvStream,
        begun: Bytes,
        frame_bytes: u64,
        quic: quinn::Connection,
        priorities: Priorities,
    ) -> Self {
        let (kind, frames) = (Bytes::from_static(b"\0"), Control::new(frame_bytes, priorities));
        Self { stream, kind: Some(kind), begun: Some(begun), frames, quic }
    }
}

impl quic::RecvStream for ControlStream {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        if let Some(kind) = self.kind.take() {
            return Poll::Ready(Ok(Some(kind)));
        }
        loop {
            if let Some(bytes) = self.frames.next() {
                return Poll::Ready(Ok(Some(bytes)));
            }
            let judged = match self.begun.take() {
                Some(bytes) => self.frames.take(&bytes),
                None => match ready!(self.stream.poll_data(cx)) {
                    Ok(Some(bytes)) => self.frames.take(&bytes),
                    Ok(None) | Err(StreamErrorIncoming::StreamTerminated { .. }) => {
                        Err(self.frames.end())
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                },
            };
            if let Err(violation) = judged {
                let connection_error = end(&self.quic, violation);
                return Poll::Ready(Err(StreamErrorIncoming::ConnectionErrorIncoming {
                    connection_error,
                }));
            }
        }
    }

    fn stop_sending(&mut self, code: u64) {
        self.stream.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.stream.recv_id()
    }
}
