//! Clients whose packets were handed over, with the socket that they know: answers go only to them,
//! and by it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::known::Client;
use super::out::Out;

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
    /// When its last packet came.
    pub(super) at: Duration,
}

#[derive(Default)]
pub(super) struct Callers(HashMap<SocketAddr, Caller>);

impl Callers {
    /// False: there are too many.
    pub(super) fn note(&mut self, client: SocketAddr, caller: Caller) -> bool {
        if self.0.len() >= CLIENTS && !self.0.contains_key(&client) {
            let now = caller.at;
            self.0.retain(|_, caller| is_kept(caller, now));
            if self.0.len() >= CLIENTS {
                return false;
            }
        }
        self.0.insert(client, caller);
        true
    }

    pub(super) fn get(&self, client: SocketAddr, now: Duration) -> Option<Caller> {
        self.0.get(&client).filter(|caller| is_kept(caller, now)).cloned()
    }

    /// For the next process.
    pub(super) fn clients(&self, now: Duration) -> Vec<Client> {
        let kept = self.0.iter().filter(|(_, caller)| is_kept(caller, now));
        let client = |(client, caller): (&SocketAddr, &Caller)| {
            let Caller { listener, ip, .. } = *caller;
            Client { client: *client, listener, ip }
        };
        kept.map(client).collect()
    }
}

fn is_kept(caller: &Caller, now: Duration) -> bool {
    now.saturating_sub(caller.at) < KEPT
}
