//! Forwards packets from the socket that received them to the one that their connection ID names:
//! in another worker, or in the process before this one. Both use a pair of unix sockets.

use std::io::{self, IoSlice, IoSliceMut, Read};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use quinn::udp::{EcnCodepoint, RecvMeta};
use socket2::{Domain, Socket, Type};

/// The requested buffer size of both ends, which the kernel caps. It holds a burst until the
/// receiver reads.
const BUFFER: usize = 1 << 20;

/// Bytes before the packets of a message.
const HEAD: usize = 48;
/// The version of the message format. The receiver may be another version of the program.
const FORM: u8 = 1;

/// Packets with what came with them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forwarded {
    pub(super) meta: RecvMeta,
    /// The machine that has handed them over; 0: they came to this one.
    pub(super) via: u16,
}

/// The destinations of one address, by place.
pub(crate) type Outlets = Arc<[Socket]>;

/// One socket pair for each of `count` places: the sending ends, shared by all, and the receiving
/// ends.
pub(crate) fn open(count: usize) -> io::Result<(Outlets, Vec<Socket>)> {
    let pairs: io::Result<Vec<_>> = (0..count).map(|_| pair()).collect();
    let (outlets, inboxes): (Vec<_>, Vec<_>) = pairs?.into_iter().unzip();
    Ok((outlets.into(), inboxes))
}

/// The outlets of the previous process.
pub(crate) fn outlets(handed: Vec<OwnedFd>) -> Outlets {
    handed.into_iter().map(Socket::from).collect()
}

fn pair() -> io::Result<(Socket, Socket)> {
    // Not SOCK_DGRAM, for which the kernel queues only ten messages.
    let (outlet, inbox) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None)?;
    for end in [&outlet, &inbox] {
        end.set_nonblocking(true)?;
        end.set_send_buffer_size(BUFFER)?;
    }
    Ok((outlet, inbox))
}

/// Sends packets. Returns false if the receiver has closed its end.
/// If the buffer is full, packets are lost, as on a full socket.
pub(super) fn send(outlet: &Socket, packets: &[u8], forwarded: &Forwarded) -> bool {
    let head = head(forwarded);
    match outlet.send_vectored(&[IoSlice::new(&head), IoSlice::new(packets)]) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

/// Reads one message. `None`: it is invalid.
pub(super) fn receive(inbox: &Socket, packets: &mut [u8]) -> io::Result<Option<Forwarded>> {
    let mut head = [0; HEAD];
    let mut inbox = inbox;
    let read = inbox.read_vectored(&mut [IoSliceMut::new(&mut head), IoSliceMut::new(packets)])?;
    if read == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(read.checked_sub(HEAD).and_then(|len| read_head(&head, len)))
}

fn head(Forwarded { meta, via }: &Forwarded) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[0] = FORM;
    head[1] = meta.ecn.map_or(0, |ecn| ecn as u8);
    head[2] = u8::from(meta.addr.is_ipv6());
    head[3] = meta.dst_ip.map_or(0, |ip| if ip.is_ipv6() { 2 } else { 1 });
    head[4..6].copy_from_slice(&meta.addr.port().to_be_bytes());
    let stride = u16::try_from(meta.stride).unwrap_or(u16::MAX);
    head[6..8].copy_from_slice(&stride.to_be_bytes());
    if let SocketAddr::V6(addr) = meta.addr {
        head[8..12].copy_from_slice(&addr.scope_id().to_be_bytes());
    }
    // Programs before this had zeros there, and read nothing.
    head[12..14].copy_from_slice(&via.to_be_bytes());
    head[16..32].copy_from_slice(&octets(meta.addr.ip()));
    head[32..48].copy_from_slice(&meta.dst_ip.map_or([0; 16], octets));
    head
}

fn read_head(head: &[u8; HEAD], len: usize) -> Option<Forwarded> {
    let [FORM, ecn, family, destination, p0, p1, s0, s1, z0, z1, z2, z3, v0, v1, ..] = *head else {
        return None;
    };
    let ip = |at: usize| <[u8; 16]>::try_from(&head[at..at + 16]).ok().map(Ipv6Addr::from);
    let (source, local) = (ip(16)?, ip(32)?);
    let v4 = |ip: Ipv6Addr| ip.to_ipv4_mapped().map(IpAddr::V4);
    let port = u16::from_be_bytes([p0, p1]);
    let scope = u32::from_be_bytes([z0, z1, z2, z3]);
    let addr = match family {
        0 => SocketAddr::new(v4(source)?, port),
        _ => SocketAddrV6::new(source, port, 0, scope).into(),
    };
    let dst_ip = match destination {
        0 => None,
        1 => Some(v4(local)?),
        _ => Some(local.into()),
    };
    let stride = usize::from(u16::from_be_bytes([s0, s1])).max(1);
    let meta = RecvMeta { addr, len, stride, ecn: EcnCodepoint::from_bits(ecn), dst_ip };
    Some(Forwarded { meta, via: u16::from_be_bytes([v0, v1]) })
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_arrive_with_all_that_came_with_it() {
        let (outlets, inboxes) = open(1).expect("pair");
        let mapped = "[::ffff:10.0.0.1]:7".parse().expect("addr");
        for (addr, dst_ip, ecn) in [
            ("10.0.0.1:4433", Some("127.0.0.1".parse().expect("ip")), Some(EcnCodepoint::Ect0)),
            ("[fe80::1%3]:1", Some("::1".parse().expect("ip")), Some(EcnCodepoint::Ce)),
            ("[2001:db8::2]:65535", None, None),
        ]
        .map(|(addr, ip, ecn)| (addr.parse().expect("addr"), ip, ecn))
        .into_iter()
        .chain([(mapped, None, None)])
        {
            let sent = RecvMeta { addr, len: 5, stride: 3, ecn, dst_ip };
            let via = addr.port();
            assert!(send(&outlets[0], b"abcde", &Forwarded { meta: sent, via }));
            let mut packets = [0; 64];
            let forwarded = receive(&inboxes[0], &mut packets).expect("read").expect("packets");
            let Forwarded { meta: got, via } = forwarded;
            assert_eq!(via, addr.port());
            assert_eq!((got.addr, got.len, got.stride), (addr, 5, 3));
            assert_eq!((got.dst_ip, got.ecn), (dst_ip, ecn));
            assert_eq!(&packets[..5], b"abcde");
        }
    }

    #[test]
    fn a_full_way_loses_and_a_closed_one_refuses() {
        let (outlets, inboxes) = open(1).expect("pair");
        let meta = RecvMeta { len: 1200, stride: 1200, ..RecvMeta::default() };
        let forwarded = Forwarded { meta, via: 0 };
        let sent = (0..10_000).all(|_| send(&outlets[0], &[0; 1200], &forwarded));
        assert!(sent, "what finds no room is gone");
        let mut packets = [0; 2048];
        let held = (0..10_000).take_while(|_| receive(&inboxes[0], &mut packets).is_ok()).count();
        assert!((64..10_000).contains(&held), "{held} letters wait");
        drop(inboxes);
        assert!(!send(&outlets[0], &[0; 1200], &forwarded));
    }

    #[test]
    fn what_is_no_letter_is_told_apart() {
        let (outlets, inboxes) = open(1).expect("pair");
        for noise in [&[0u8; 1][..], &[0; HEAD], &[9; 100]] {
            outlets[0].send(noise).expect("send");
            let got = receive(&inboxes[0], &mut [0; 64]).expect("read");
            assert!(got.is_none());
        }
    }
}
