//! Counts one request in the metrics of its worker, from the choice of its site to the end of its
//! response.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use http::{Response, StatusCode, Version};

use super::connection_context::ConnectionContext;
use crate::http::Body;
use crate::http::response::CLIENT_LEFT;
use crate::metrics::{Family, Measured, Protocol, SiteNumber, Traffic, WorkerMetrics};
use crate::server::measure;

/// A request that is counted. Its end is that of the response; without an answer before, its client
/// has left.
pub(crate) struct Tally {
    worker: &'static WorkerMetrics,
    traffic: &'static Traffic,
    protocol: Protocol,
    received: Instant,
    stage: Cell<Stage>,
    /// Content of the response.
    bytes: Cell<u64>,
    /// Where `quic_report` measures.
    pub(super) measured: Option<measure::Measured>,
}

/// The answer to a request, which is counted until its end.
pub(crate) struct Counted {
    pub(crate) response: Response<Body>,
    pub(crate) tally: Tally,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unanswered,
    /// With this status.
    Answering(u16),
    /// The stream has left HTTP: a tunnel is no request in flight, and its bytes are no content.
    Left,
    Ended,
}

/// The parts of a request that it is counted by.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) version: Version,
    /// When the head had come.
    pub(super) received: Instant,
}

impl Tally {
    pub(super) fn begin(context: &ConnectionContext, site: SiteNumber, kind: Kind) -> Self {
        let protocol = match kind.version {
            Version::HTTP_3 => Protocol::Http3,
            Version::HTTP_2 => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let worker = context.worker.metrics;
        let traffic = worker.traffic(site, protocol, Family::of(context.peer.remote.ip()));
        traffic.begin();
        let (stage, bytes) = (Cell::new(Stage::Unanswered), Cell::new(0));
        let measured = None;
        Self { worker, traffic, protocol, received: kind.received, stage, bytes, measured }
    }

    /// The response is ready, and goes to its client.
    pub(super) fn responds<B>(&mut self, response: &Response<B>) {
        self.measured.iter_mut().for_each(|measured| measured.answered(response));
        self.answered(response.status());
    }

    /// The head of the response is ready.
    pub(super) fn answered(&self, status: StatusCode) {
        let after = Measured::from(self.received.elapsed());
        self.worker.latency(self.protocol).record(after);
        self.traffic.answer(status.as_u16(), after);
        let leaves = status == StatusCode::SWITCHING_PROTOCOLS;
        if leaves {
            self.traffic.end();
        }
        self.stage.set(if leaves { Stage::Left } else { Stage::Answering(status.as_u16()) });
    }

    /// The whole response has been handed out; without this it has broken off.
    pub(crate) fn complete(&self) {
        self.measured.iter().for_each(measure::Measured::complete);
    }

    /// The answer, if its acknowledgement is measured.
    pub(crate) fn measured_answer(&self) -> Option<Rc<measure::Answer>> {
        self.measured.as_ref()?.answer()
    }

    /// Content of the response has been handed out.
    pub(crate) fn sent(&self, bytes: u64) {
        if matches!(self.stage.get(), Stage::Answering(_)) {
            self.traffic.sent(bytes);
            self.bytes.set(self.bytes.get() + bytes);
        }
    }

    /// The response has ended. Without a call, it ends when this is dropped.
    pub(crate) fn end(&self, now: Instant) {
        match self.stage.replace(Stage::Ended) {
            Stage::Left | Stage::Ended => return,
            Stage::Unanswered => self.traffic.leave(CLIENT_LEFT),
            Stage::Answering(status) => {
                let after = now.duration_since(self.received).into();
                self.traffic.finish(status, after, self.bytes.get());
            }
        }
        self.traffic.end();
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if self.stage.get() != Stage::Ended {
            self.end(Instant::now());
        }
    }
}
