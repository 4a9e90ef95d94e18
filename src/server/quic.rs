//! HTTP/3: a QUIC endpoint per worker and address, its connections and their request streams.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use h3::error::Code;
use http::header;
use quinn::{Endpoint, TransportConfig, VarInt};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::accept::Connection;
use super::dispatch::{Door, dispatch};
use super::drain::{FIRST_REQUEST, InFlight, Ticket};
use super::h3_alive::Alive;
use super::h3_body::{H3Body, Receive};
use super::h3_connect::WEBSOCKET;
use super::h3_response::{self, Shared, answer, delivered};
use super::h3_transport::{LastAccepted, Transport, given_up};
use super::h3_tunnels::Tunnels;
use super::packets::{self, Place};
use super::quic_tls::{Client, Handshakes};
use super::upgrade::{extended_answer, extended_connect};
use super::worker::Worker;
use crate::http::kept::Kept;
use crate::http::limits::{self, HEADER_READ, TLS_HANDSHAKE};
use crate::http::request::{Peer, TlsFacts, unmapped};
use crate::http::response::NeedsHttp1;
use crate::http::{Body, Upgrade};

type Resolver = h3::server::RequestResolver<Transport, Bytes>;

/// The TLS alert certificate_required as a QUIC error (RFC 9001 section 4.8).
const CERTIFICATE_REQUIRED: VarInt = VarInt::from_u32(0x100 + 116);

/// An endpoint and the socket under it.
pub(super) struct Listening {
    pub(super) endpoint: Endpoint,
    pub(super) socket: Arc<packets::Socket>,
}

/// Beyond three round trips, for requests that a client sent before it knew of the end.
const LATE_REQUESTS: Duration = Duration::from_millis(50);

/// Bytes of a response beyond which it is worth asking whether the client has them all.
const LARGE: u64 = 64 * 1024;

/// Serves HTTP/3 on one of the worker's UDP sockets until told to stop.
pub(super) fn listen(
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
    tokio::task::spawn_local(accept_all(worker, addr, endpoint.clone(), accepting));
    Ok(Listening { endpoint, socket })
}

/// What new connections are offered, from the snapshot in force.
pub(super) fn server_config(worker: &Worker, addr: SocketAddr) -> Option<quinn::ServerConfig> {
    let snapshot = worker.snapshot();
    let tls = snapshot.listener(addr)?.tls.as_ref()?.quic.clone()?;
    offer(tls, worker, addr)
}

/// The same for a connection to an address that has a certificate of its own.
fn config_at(connection: &Connection, local: Option<IpAddr>) -> Option<quinn::ServerConfig> {
    let snapshot = connection.worker.snapshot();
    let tls = snapshot.listener(connection.addr)?.tls.as_ref()?.quic_at(local?)?.clone();
    offer(tls, &connection.worker, connection.addr)
}

fn offer(
    tls: Arc<rustls::ServerConfig>,
    worker: &Worker,
    addr: SocketAddr,
) -> Option<quinn::ServerConfig> {
    let Some(crypto) = Handshakes::new(tls) else {
        log::error!("HTTP/3 on {addr}: TLS_AES_128_GCM_SHA256 is not to be had");
        return None;
    };
    let mut config = quinn::ServerConfig::new(Arc::new(crypto), worker.family.tokens.clone());
    config.max_incoming(limits::QUIC_INCOMING);
    config.transport_config(Arc::new(transport()));
    Some(config)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(limits::STREAMS.into())
        // The control stream and the two of QPACK, and room for what a client greases.
        .max_concurrent_uni_streams(8u32.into())
        .stream_receive_window(limits::STREAM_WINDOW.into())
        .receive_window(limits::QUIC_CONNECTION_WINDOW.into())
        .send_window(limits::QUIC_SEND_WINDOW)
        .max_idle_timeout(limits::QUIC_IDLE.try_into().ok())
        .datagram_receive_buffer_size(None);
    transport
}

/// Ends what is left on the endpoints and waits until the last packets are out.
pub(super) async fn goodbye(all: impl Iterator<Item = &Listening>) {
    for Listening { endpoint, .. } in all {
        endpoint.close(VarInt::from_u32(Code::H3_NO_ERROR.value() as u32), b"");
        let _ = timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
    }
}

