//! Clients whose packets were handed over, with the socket that they know: answers go only to them,
//! and by it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::known::Client;
use super::out::Out;
use crate::server::quic::packets::recent::Recent;

/// How long after a client's last packet answers for it are passed on.
const KEPT: Duration = Duration::from_secs(60);
/// Clients at a time.
const CLIENTS: usize = 1 << 16;

#[derive(Clone)]
pub(super) struct Caller {
    /// The listener that the client writes to, and its socket.
    pub(super) listener: SocketAddr,
    pub(super) out: Arc<Out>,
    /// The address of this machine that the client writes to.
    pub(super) ip: Option<IpAddr>,
}

pub(super) struct Callers {
    clients: Recent<SocketAddr, Caller, Duration>,
    /// Those of the process before whose listener is not open yet.
    resumed: Vec<Client>,
}

impl Default for Callers {
    fn default() -> Self {
        Self { clients: Recent::new(CLIENTS, KEPT), resumed: Vec::new() }
    }
}

impl Callers {
    /// Its packet has come. False: there are too many.
    pub(super) fn note(&mut self, client: SocketAddr, caller: Caller, now: Duration) -> bool {
        self.clients.insert(client, caller, now)
    }

    /// The listener is closed: the table must not keep its socket open.
    pub(super) fn forget(&mut self, listener: SocketAddr) {
        self.clients.retain(|caller| caller.listener != listener);
    }

    pub(super) fn get(&self, client: SocketAddr, now: Duration) -> Option<Caller> {
        self.clients.get(&client, now).cloned()
    }

    /// Begins with those of the process before, as soon as their listeners are open.
    pub(super) fn resume(&mut self, clients: Vec<Client>) {
        self.resumed = clients;
    }

    pub(super) fn opened(&mut self, listener: SocketAddr, out: &Arc<Out>, now: Duration) {
        let (here, later): (Vec<_>, _) =
            self.resumed.drain(..).partition(|one| one.listener == listener);
        self.resumed = later;
        for Client { client, ip, .. } in here {
            self.note(client, Caller { listener, out: out.clone(), ip }, now);
        }
    }

    /// For the next process.
    pub(super) fn clients(&self, now: Duration) -> Vec<Client> {
        let client = |(client, caller): (&SocketAddr, &Caller)| {
            let Caller { listener, ip, .. } = *caller;
            Client { client: *client, listener, ip }
        };
        self.clients.iter(now).map(client).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn the_callers_of_a_closed_listener_are_forgotten() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listener = socket.local_addr().unwrap();
        let out = Arc::new(Out::new(socket).unwrap());
        let (client, other) = ("192.0.2.1:1".parse().unwrap(), "127.0.0.1:9".parse().unwrap());
        let mut callers = Callers::default();
        let caller = Caller { listener, out: out.clone(), ip: None };
        assert!(callers.note(client, caller, Duration::ZERO));
        callers.forget(other);
        assert!(callers.get(client, Duration::ZERO).is_some());
        assert!(callers.get(client, KEPT).is_none(), "old");
        callers.forget(listener);
        assert!(callers.get(client, Duration::ZERO).is_none());
        assert_eq!(Arc::strong_count(&out), 1, "its socket is not kept open");
    }
}
