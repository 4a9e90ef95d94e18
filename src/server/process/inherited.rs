//! Listening sockets that this process was started with. They belong to the supervisor, which keeps
//! them open while nobody serves; workers use duplicates, and the originals stay open here.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;

use crate::site::Snapshot;

/// File descriptors belong to the process, and so does this set.
static INHERITED: OnceLock<Inherited> = OnceLock::new();

#[derive(Default)]
pub(crate) struct Inherited {
    tcp: Vec<(SocketAddr, TcpListener)>,
    udp: Vec<(SocketAddr, UdpSocket)>,
}

/// Makes [`crate::server::bind`] use these sockets for their addresses. Only the first call has an
/// effect.
pub fn inherit(tcp: Vec<TcpListener>, udp: Vec<UdpSocket>) -> io::Result<()> {
    let inherited = Inherited::new(tcp, udp)?;
    // A process inherits only one set.
    let _ = INHERITED.set(inherited);
    Ok(())
}

/// The inherited sockets that `snapshot` does not use: their clients would wait for ever.
pub fn idle(snapshot: &Snapshot) -> Vec<String> {
    inherited().idle(|addr| {
        let listener = snapshot.listeners.iter().find(|listener| same(addr, listener.addr));
        listener.map(|listener| listener.quic)
    })
}

/// The descriptors that remain the supervisor's in the next process: TCP and UDP.
pub fn lent() -> (Vec<BorrowedFd<'static>>, Vec<BorrowedFd<'static>>) {
    let inherited = inherited();
    let tcp = inherited.tcp.iter().map(|(_, socket)| socket.as_fd());
    (tcp.collect(), inherited.udp.iter().map(|(_, socket)| socket.as_fd()).collect())
}

pub(crate) fn inherited() -> &'static Inherited {
    static NONE: Inherited = Inherited { tcp: Vec::new(), udp: Vec::new() };
    INHERITED.get().unwrap_or(&NONE)
}

impl Inherited {
    fn new(tcp: Vec<TcpListener>, udp: Vec<UdpSocket>) -> io::Result<Self> {
        let mut inherited = Self::default();
        for socket in tcp {
            socket.set_nonblocking(true)?;
            inherited.tcp.push((socket.local_addr()?, socket));
        }
        for socket in udp {
            socket.set_nonblocking(true)?;
            inherited.udp.push((socket.local_addr()?, socket));
        }
        Ok(inherited)
    }

    /// A TCP socket for each worker; workers beyond the number of sockets share them. Empty if the
    /// address was not inherited.
    pub(crate) fn tcp(&self, addr: SocketAddr, workers: usize) -> io::Result<Vec<TcpListener>> {
        let sockets: Vec<_> = of(&self.tcp, addr).collect();
        sockets.iter().cycle().take(workers).map(|socket| socket.try_clone()).collect()
    }

    /// UDP sockets for as many workers as there are sockets: two workers on one socket would read
    /// each other's packets, and packets of an unread socket would be lost.
    pub(crate) fn udp(&self, addr: SocketAddr, workers: usize) -> io::Result<Vec<UdpSocket>> {
        let sockets: Vec<_> = of(&self.udp, addr).collect();
        let count = sockets.len();
        if count > workers {
            return Err(io::Error::other(format!(
                "{count} sockets were passed for {workers} workers: pass at most one per worker"
            )));
        }
        if count > 0 && count < workers {
            log::info!(
                "HTTP/3 on {addr} is served by {count} of {workers} workers: {count} UDP sockets \
                were passed"
            );
        }
        sockets.iter().map(|socket| socket.try_clone()).collect()
    }

    /// `used` returns whether an address is served, and whether over HTTP/3.
    fn idle(&self, used: impl Fn(SocketAddr) -> Option<bool>) -> Vec<String> {
        let tcp = self.tcp.iter().filter(|(addr, _)| used(*addr).is_none());
        let tcp = tcp.map(|(addr, _)| format!("tcp {addr}"));
        let udp = self.udp.iter().filter(|(addr, _)| used(*addr) != Some(true));
        tcp.chain(udp.map(|(addr, _)| format!("udp {addr}"))).collect()
    }
}

fn of<T>(sockets: &[(SocketAddr, T)], wanted: SocketAddr) -> impl Iterator<Item = &T> {
    sockets.iter().filter(move |(addr, _)| same(*addr, wanted)).map(|(_, socket)| socket)
}

/// All interfaces are `[::]` or `0.0.0.0`, depending on whether the host has IPv6.
fn same(passed: SocketAddr, wanted: SocketAddr) -> bool {
    let any = passed.ip().is_unspecified() && wanted.ip().is_unspecified();
    passed == wanted || any && passed.port() == wanted.port()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inherited() -> (Inherited, SocketAddr, SocketAddr) {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("tcp");
        let udp = UdpSocket::bind("0.0.0.0:0").expect("udp");
        let (at, any) = (tcp.local_addr().expect("addr"), udp.local_addr().expect("addr"));
        (Inherited::new(vec![tcp], vec![udp]).expect("sockets"), at, any)
    }

    #[test]
    fn workers_share_a_tcp_socket_and_not_a_udp_socket() {
        let (inherited, tcp, udp) = inherited();
        let shared = inherited.tcp(tcp, 3).expect("duplicates");
        assert_eq!(shared.len(), 3);
        assert!(shared.iter().all(|socket| socket.local_addr().expect("addr") == tcp));
        assert_eq!(inherited.udp(udp, 3).expect("duplicates").len(), 1);
        let error = inherited.udp(udp, 0).expect_err("too few workers").to_string();
        assert!(error.contains("1 sockets were passed for 0 workers"), "{error}");
    }

    #[test]
    fn addresses_match_exactly_or_as_all_interfaces() {
        let (inherited, tcp, udp) = inherited();
        let any6 = SocketAddr::new("::".parse().expect("ip"), udp.port());
        assert_eq!(inherited.udp(any6, 1).expect("sockets").len(), 1);
        let all = SocketAddr::new("0.0.0.0".parse().expect("ip"), tcp.port());
        assert!(inherited.tcp(all, 1).expect("sockets").is_empty());
    }

    #[test]
    fn what_no_site_uses_is_told() {
        let (inherited, tcp, udp) = inherited();
        assert_eq!(inherited.idle(|_| Some(true)), [""; 0]);
        assert_eq!(inherited.idle(|_| Some(false)), [format!("udp {udp}")]);
        assert_eq!(inherited.idle(|_| None), [format!("tcp {tcp}"), format!("udp {udp}")]);
    }
}
