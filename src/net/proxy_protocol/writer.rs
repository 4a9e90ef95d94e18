//! The PROXY protocol as its sender: what a connection to an upstream starts with, to tell whose
//! it is (haproxy's proxy-protocol.txt, versions 1 and 2).

use std::net::{IpAddr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    V1,
    V2,
    /// As both of them say that the connection is no client's but the sender's own.
    V1Unknown,
    V2Local,
}

impl ProxyProtocol {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "v1" => Some(Self::V1),
            "v2" => Some(Self::V2),
            _ => None,
        }
    }

    /// What connections that no client has caused start with.
    pub fn of_no_client(self) -> Self {
        match self {
            Self::V1 | Self::V1Unknown => Self::V1Unknown,
            Self::V2 | Self::V2Local => Self::V2Local,
        }
    }

    /// The header for a client's connection. Both addresses are of one family: an IPv4 one
    /// beside an IPv6 one is written as IPv6.
    pub fn header(self, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
        let pair = match (from.ip().to_canonical(), to.ip().to_canonical()) {
            (from @ IpAddr::V4(_), to @ IpAddr::V4(_)) => (from, to),
            (from, to) => (IpAddr::V6(wide(from)), IpAddr::V6(wide(to))),
        };
        match self {
            Self::V1 => version_1(pair, from.port(), to.port()),
            Self::V2 => version_2(pair, from, to),
            Self::V1Unknown => b"PROXY UNKNOWN\r\n".to_vec(),
            // Command LOCAL, and no addresses.
            Self::V2Local => [&SIGNATURE[..], b"\x20\0\0\0"].concat(),
        }
    }
}

fn wide(ip: IpAddr) -> std::net::Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn version_1((from, to): (IpAddr, IpAddr), from_port: u16, to_port: u16) -> Vec<u8> {
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    format!("PROXY {family} {from} {to} {from_port} {to_port}\r\n").into_bytes()
}

/// Command PROXY over STREAM, also for clients of HTTP/3: what the upstream gets is a stream.
fn version_2((from, to): (IpAddr, IpAddr), from_end: SocketAddr, to_end: SocketAddr) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.push(0x21);
    let (family, length) = if from.is_ipv4() { (0x11, 12_u16) } else { (0x21, 36) };
    header.push(family);
    header.extend(length.to_be_bytes());
    for ip in [from, to] {
        match ip {
            IpAddr::V4(ip) => header.extend(ip.octets()),
            IpAddr::V6(ip) => header.extend(ip.octets()),
        }
    }
    header.extend(from_end.port().to_be_bytes());
    header.extend(to_end.port().to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: ProxyProtocol, remote: &str, local: &str) -> Vec<u8> {
        version.header(remote.parse().unwrap(), local.parse().unwrap())
    }

    #[test]
    fn headers_are_as_the_text_says() {
        use ProxyProtocol::{V1, V2};
        let four = ("192.0.2.7:4321", "192.0.2.1:443");
        assert_eq!(header(V1, four.0, four.1), b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 443\r\n");
        let mixed = header(V1, "[2001:db8::7]:4321", "192.0.2.1:443");
        assert_eq!(mixed, b"PROXY TCP6 2001:db8::7 ::ffff:192.0.2.1 4321 443\r\n");
        let two = header(V2, four.0, four.1);
        assert_eq!(two[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
        assert_eq!(two[16..], [192, 0, 2, 7, 192, 0, 2, 1, 0x10, 0xe1, 1, 0xbb]);
        let own = [V1, V2].map(|version| header(version.of_no_client(), four.0, four.1));
        assert_eq!(own, [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"]);
        let six = header(V2, "[2001:db8::7]:1", "[2001:db8::1]:2");
        assert_eq!((six.len(), six[13], six[15]), (16 + 36, 0x21, 36));
    }
}
