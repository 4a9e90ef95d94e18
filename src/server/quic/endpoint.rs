//! HTTP/3: a QUIC endpoint per worker and address, its connections and their request streams.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use h3::error::Code;
use quinn::{Endpoint, VarInt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::config::server_config;
use super::connection::{establish, serve};
use super::packets::{self, Place};
use crate::http::limits::{self};
use crate::http::request::unmapped;
use crate::server::connection::Connection;
use crate::server::context::Worker;
use crate::server::drain::InFlight;

/// An endpoint and the socket under it.
#[derive(Clone)]
pub(crate) struct Listening {
    pub(crate) endpoint: Endpoint,
    pub(crate) socket: Arc<packets::Socket>,
}

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
