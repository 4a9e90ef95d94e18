//! Parses a PROXY header as its bytes arrive. Does no I/O.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    IPV4_BLOCK, IPV6_BLOCK, LOCAL, PROXY, SIGNATURE, TCP_IPV4, TCP_IPV6, UNIX_BLOCK, UNIX_STREAM,
    UNSPECIFIED,
};
use crate::limits::{PROXY_BINARY_BYTES, PROXY_LINE_BYTES};

/// Bytes of the shortest header: `PROXY UNKNOWN` and the line end.
const LEAST: usize = 15;
/// Bytes of the shortest version 1 header with two IPv4 addresses, `PROXY TCP4 0.0.0.0 0.0.0.0 0 0`
/// and the line end.
const LEAST_TCP4: usize = 32;
/// Bytes of version 2 before the addresses.
const FIXED: usize = 16;

/// Why the bytes are not a valid header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(&'static str);

/// What the caller does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Read this many more bytes; all of them belong to the header.
    Read(usize),
    /// The header is complete. `None`: the connection is the sender's own, or the client has no IP
    /// address.
    Done(Option<SocketAddr>),
}

/// Parses the bytes received so far.
pub fn step(seen: &[u8]) -> Result<Step, Malformed> {
    if seen.is_empty() {
        Ok(Step::Read(LEAST))
    } else if seen.starts_with(SIGNATURE) {
        binary(seen)
    } else if seen.starts_with(b"PROXY ") {
        text(seen)
    } else {
        Err(Malformed("the connection does not start with a PROXY header"))
    }
}

/// Version 1.
fn text(seen: &[u8]) -> Result<Step, Malformed> {
    if let Some(line) = seen.strip_suffix(b"\r\n") {
        return Ok(Step::Done(line_client(line)?));
    }
    let (last, rest) = seen.split_last().ok_or(Malformed("empty line"))?;
    if *last == b'\n' || rest.iter().any(|byte| b"\r\n".contains(byte)) {
        return Err(Malformed("unexpected line end"));
    }
    if seen.len() >= PROXY_LINE_BYTES {
        return Err(Malformed("the line is longer than 107 bytes"));
    }
    let is_short = seen.starts_with(b"PROXY TCP4 ") && seen.len() < LEAST_TCP4;
    Ok(Step::Read(match last {
        b'\r' => 1,
        _ if is_short => LEAST_TCP4 - seen.len(),
        _ => 2,
    }))
}

fn line_client(line: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    let line = std::str::from_utf8(line).map_err(|_| Malformed("the line is not valid UTF-8"))?;
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Ok(None),
        ["PROXY", family @ ("TCP4" | "TCP6"), from, to, from_port, to_port] => {
            let is_tcp6 = family == "TCP6";
            let ip = |text: &str| {
                let ip = text.parse::<IpAddr>().ok();
                ip.filter(|ip| ip.is_ipv6() == is_tcp6).ok_or(Malformed("invalid address"))
            };
            let from = SocketAddr::new(ip(from)?, port(from_port)?);
            ip(to)?;
            port(to_port)?;
            Ok(Some(from))
        }
        _ => Err(Malformed("the line does not have two addresses and two ports")),
    }
}

/// A decimal number without leading zeros.
fn port(text: &str) -> Result<u16, Malformed> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_plain && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain).ok_or(Malformed("invalid port"))
}

