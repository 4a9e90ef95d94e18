//! What machines of a fleet send each other, as bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use quinn::udp::EcnCodepoint;

/// A message from one machine to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// A packet of a client, whose connection is the receiver's.
    Packet {
        client: SocketAddr,
        /// The address of the listener that it came to.
        listener: SocketAddr,
        ecn: Option<EcnCodepoint>,
        packet: &'a [u8],
    },
    /// A packet for a client that the receiver has handed over packets of.
    Answer {
        client: SocketAddr,
        ecn: Option<EcnCodepoint>,
        packet: &'a [u8],
    },
    /// Asks for a [`Message::Pong`] to this address.
    Ping {
        way: SocketAddr,
    },
    Pong,
}

const PACKET: u8 = 1;
const ANSWER: u8 = 2;
const PING: u8 = 3;
const PONG: u8 = 4;

impl<'a> Message<'a> {
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        match *self {
            Self::Packet { client, listener, ecn, packet } => {
                to.extend([PACKET, ecn.map_or(0, |ecn| ecn as u8)]);
                put(to, client);
                put(to, listener);
                to.extend(packet);
            }
            Self::Answer { client, ecn, packet } => {
                to.extend([ANSWER, ecn.map_or(0, |ecn| ecn as u8)]);
                put(to, client);
                to.extend(packet);
            }
            Self::Ping { way } => {
                to.push(PING);
                put(to, way);
            }
            Self::Pong => to.push(PONG),
        }
    }

    /// `None`: it is damaged, or of another version.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (kind, mut rest) = bytes.split_first()?;
        let read = match *kind {
            PACKET => {
                let ecn = EcnCodepoint::from_bits(byte(&mut rest)?);
                let (client, listener) = (address(&mut rest)?, address(&mut rest)?);
                let packet = std::mem::take(&mut rest);
                Self::Packet { client, listener, ecn, packet }
            }
            ANSWER => {
                let ecn = EcnCodepoint::from_bits(byte(&mut rest)?);
                let client = address(&mut rest)?;
                Self::Answer { client, ecn, packet: std::mem::take(&mut rest) }
            }
            PING => Self::Ping { way: address(&mut rest)? },
            PONG => Self::Pong,
            _ => return None,
        };
        rest.is_empty().then_some(read)
    }
}

fn put(to: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => {
            to.push(4);
            to.extend(address.ip().octets());
        }
        SocketAddr::V6(address) => {
            to.push(6);
            to.extend(address.ip().octets());
            to.extend(address.scope_id().to_be_bytes());
        }
    }
    to.extend(address.port().to_be_bytes());
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    let (byte, after) = rest.split_first()?;
    *rest = after;
    Some(*byte)
}

fn bytes<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*bytes)
}

fn address(rest: &mut &[u8]) -> Option<SocketAddr> {
    match byte(rest)? {
        4 => {
            let ip = IpAddr::from(Ipv4Addr::from(bytes::<4>(rest)?));
            Some(SocketAddr::new(ip, u16::from_be_bytes(bytes(rest)?)))
        }
        6 => {
            let (ip, scope) =
                (Ipv6Addr::from(bytes::<16>(rest)?), u32::from_be_bytes(bytes(rest)?));
            let port = u16::from_be_bytes(bytes(rest)?);
            Some(SocketAddrV6::new(ip, port, 0, scope).into())
        }
        _ => None,
    }
}
