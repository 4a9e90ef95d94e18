//! What has failed since the start of the process, and why, in words.

use super::state::Report;
use crate::metrics::{HandshakeFailure, Transport, UpstreamFailure, UpstreamTotals};

/// How often something failed for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    pub of: &'static str,
    pub why: &'static str,
    pub count: u64,
}

impl Failure {
    /// All that have happened, the most frequent first.
    pub fn all(report: &Report) -> Vec<Self> {
        let [.., client, server] = report.totals.classes();
        let mut all = vec![
            Self { of: "responses", why: "4xx", count: client },
            Self { of: "responses", why: "5xx", count: server },
            Self { of: "log lines", why: "lost", count: report.lines_lost },
        ];
        for (transport, of) in
            [(Transport::Tcp, "TLS handshakes over TCP"), (Transport::Quic, "QUIC handshakes")]
        {
            let handshakes = report.metrics.handshakes(transport);
            let failed =
                |cause| Self { of, why: handshake(cause), count: handshakes.failed(cause) };
            all.extend(HandshakeFailure::ALL.map(failed));
        }
        let upstreams = report.metrics.upstreams();
        all.extend(UpstreamFailure::ALL.map(|cause| {
            let count = upstreams.iter().map(|one| one.failed(cause)).sum();
            Self { of: "requests to upstreams", why: upstream(cause), count }
        }));
        let refused = report.metrics.quic().refused;
        all.push(Self { of: "QUIC connections", why: "too many others", count: refused });
        all.retain(|one| one.count > 0);
        all.sort_by_key(|one| std::cmp::Reverse(one.count));
        all
    }

    /// Those of the requests to one upstream, such as `2 not connected, 1 no response in time`.
    pub fn of_upstream(totals: &UpstreamTotals) -> String {
        let counted = UpstreamFailure::ALL.map(|cause| (totals.failed(cause), upstream(cause)));
        let mut known: Vec<_> = counted.into_iter().filter(|(count, _)| *count > 0).collect();
        known.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let said = known.into_iter().map(|(count, why)| format!("{count} {why}"));
        said.collect::<Vec<_>>().join(", ")
    }
}

fn handshake(why: HandshakeFailure) -> &'static str {
    match why {
        HandshakeFailure::Timeout => "not complete in time",
        HandshakeFailure::Closed => "the client left",
        HandshakeFailure::Alert => "the client sent an alert",
        HandshakeFailure::UnknownName => "no certificate for the name",
        HandshakeFailure::Incompatible => "no version or cipher suite in common",
        HandshakeFailure::ClientCertificate => "client certificate missing or not accepted",
        HandshakeFailure::Protocol => "not TLS",
    }
}

fn upstream(why: UpstreamFailure) -> &'static str {
    match why {
        UpstreamFailure::Resolve => "name not resolved",
        UpstreamFailure::Connect => "not connected",
        UpstreamFailure::ConnectTimeout => "not connected in time",
        UpstreamFailure::Tls => "TLS handshake failed",
        UpstreamFailure::Timeout => "no response in time",
        UpstreamFailure::Closed => "closed before the response",
        UpstreamFailure::Protocol => "not HTTP",
        UpstreamFailure::Refused => "refused without processing",
    }
}
