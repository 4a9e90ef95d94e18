//! Creates listening sockets, TCP and UDP: one per worker and address, in an SO_REUSEPORT group.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Once;

use super::handover::{HandoverSockets, duplicates};
use super::inherited::inherited;
use crate::limits::BACKLOG;
use crate::server::quic::packets::relay::Machines;
use crate::server::quic::packets::{self, Outlets, Place};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// The requested buffer size, which the kernel caps at net.core.rmem_max and wmem_max.
const UDP_BUFFER: usize = 4 << 20;
/// A smaller size is logged once.
static SHORT_OF_BUFFERS: Once = Once::new();

/// The sockets of one address. Dropping them closes them.
pub struct Sockets {
    pub addr: SocketAddr,
    tcp: Vec<TcpListener>,
    /// Empty if the address does not serve HTTP/3.
    udp: Vec<UdpSocket>,
    /// Outlets and inboxes for packets that arrived at another socket of the address.
    outlets: Outlets,
    inboxes: Vec<socket2::Socket>,
    /// The outlets to the previous process, from which the UDP sockets come.
    before: Option<Outlets>,
    handover: HandoverSockets,
}

/// The sockets of an address that one worker serves.
type Hand = (Vec<TcpListener>, Vec<Place>);

impl Sockets {
    fn new(addr: SocketAddr, tcp: Vec<TcpListener>, udp: Vec<UdpSocket>) -> io::Result<Self> {
        let (outlets, inboxes) = packets::open(udp.len())?;
        let handover = HandoverSockets {
            addr,
            tcp: duplicates(&tcp)?,
            udp: duplicates(&udp)?,
            outlets: duplicates(outlets.iter())?,
        };
        Ok(Self { addr, tcp, udp, outlets, inboxes, before: None, handover })
    }

    /// Whether packets arrive here that belong to connections of the previous process.
    pub fn has_before(&self) -> bool {
        self.before.is_some()
    }

    /// Lets packets come from other machines, and answers go back by them.
    pub(crate) fn open_way(&self, machines: &Machines) {
        let Some(socket) = self.udp.first() else { return };
        match socket.try_clone() {
            Ok(socket) => machines.open(self.addr, self.outlets.clone(), socket),
            Err(error) => log::warn!("fleet: packets for {}: {error}", self.addr),
        }
    }

    /// Divides the sockets among `workers`; the rest is what the next process gets.
    pub(crate) fn deal(self, workers: usize) -> (Vec<Hand>, HandoverSockets) {
        let mut hands: Vec<_> = (0..workers.max(1)).map(|_| (Vec::new(), Vec::new())).collect();
        for (at, tcp) in self.tcp.into_iter().enumerate() {
            hands[at % workers].0.push(tcp);
        }
        let udp = self.udp.into_iter().zip(self.inboxes);
        for ((udp, inbox), number) in udp.zip(0..) {
            let here = self.outlets.clone();
            let place = Place { udp, inbox, number, here, before: self.before.clone() };
            hands[usize::from(number) % workers].1.push(place);
        }
        (hands, self.handover)
    }
}

/// Why an address cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("listen {transport} {addr}: {}", reason(source))]
pub struct BindError {
    pub addr: SocketAddr,
    transport: &'static str,
    source: io::Error,
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "address already in use: another program listens on it (see: ss -lntup)".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied: ports below 1024 need root or CAP_NET_BIND_SERVICE".to_owned()
        }
        _ => error.to_string(),
    }
}

/// Binds an address for `workers` workers, except for the sockets that the process inherited.
/// `alone` means that no other address of this process has its port, so that a port in use by
/// another process can be told apart from our own SO_REUSEPORT group.
pub fn bind(
    addr: SocketAddr,
    workers: usize,
    quic: bool,
    alone: bool,
) -> Result<Sockets, BindError> {
    let failed = |transport| move |source| BindError { addr, transport, source };
    let mut tcp = inherited().tcp(addr, workers).map_err(failed("tcp"))?;
    let mut udp = match quic {
        true => inherited().udp(addr, workers).map_err(failed("udp"))?,
        false => Vec::new(),
    };
    udp.iter().try_for_each(|socket| enlarge(&SockRef::from(socket))).map_err(failed("udp"))?;
    let (bind_tcp, bind_udp) = (tcp.is_empty(), udp.is_empty() && quic);
    if alone && bind_tcp {
        probe(addr, Type::STREAM).map_err(failed("tcp"))?;
    }
    if alone && bind_udp {
        probe(addr, Type::DGRAM).map_err(failed("udp"))?;
    }
    if bind_tcp {
        let bound: io::Result<_> = (0..workers).map(|_| tcp_socket(addr)).collect();
        tcp = bound.map_err(failed("tcp"))?;
    }
    if bind_udp {
        let bound: io::Result<_> = (0..workers).map(|_| udp_socket(addr)).collect();
        udp = bound.map_err(failed("udp"))?;
    }
    Sockets::new(addr, tcp, udp).map_err(failed("udp"))
}

