//! Properties of the PROXY header reader for arbitrary input.

use std::net::SocketAddr;

use super::reader::{Step, step};
use super::writer::ProxyProtocol::{V1, V2};
use crate::fuzzing::Target;

pub(crate) const TARGETS: &[Target] =
    &[Target { name: "proxy_header", run: proxy_header, seeds: SEEDS }];

const SEEDS: &[&[u8]] = &[
    b"PROXY TCP4 192.0.2.1 192.0.2.2 4660 443\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::1 ::ffff:1.2.3.4 1 65535\r\n",
    b"PROXY UNKNOWN ffff::1 what ever\r\n",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x01\xbbGET /",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x13\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x01\xbb\
        \x04\x00\x01a\x05\x00\x00",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\
        \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x12\x34\x01\xbb",
    b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00\r\n",
];

/// Bytes of the longest header of version 2.
const MOST: usize = 16 + 4096;

/// The bytes of a header alone decide where it ends and which client it names. Nothing after it is
/// read.
fn proxy_header(stream: &[u8]) {
    let mut at = 0;
    let client = loop {
        match step(&stream[..at]) {
            Ok(Step::Read(count)) => {
                assert!(count > 0 && at + count <= MOST, "{count} behind {at}");
                at += count;
                if at > stream.len() {
                    return;
                }
            }
            Ok(Step::Done(client)) => break client,
            Err(_) => return,
        }
    };
    let header = &stream[..at];
    assert!(header.ends_with(b"\r\n") || header.starts_with(b"\r\n\r\n\0"), "{at}");
    match (header.strip_prefix(b"PROXY "), client) {
        (Some(_), _) => assert_eq!(header.iter().filter(|byte| **byte == b'\n').count(), 1),
        (None, _) => assert_eq!(at, 16 + usize::from(u16::from_be_bytes([header[14], header[15]]))),
    }
    if let Some(client) = client {
        assert_eq!(named(header), Some(client));
        for version in [V1, V2] {
            let written = version.header(client, client);
            let Ok(Step::Done(Some(again))) = step(&written) else { panic!("{written:?}") };
            assert_eq!(plain(again), plain(client));
        }
    }
}

/// The client's address in a valid header, as text or in a block of 4 or 16 bytes.
fn named(header: &[u8]) -> Option<SocketAddr> {
    if let Ok(text) = std::str::from_utf8(header)
        && let Some(words) = text.strip_prefix("PROXY TCP")
    {
        let words: Vec<&str> = words.trim_end().split(' ').collect();
        return Some(SocketAddr::new(words[1].parse().ok()?, words[3].parse().ok()?));
    }
    let block = &header[16..];
    let (ip, port): (std::net::IpAddr, _) = match header[13] {
        0x11 => (<[u8; 4]>::try_from(&block[..4]).ok()?.into(), &block[8..10]),
        _ => (<[u8; 16]>::try_from(&block[..16]).ok()?.into(), &block[32..34]),
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([port[0], port[1]])))
}

/// An IPv4-mapped IPv6 address equals its IPv4 address.
fn plain(end: SocketAddr) -> (std::net::IpAddr, u16) {
    (end.ip().to_canonical(), end.port())
}
