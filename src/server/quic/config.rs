//! The quinn configuration of new connections, built from the snapshot in force: certificates and
//! transport limits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{MtuDiscoveryConfig, TransportConfig};
use quinn_proto::QlogStream;

use super::congestion::{self, INITIAL_WINDOW_PACKETS};
use super::handshake::Handshakes;
use crate::http::timeouts::Timeouts;
use crate::limits;
use crate::server::connection::Connection;
use crate::server::context::Worker;
use crate::site::Listener;

/// The largest UDP payload in a packet of 1500 bytes. quinn's own bound is the second for both.
const PAYLOAD_IPV4: u16 = 1500 - 20 - 8;
const PAYLOAD_IPV6: u16 = 1500 - 40 - 8;
/// The least step of the search. Where 1472 is too much, as with PPPoE (1464), the search ends at
/// 1455, and at 1438 with the default of 20.
const PAYLOAD_STEP: u16 = 17;

/// The QUIC configuration of new connections, from the current snapshot.
pub(crate) fn server_config(worker: &Worker, addr: SocketAddr) -> Option<quinn::ServerConfig> {
    let snapshot = worker.snapshot();
    let listener = snapshot.listener(addr)?;
    let tls = listener.tls.as_ref()?.quic.clone()?;
    offer(tls, listener, worker, Own::default())
}

/// What one connection has for itself.
#[derive(Default)]
pub(super) struct Own {
    /// The client's address is one of IPv6, whose packets have less room.
    pub(super) is_ipv6: bool,
    /// The initial window in packets, where it is not that of all.
    pub(super) initial_packets: Option<u64>,
    /// Records the connection.
    pub(super) qlog: Option<QlogStream>,
}

/// The configuration of a connection that differs from that of its endpoint: it is to an address
/// that has its own certificate, or has something for itself.
pub(super) fn config_of(
    connection: &Connection,
    local: Option<IpAddr>,
    own: Own,
) -> Option<quinn::ServerConfig> {
    let snapshot = connection.worker.snapshot();
    let listener = snapshot.listener(connection.addr)?;
    let tls = listener.tls.as_ref()?;
    let is_own = own.is_ipv6 || own.initial_packets.is_some() || own.qlog.is_some();
    let tls = match local.and_then(|local| tls.quic_at(local)) {
        Some(tls) => tls.clone(),
        None if is_own => tls.quic.clone()?,
        None => return None,
    };
    offer(tls, listener, &connection.worker, own)
}

fn offer(
    tls: Arc<rustls::ServerConfig>,
    listener: &Listener,
    worker: &Worker,
    own: Own,
) -> Option<quinn::ServerConfig> {
    let Some(crypto) = Handshakes::new(tls) else {
        log::error!("HTTP/3 on {}: TLS_AES_128_GCM_SHA256 is unavailable", listener.addr);
        return None;
    };
    let mut config = quinn::ServerConfig::new(Arc::new(crypto), worker.keys.tokens.clone());
    config.max_incoming(limits::QUIC_INCOMING);
    if let Some(machines) = worker.keys.machines() {
        config.time_source(machines.clone());
    }
    let timeouts = listener.settings.timeouts.over_defaults();
    let initial_packets = own.initial_packets.unwrap_or(INITIAL_WINDOW_PACKETS);
    let controllers = congestion::factory(listener.congestion, initial_packets);
    let mut transport = transport(&timeouts);
    let mut mtu_discovery = MtuDiscoveryConfig::default();
    let payload = if own.is_ipv6 { PAYLOAD_IPV6 } else { PAYLOAD_IPV4 };
    mtu_discovery.upper_bound(payload).minimum_change(PAYLOAD_STEP);
    transport.mtu_discovery_config(Some(mtu_discovery));
    transport.congestion_controller_factory(controllers).qlog_stream(own.qlog);
    config.transport_config(Arc::new(transport));
    Some(config)
}

fn transport(timeouts: &Timeouts) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(limits::STREAMS.into())
        // The control stream, the two of QPACK, and further streams for GREASE.
        .max_concurrent_uni_streams(8u32.into())
        .stream_receive_window(limits::QUIC_STREAM_WINDOW.into())
        // Grows; that of a stream cannot.
        .receive_window(limits::QUIC_CONNECTION_WINDOW.into())
        .send_window(limits::QUIC_SEND_WINDOW)
        .max_idle_timeout(without_packets(timeouts).try_into().ok())
        .datagram_receive_buffer_size(None);
    transport
}

/// How long a connection may be without packets. The longest idle timeout of all sites applies; the
/// limit ends connections of clients that have vanished.
fn without_packets(timeouts: &Timeouts) -> Duration {
    match timeouts.idle {
        None => limits::QUIC_IDLE_MOST,
        Some(idle) if idle > limits::KEEP_ALIVE_IDLE => idle.min(limits::QUIC_IDLE_MOST),
        Some(_) => limits::QUIC_IDLE,
    }
}
