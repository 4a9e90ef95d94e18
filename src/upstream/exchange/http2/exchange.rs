//! One request and its response on an HTTP/2 connection.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::client::ResponseFuture;
use h2::{Reason, RecvStream};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Body as _;

use super::connections::Client;
use super::content::Content;
use super::gate::Place;
use super::upload::Upload;
use crate::http::Body;
use crate::limits::INFORMATIONAL;
use crate::upstream::Patience;
use crate::upstream::host::error::ProxyError;
use crate::upstream::host::upstream::Slot;

/// A request without a response.
pub(crate) struct Unanswered {
    pub(crate) error: ProxyError,
    /// The request body, if nothing of it was sent.
    pub(crate) body: Option<Body>,
}

impl From<ProxyError> for Unanswered {
    fn from(error: ProxyError) -> Self {
        Self { error, body: None }
    }
}

/// A request that was sent, at least its head.
pub(crate) struct Exchange {
    response: ResponseFuture,
    /// The rest of the request. It may continue during the response.
    upload: Option<Upload>,
    /// The upload made progress since the last check.
    moved: Rc<Cell<bool>>,
    patience: Patience,
    informational: u8,
    place: Place,
}

impl Exchange {
    /// Sends the head of a request.
    pub(crate) fn start(mut client: Client, message: Request<Body>) -> Result<Self, Unanswered> {
        let (head, body) = message.into_parts();
        let message = Request::from_parts(head, ());
        let ends = body.is_end_stream();
        let (response, stream) = match client.sender.send_request(message, ends) {
            Ok(started) => started,
            Err(error) => {
                return Err(Unanswered { error: ProxyError::Refused(error), body: Some(body) });
            }
        };
        let place = Place::new(client.link, response.stream_id().as_u32());
        let moved = Rc::new(Cell::new(false));
        let upload = (!ends).then(|| Upload::new(stream, body, moved.clone()));
        let patience = Patience::default();
        Ok(Self { response, upload, moved, patience, informational: 0, place })
    }

    /// Waits for the head of the final response, for at most `first_byte` after the last progress
    /// of the request body; `hints` gets the fields of each 103 before it.
    pub(crate) async fn answer(
        &mut self,
        first_byte: Duration,
        hints: impl Fn(HeaderMap),
    ) -> Result<Response<RecvStream>, ProxyError> {
        poll_fn(|cx| {
            self.send(cx)?;
            if let Poll::Ready(answer) = self.poll_answer(&hints, cx) {
                return Poll::Ready(answer);
            }
            // While the client's body still moves, the upstream cannot be late.
            if self.moved.take() {
                self.patience.moved();
            }
            self.patience.poll(first_byte, cx).map(|()| Err(ProxyError::FirstByte))
        })
        .await
    }

    /// Continues sending. Only a failure on the client's side is an error.
    fn send(&mut self, cx: &mut Context<'_>) -> Result<(), ProxyError> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let Poll::Ready(sent) = upload.poll(cx) else { return Ok(()) };
        self.upload = None;
        sent.map_err(ProxyError::ClientBody)
    }

    fn poll_answer(
        &mut self,
        hints: impl Fn(HeaderMap),
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<RecvStream>, ProxyError>> {
        while let Some(interim) = ready!(self.response.poll_informational(cx)) {
            let interim = interim.map_err(|error| self.place.failure(error))?;
            match interim.status() {
                StatusCode::SWITCHING_PROTOCOLS => return Poll::Ready(Err(ProxyError::UNASKED)),
                StatusCode::EARLY_HINTS => hints(interim.into_parts().0.headers),
                _ => {}
            }
            self.informational += 1;
            if self.informational > INFORMATIONAL {
                return Poll::Ready(Err(ProxyError::Malformed("too many 1xx responses")));
            }
        }
        let answer = ready!(Pin::new(&mut self.response).poll(cx));
        Poll::Ready(answer.map_err(|error| self.place.failure(error)))
    }

    /// Ties the response to its place on the connection.
    pub(crate) fn receive(
        self,
        answer: Response<RecvStream>,
        silence: Duration,
        slot: Slot,
    ) -> Response<Body> {
        if let Some(mut upload) = self.upload {
            // It may be longer than the response, and must not wait until the client reads that.
            tokio::task::spawn_local(async move {
                // If the client fails, the stream is reset.
                let _ = poll_fn(|cx| upload.poll(cx)).await;
            });
        }
        let length = answer.headers().get(CONTENT_LENGTH);
        // h2 has checked it.
        let left = length.and_then(|length| length.to_str().ok()?.parse().ok());
        answer.map(|stream| {
            Body::new(Content {
                stream,
                is_read: false,
                left,
                moved: self.moved,
                patience: Patience::default(),
                silence,
                place: self.place,
                _slot: slot,
            })
        })
    }
}

impl Place {
    /// What an error of h2 on this stream means.
    pub(super) fn failure(&self, error: h2::Error) -> ProxyError {
        if self.is_dead() {
            return ProxyError::NoPong;
        }
        let has_left_out = error.is_go_away() && error.is_remote();
        let refusals = [Reason::REFUSED_STREAM, Reason::HTTP_1_1_REQUIRED];
        if has_left_out || error.reason().is_some_and(|reason| refusals.contains(&reason)) {
            return ProxyError::Refused(error);
        }
        ProxyError::Http2(error)
    }

    /// The same in the middle of a response. The server passes the code of an error of h2 on to the
    /// client: some mean something else there.
    pub(super) fn broke(&self, error: h2::Error) -> ProxyError {
        let others = [Reason::NO_ERROR, Reason::REFUSED_STREAM, Reason::HTTP_1_1_REQUIRED];
        if error.reason().is_some_and(|reason| others.contains(&reason)) {
            return ProxyError::Malformed("the stream was reset in the middle of it");
        }
        self.failure(error)
    }
}

/// Whether the upstream requires HTTP/1.1.
pub(crate) fn asks_for_http1(error: &ProxyError) -> bool {
    let ProxyError::Refused(error) = error else { return false };
    error.reason() == Some(Reason::HTTP_1_1_REQUIRED)
}
