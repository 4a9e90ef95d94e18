//! Accepts TCP connections: limits their number, waits when descriptors run out, and runs the TLS
//! handshake up to the protocol that ALPN selects.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::Either;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::batched_tls::{BatchedTls, Flusher, batch};
use super::client_stream::ClientStream;
use super::proxy_protocol;
use super::serve;
use crate::http::request::Peer;
use crate::limits::{ROOM_GRACE, TLS_HANDSHAKE, UNSENT_BYTES};
use crate::metrics::{HandshakeFailure, Transport};
use crate::net::tcp_info::tcp_info;
use crate::server::connection::{Connection, TlsSession};
use crate::server::context::Worker;
use crate::server::handshake_failure;
use crate::server::measure::Meter;
use crate::site::Listener;

/// The pause of accepting when the process has no free descriptor.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);
/// How often the log may report that no more clients can be accepted.
const COMPLAINTS: Duration = Duration::from_secs(60);

/// Accepts on the worker's socket until told to stop. Connections that have arrived by then are
/// served.
pub(crate) fn listen(
    worker: Rc<Worker>,
    addr: SocketAddr,
    socket: std::net::TcpListener,
    accepting: CancellationToken,
) -> io::Result<()> {
    prepare(&worker, addr, &socket);
    let listener = TcpListener::from_std(socket)?;
    let mut acceptor = Acceptor { worker, addr, listener, accepting, waiting: None };
    tokio::task::spawn_local(async move {
        // A drain waits for the last of them.
        let _ticket = acceptor.worker.in_flight.enter();
        let accepting = acceptor.accepting.clone();
        tokio::select! {
            () = accepting.cancelled() => {}
            () = acceptor.accept_all() => {}
        }
        acceptor.accept_rest().await;
    });
    Ok(())
}

/// Sets what accepted connections inherit, unless they were established before.
fn prepare(worker: &Worker, addr: SocketAddr, socket: &std::net::TcpListener) {
    let socket = SockRef::from(socket);
    let snapshot = worker.snapshot();
    let wanted = snapshot.listener(addr).and_then(|listener| listener.tcp_congestion.as_ref());
    if let Some(wanted) = wanted
        && let Err(error) = socket.set_tcp_congestion(wanted.name().as_bytes())
    {
        log::error!("-tcp-congestion {wanted} on {addr}: {error}; the kernel's default is used");
    }
}

/// A listening socket of a worker.
struct Acceptor {
    worker: Rc<Worker>,
    /// The bound address.
    addr: SocketAddr,
    listener: TcpListener,
    accepting: CancellationToken,
    /// The accepted client that waits for a slot; later ones wait in the kernel's queue.
    waiting: Option<Accepted>,
}

struct Accepted {
    stream: TcpStream,
    remote: SocketAddr,
}

impl Acceptor {
    /// Accepts one connection after the other.
    async fn accept_all(&mut self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    self.waiting = Some(Accepted { stream, remote });
                    let Ok(slot) = place(&self.worker).await else { return };
                    self.admit_waiting(slot);
                }
                Err(error) if is_about_one_client(&error) => {}
                Err(error) => {
                    if ACCEPT_FAILURE.is_due() {
                        log::error!("cannot accept connections on {}: {error}", self.addr);
                    }
                    self.worker.room.notify_one();
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                }
            }
        }
    }

    /// Serves the connections that arrived before the end.
    async fn accept_rest(&mut self) {
        // It is already accepted, so no other process can serve it.
        if self.waiting.is_some()
            && let Ok(slot) = place(&self.worker).await
        {
            self.admit_waiting(slot);
        }
        while let Some(Ok((stream, remote))) = self.listener.accept().now_or_never()
            && let Ok(slot) = self.worker.slots.clone().try_acquire_owned()
        {
            self.admit(Accepted { stream, remote }, slot);
        }
    }

    fn admit_waiting(&mut self, slot: OwnedSemaphorePermit) {
        if let Some(client) = self.waiting.take() {
            self.admit(client, slot);
        }
    }

    fn admit(&self, client: Accepted, slot: OwnedSemaphorePermit) {
        let (worker, closing) = (self.worker.clone(), self.accepting.clone());
        let connection = Connection::new(worker, self.addr, client.remote, closing, slot);
        tokio::task::spawn_local(serve_client(connection, client.stream));
    }
}

/// A slot for one more client: if none is free, the client that has been idle for longest must make
/// room.
async fn place(worker: &Worker) -> Result<OwnedSemaphorePermit, AcquireError> {
    if let Ok(slot) = worker.slots.clone().try_acquire_owned() {
        return Ok(slot);
    }
    if FULL.is_due() {
        log::warn!(
            "the limit of open files allows no more clients: new ones wait; raise the limit \
            (LimitNOFILE= in the unit, or ulimit -n)"
        );
    }
    loop {
        worker.room.notify_one();
        // One that was asked may have got a request meanwhile: the next one is asked then.
        let slot = worker.slots.clone().acquire_owned();
        if let Ok(slot) = tokio::time::timeout(ROOM_GRACE, slot).await {
            return slot;
        }
    }
}

fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Limits messages that any new client could repeat to one per minute.
struct Seldom(Mutex<Option<Instant>>);

static FULL: Seldom = Seldom(Mutex::new(None));
static ACCEPT_FAILURE: Seldom = Seldom(Mutex::new(None));

impl Seldom {
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= COMPLAINTS);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

async fn serve_client(mut connection: Connection, stream: TcpStream) {
    // The state of the handshake is dropped when the connection is established.
    match Box::pin(open(&mut connection, stream)).await {
        Some(Opened::Plain(peer, stream)) => {
            serve::serve_http1(connection, peer, stream, None).await;
        }
        Some(Opened::Secure(peer, Secure { io, flusher, http2: true })) => {
            serve::serve_http2(connection, peer, io, flusher).await;
        }
        Some(Opened::Secure(peer, Secure { io, flusher, .. })) => {
            serve::serve_http1(connection, peer, io, Some(flusher)).await;
        }
        None => {}
    }
}

/// A connection that is ready for requests.
enum Opened {
    Plain(Rc<Peer>, ClientStream),
    Secure(Rc<Peer>, Secure),
}

struct Secure {
    io: BatchedTls,
    flusher: Flusher,
    http2: bool,
}

/// The client may have been waiting since before this process or this worker began: its connection
/// then has the options that the listening socket had at that time.
fn set_options(stream: &TcpStream, listener: &Listener) {
    // Without TCP_NODELAY the second small write of a response waits for the client's ACK.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
    if let Some(wanted) = &listener.tcp_congestion {
        let _ = socket.set_tcp_congestion(wanted.name().as_bytes());
    }
}

async fn open(connection: &mut Connection, mut stream: TcpStream) -> Option<Opened> {
    let local = stream.local_addr().unwrap_or(connection.addr);
    let snapshot = connection.worker.snapshot();
    let listener = snapshot.listener(connection.addr)?;
    set_options(&stream, listener);
    let rule = listener.settings.proxy_protocol.as_ref();
    let named = proxy_protocol::client(rule, &mut stream, connection.remote).await;
    let remote = named.map_err(|why| why.report(connection.remote)).ok()?;
    connection.remote = remote;
    // Behind a load balancer the connection says nothing of the client.
    if listener.measures && rule.is_none() {
        connection.meter = meter(connection.remote, &stream);
    }
    let Some(tls) = &listener.tls else {
        return Some(Opened::Plain(connection.peer(local, None), ClientStream::new(stream)));
    };
    let handshakes = connection.worker.metrics.handshakes(Transport::Tcp);
    let handshake = async {
        if begins_with_a_method(&stream).await {
            return Ok(Either::Left(stream));
        }
        tls.accept(stream, local.ip()).await.map(Either::Right)
    };
    let stream = match tokio::time::timeout(TLS_HANDSHAKE, handshake).await {
        // Dispatch responds that the port requires TLS.
        Ok(Ok(Either::Left(stream))) => {
            return Some(Opened::Plain(connection.peer(local, None), ClientStream::new(stream)));
        }
        Ok(Ok(Either::Right(stream))) => stream?,
        Ok(Err(error)) => {
            log::debug!("TLS handshake with {remote}: {error}");
            handshakes.failed(handshake_failure::of_tls(&error));
            not_connected(connection, listener);
            return None;
        }
        Err(_) => {
            log::debug!("TLS handshake with {remote}: timed out");
            handshakes.failed(HandshakeFailure::Timeout);
            not_connected(connection, listener);
            return None;
        }
    };
    let (socket, session) = stream.into_inner();
    let settled = TlsSession::of(session.server_name(), &session);
    handshakes.done(settled.handshake());
    let peer = connection.peer(local, Some(settled));
    let http2 = session.alpn_protocol() == Some(b"h2");
    let (io, flusher) = batch(socket, session);
    connection.meter.iter().for_each(|meter| flusher.measure(meter));
    Some(Opened::Secure(peer, Secure { io, flusher, http2 }))
}

/// For `quic_report`. Behind a load balancer there is no meter.
fn not_connected(connection: &Connection, listener: &Listener) {
    if connection.meter.is_some() {
        listener.not_connected(connection.remote.ip());
    }
}

/// For a connection that has just been accepted. Its first round trip is that of SYN-ACK and ACK.
fn meter(remote: SocketAddr, stream: &TcpStream) -> Option<Rc<Meter>> {
    let info = tcp_info(stream)?;
    Some(Rc::new(Meter::tcp(remote.ip(), Instant::now(), info.rtt)))
}

/// Whether a client speaks plain HTTP, by its first bytes, which stay in the socket: no TLS record
/// starts with letters.
async fn begins_with_a_method(stream: &TcpStream) -> bool {
    let mut first = [0; 4];
    let Ok(4) = stream.peek(&mut first).await else { return false };
    first[..3].iter().all(u8::is_ascii_uppercase)
        && (first[3].is_ascii_uppercase() || first[3] == b' ')
}
