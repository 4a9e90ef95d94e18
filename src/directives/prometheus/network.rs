//! Connections of clients, their handshakes, and the paths of QUIC.

use std::fmt;

use super::families::{Buckets, Families, Family, Sample, Scale, labels};
use crate::metrics::{Distribution, Handshake, HandshakeFailure, Protocol, QuicTotals, Transport};
use crate::report::Report;

pub(super) fn write(families: &mut Families<'_>, report: &Report) -> fmt::Result {
    let totals = &report.totals;
    let of = |protocol: Protocol| labels([("protocol", protocol.alpn())]);
    let open = Family { name: "caddy_connections", help: "Open connections of clients." };
    families
        .gauge(open, Protocol::ALL.map(|one| Sample::new(of(one), totals.of(one).open as f64)))?;
    let opened =
        Family { name: "caddy_connections_opened", help: "Connections of clients, by protocol." };
    families
        .counter(opened, Protocol::ALL.map(|one| Sample::new(of(one), totals.of(one).opened)))?;
    handshakes(families, report)?;
    quic(families, &report.metrics.quic())
}

fn handshakes(families: &mut Families<'_>, report: &Report) -> fmt::Result {
    let all = Transport::ALL.map(|transport| (transport, report.metrics.handshakes(transport)));
    let done = all.iter().flat_map(|(transport, totals)| {
        let kinds = Handshake::ALL.into_iter();
        // QUIC has no TLS 1.2.
        let kinds = kinds.filter(|how| *transport == Transport::Tcp || how.version() == "1.3");
        kinds.map(|how| {
            let resumed = if how.is_resumed() { "true" } else { "false" };
            let pairs = [
                ("transport", transport.label()),
                ("version", how.version()),
                ("resumed", resumed),
            ];
            Sample::new(labels(pairs), totals.done(how))
        })
    });
    let family = Family { name: "caddy_tls_handshakes", help: "TLS handshakes with clients." };
    families.counter(family, done)?;
    let failed = all.iter().flat_map(|(transport, totals)| {
        HandshakeFailure::ALL.into_iter().map(|cause| {
            let pairs = [("transport", transport.label()), ("cause", cause.label())];
            Sample::new(labels(pairs), totals.failed(cause))
        })
    });
    let family = Family {
        name: "caddy_tls_handshake_failures",
        help: "TLS handshakes that failed, and why.",
    };
    families.counter(family, failed)
}

fn quic(families: &mut Families<'_>, totals: &QuicTotals) -> fmt::Result {
    for (name, help, count) in [
        (
            "caddy_quic_retries",
            "Clients that had to prove their address before the handshake.",
            totals.retries,
        ),
        ("caddy_quic_refused", "Clients turned away because of too many others.", totals.refused),
        (
            "caddy_quic_migrations",
            "Connections whose client has another address than at the beginning.",
            totals.migrated,
        ),
        ("caddy_quic_datagrams_sent", "Datagrams sent.", totals.datagrams_sent),
        ("caddy_quic_datagrams_received", "Datagrams received.", totals.datagrams_received),
        ("caddy_quic_packets_sent", "Packets sent.", totals.packets_sent),
        ("caddy_quic_packets_lost", "Packets lost.", totals.packets_lost),
        (
            "caddy_quic_lost_bytes",
            "Bytes in lost packets, whose content was sent again.",
            totals.bytes_lost,
        ),
        ("caddy_quic_congestion_events", "Reactions to congestion.", totals.congestion_events),
        (
            "caddy_quic_black_holes",
            "Packet sizes that stopped getting through (black holes).",
            totals.black_holes,
        ),
    ] {
        families.counter(Family { name, help }, Sample::only(count))?;
    }
    let rtt = Buckets { distribution: Distribution::of(&totals.rtt), scale: Scale::Seconds };
    let family = Family {
        name: "caddy_quic_rtt_seconds",
        help: "Smoothed round-trip time of connections that received something, every 5 s.",
    };
    families.histogram(family, Sample::only(rtt))?;
    let window = Buckets { distribution: totals.window.clone(), scale: Scale::Bytes };
    let family = Family {
        name: "caddy_quic_congestion_window_bytes",
        help: "Congestion window of connections that received something, every 5 s.",
    };
    families.histogram(family, Sample::only(window))
}
