//! What a process knows of the way and its successor does not: it would otherwise have to wait for
//! the engine, and an answer whose client is unknown is dropped.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::callers::Caller;
use super::out::Out;
use super::{Machines, Number, locked};

/// The state of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The engine's time in seconds.
    pub seconds: u64,
    /// Where the others reach us.
    pub address: SocketAddr,
    /// Where we reach the others.
    pub machines: Vec<(Number, SocketAddr)>,
    /// The clients whose packets were handed over.
    pub clients: Vec<Client>,
}

/// A client that gets answers from another machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    pub client: SocketAddr,
    /// The listener that it writes to.
    pub listener: SocketAddr,
    /// The address of this machine that it writes to, where the listener has several.
    pub ip: Option<IpAddr>,
}

impl Machines {
    /// What the next process of this machine must know; `None` while we do not know it.
    pub fn known(&self) -> Option<Known> {
        let now = self.begun.elapsed();
        let seconds = self.time()?;
        let address = self.address()?;
        let machines =
            locked(&self.peers).iter().map(|(number, peer)| (*number, peer.at)).collect();
        Some(Known { seconds, address, machines, clients: locked(&self.callers).clients(now) })
    }

    /// Begins with what the process before knew. Messages are taken from [`Self::start`] on.
    pub fn resume(&self, known: Known) {
        let Known { seconds, address, machines, clients } = known;
        self.learn(seconds, None, &machines);
        *locked(&self.address) = Some(address);
        *locked(&self.clients) = clients;
    }

    /// The clients of the process before have their listener again.
    pub(super) fn resume_clients(&self, listener: SocketAddr, out: &Arc<Out>) {
        let now = self.begun.elapsed();
        let mut clients = locked(&self.clients);
        let mut callers = locked(&self.callers);
        for Client { client, ip, .. } in clients.extract_if(.., |one| one.listener == listener) {
            callers.note(client, Caller { listener, out: out.clone(), ip, at: now });
        }
    }
}
