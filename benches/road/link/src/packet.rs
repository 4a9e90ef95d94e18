//! The bytes of IPv4 packets that the road reads and changes: addresses with their checksums
//! (RFC 1624), and the answer to a packet that is too big (RFC 792, RFC 1191).

const HEADER: usize = 20;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SOURCE: usize = 12;
const DESTINATION: usize = 16;
/// Bytes behind the IP header that an ICMP error repeats.
const QUOTED: usize = 8;

/// Which of the two addresses.
#[derive(Clone, Copy)]
pub enum Address {
    Source = SOURCE as isize,
    Destination = DESTINATION as isize,
}

pub fn is_ipv4(packet: &[u8]) -> bool {
    packet.len() >= HEADER && packet[0] >> 4 == 4 && packet.len() >= header_length(packet)
}

pub fn is_udp(packet: &[u8]) -> bool {
    packet[9] == UDP
}

/// The last byte of an address.
pub fn host(packet: &[u8], address: Address) -> u8 {
    packet[address as usize + 3]
}

/// Puts another last byte in an address, and what follows from it in the checksums.
pub fn set_host(packet: &mut [u8], address: Address, host: u8) {
    let at = address as usize + 2;
    let old = u16::from_be_bytes([packet[at], packet[at + 1]]);
    packet[at + 1] = host;
    let new = u16::from_be_bytes([packet[at], host]);
    adjust(packet, 10, old, new);
    let payload = header_length(packet);
    // Fragments but the first have no header of TCP or UDP.
    if u16::from_be_bytes([packet[6], packet[7]]) & 0x1fff != 0 {
        return;
    }
    let checksum = match packet[9] {
        TCP => payload + 16,
        UDP if packet.get(payload + 6..payload + 8) != Some(&[0, 0]) => payload + 6,
        _ => return,
    };
    if checksum + 2 <= packet.len() {
        adjust(packet, checksum, old, new);
    }
}

/// "Fragmentation needed", from the packet's destination to its source.
pub fn too_big(packet: &[u8], mtu: u16) -> Vec<u8> {
    let quoted = &packet[..packet.len().min(header_length(packet) + QUOTED)];
    let length = HEADER + 8 + quoted.len();
    let mut reply = vec![0; HEADER + 8];
    reply[0] = 0x45;
    reply[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    reply[8] = 64;
    reply[9] = ICMP;
    reply[SOURCE..SOURCE + 4].copy_from_slice(&packet[DESTINATION..DESTINATION + 4]);
    reply[DESTINATION..DESTINATION + 4].copy_from_slice(&packet[SOURCE..SOURCE + 4]);
    let sum = checksum(&reply[..HEADER]);
    reply[10..12].copy_from_slice(&sum.to_be_bytes());
    reply[HEADER] = 3;
    reply[HEADER + 1] = 4;
    reply[HEADER + 6..HEADER + 8].copy_from_slice(&mtu.to_be_bytes());
    reply.extend_from_slice(quoted);
    let sum = checksum(&reply[HEADER..]);
    reply[HEADER + 2..HEADER + 4].copy_from_slice(&sum.to_be_bytes());
    reply
}

fn header_length(packet: &[u8]) -> usize {
    usize::from(packet[0] & 15) * 4
}

/// The checksum at `at` after one of the words that it covers has changed: RFC 1624, equation 3.
fn adjust(packet: &mut [u8], at: usize, old: u16, new: u16) {
    let sum = u16::from_be_bytes([packet[at], packet[at + 1]]);
    let sum = u32::from(!sum) + u32::from(!old) + u32::from(new);
    packet[at..at + 2].copy_from_slice(&(!folded(sum)).to_be_bytes());
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| {
        let low = word.get(1).copied().unwrap_or_default();
        u32::from(u16::from_be_bytes([word[0], low]))
    });
    !folded(words.sum())
}

fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A packet of so many bytes from 10.99.0.1 to 10.99.0.2, with right checksums.
    pub fn packet(protocol: u8, length: usize) -> Vec<u8> {
        let mut packet = vec![7; length];
        packet[..HEADER].fill(0);
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
        packet[9] = protocol;
        packet[SOURCE..HEADER].copy_from_slice(&[10, 99, 0, 1, 10, 99, 0, 2]);
        let sum = checksum(&packet[..HEADER]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
        let at = HEADER + if protocol == TCP { 16 } else { 6 };
        packet[at..at + 2].fill(0);
        let sum = transport_sum(&packet);
        packet[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        packet
    }

    /// The checksum over addresses, protocol, length and payload; 0 where one in it is right.
    fn transport_sum(packet: &[u8]) -> u16 {
        let mut covered = packet[SOURCE..HEADER].to_vec();
        covered.extend([0, packet[9]]);
        covered.extend(((packet.len() - HEADER) as u16).to_be_bytes());
        covered.extend(&packet[HEADER..]);
        checksum(&covered)
    }

    #[test]
    fn another_address_leaves_the_checksums_right() {
        for protocol in [TCP, UDP] {
            for address in [Address::Source, Address::Destination] {
                let mut moved = packet(protocol, 61);
                set_host(&mut moved, address, 129);
                assert_eq!(host(&moved, address), 129);
                assert_eq!(checksum(&moved[..HEADER]), 0);
                assert_eq!(transport_sum(&moved), 0, "protocol {protocol}");
            }
        }
    }

    #[test]
    fn a_datagram_without_checksum_keeps_having_none() {
        let mut moved = packet(UDP, 60);
        moved[HEADER + 6..HEADER + 8].fill(0);
        set_host(&mut moved, Address::Source, 129);
        assert_eq!(moved[HEADER + 6..HEADER + 8], [0, 0]);
    }

    #[test]
    fn what_is_too_big_is_answered_with_the_mtu_and_its_head() {
        let big = packet(UDP, 1400);
        let reply = too_big(&big, 1300);
        assert!(is_ipv4(&reply));
        assert_eq!(reply.len(), 56);
        assert_eq!(reply[DESTINATION..HEADER], [10, 99, 0, 1]);
        assert_eq!(reply[HEADER..HEADER + 2], [3, 4]);
        assert_eq!(reply[HEADER + 6..HEADER + 8], 1300_u16.to_be_bytes());
        assert_eq!(reply[HEADER + 8..], big[..28]);
        assert_eq!((checksum(&reply[..HEADER]), checksum(&reply[HEADER..])), (0, 0));
    }

    #[test]
    fn other_bytes_are_no_ipv4() {
        assert!(is_ipv4(&packet(UDP, 60)));
        let mut six = packet(UDP, 60);
        six[0] = 0x60;
        assert!(!is_ipv4(&six));
        assert!(!is_ipv4(&packet(UDP, 60)[..19]));
        let mut long_header = packet(UDP, 32)[..24].to_vec();
        long_header[0] = 0x4f;
        assert!(!is_ipv4(&long_header));
    }
}
