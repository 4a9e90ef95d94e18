//! One request of a site with `quic_report`.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{Method, Response, StatusCode, header};

use super::answer::{About, Answer, Stage};
use super::meter::{Meter, Wire};
use super::sampler;
use crate::experiment::Experiment;
use crate::http::Request;
use crate::quic_report::Kind;

/// A request that is counted until it is dropped.
pub(crate) struct Measured {
    meter: Rc<Meter>,
    experiment: Arc<Experiment>,
    requested: Instant,
    setup: Option<Duration>,
    is_get: bool,
    answer: Option<Rc<Answer>>,
    stage: Cell<Stage>,
}

impl Measured {
    pub(crate) fn begin(
        meter: &Rc<Meter>,
        experiment: &Arc<Experiment>,
        request: &Request,
    ) -> Self {
        Self {
            meter: meter.clone(),
            experiment: experiment.clone(),
            requested: request.received,
            setup: meter.setup(request.received),
            is_get: request.head.method == Method::GET,
            answer: None,
            stage: Cell::new(Stage::Waiting),
        }
    }

    /// The head of the response is ready. Measured are whole files and pages that end by
    /// themselves, one at a time.
    pub(crate) fn answered<B>(&mut self, response: &Response<B>) {
        let visitor = self.meter.visitor(&self.experiment, SystemTime::now());
        self.meter.told();
        self.stage.set(Stage::Sending);
        let content_type = response.headers().get(header::CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_meant = self.is_get
            && response.status() == StatusCode::OK
            && !content_type.starts_with("text/event-stream");
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            // A tunnel ends as it likes.
            self.complete();
        }
        if !is_meant || self.meter.wire.get().is_none() || self.meter.busy.replace(true) {
            return;
        }
        let about = About {
            experiment: self.experiment.clone(),
            visitor,
            requested: self.requested,
            kind: Kind::of(content_type),
            setup: self.setup,
        };
        let answer = Rc::new(Answer::new(self.meter.clone(), about));
        match self.meter.wire.get() {
            Some(Wire::Tcp(wire)) => sampler::begin(answer.clone(), wire.clone()),
            Some(Wire::Quic(wire)) => wire.begins(),
            None => {}
        }
        self.answer = Some(answer);
    }

    pub(crate) fn answer(&self) -> Option<Rc<Answer>> {
        self.answer.clone()
    }

    /// The whole response is on its way.
    pub(crate) fn complete(&self) {
        self.stage.set(Stage::Sent);
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        // Of a request without an answer it is unknown whether a proxy sent it.
        let is_answered = self.stage.get() != Stage::Waiting;
        if is_answered || self.meter.is_known() {
            let failed = self.stage.get() != Stage::Sent;
            self.meter.count(|figures| {
                figures.requests += 1;
                figures.failures += u64::from(failed);
            });
            let next = if failed { Stage::Failed } else { Stage::Sent };
            self.answer.iter().for_each(|answer| answer.stage.set(next));
        }
    }
}
