//! An HTTP/3 connection from its handshake to its last response.

use std::fmt::Display;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h3::error::Code;
use quinn::{ConnectionError, VarInt};
use tokio::time::{Instant, sleep_until, timeout};

use super::alive::{Alive, Idle};
use super::config::{Own, config_of};
use super::congestion::INITIAL_WINDOW_PACKETS;
use super::first_windows::Share;
use super::handshake;
use super::packets;
use super::paths::{self, Watched};
use crate::limits::{self, FIRST_REQUEST, TLS_HANDSHAKE};
use crate::metrics::{self, HandshakeFailure, Protocol};
use crate::server::connection::{Connection, OpenConnection, Settings, TlsSession};
use crate::server::dispatch::ConnectionContext;
use crate::server::drain::{InFlight, Ticket};
use crate::server::h3::connection_window::{ConnectionWindow, Lookout};
use crate::server::h3::patience::Patience;
use crate::server::h3::refusals::Refusals;
use crate::server::h3::request::{Common, serve_stream};
use crate::server::h3::response::{self, LastAccepted, given_up};
use crate::server::h3::send_order::SendOrder;
use crate::server::h3::transport::Transport;
use crate::server::h3::tunnels::Tunnels;
use crate::server::handshake_failure;
use crate::server::measure::{Meter, QuicWire, Traffic, Wire};

/// How long a client may leave no room for a GOAWAY.
const GOAWAY: Duration = Duration::from_secs(2);
/// The TLS alert certificate_required as a QUIC error (RFC 9001 section 4.8).
const CERTIFICATE_REQUIRED: VarInt = VarInt::from_u32(0x100 + 116);
/// Added to three round trips, for requests that a client sent before it received GOAWAY.
const LATE_REQUESTS: Duration = Duration::from_millis(50);

/// The state of a handshake in progress.
pub(super) struct Handshake {
    /// Counts the handshake.
    pub(super) _ticket: Ticket,
    /// Limits what is sent to an address that is not validated.
    pub(super) _watch: Option<packets::Watch>,
}

/// A connection that is ready for requests.
pub(super) struct Standing {
    connection: Connection,
    quic: quinn::Connection,
    context: Rc<ConnectionContext>,
    h3: Box<h3::server::Connection<Transport, Bytes>>,
    accepted_stream: LastAccepted,
    refusals: Refusals,
    window: ConnectionWindow,
    order: SendOrder,
    patience: Patience,
    idle: Idle,
    /// Counts it as open.
    _held: (OpenConnection, Share),
    _watched: Watched,
}

/// The connection after its handshake; the log and the counters say why there is none.
async fn connect(
    connection: &Connection,
    incoming: quinn::Incoming,
    held: Handshake,
) -> Option<(quinn::Connection, Share)> {
    let remote = connection.remote;
    let trouble = |error: &dyn Display| log::debug!("QUIC handshake with {remote}: {error}");
    let (local, is_validated) = (incoming.local_ip(), incoming.remote_address_validated());
    let shared = &connection.worker.quic;
    let share = shared.first_windows.share(remote.ip(), std::time::Instant::now());
    let qlog = shared.qlog.as_ref();
    let own = Own {
        is_ipv6: remote.ip().to_canonical().is_ipv6(),
        initial_packets: (share.packets != INITIAL_WINDOW_PACKETS).then_some(share.packets),
        qlog: qlog.and_then(|qlog| qlog.stream(remote.ip(), incoming.orig_dst_cid())),
    };
    let connecting = match config_of(connection, local, own) {
        Some(config) => incoming.accept_with(Arc::new(config)),
        None => incoming.accept(),
    };
    let handshakes = connection.worker.metrics.handshakes(metrics::Transport::Quic);
    let failed = |error: &ConnectionError| {
        trouble(error);
        handshakes.failed(handshake_failure::of_quic(error));
        if is_validated || is_by_client(error) {
            not_connected(connection);
        }
    };
    let connecting = connecting.inspect_err(failed).ok()?;
    let in_time = timeout(TLS_HANDSHAKE, connecting).await;
    drop(held);
    let in_time = in_time.inspect_err(|_| failed(&ConnectionError::TimedOut)).ok()?;
    let quic = in_time.inspect_err(failed).ok()?;
    Some((quic, share))
}

