//! HTTP/3: a QUIC endpoint per worker and address, its connections and their request streams.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use h3::error::Code;
use quinn::{Endpoint, TransportConfig, VarInt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::alive::{Alive, Idle};
use super::handshake::{Client, Handshakes};
use super::packets::{self, Place};
use crate::http::kept::Kept;
use crate::http::limits::{self, TLS_HANDSHAKE, Timeouts};
use crate::http::request::{Peer, TlsFacts, unmapped};
use crate::server::dispatch::Door;
use crate::server::drain::{FIRST_REQUEST, InFlight, Ticket};
use crate::server::h3::patience::Patience;
use crate::server::h3::request::serve_stream;
use crate::server::h3::response;
use crate::server::h3::transport::{LastAccepted, Transport, given_up};
use crate::server::h3::tunnels::Tunnels;
use crate::server::tcp::accept::Connection;
use crate::server::worker::Worker;

/// The TLS alert certificate_required as a QUIC error (RFC 9001 section 4.8).
const CERTIFICATE_REQUIRED: VarInt = VarInt::from_u32(0x100 + 116);

/// An endpoint and the socket under it.
#[derive(Clone)]
pub(crate) struct Listening {
    pub(crate) endpoint: Endpoint,
    pub(crate) socket: Arc<packets::Socket>,
}

/// Beyond three round trips, for requests that a client sent before it knew of the end.
const LATE_REQUESTS: Duration = Duration::from_millis(50);

/// Serves HTTP/3 on one of the worker's UDP sockets until told to stop.
pub(crate) fn listen(
    worker: Rc<Worker>,
    addr: SocketAddr,
    place: Place,
    accepting: CancellationToken,
) -> io::Result<Listening> {
    let config = server_config(&worker, addr);
    let own = place.endpoint_config(&worker.family);
    let socket = packets::Socket::new(place, worker.family.clone())?;
    let runtime = Arc::new(packets::Tasks);
    let endpoint = Endpoint::new_with_abstract_socket(own, config, socket.clone(), runtime)?;
    let listening = Listening { endpoint, socket };
    tokio::task::spawn_local(accept_all(worker, addr, listening.clone(), accepting));
    Ok(listening)
}

/// What new connections are offered, from the snapshot in force.
pub(crate) fn server_config(worker: &Worker, addr: SocketAddr) -> Option<quinn::ServerConfig> {
    let snapshot = worker.snapshot();
    let listener = snapshot.listener(addr)?;
    let tls = listener.tls.as_ref()?.quic.clone()?;
    offer(tls, &listener.timeouts, worker, addr)
}

/// The same for a connection to an address that has a certificate of its own.
fn config_at(connection: &Connection, local: Option<IpAddr>) -> Option<quinn::ServerConfig> {
    let snapshot = connection.worker.snapshot();
    let listener = snapshot.listener(connection.addr)?;
    let tls = listener.tls.as_ref()?.quic_at(local?)?.clone();
    offer(tls, &listener.timeouts, &connection.worker, connection.addr)
}

fn offer(
    tls: Arc<rustls::ServerConfig>,
    timeouts: &Timeouts,
    worker: &Worker,
    addr: SocketAddr,
) -> Option<quinn::ServerConfig> {
    let Some(crypto) = Handshakes::new(tls) else {
        log::error!("HTTP/3 on {addr}: TLS_AES_128_GCM_SHA256 is not to be had");
        return None;
    };
    let mut config = quinn::ServerConfig::new(Arc::new(crypto), worker.family.tokens.clone());
    config.max_incoming(limits::QUIC_INCOMING);
    config.transport_config(Arc::new(transport(timeouts)));
    Some(config)
}

fn transport(timeouts: &Timeouts) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(limits::STREAMS.into())
        // The control stream and the two of QPACK, and room for what a client greases.
        .max_concurrent_uni_streams(8u32.into())
        .stream_receive_window(limits::STREAM_WINDOW.into())
        .receive_window(limits::QUIC_CONNECTION_WINDOW.into())
        .send_window(limits::QUIC_SEND_WINDOW)
        .max_idle_timeout(without_packets(timeouts).try_into().ok())
        .datagram_receive_buffer_size(None);
    transport
}

/// How long a connection may be without packets. A site that keeps idle clients for longer than
/// others do keeps them here too; a client that is gone says nothing, so there is an end to it.
fn without_packets(timeouts: &Timeouts) -> Duration {
    match timeouts.idle {
        None => limits::QUIC_IDLE_MOST,
        Some(idle) if idle > limits::KEEP_ALIVE_IDLE => idle.min(limits::QUIC_IDLE_MOST),
        Some(_) => limits::QUIC_IDLE,
    }
}

