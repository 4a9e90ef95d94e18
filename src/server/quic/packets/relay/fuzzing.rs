//! Properties of the messages between machines for arbitrary bytes.

use super::codec::{Opener, Sealer, root};
use super::message::Message;
use super::time::Times;
use crate::fuzzing::Target;

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "way_message", run: message, seeds: MESSAGES },
    Target { name: "way_datagram", run: datagram, seeds: MESSAGES },
];

const NOW: Times = Times { now: 5, before: None };

const MESSAGES: &[&[u8]] = &[
    b"\x01\x02\x04\xc0\x00\x02\x01\x12\x34\x04\x7f\x00\x00\x01\x01\xbbpacket",
    b"\x02\x00\x06\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\x12\x34packet",
    b"\x03\x04\x7f\x00\x00\x01\x01\xbb",
    b"\x04",
];

/// What is read is written as the same message, and its packet is the end of the bytes.
fn message(bytes: &[u8]) {
    let Some(read) = Message::read(bytes) else { return };
    let mut written = Vec::new();
    read.write(&mut written);
    assert_eq!(Message::read(&written), Some(read));
    match read {
        Message::Packet { packet, .. } | Message::Answer { packet, .. } => {
            assert!(bytes.ends_with(packet));
        }
        Message::Ping { .. } | Message::Pong => assert_eq!(written.len(), bytes.len()),
    }
}

/// Bytes that nobody has sealed are refused; a sealed message is opened once, and not with another
/// bit.
fn datagram(bytes: &[u8]) {
    let root = root(&[7; 32]);
    let mut opener = Opener::new(root.clone());
    assert!(opener.open(NOW, &mut bytes.to_vec()).is_none());
    let Some(message) = Message::read(bytes) else { return };
    let Ok(sealer) = Sealer::new(&root) else { panic!("no randomness") };
    let Some(sealed) = sealer.seal(9, 5, &message) else { panic!("not sealed") };
    let at = bytes.len() * 7 % (sealed.len() * 8);
    let mut changed = sealed.clone();
    changed[at / 8] ^= 1 << (at % 8);
    assert!(opener.open(NOW, &mut changed).is_none());
    let mut copy = sealed.clone();
    let opened = opener.open(NOW, &mut copy).map(|opened| (opened.machine, opened.message));
    assert_eq!(opened, Some((9, message)));
    assert!(opener.open(NOW, &mut sealed.clone()).is_none(), "again");
}
