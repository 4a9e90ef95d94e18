//! Writes a PROXY header, which names the client at the start of a connection to an upstream.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::{IPV4_BLOCK, IPV6_BLOCK, LOCAL, PROXY, SIGNATURE, TCP_IPV4, TCP_IPV6, UNSPECIFIED};

/// The version of a header, and whether the connection belongs to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    V1,
    V2,
    /// The forms for the sender's own connections.
    V1Unknown,
    V2Local,
}

impl ProxyProtocol {
    /// The form for connections that no client has caused, such as health checks.
    pub fn of_no_client(self) -> Self {
        match self {
            Self::V1 | Self::V1Unknown => Self::V1Unknown,
            Self::V2 | Self::V2Local => Self::V2Local,
        }
    }

    /// The header for a client's connection. Both addresses get the same family: if only one is
    /// IPv4, it is written as IPv6.
    pub fn header(self, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
        let (from, to) = of_one_family(from, to);
        match self {
            Self::V1 => version_1(from, to),
            Self::V2 => version_2(from, to),
            Self::V1Unknown => b"PROXY UNKNOWN\r\n".to_vec(),
            Self::V2Local => [&SIGNATURE[..], &[LOCAL, UNSPECIFIED, 0, 0]].concat(),
        }
    }
}

fn of_one_family(from: SocketAddr, to: SocketAddr) -> (SocketAddr, SocketAddr) {
    let (from_ip, to_ip) = (from.ip().to_canonical(), to.ip().to_canonical());
    let (from_ip, to_ip) = match (from_ip, to_ip) {
        (IpAddr::V4(_), IpAddr::V4(_)) => (from_ip, to_ip),
        _ => (IpAddr::V6(as_ipv6(from_ip)), IpAddr::V6(as_ipv6(to_ip))),
    };
    (SocketAddr::new(from_ip, from.port()), SocketAddr::new(to_ip, to.port()))
}

fn as_ipv6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn version_1(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let family = if from.is_ipv4() { "TCP4" } else { "TCP6" };
    let (from_ip, to_ip) = (from.ip(), to.ip());
    format!("PROXY {family} {from_ip} {to_ip} {} {}\r\n", from.port(), to.port()).into_bytes()
}

/// The transport protocol is STREAM, also for clients of HTTP/3: the upstream gets a stream.
fn version_2(from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    let (family, length) =
        if from.is_ipv4() { (TCP_IPV4, IPV4_BLOCK) } else { (TCP_IPV6, IPV6_BLOCK) };
    header.extend([PROXY, family]);
    header.extend((length as u16).to_be_bytes());
    for end in [from, to] {
        match end.ip() {
            IpAddr::V4(ip) => header.extend(ip.octets()),
            IpAddr::V6(ip) => header.extend(ip.octets()),
        }
    }
    header.extend(from.port().to_be_bytes());
    header.extend(to.port().to_be_bytes());
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
