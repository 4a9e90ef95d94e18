//! Takes TCP connections: bounded in number, patient when descriptors run out, through the TLS
//! handshake to the protocol that ALPN chose.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::Either;
use rustls::ServerConnection;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{AcquireError, OwnedSemaphorePermit};
use tokio_util::sync::CancellationToken;

use super::gather::{Gathered, Outbox, gather};
use super::proxy_protocol;
use super::serve;
use crate::http::kept::Kept;
use crate::http::limits::{TLS_HANDSHAKE, UNSENT_BYTES};
use crate::http::request::{Peer, TlsFacts, unmapped};
use crate::server::connection::Connection;
use crate::server::context::Worker;
use crate::tls::cipher_name;

/// How long accepting rests when the process has no descriptor left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);
/// How often the log says that no more clients can be taken.
const COMPLAINTS: Duration = Duration::from_secs(60);

/// Accepts on the worker's socket until told to stop. What has connected by then is served.
pub(crate) fn listen(
    worker: Rc<Worker>,
    addr: SocketAddr,
    socket: std::net::TcpListener,
    accepting: CancellationToken,
) -> io::Result<()> {
    // Accepted connections have it from their listener.
    let _ = SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES);
    let listener = TcpListener::from_std(socket)?;
    tokio::task::spawn_local(async move {
        // A drain waits for the last of them.
        let _ticket = worker.in_flight.enter();
        let mut waiting = None;
        tokio::select! {
            () = accepting.cancelled() => {}
            () = accept_all(&worker, addr, (&listener, &mut waiting), &accepting) => {}
        }
        // It is accepted already, and no other process can have it.
        if let Some(client) = waiting
            && let Ok(slot) = place(&worker).await
        {
            admit(&worker, addr, client, (accepting.clone(), slot));
        }
        while let Some(Ok((stream, remote))) = listener.accept().now_or_never()
            && let Ok(slot) = worker.slots.clone().try_acquire_owned()
        {
            admit(&worker, addr, (stream, remote), (accepting.clone(), slot));
        }
    });
    Ok(())
}

fn admit(
    worker: &Rc<Worker>,
    addr: SocketAddr,
    (stream, remote): (TcpStream, SocketAddr),
    (closing, slot): (CancellationToken, OwnedSemaphorePermit),
) {
    let connection = Connection::new(worker.clone(), (addr, unmapped(remote)), closing, slot);
    tokio::task::spawn_local(serve(connection, stream));
}

/// Accepts one connection after the other. The one that there is no place for yet is `waiting`;
/// those behind it wait in the kernel.
async fn accept_all(
    worker: &Rc<Worker>,
    addr: SocketAddr,
    (listener, waiting): (&TcpListener, &mut Option<(TcpStream, SocketAddr)>),
    accepting: &CancellationToken,
) {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                *waiting = Some(accepted);
                let Ok(slot) = place(worker).await else { return };
                if let Some(client) = waiting.take() {
                    admit(worker, addr, client, (accepting.clone(), slot));
                }
            }
            Err(error) if is_about_one_client(&error) => {}
            Err(error) => {
                if ACCEPT_FAILURE.is_due() {
                    log::error!("accepting on {addr}: {error}");
                }
                worker.room.notify_one();
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

/// A place for one more client: where there is none, the client that has been idle for longest
/// makes room.
async fn place(worker: &Worker) -> Result<OwnedSemaphorePermit, AcquireError> {
    if let Ok(slot) = worker.slots.clone().try_acquire_owned() {
        return Ok(slot);
    }
    if FULL.is_due() {
        log::warn!(
            "as many clients are connected as the limit of open files allows: new ones wait; \
             raise it (LimitNOFILE= of the unit, ulimit -n)"
        );
    }
    worker.room.notify_one();
    worker.slots.clone().acquire_owned().await
}

fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Keeps what every new client could repeat down to a line each minute.
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

async fn serve(mut connection: Connection, stream: TcpStream) {
    // What a handshake needs is given back when the connection stands.
    match Box::pin(open(&mut connection, stream)).await {
        Some(Opened::Plain(peer, stream)) => {
            serve::serve_http1(connection, peer, stream, None).await;
        }
        Some(Opened::Secure(peer, Secure { io, outbox, http2: true })) => {
            serve::serve_http2(connection, peer, io, outbox).await;
        }
        Some(Opened::Secure(peer, Secure { io, outbox, .. })) => {
            serve::serve_http1(connection, peer, io, Some(outbox)).await;
        }
        None => {}
    }
}

/// A connection that requests can come on.
enum Opened {
    Plain(Arc<Peer>, TcpStream),
    Secure(Arc<Peer>, Secure),
}

struct Secure {
    io: Gathered,
    outbox: Outbox,
    http2: bool,
}

async fn open(connection: &mut Connection, mut stream: TcpStream) -> Option<Opened> {
    // Without it the second small write of a response waits for the client's ACK.
    let _ = stream.set_nodelay(true);
    let local = stream.local_addr().unwrap_or(connection.addr);
    let snapshot = connection.worker.snapshot();
    let listener = snapshot.listener(connection.addr)?;
    let rule = listener.proxy_protocol.as_ref();
    let named = proxy_protocol::client(rule, &mut stream, connection.remote).await;
    let remote = named.map_err(|why| why.report(connection.remote)).ok()?;
    connection.remote = remote;
    let Some(tls) = &listener.tls else {
        return Some(plain(remote, local, stream));
    };
    let handshake = async {
        if begins_with_a_method(&stream).await {
            return Ok(Either::Left(stream));
        }
        tls.accept(stream, local.ip()).await.map(Either::Right)
    };
    let stream = match tokio::time::timeout(TLS_HANDSHAKE, handshake).await {
        // Dispatch answers that the port wants TLS.
        Ok(Ok(Either::Left(stream))) => return Some(plain(remote, local, stream)),
        Ok(Ok(Either::Right(stream))) => stream?,
        Ok(Err(error)) => {
            log::debug!("TLS handshake with {remote}: {error}");
            return None;
        }
        Err(_) => {
            log::debug!("TLS handshake with {remote}: timed out");
            return None;
        }
    };
    let (socket, session) = stream.into_inner();
    let peer = Arc::new(Peer { remote, local, tls: Some(facts(&session)), kept: Kept::default() });
    let http2 = session.alpn_protocol() == Some(b"h2");
    let (io, outbox) = gather(socket, session);
    Some(Opened::Secure(peer, Secure { io, outbox, http2 }))
}

fn plain(remote: SocketAddr, local: SocketAddr, stream: TcpStream) -> Opened {
    let peer = Peer { remote, local, tls: None, kept: Kept::default() };
    Opened::Plain(Arc::new(peer), stream)
}

/// Whether a client speaks plain HTTP, by what it says first. It stays in the socket; no TLS
/// record begins with letters.
async fn begins_with_a_method(stream: &TcpStream) -> bool {
    let mut first = [0; 4];
    let Ok(4) = stream.peek(&mut first).await else { return false };
    first[..3].iter().all(u8::is_ascii_uppercase)
        && (first[3].is_ascii_uppercase() || first[3] == b' ')
}

fn facts(session: &ServerConnection) -> TlsFacts {
    TlsFacts {
        server_name: session.server_name().map(str::to_owned),
        protocol: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "tls1.2",
            _ => "tls1.3",
        },
        cipher: session.negotiated_cipher_suite().map_or("", |suite| cipher_name(suite.suite())),
        client: session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| leaf.as_ref().to_vec()),
    }
}
