//! The quinn configuration of new connections, built from the snapshot in force: certificates and
//! transport limits.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::TransportConfig;
use quinn_proto::QlogStream;

use super::congestion;
use super::handshake::Handshakes;
use crate::congestion::Congestion;
use crate::http::timeouts::Timeouts;
use crate::limits;
use crate::server::connection::Connection;
use crate::server::context::Worker;
use crate::site::Listener;

/// The QUIC configuration of new connections, from the current snapshot.
pub(crate) fn server_config(worker: &Worker, addr: SocketAddr) -> Option<quinn::ServerConfig> {
    let snapshot = worker.snapshot();
    let listener = snapshot.listener(addr)?;
    let tls = listener.tls.as_ref()?.quic.clone()?;
    offer(tls, listener, worker)
}

/// The same for a connection to an address that has its own certificate.
pub(super) fn config_at(
    connection: &Connection,
    local: Option<IpAddr>,
) -> Option<quinn::ServerConfig> {
    let snapshot = connection.worker.snapshot();
    let listener = snapshot.listener(connection.addr)?;
    let tls = listener.tls.as_ref()?.quic_at(local?)?.clone();
    offer(tls, listener, &connection.worker)
}

/// A configuration for one connection that is recorded.
pub(super) fn recorded(
    connection: &Connection,
    local: Option<IpAddr>,
    stream: QlogStream,
) -> Option<quinn::ServerConfig> {
    let config = config_at(connection, local);
    let mut config = config.or_else(|| server_config(&connection.worker, connection.addr))?;
    // Nobody else has it yet.
    Arc::get_mut(&mut config.transport)?.qlog_stream(Some(stream));
    Some(config)
}

fn offer(
    tls: Arc<rustls::ServerConfig>,
    listener: &Listener,
    worker: &Worker,
) -> Option<quinn::ServerConfig> {
    let Some(crypto) = Handshakes::new(tls) else {
        log::error!("HTTP/3 on {}: TLS_AES_128_GCM_SHA256 is unavailable", listener.addr);
        return None;
    };
    let mut config = quinn::ServerConfig::new(Arc::new(crypto), worker.keys.tokens.clone());
    config.max_incoming(limits::QUIC_INCOMING);
    config.transport_config(Arc::new(transport(
        &listener.settings.timeouts.over_defaults(),
        listener.congestion,
    )));
    Some(config)
}

fn transport(timeouts: &Timeouts, choice: Congestion) -> TransportConfig {
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
        .congestion_controller_factory(congestion::factory(choice))
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