/// Takes over an address from the previous process.
pub fn adopt(handover: HandoverSockets, workers: usize, quic: bool) -> Result<Sockets, BindError> {
    let addr = handover.addr;
    let failed = |transport| move |source| BindError { addr, transport, source };
    let mut tcp: Vec<TcpListener> = handover.tcp.into_iter().map(Into::into).collect();
    // A worker without its own socket shares that of another.
    for at in tcp.len()..workers {
        let shared = tcp.get(at % tcp.len().max(1)).map(TcpListener::try_clone);
        tcp.extend(shared.transpose().map_err(failed("tcp"))?);
    }
    let mut udp: Vec<UdpSocket> = match quic {
        true => handover.udp.into_iter().map(Into::into).collect(),
        false => Vec::new(),
    };
    let before = (!udp.is_empty()).then(|| packets::outlets(handover.outlets));
    if quic && udp.is_empty() {
        let bound: io::Result<_> = (0..workers).map(|_| udp_socket(addr)).collect();
        udp = bound.map_err(failed("udp"))?;
    }
    let sockets = Sockets::new(addr, tcp, udp).map_err(failed("udp"))?;
    Ok(Sockets { before, ..sockets })
}

fn socket(addr: SocketAddr, kind: Type) -> io::Result<Socket> {
    let protocol = if kind == Type::STREAM { Protocol::TCP } else { Protocol::UDP };
    let socket = Socket::new(Domain::for_address(addr), kind, Some(protocol))?;
    if addr.is_ipv6() {
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    if kind == Type::STREAM {
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A SO_REUSEPORT group accepts any process of the same user. Binding a socket without the option
/// first shows whether the port is in use.
fn probe(addr: SocketAddr, kind: Type) -> io::Result<()> {
    let socket = socket(addr, kind)?;
    socket.bind(&addr.into())?;
    if kind == Type::STREAM { socket.listen(1) } else { Ok(()) }
}

fn tcp_socket(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(addr, Type::STREAM)?;
    socket.set_reuse_port(true)?;
    socket.bind(&addr.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn udp_socket(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket(addr, Type::DGRAM)?;
    socket.set_reuse_port(true)?;
    enlarge(&SockRef::from(&socket))?;
    socket.bind(&addr.into())?;
    Ok(socket.into())
}

/// Enlarges the buffers of a UDP socket for the time between two polls of its worker.
fn enlarge(socket: &Socket) -> io::Result<()> {
    socket.set_recv_buffer_size(UDP_BUFFER)?;
    socket.set_send_buffer_size(UDP_BUFFER)?;
    // The kernel reports twice the usable size (socket(7)).
    let (receive, send) = (socket.recv_buffer_size()? / 2, socket.send_buffer_size()? / 2);
    if let Some(complaint) = shortage(receive, send) {
        SHORT_OF_BUFFERS.call_once(|| log::warn!("{complaint}"));
    }
    Ok(())
}

/// The message about buffers that are smaller than requested.
fn shortage(receive: usize, send: usize) -> Option<String> {
    let cut = [("receive", receive, "rmem_max"), ("send", send, "wmem_max")];
    let mut cut = cut.iter().filter(|(_, bytes, _)| *bytes < UDP_BUFFER).peekable();
    cut.peek()?;
    let (mut sizes, mut remedy) = (vec![], "sysctl -w".to_owned());
    for (what, bytes, name) in cut {
        sizes.push(format!("{what} buffer of {} KB", bytes / 1024));
        remedy += &format!(" net.core.{name}={UDP_BUFFER}");
    }
    Some(format!(
        "HTTP/3 has a UDP {} instead of {} KB: bursts of packets may be lost ({remedy})",
        sizes.join(" and "),
        UDP_BUFFER / 1024
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_buffers_are_named_with_the_remedy() {
        assert_eq!(shortage(UDP_BUFFER, UDP_BUFFER), None);
        let both = shortage(212_992, 212_992).unwrap();
        assert!(
            both.contains("receive buffer of 208 KB and send buffer of 208 KB instead of 4096")
        );
        assert!(both.ends_with("(sysctl -w net.core.rmem_max=4194304 net.core.wmem_max=4194304)"));
        let one = shortage(UDP_BUFFER, 1024).unwrap();
        assert!(!one.contains("rmem_max") && one.contains("net.core.wmem_max=4194304"), "{one}");
    }
}
