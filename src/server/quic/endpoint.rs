//! A QUIC endpoint per worker and address: admits connections.

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
use super::connection::{Handshake, establish, serve};
use super::packets::{self, Place};
use crate::limits;
use crate::server::connection::Connection;
use crate::server::context::Worker;
use crate::server::drain::InFlight;

/// An endpoint and its socket.
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
    let own = place.endpoint_config(&worker.keys);
    let socket = packets::Socket::new(place, worker.keys.clone())?;
    let runtime = Arc::new(packets::Tasks);
    let endpoint = Endpoint::new_with_abstract_socket(own, config, socket.clone(), runtime)?;
    let listening = Listening { endpoint, socket };
    let listening_on = listening.clone();
    let handshakes = InFlight::default();
    let acceptor = Acceptor { worker, addr, listening: listening_on, accepting, handshakes };
    tokio::task::spawn_local(acceptor.accept_all());
    Ok(listening)
}

/// Closes the remaining connections of the endpoints and waits until the last packets have been
/// sent.
pub(crate) async fn close_endpoints(all: impl Iterator<Item = &Listening>) {
    for Listening { endpoint, .. } in all {
        endpoint.close(VarInt::from_u32(Code::H3_NO_ERROR.value() as u32), b"");
        let _ = timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
    }
}

/// An endpoint that accepts connections.
struct Acceptor {
    worker: Rc<Worker>,
    /// The bound address.
    addr: SocketAddr,
    listening: Listening,
    accepting: CancellationToken,
    handshakes: InFlight,
}

impl Acceptor {
    /// Accepts until told to stop. Connections that have arrived by then are served.
    async fn accept_all(self) {
        let endpoint = &self.listening.endpoint;
        loop {
            let incoming = tokio::select! {
                () = self.accepting.cancelled() => break,
                incoming = endpoint.accept() => incoming,
            };
            let Some(incoming) = incoming else { return };
            self.admit(incoming);
        }
        while let Some(Some(incoming)) = endpoint.accept().now_or_never() {
            self.admit(incoming);
        }
    }

    fn admit(&self, incoming: quinn::Incoming) {
        let (remote, is_proven) = (incoming.remote_address(), incoming.remote_address_validated());
        match admission(self.handshakes.count(), is_proven) {
            Admission::Handshake => {}
            Admission::Retry => {
                self.worker.metrics.quic().retry();
                return drop(incoming.retry());
            }
            Admission::Refuse => return self.refuse(incoming),
        }
        let Ok(slot) = self.worker.slots.clone().try_acquire_owned() else {
            return self.refuse(incoming);
        };
        let watch = (!is_proven).then(|| self.listening.socket.watch(remote));
        let held = Handshake { _ticket: self.handshakes.enter(), _watch: watch };
        let (worker, closing) = (self.worker.clone(), self.accepting.clone());
        let connection = Connection::new(worker, self.addr, remote, closing, slot);
        // Boxed because the setup needs more memory than an established connection.
        let standing = Box::pin(establish(connection, incoming, held));
        tokio::task::spawn_local(async move {
            if let Some(standing) = standing.await {
                serve(standing).await;
            }
        });
    }

    fn refuse(&self, incoming: quinn::Incoming) {
        self.worker.metrics.quic().refuse();
        incoming.refuse();
    }
}

/// How a client's first packet is handled.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    Handshake,
    /// Under a flood, clients must validate their address first (RFC 9000 section 8.1.2).
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