/// Ends what is left on the endpoints and waits until the last packets are out.
pub(crate) async fn goodbye(all: impl Iterator<Item = &Listening>) {
    for Listening { endpoint, .. } in all {
        endpoint.close(VarInt::from_u32(Code::H3_NO_ERROR.value() as u32), b"");
        let _ = timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
    }
}

/// Accepts until told to stop. What has come by then is served.
async fn accept_all(
    worker: Rc<Worker>,
    addr: SocketAddr,
    listening: Listening,
    accepting: CancellationToken,
) {
    let Listening { endpoint, socket } = listening;
    let handshakes = InFlight::default();
    loop {
        let incoming = tokio::select! {
            () = accepting.cancelled() => break,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        admit((&worker, addr, &socket), incoming, (&accepting, &handshakes));
    }
    while let Some(Some(incoming)) = endpoint.accept().now_or_never() {
        admit((&worker, addr, &socket), incoming, (&accepting, &handshakes));
    }
}

fn admit(
    (worker, addr, socket): (&Rc<Worker>, SocketAddr, &packets::Socket),
    incoming: quinn::Incoming,
    (closing, handshakes): (&CancellationToken, &InFlight),
) {
    match admission(handshakes.count(), incoming.remote_address_validated()) {
        Admission::Handshake => {}
        Admission::Retry => return drop(incoming.retry()),
        Admission::Refuse => return incoming.refuse(),
    }
    let Ok(slot) = worker.slots.clone().try_acquire_owned() else {
        return incoming.refuse();
    };
    let is_proven = incoming.remote_address_validated();
    let watch = (!is_proven).then(|| socket.watch(incoming.remote_address()));
    let ends = (addr, unmapped(incoming.remote_address()));
    let connection = Connection::new(worker.clone(), ends, closing.clone(), slot);
    // Boxed, since setting up needs more than a connection that stands.
    let standing = Box::pin(establish(connection, incoming, (handshakes.enter(), watch)));
    tokio::task::spawn_local(async move {
        if let Some(standing) = standing.await {
            serve(standing).await;
        }
    });
}

/// A connection that may have requests.
struct Standing {
    connection: Connection,
    quic: quinn::Connection,
    door: Rc<Door>,
    h3: Box<h3::server::Connection<Transport, Bytes>>,
    accepted_stream: LastAccepted,
    patience: Patience,
    idle: Idle,
}

async fn establish(
    connection: Connection,
    incoming: quinn::Incoming,
    handshake: (Ticket, Option<packets::Watch>),
) -> Option<Standing> {
    let remote = connection.remote;
    let trouble = |error: &dyn Display| log::debug!("QUIC handshake with {remote}: {error}");
    let connecting = match config_at(&connection, incoming.local_ip()) {
        Some(config) => incoming.accept_with(Arc::new(config)),
        None => incoming.accept(),
    };
    let connecting = connecting.inspect_err(|error| trouble(error)).ok()?;
    let in_time = timeout(TLS_HANDSHAKE, connecting).await;
    drop(handshake);
    let connected = in_time.inspect_err(|error| trouble(error)).ok()?;
    let quic = connected.inspect_err(|error| trouble(error)).ok()?;
    let client = Client::of(&quic);
    if !is_admitted(&connection, &client) {
        quic.close(CERTIFICATE_REQUIRED, b"this site asks for a client certificate");
        return None;
    }
    let (timeouts, header_bytes) = settings(&connection)?;
    let local =
        SocketAddr::new(quic.local_ip().unwrap_or(connection.addr.ip()), connection.addr.port());
    let peer = Arc::new(Peer {
        remote,
        local: unmapped(local),
        tls: Some(facts(client)),
        kept: Kept::default(),
    });
    let door = Door::new(&connection, peer, timeouts);
    let (patience, idle) = (Patience::new(), Idle::new(timeouts.idle));
    let frame_bytes = (header_bytes + limits::HEADER_EXCESS) as u64;
    let transport = Transport::new(quic.clone(), frame_bytes, patience.clone());
    let accepted_stream = transport.last_accepted();
    let h3 = set_up(transport, header_bytes).await;
    let h3 = h3.inspect_err(|error| log::debug!("HTTP/3 with {remote}: {error}")).ok()?;
    Some(Standing { connection, quic, door, h3, accepted_stream, patience, idle })
}

/// What becomes of a client's first packet.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Handshake,
    /// Under a flood a client proves its address first (RFC 9000 section 8.1.2).
    Retry,
    Refuse,
}

