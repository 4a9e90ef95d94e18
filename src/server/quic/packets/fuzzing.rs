//! Properties of the reader of connection IDs for arbitrary packets.

use super::id::{Home, Ids, LEN, addressee};
use crate::fuzzing::Target;

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "addressee", run: addressed, seeds: PACKETS },
    Target {
        name: "connection_id",
        run: connection_id,
        seeds: &[b"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a"],
    },
];

const PACKETS: &[&[u8]] = &[
    b"\x40ABCDEFGHIJKLMNOPpayload",
    b"\xc0\x00\x00\x00\x01\x10ABCDEFGHIJKLMNOP\x00\x00\x41\x00",
    b"\xc0\x00\x00\x00\x01\x08ABCDEFGH\x00",
    b"\xc0\xff\xff\xff\xff\x10ABC",
];

/// The destination ID is at the offset of RFC 8999, whatever follows, and is `None` if bytes are
/// missing.
fn addressed(packet: &[u8]) {
    let id = addressee(packet);
    let is_long = packet.first().is_some_and(|first| first & 0x80 != 0);
    let at = if is_long { 6 } else { 1 };
    let is_ours = !is_long || packet.get(5) == Some(&16);
    let there = packet.get(at..at + LEN).filter(|_| is_ours);
    assert_eq!(id.map(|id| &id[..]), there);
    let longer = [packet, b"more"].concat();
    assert!(id.is_none() || addressee(&longer) == id);
}

/// An ID is decrypted with its own key only, and not if one of its bits has changed.
fn connection_id(data: &[u8]) {
    let mut bytes = [0; 10];
    for (byte, given) in bytes.iter_mut().zip(data) {
        *byte = *given;
    }
    let [g0, g1, g2, g3, p0, p1, byte, bit, m0, m1] = bytes;
    let home = Home {
        generation: u32::from_be_bytes([g0, g1, g2, g3]),
        place: u16::from_be_bytes([p0, p1]),
        machine: u16::from_be_bytes([m0, m1]),
    };
    let (Ok(ours), Ok(others)) = (Ids::new(&[7; 16]), Ids::new(&[8; 16])) else {
        panic!("a key of 16 bytes")
    };
    let Ok(mut id) = ours.issue(home) else { panic!("no randomness") };
    assert_eq!(ours.read(&id), Some(home));
    // Two zero bytes mark our IDs: one in 65,536 others has them too, and contains another home.
    assert_ne!(others.read(&id), Some(home));
    id[usize::from(byte) % LEN] ^= 1 << (bit % 8);
    assert_ne!(ours.read(&id), Some(home));
}
