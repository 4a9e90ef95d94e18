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
/// A full table is searched for old clients once in this time: it costs as much as hundreds of
/// packets.
const SEARCH: Duration = Duration::from_secs(1);

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
pub(super) struct Callers {
    clients: HashMap<SocketAddr, Caller>,
    searched: Option<Duration>,
    /// Those of the process before whose listener is not open yet.
    resumed: Vec<Client>,
}

impl Callers {
    /// False: there are too many.
    pub(super) fn note(&mut self, client: SocketAddr, caller: Caller) -> bool {
        if self.clients.len() >= CLIENTS && !self.clients.contains_key(&client) {
            let now = caller.at;
            if self.searched.is_none_or(|at| now.saturating_sub(at) >= SEARCH) {
                self.searched = Some(now);
                self.clients.retain(|_, caller| is_kept(caller, now));
            }
            if self.clients.len() >= CLIENTS {
                return false;
            }
        }
        self.clients.insert(client, caller);
        true
    }

    /// The listener is closed: the table must not keep its socket open.
    pub(super) fn forget(&mut self, listener: SocketAddr) {
        self.clients.retain(|_, caller| caller.listener != listener);
    }

    pub(super) fn get(&self, client: SocketAddr, now: Duration) -> Option<Caller> {
        self.clients.get(&client).filter(|caller| is_kept(caller, now)).cloned()
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
            self.note(client, Caller { listener, out: out.clone(), ip, at: now });
        }
    }

    /// For the next process.
    pub(super) fn clients(&self, now: Duration) -> Vec<Client> {
        let kept = self.clients.iter().filter(|(_, caller)| is_kept(caller, now));
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

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn client(number: usize) -> SocketAddr {
        let number = u32::try_from(number).unwrap();
        SocketAddr::from((number.to_be_bytes(), 1))
    }

    #[test]
    fn a_full_table_is_searched_once_a_second() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listener = socket.local_addr().unwrap();
        let out = Arc::new(Out::new(socket).unwrap());
        let at = |at| Caller { listener, out: out.clone(), ip: None, at };
        let mut callers = Callers::default();
        for number in 0..CLIENTS {
            assert!(callers.note(client(number), at(Duration::ZERO)));
        }
        let late = KEPT - Duration::from_millis(500);
        assert!(!callers.note(client(CLIENTS), at(late)));
        assert!(callers.note(client(1), at(late)), "one that is known stays");
        // All others are old now, but the search was just done.
        assert!(!callers.note(client(CLIENTS), at(KEPT)));
        assert!(callers.note(client(CLIENTS), at(late + SEARCH)));
        assert_eq!(callers.clients.len(), 2);
        assert!(callers.get(client(1), KEPT).is_some());
        let other = "127.0.0.1:9".parse().unwrap();
        callers.forget(other);
        assert_eq!(callers.clients.len(), 2);
        callers.forget(listener);
        assert_eq!((callers.clients.len(), Arc::strong_count(&out)), (0, 1));
    }
}
