//! Interim responses on a request stream.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, StatusCode};

use super::response::{Shared, write_section};
use crate::http::early_hints::InterimWriter;
use crate::server::compression::qpack;

/// The interim responses of one stream.
#[derive(Debug)]
pub(super) struct Interim {
    stream: Shared,
    /// What the stream had no room for.
    unsent: RefCell<BytesMut>,
}

impl Interim {
    pub(super) fn new(stream: &Shared) -> Rc<Self> {
        Rc::new(Self { stream: stream.clone(), unsent: RefCell::default() })
    }

    /// What precedes the final response.
    pub(super) fn unsent(&self) -> BytesMut {
        self.unsent.take()
    }
}

impl InterimWriter for Interim {
    fn write(&self, fields: &HeaderMap) {
        let mut frame = BytesMut::new();
        write_section(&mut frame, |out| qpack::write_head(out, StatusCode::EARLY_HINTS, fields));
        let mut unsent = self.unsent.borrow_mut();
        unsent.unsplit(frame);
        let mut stream = self.stream.borrow_mut();
        let cx = &mut Context::from_waker(Waker::noop());
        // The final response sends the rest, and meets the error.
        while let Poll::Ready(Ok(written @ 1..)) = Pin::new(&mut *stream).poll_write(cx, &unsent) {
            unsent.advance(written);
        }
    }
}
