//! Takes TCP connections: bounded in number, patient when descriptors run out, through the TLS
//! handshake to the protocol that ALPN chose.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rustls::ServerConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::drain::Ticket;
use super::gather::{Gathered, Outbox, gather};
use super::http;
use super::proxy_protocol;
use super::worker::Worker;
use crate::http::kept::Kept;
use crate::http::limits::TLS_HANDSHAKE;
use crate::http::request::{Peer, TlsFacts, unmapped};

/// How long accepting rests when the process has no descriptor left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// Accepts on the worker's socket until told to stop. What has connected by then is served.
pub(super) fn listen(
    worker: Rc<Worker>,
    addr: SocketAddr,
    socket: std::net::TcpListener,
    accepting: CancellationToken,
) -> io::Result<()> {
    let listener = TcpListener::from_std(socket)?;
    tokio::task::spawn_local(async move {
        // A drain waits for the last of them.
        let _ticket = worker.in_flight.enter();
        tokio::select! {
            () = accepting.cancelled() => {}
            () = accept_all(&worker, addr, &listener, &accepting) => {}
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

async fn accept_all(
    worker: &Rc<Worker>,
    addr: SocketAddr,
    listener: &TcpListener,
    accepting: &CancellationToken,
) {
    loop {
        let Ok(slot) = worker.slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok(accepted) => admit(worker, addr, accepted, (accepting.clone(), slot)),
            Err(error) if is_about_one_client(&error) => {}
            Err(error) => {
                log::error!("accepting on {addr}: {error}");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

fn is_about_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// An accepted connection on its way to a protocol.
pub(super) struct Connection {
    pub(super) worker: Rc<Worker>,
    /// The address as bound, which names the listener in every snapshot.
    pub(super) addr: SocketAddr,
    pub(super) remote: SocketAddr,
    /// The listener closes or the process drains.
    pub(super) closing: CancellationToken,
    _slot: OwnedSemaphorePermit,
    _ticket: Ticket,
}

impl Connection {
    /// `ends` are the address as bound and the client's.
    pub(super) fn new(
        worker: Rc<Worker>,
        ends: (SocketAddr, SocketAddr),
        closing: CancellationToken,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let ticket = worker.in_flight.enter();
        Self { worker, addr: ends.0, remote: ends.1, closing, _slot: slot, _ticket: ticket }
    }
}

async fn serve(mut connection: Connection, stream: TcpStream) {
    // What a handshake needs is given back when the connection stands.
    match Box::pin(open(&mut connection, stream)).await {
        Some(Opened::Plain(peer, stream)) => {
            http::serve_http1(connection, peer, stream, None).await;
        }
        Some(Opened::Secure(peer, Secure { io, outbox, http2: true })) => {
            http::serve_http2(connection, peer, io, outbox).await;
        }
        Some(Opened::Secure(peer, Secure { io, outbox, .. })) => {
            http::serve_http1(connection, peer, io, Some(outbox)).await;
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
        let peer = Peer { remote, local, tls: None, kept: Kept::default() };
        return Some(Opened::Plain(Arc::new(peer), stream));
    };
    let stream = match tokio::time::timeout(TLS_HANDSHAKE, tls.accept(stream, local.ip())).await {
        Ok(Ok(stream)) => stream?,
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

fn facts(session: &ServerConnection) -> TlsFacts {
    TlsFacts {
        server_name: session.server_name().map(str::to_owned),
        protocol: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "tls1.2",
            _ => "tls1.3",
        },
        cipher: session
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default(),
        client: session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| leaf.as_ref().to_vec()),
    }
}
