//! What a visitor is offered: HTTP/3 or, in one arm of `quic_report`, none.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};

use super::ConnectionContext;
use super::tally::{Kind, Tally};
use crate::experiment::Experiment;
use crate::http::Request;
use crate::http::request::Sender;
use crate::quic_report::Arm;
use crate::server::measure::Measured;
use crate::site::{Listener, Site};

/// The experiment that a request takes part in. A connection that a proxy makes for clients is none
/// of a visitor.
pub(super) fn experiment<'a>(site: &'a Site, request: &Request) -> Option<&'a Arc<Experiment>> {
    let is_from_proxy = request.head.extensions.get::<Sender>().is_some();
    site.experiment.as_ref().filter(|_| !is_from_proxy)
}

/// Begins to count a request of a site, and to measure it.
pub(super) fn tally(
    context: &ConnectionContext,
    site: &Site,
    request: &Request,
    kind: Kind,
) -> Tally {
    let mut tally = Tally::begin(context, site.number, kind);
    let of = context.meter.as_ref().zip(experiment(site, request));
    tally.measured = of.map(|(meter, one)| Measured::begin(meter, one, request));
    tally
}

/// The `Alt-Svc` field of an answer.
pub(super) enum Offer {
    /// The listener's, over QUIC too: without it Chromium takes a site for one that knows no
    /// priorities, and has six requests under way at a time.
    Usual,
    /// What a visitor of an experiment gets.
    Arm(Option<HeaderValue>),
}

impl Offer {
    /// Of an answer without a site: its client may be a visitor who must not be offered HTTP/3.
    pub(super) fn of_no_site(listener: &Listener) -> Self {
        if listener.measures { Self::Arm(None) } else { Self::Usual }
    }

    pub(super) fn of(
        context: &ConnectionContext,
        listener: &Listener,
        experiment: Option<&Arc<Experiment>>,
    ) -> Self {
        let Some(experiment) = experiment else { return Self::Usual };
        let now = SystemTime::now();
        let visitor = match &context.meter {
            Some(meter) => meter.visitor(experiment, now),
            // The line was added by a reload after the connection began.
            None => experiment.visitor(context.peer.remote.ip(), now),
        };
        Self::Arm(match visitor.arm {
            Arm::Withheld => Some(HeaderValue::from_static("clear")),
            // On a new day everybody begins without knowing, whatever arm comes next.
            Arm::Offered => listener.alt_svc_for(visitor.rest_of_day(now)),
        })
    }

    /// Measures nothing if `realip` has said meanwhile that the connection is a proxy's.
    pub(super) fn settle(&self, tally: &mut Tally) {
        if matches!(self, Self::Usual) {
            tally.measured = None;
        }
    }

    /// Adds it, unless the site has said something else.
    pub(super) fn put(self, headers: &mut HeaderMap, listener: &Listener) {
        if headers.contains_key(header::ALT_SVC) {
            return;
        }
        let value = match self {
            Self::Usual => listener.alt_svc.clone(),
            Self::Arm(value) => value,
        };
        if let Some(value) = value {
            headers.insert(header::ALT_SVC, value);
        }
    }
}