/// Version 2.
fn binary(seen: &[u8]) -> Result<Step, Malformed> {
    let Some((fixed, rest)) = seen.split_at_checked(FIXED) else {
        return Ok(Step::Read(FIXED - seen.len()));
    };
    let [.., version_and_command, family, high, low] = *fixed else {
        return Err(Malformed("incomplete header"));
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > PROXY_BINARY_BYTES {
        return Err(Malformed("more than 4096 bytes after the fixed part of the header"));
    }
    if rest.len() < length {
        return Ok(Step::Read(length - rest.len()));
    }
    match version_and_command {
        // The sender's own connection, such as a health check: the addresses are ignored.
        LOCAL => Ok(Step::Done(None)),
        PROXY => Ok(Step::Done(block_client(family, rest)?)),
        _ => Err(Malformed("unknown version or command")),
    }
}

fn block_client(family: u8, block: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    let cut = Malformed("incomplete addresses");
    let (client, extensions) = match family {
        UNSPECIFIED => (None, block),
        TCP_IPV4 => {
            let (block, rest) = block.split_first_chunk::<IPV4_BLOCK>().ok_or(cut)?;
            let [a, b, c, d, _, _, _, _, high, low, ..] = *block;
            let ip = Ipv4Addr::new(a, b, c, d);
            (Some(SocketAddr::from((ip, u16::from_be_bytes([high, low])))), rest)
        }
        TCP_IPV6 => {
            let (block, rest) = block.split_first_chunk::<IPV6_BLOCK>().ok_or(cut)?;
            let (ip, _) = block.split_first_chunk::<16>().ok_or(cut)?;
            let port = u16::from_be_bytes([block[32], block[33]]);
            (Some(SocketAddr::from((Ipv6Addr::from(*ip), port))), rest)
        }
        // The client of a unix socket has no IP address.
        UNIX_STREAM => (None, block.split_first_chunk::<UNIX_BLOCK>().ok_or(cut)?.1),
        _ => return Err(Malformed("unsupported address family or transport protocol")),
    };
    extensions_fit(extensions)?;
    Ok(client)
}

/// Checks that type-length-value entries fill the rest exactly. Their values are ignored.
fn extensions_fit(mut rest: &[u8]) -> Result<(), Malformed> {
    while !rest.is_empty() {
        let value = rest.split_first_chunk::<3>().and_then(|([_, high, low], behind)| {
            behind.get(usize::from(u16::from_be_bytes([*high, *low]))..)
        });
        rest = value.ok_or(Malformed("an extension exceeds the header"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a header at the start of a stream: the client's address, and the rest of the stream.
    fn read(stream: &[u8]) -> Result<(Option<String>, &[u8]), &'static str> {
        let mut at = 0;
        loop {
            match step(&stream[..at]).map_err(|malformed| malformed.0)? {
                Step::Read(count) => {
                    assert!(count > 0 && count <= PROXY_BINARY_BYTES, "{count}");
                    at += count;
                    if at > stream.len() {
                        return Err("ended early");
                    }
                }
                Step::Done(client) => {
                    return Ok((client.map(|client| client.to_string()), &stream[at..]));
                }
            }
        }
    }

    fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let length = u16::try_from(block.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, block].concat()
    }

    const TCP4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0x12, 0x34, 1, 187];

    fn tcp6() -> Vec<u8> {
        let ips = ["2001:db8::1", "2001:db8::2"].map(|ip| ip.parse::<Ipv6Addr>().unwrap().octets());
        [&ips.concat()[..], &[0x12, 0x34, 1, 187]].concat()
    }

    #[test]
    fn text_headers() {
        for (line, client) in [
            ("PROXY TCP4 192.0.2.1 192.0.2.2 4660 443", Some("192.0.2.1:4660")),
            ("PROXY TCP4 1.1.1.1 2.2.2.2 0 1", Some("1.1.1.1:0")),
            (
                "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535",
                Some("255.255.255.255:65535"),
            ),
            ("PROXY TCP6 2001:db8::1 :: 4660 443", Some("[2001:db8::1]:4660")),
            ("PROXY TCP6 :: :: 1 1", Some("[::]:1")),
            ("PROXY UNKNOWN", None),
            ("PROXY UNKNOWN ffff::1 what ever", None),
        ] {
            for rest in ["", "\r\n", "GET / HTTP/1.1\r\n\r\n"] {
                let stream = format!("{line}\r\n{rest}");
                let read = read(stream.as_bytes());
                assert_eq!(read, Ok((client.map(str::to_owned), rest.as_bytes())), "{line}");
            }
        }
    }

    #[test]
    fn text_that_is_no_header() {
        let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(PROXY_LINE_BYTES));
        for line in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "proxy TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n",
            "PROXY TCP4 1.1.1.1  2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n",
            "PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 ::1 1 2\r\n\r\n",
            "PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n",
            "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n\r\n",
            "PROXY UNKNOWN\n\r\n",
            "PROXY UNKNOWN\rx\r\n",
            &long,
        ] {
            let stream = format!("{line}GET / HTTP/1.1\r\n\r\n");
            let read = read(stream.as_bytes());
            assert!(matches!(read, Err(why) if why != "ended early"), "{line:?}: {read:?}");
        }
    }

    #[test]
    fn binary_headers() {
        let with_extension = [&TCP4[..], &[4, 0, 3, 1, 2, 3, 5, 0, 0]].concat();
        for (header, client) in [
            (v2(0x21, 0x11, &TCP4), Some("192.0.2.1:4660")),
            (v2(0x21, 0x11, &with_extension), Some("192.0.2.1:4660")),
            (v2(0x21, 0x21, &tcp6()), Some("[2001:db8::1]:4660")),
            (v2(0x21, 0x31, &[b'/'; 216]), None),
            (v2(0x21, 0x00, &[]), None),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x20, 0x11, &[1, 2, 3]), None),
        ] {
            let stream = [&header[..], b"GET /"].concat();
            assert_eq!(read(&stream), Ok((client.map(str::to_owned), &b"GET /"[..])), "{header:?}");
        }
    }

    #[test]
    fn binary_that_is_no_header() {
        let lying = |extension: &[u8]| v2(0x21, 0x11, &[&TCP4[..], extension].concat());
        for header in [
            v2(0x11, 0x11, &TCP4),
            v2(0x22, 0x11, &TCP4),
            v2(0x21, 0x12, &TCP4),
            v2(0x21, 0x41, &TCP4),
            v2(0x21, 0x11, &TCP4[..11]),
            v2(0x21, 0x21, &TCP4),
            v2(0x21, 0x31, &TCP4),
            v2(0x21, 0x11, &[0; PROXY_BINARY_BYTES + 1]),
            lying(&[4]),
            lying(&[4, 0]),
            lying(&[4, 0, 1]),
            lying(&[4, 0xff, 0xff, 1]),
        ] {
            let stream = [&header[..], &[0; 70_000]].concat();
            assert!(read(&stream).is_err(), "{:?}", &header[..header.len().min(40)]);
        }
    }

    /// Arbitrary changes never cause a panic, and a truncated header is never accepted.
    #[test]
    fn random_changes() {
        let extended = v2(0x21, 0x11, &[&TCP4[..], &[4, 0, 3, 1, 2, 3]].concat());
        let headers = [
            b"PROXY TCP4 192.0.2.1 192.0.2.2 4660 443\r\n".to_vec(),
            b"PROXY TCP6 2001:db8::1 2001:db8::2 4660 443\r\n".to_vec(),
            v2(0x21, 0x21, &tcp6()),
            extended,
        ];
        let mut random = fastrand::Rng::with_seed(7);
        for header in &headers {
            for cut in 0..header.len() {
                assert_eq!(read(&header[..cut]), Err("ended early"), "{cut}");
            }
            for _ in 0..20_000 {
                let mut changed = [&header[..], &[b'x'; 300]].concat();
                for _ in 0..random.usize(1..4) {
                    let at = random.usize(..header.len());
                    changed[at] = random.u8(..);
                }
                let _ = read(&changed);
            }
        }
    }
}