pub(super) async fn establish(
    mut connection: Connection,
    incoming: quinn::Incoming,
    held: Handshake,
) -> Option<Standing> {
    let (remote, first_packet) = (connection.remote, std::time::Instant::now());
    let (quic, share) = connect(&connection, incoming, held).await?;
    let handshakes = connection.worker.metrics.handshakes(metrics::Transport::Quic);
    let client = handshake::session(&quic);
    if !is_admitted(&connection, &client) {
        handshakes.failed(HandshakeFailure::ClientCertificate);
        not_connected(&connection);
        quic.close(CERTIFICATE_REQUIRED, b"this site requires a client certificate");
        return None;
    }
    handshakes.done(client.handshake());
    connection.meter = meter(&connection, &quic, first_packet);
    let Settings { timeouts, header_bytes } = connection.settings()?;
    let local =
        SocketAddr::new(quic.local_ip().unwrap_or(connection.addr.ip()), connection.addr.port());
    let peer = connection.peer(local, Some(client));
    let context = ConnectionContext::new(&connection, peer, timeouts);
    let (patience, idle) = (Patience::new(), Idle::new(timeouts.idle));
    let frame_bytes = (header_bytes + limits::HEADER_EXCESS) as u64;
    let transport = Transport::new(quic.clone(), frame_bytes, patience.clone());
    let (accepted_stream, refusals) = (transport.last_accepted(), transport.refusals());
    let (window, order) = (transport.window(), transport.send_order());
    let wire = || Wire::Quic(QuicWire::new(quic.clone(), order.written()));
    connection.meter.iter().for_each(|meter| meter.ready(wire()));
    // A client may let us open no stream.
    let h3 = timeout(TLS_HANDSHAKE, set_up(transport, header_bytes)).await.ok()?;
    let h3 = h3.inspect_err(|error| log::debug!("HTTP/3 with {remote}: {error}")).ok()?;
    let _held = (connection.speaks(Protocol::Http3), share);
    let _watched = paths::watch(&connection, &quic);
    Some(Standing {
        connection,
        quic,
        context,
        h3,
        accepted_stream,
        refusals,
        window,
        order,
        patience,
        idle,
        _held,
        _watched,
    })
}

pub(super) async fn serve(standing: Standing) {
    let Standing { connection, quic, context, mut h3, accepted_stream, .. } = standing;
    let Standing { refusals, window, order, patience, mut idle, _held, _watched, .. } = standing;
    let (requests, tunnels) = (InFlight::default(), Tunnels::new(quic.clone()));
    let common = Rc::new(Common { context, tunnels, refusals, order });
    let (mut stage, mut is_fresh) = (Stage::Open, true);
    let (mut alive, mut lookout) = (Alive::default(), Lookout::default());
    loop {
        tokio::select! {
            accepted = h3.accept() => match accepted {
                Ok(Some(resolver)) => {
                    let Some(stream) = accepted_stream.take() else { continue };
                    if matches!(stage, Stage::Last) {
                        response::reset(&stream, Code::H3_REQUEST_REJECTED);
                        continue;
                    }
                    is_fresh = false;
                    let (common, request) = (common.clone(), requests.enter());
                    let (patience, quic, busy) = (patience.clone(), quic.clone(), idle.busy());
                    // Boxed, as tokio moves a future several times.
                    tokio::task::spawn_local(Box::pin(async move {
                        let _request = (request, busy);
                        tokio::select! {
                            biased;
                            // Ends the requests in progress too.
                            by_client = given_up(&stream) => if by_client {
                                patience.strain(&quic);
                            },
                            () = serve_stream(&common, resolver, &stream) => {}
                        }
                    }));
                }
                Ok(None) => break,
                Err(error) => {
                    log::debug!("HTTP/3 with {}: {error}", connection.remote);
                    break;
                }
            },
            () = connection.closing.cancelled(), if matches!(stage, Stage::Open) => {
                stage = Stage::Closing(Instant::now() + FIRST_REQUEST);
            }
            () = stage.is_over() => {
                stage = Stage::Last;
                // h3 sends the ID of the last accepted request, which clients read as that of the
                // first refused one.
                if announce(&mut h3, 1).await.is_none() {
                    break;
                }
            }
            () = requests.none_left(), if matches!(stage, Stage::Last) => break,
            () = alive.keep(&window, &requests), if requests.count() > 0 => {}
            () = poll_fn(|cx| lookout.poll(&window, cx)) => {}
            () = idle.is_over(&requests), if matches!(stage, Stage::Open) => {
                stage = Stage::Closing(Instant::now());
                is_fresh = false;
            }
        }
        if matches!(stage, Stage::Closing(_)) && !is_fresh {
            let Some(next) = go_away(&mut h3, &quic).await else { break };
            stage = next;
        }
    }
    finish(&connection, &quic).await;
}