fn admission(handshakes: usize, address_is_proven: bool) -> Admission {
    match handshakes {
        limits::QUIC_INCOMING.. => Admission::Refuse,
        limits::QUIC_RETRY_ABOVE.. if !address_is_proven => Admission::Retry,
        _ => Admission::Handshake,
    }
}

async fn serve(standing: Standing) {
    let Standing { connection, quic, door, mut h3, accepted_stream, patience, mut idle } = standing;
    let requests = InFlight::default();
    let tunnels = Tunnels::new(quic.clone());
    let mut stage = Stage::Open;
    let mut is_fresh = true;
    let mut alive = Alive::default();
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
                    let (door, request) = (door.clone(), requests.enter());
                    let (tunnels, quic) = (tunnels.clone(), quic.clone());
                    let (patience, busy) = (patience.clone(), idle.busy());
                    tokio::task::spawn_local(async move {
                        let _request = (request, busy);
                        tokio::select! {
                            biased;
                            // Whatever is under way for the client ends too.
                            by_client = given_up(&stream) => if by_client {
                                patience.strain(&quic);
                            },
                            () = serve_stream(&door, resolver, &stream, &tunnels) => {}
                        }
                    });
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
                // h3 names the last request that it takes, and a client takes that for the first
                // one refused.
                if h3.shutdown(1).await.is_err() {
                    break;
                }
            }
            () = requests.none_left(), if matches!(stage, Stage::Last) => break,
            () = alive.keep(&quic, &requests), if requests.count() > 0 => {}
            () = idle.is_over(&requests), if matches!(stage, Stage::Open) => {
                stage = Stage::Closing(Instant::now());
                is_fresh = false;
            }
        }
        if matches!(stage, Stage::Closing(_)) && !is_fresh {
            // Of requests that are on their way already.
            if h3.shutdown(limits::STREAMS as usize).await.is_err() {
                break;
            }
            stage = Stage::GoingAway(Instant::now() + quic.rtt() * 3 + LATE_REQUESTS);
        }
    }
    last_packets(&quic).await;
}

/// How far a connection is on its way to its end (RFC 9114 section 5.2).
enum Stage {
    Open,
    /// Up to then a client that has just connected may send its first request.
    Closing(Instant),
    /// The client knows; up to then come requests that it sent before it did.
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

/// Opens the connection's own streams and says its SETTINGS.
async fn set_up(
    transport: Transport,
    header_bytes: usize,
) -> Result<Box<h3::server::Connection<Transport, Bytes>>, h3::error::ConnectionError> {
    let mut settings = h3::server::builder();
    let head = header_bytes + limits::HEADER_EXCESS;
    settings.max_field_section_size(head as u64).enable_extended_connect(true);
    settings.build(transport).await.map(Box::new)
}

/// Closing a connection drops what it has not sent; waits while the client still acknowledges.
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

fn settings(connection: &Connection) -> Option<(Timeouts, usize)> {
    let snapshot = connection.worker.snapshot();
    let listener = snapshot.listener(connection.addr)?;
    Some((listener.timeouts, listener.header_bytes))
}

/// Whether the client has shown what the site it named asks for: the endpoint's handshake is the
/// same for all its sites and cannot tell.
fn is_admitted(connection: &Connection, client: &Client) -> bool {
    let snapshot = connection.worker.snapshot();
    let Some(listener) = snapshot.listener(connection.addr) else { return false };
    let Some(tls) = &listener.tls else { return false };
    tls.admits(client.server_name.as_deref(), &client.chain)
}

fn facts(client: Client) -> TlsFacts {
    let certificate = client.chain.first().map(|leaf| leaf.as_ref().to_vec());
    TlsFacts {
        server_name: client.server_name,
        protocol: "tls1.3",
        cipher: client.cipher,
        client: certificate,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handshakes_are_bounded() {
        use Admission::{Handshake, Refuse, Retry};
        for (handshakes, unknown, proven) in [
            (0, Handshake, Handshake),
            (255, Handshake, Handshake),
            (256, Retry, Handshake),
            (1023, Retry, Handshake),
            (1024, Refuse, Refuse),
            (5000, Refuse, Refuse),
        ] {
            assert_eq!(admission(handshakes, false), unknown, "{handshakes}");
            assert_eq!(admission(handshakes, true), proven, "{handshakes}");
        }
    }
}
