//! Counts one request in the metrics of its worker, from dispatch to the end of its response.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use http::{Response, StatusCode, Version};

use crate::http::Body;
use crate::http::response::CLIENT_LEFT;
use crate::metrics::{Protocol, Requests};
use crate::server::context::Worker;

/// A request that is counted. Its end is that of the response; without an answer before, its client
/// has left.
pub(crate) struct Tally {
    worker: Rc<Worker>,
    protocol: Protocol,
    stage: Cell<Stage>,
}

/// The answer to a request, which is counted until its end.
pub(crate) struct Counted {
    pub(crate) response: Response<Body>,
    pub(crate) tally: Tally,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unanswered,
    Answering,
    /// The stream has left HTTP: a tunnel is no request in flight, and its bytes are no content.
    Left,
}

impl Tally {
    pub(super) fn begin(worker: &Rc<Worker>, version: Version) -> Self {
        let protocol = match version {
            Version::HTTP_3 => Protocol::Http3,
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let stage = Cell::new(Stage::Unanswered);
        let tally = Self { worker: worker.clone(), protocol, stage };
        tally.requests().begin();
        tally
    }

    fn requests(&self) -> &Requests {
        self.worker.metrics.requests(self.protocol)
    }

    /// The head of the response is ready. `received`: that of the request was.
    pub(super) fn answered(&self, status: StatusCode, received: Instant) {
        self.requests().answer(status.as_u16(), received.elapsed());
        let leaves = status == StatusCode::SWITCHING_PROTOCOLS;
        if leaves {
            self.requests().end();
        }
        self.stage.set(if leaves { Stage::Left } else { Stage::Answering });
    }

    /// Content of the response has been handed out.
    pub(crate) fn sent(&self, bytes: u64) {
        if self.stage.get() == Stage::Answering {
            self.requests().sent(bytes);
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        match self.stage.get() {
            Stage::Left => return,
            Stage::Unanswered => self.requests().leave(CLIENT_LEFT),
            Stage::Answering => {}
        }
        self.requests().end();
    }
}
