//! How a request that the gate refuses gets past h3 to the task of its stream.

use std::cell::Cell;
use std::rc::Rc;

use h3::quic::StreamId;

use crate::server::bad_head::Refused;

/// The refusal that has not been taken yet: it is set when h3 reads a header section, and taken
/// when h3 returns the request.
#[derive(Clone, Default)]
pub(crate) struct Refusals(Rc<Cell<Option<Noted>>>);

struct Noted {
    stream: StreamId,
    refused: Box<Refused>,
}

impl Refusals {
    pub(super) fn put(&self, stream: StreamId, refused: Box<Refused>) {
        self.0.set(Some(Noted { stream, refused }));
    }

    /// Takes the refusal of the request on this stream.
    pub(super) fn take(&self, stream: quinn::StreamId) -> Option<Box<Refused>> {
        let noted = self.0.take()?;
        (noted.stream.into_inner() == u64::from(stream)).then_some(noted.refused)
    }
}