/// Accepts until told to stop. What has come by then is served.
async fn accept_all(
    worker: Rc<Worker>,
    addr: SocketAddr,
    endpoint: Endpoint,
    accepting: CancellationToken,
) {
    let handshakes = InFlight::default();
    loop {
        let incoming = tokio::select! {
            () = accepting.cancelled() => break,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        admit(&worker, addr, incoming, (&accepting, &handshakes));
    }
    while let Some(Some(incoming)) = endpoint.accept().now_or_never() {
        admit(&worker, addr, incoming, (&accepting, &handshakes));
    }
}

fn admit(
    worker: &Rc<Worker>,
    addr: SocketAddr,
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
    let ends = (addr, unmapped(incoming.remote_address()));
    let connection = Connection::new(worker.clone(), ends, closing.clone(), slot);
    // Boxed, since setting up needs more than a connection that stands.
    let standing = Box::pin(establish(connection, incoming, handshakes.enter()));
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
}

async fn establish(
    connection: Connection,
    incoming: quinn::Incoming,
    handshake: Ticket,
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
    let transport = Transport::new(quic.clone(), (header_bytes + limits::HEADER_EXCESS) as u64);
    let accepted_stream = transport.last_accepted();
    let h3 = set_up(transport, header_bytes).await;
    let h3 = h3.inspect_err(|error| log::debug!("HTTP/3 with {remote}: {error}")).ok()?;
    Some(Standing { connection, quic, door, h3, accepted_stream })
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
    let Standing { connection, quic, door, mut h3, accepted_stream } = standing;
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
                        h3_response::reset(&stream, Code::H3_REQUEST_REJECTED);
                        continue;
                    }
                    is_fresh = false;
                    let (door, request) = (door.clone(), requests.enter());
                    let tunnels = tunnels.clone();
                    tokio::task::spawn_local(async move {
                        let _request = request;
                        tokio::select! {
                            // Whatever is under way for the client ends too.
                            () = given_up(&stream) => {}
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

fn settings(connection: &Connection) -> Option<(limits::Timeouts, usize)> {
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
        cipher: String::new(),
        client: certificate,
    }
}

async fn serve_stream(door: &Rc<Door>, resolver: Resolver, stream: &Shared, tunnels: &Rc<Tunnels>) {
    let (request, halves) = match timeout(HEADER_READ, resolver.resolve_request()).await {
        Ok(Ok(resolved)) => resolved,
        Ok(Err(error)) => return log::debug!("HTTP/3 request: {error}"),
        Err(_) => return log::debug!("HTTP/3 request: its head did not end in time"),
    };
    // h3 counts the request as under way for as long as its half lives.
    let (_counted, receive) = halves.split();
    if request.extensions().get::<h3::ext::Protocol>().is_some() {
        let body = H3Body::new(receive, None);
        return Box::pin(serve_tunnel(door, request, body, (stream, tunnels))).await;
    }
    let Some(body) = body(&request, receive) else {
        return h3_response::reset(stream, Code::H3_MESSAGE_ERROR);
    };
    let request = door.receive(request.map(|()| Body::new(body)));
    let deadline = door.response_deadline();
    let response = dispatch(door, request, None).await;
    send(stream, response, deadline).await;
}

/// A request for another protocol on its stream (RFC 9220).
async fn serve_tunnel(
    door: &Rc<Door>,
    mut request: http::Request<()>,
    body: H3Body,
    (stream, tunnels): (&Shared, &Rc<Tunnels>),
) {
    let is_websocket = request.extensions().get() == Some(&WEBSOCKET);
    let name = if is_websocket { "websocket" } else { "" };
    let (protocol, verdict) = match extended_connect(&mut request, name) {
        Ok(protocol) => (Some(protocol), None),
        Err(refused) => (None, Some(refused)),
    };
    let mut request = door.receive(request.map(|()| Body::empty()));
    let mut tunnel = None;
    if let Some(protocol) = protocol {
        let opened = door.tunnel(&protocol);
        let incoming = opened.inward(Body::new(body));
        request.upgrade = Some(Box::new(Upgrade { protocol, incoming }));
        tunnel = Some(opened);
    }
    let (response, granted) = extended_answer(dispatch(door, request, verdict).await);
    let _open = granted.then(|| tunnels.open());
    let response = match tunnel.filter(|_| granted) {
        Some(tunnel) => response.map(|body| tunnel.outward(body)),
        None => response,
    };
    send(stream, response, None).await;
}

async fn send(stream: &Shared, response: http::Response<Body>, deadline: Option<Instant>) {
    if response.extensions().get::<NeedsHttp1>().is_some() {
        return h3_response::reset(stream, Code::H3_VERSION_FALLBACK);
    }
    let answered = async {
        match deadline {
            Some(at) => tokio::time::timeout_at(at, answer(stream, response)).await?,
            None => answer(stream, response).await,
        }
    };
    match answered.await {
        // Much of it may still be here, and the connection must not end before it has gone.
        Ok(length) if length > LARGE => delivered(stream).await,
        Ok(_) => {}
        Err(error) => {
            // Dropping the stream would finish it, and a cut body would look whole.
            log::debug!("HTTP/3 response: {error}");
            h3_response::reset(stream, Code::H3_INTERNAL_ERROR);
        }
    }
}

/// The request's body, if what came of it so far is well-formed.
fn body(request: &http::Request<()>, receive: Receive) -> Option<H3Body> {
    let mut body = H3Body::new(receive, content_length(request).ok()?);
    // Whoever reads on registers anew.
    body.peek(&mut Context::from_waker(Waker::noop())).ok()?;
    Some(body)
}

fn content_length(request: &http::Request<()>) -> Result<Option<u64>, ()> {
    let mut lengths = request.headers().get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(None) };
    let digits = first.as_bytes();
    if lengths.next().is_some() || digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    first.to_str().ok().and_then(|text| text.parse().ok()).map(Some).ok_or(())
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
