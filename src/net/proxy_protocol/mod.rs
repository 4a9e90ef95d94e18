//! The PROXY protocol, versions 1 and 2 (proxy-protocol.txt of HAProxy): the header that names the
//! client of a connection, read and written. Does no I/O.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub mod reader;
pub mod writer;

/// The first bytes of a version 2 header.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2 and the command LOCAL: the sender's own connection.
const LOCAL: u8 = 0x20;
/// Version 2 and the command PROXY: a connection on behalf of a client.
const PROXY: u8 = 0x21;

/// Address family and transport protocol of a version 2 header.
const UNSPECIFIED: u8 = 0x00;
const TCP_IPV4: u8 = 0x11;
const TCP_IPV6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;

/// Lengths of the address blocks in bytes.
const IPV4_BLOCK: usize = 12;
const IPV6_BLOCK: usize = 36;
const UNIX_BLOCK: usize = 216;

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::reader::{Step, step};
    use super::writer::ProxyProtocol::{V1, V2};

    /// Both versions, with any families, return the client's address.
    #[test]
    fn what_is_written_is_read() {
        let addresses = ["192.0.2.7:4321", "[2001:db8::7]:1", "[::ffff:192.0.2.9]:65535", "[::]:0"];
        let addresses = addresses.map(|text| text.parse::<SocketAddr>().unwrap());
        for version in [V1, V2] {
            for (from, to) in addresses.iter().flat_map(|a| addresses.map(|b| (*a, b))) {
                let header = version.header(from, to);
                let Ok(Step::Done(Some(read))) = step(&header) else { panic!("{header:?}") };
                let plain = |end: SocketAddr| (end.ip().to_canonical(), end.port());
                assert_eq!(plain(read), plain(from), "{version:?} to {to}");
            }
            let from = addresses[0];
            let own = version.of_no_client().header(from, from);
            assert_eq!(step(&own), Ok(Step::Done(None)), "{version:?}");
        }
    }
}