/// Waits for the last packets.
async fn finish(connection: &Connection, quic: &quinn::Connection) {
    // One that takes nothing may send for ever.
    let _ = timeout(limits::WRITE_IDLE, last_packets(quic)).await;
    if let Some(meter) = &connection.meter {
        let path = quic.stats().path;
        meter.sent(&Traffic { packets: path.sent_packets, lost: path.lost_packets });
    }
}

/// Whether the client has sent it, who can do so only if it got an answer: others may have named an
/// address that is not theirs.
fn is_by_client(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ConnectionClosed(_) | ConnectionError::ApplicationClosed(_))
}

/// For `quic_report`.
fn not_connected(connection: &Connection) {
    if let Some(listener) = connection.worker.snapshot().listener(connection.addr) {
        listener.not_connected(connection.remote.ip());
    }
}

/// On a listener that measures.
fn meter(
    connection: &Connection,
    quic: &quinn::Connection,
    first_packet: std::time::Instant,
) -> Option<Rc<Meter>> {
    let snapshot = connection.worker.snapshot();
    snapshot.listener(connection.addr).filter(|listener| listener.measures)?;
    let meter = Meter::quic(connection.remote.ip(), first_packet, quic.rtt());
    Some(Rc::new(meter))
}

/// Sends a GOAWAY; `None` if the connection is gone, or the client does not let us.
async fn announce(
    h3: &mut h3::server::Connection<Transport, Bytes>,
    requests: usize,
) -> Option<()> {
    timeout(GOAWAY, h3.shutdown(requests)).await.ok()?.ok()
}

/// Sends a GOAWAY that still accepts requests in transit; `None` if the connection is gone.
async fn go_away(
    h3: &mut h3::server::Connection<Transport, Bytes>,
    quic: &quinn::Connection,
) -> Option<Stage> {
    announce(h3, limits::STREAMS as usize).await?;
    Some(Stage::GoingAway(Instant::now() + quic.rtt() * 3 + LATE_REQUESTS))
}

/// The progress of a graceful shutdown (RFC 9114 section 5.2).
enum Stage {
    Open,
    /// Until then, a client that has just connected may send its first request.
    Closing(Instant),
    /// GOAWAY was sent; until then, requests that were in transit may arrive.
    GoingAway(Instant),
    /// Later requests are refused.
    Last,
}

impl Stage {
    async fn is_over(&self) {
        match self {
            Self::Closing(until) | Self::GoingAway(until) => sleep_until(*until).await,
            Self::Open | Self::Last => std::future::pending().await,
        }
    }
}

/// Opens the connection's own streams and sends SETTINGS.
async fn set_up(
    transport: Transport,
    header_bytes: usize,
) -> Result<Box<h3::server::Connection<Transport, Bytes>>, h3::error::ConnectionError> {
    let mut settings = h3::server::builder();
    let head = header_bytes + limits::HEADER_EXCESS;
    settings.max_field_section_size(head as u64).enable_extended_connect(true);
    settings.build(transport).await.map(Box::new)
}

/// Closing a connection discards unsent data, so this waits while the client still acknowledges.
async fn last_packets(quic: &quinn::Connection) {
    let mut heard = quic.stats().udp_rx.datagrams;
    while quic.close_reason().is_none() {
        let quiet = quic.rtt() * 3 + Duration::from_millis(50);
        let _ = timeout(quiet, quic.closed()).await;
        let now = quic.stats().udp_rx.datagrams;
        if now == heard {
            return;
        }
        heard = now;
    }
}

/// Whether the client has met the site's requirements for client certificates: the handshake is the
/// same for all sites of an endpoint and cannot check them.
fn is_admitted(connection: &Connection, client: &TlsSession) -> bool {
    let snapshot = connection.worker.snapshot();
    let Some(listener) = snapshot.listener(connection.addr) else { return false };
    let Some(tls) = &listener.tls else { return false };
    tls.admits(client.server_name.as_deref(), &client.chain)
}
