//! Follows WebSocket frames as their bytes pass (RFC 6455 section 5.2), so that a tunnel can be
//! closed between two frames.

use bytes::Bytes;

const CLOSE: u8 = 0x8;
const MASKED: u8 = 0x80;
/// Close code 1001, "going away" (RFC 6455 section 7.4.1).
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// An incomplete frame header with `have` bytes: two, an extended length, a mask.
    head: [u8; 14],
    have: usize,
    /// Bytes left of the current frame's payload.
    payload: u64,
    closed: bool,
}

impl Frames {
    /// Processes the next bytes of the direction.
    pub(crate) fn pass(&mut self, mut bytes: &[u8]) {
        loop {
            let skipped = bytes.len().min(usize::try_from(self.payload).unwrap_or(usize::MAX));
            self.payload -= skipped as u64;
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some((first, rest)) = bytes.split_first() else { return };
            self.head[self.have] = *first;
            self.have += 1;
            bytes = rest;
            if self.have == self.head_length() {
                self.payload = self.length();
                self.closed |= self.head[0] & 0xf == CLOSE;
                self.have = 0;
            }
        }
    }

    /// Whether a frame may be inserted here.
    pub(crate) fn is_between(&self) -> bool {
        self.have == 0 && self.payload == 0
    }

    /// Whether this direction has sent its Close frame.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn head_length(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let longer = match self.head[1] & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.head[1] & MASKED == 0 { 0 } else { 4 };
        2 + longer + mask
    }

    fn length(&self) -> u64 {
        let big_endian =
            |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        match self.head[1] & !MASKED {
            126 => big_endian(&self.head[2..4]),
            127 => big_endian(&self.head[2..10]),
            short => u64::from(short),
        }
    }
}

/// A Close frame with the code "going away". Frames of a client are masked.
pub(crate) fn going_away(masked: bool) -> Bytes {
    let [high, low] = GOING_AWAY;
    if !masked {
        return Bytes::copy_from_slice(&[0x80 | CLOSE, 2, high, low]);
    }
    let mask = fastrand::u32(..).to_be_bytes();
    let [a, b, c, d] = mask;
    Bytes::copy_from_slice(&[0x80 | CLOSE, MASKED | 2, a, b, c, d, high ^ a, low ^ b])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames with their headers: short, 126, 127, masked, empty.
    fn frames() -> Vec<Vec<u8>> {
        let frame = |head: &[u8], payload: usize| [head, &vec![0x88; payload]].concat();
        vec![
            frame(&[0x81, 5], 5),
            frame(&[0x02, 126, 1, 0], 256),
            frame(&[0x80, 127, 0, 0, 0, 0, 0, 1, 0, 0], 65_536),
            frame(&[0x81, 0x83, 1, 2, 3, 4], 3),
            frame(&[0x89, 0], 0),
            frame(&[0x81, 0xfe, 0, 200, 9, 9, 9, 9], 200),
        ]
    }

    #[test]
    fn ends_of_frames_are_seen_however_bytes_come() {
        for size in [1, 2, 3, 7, 100_000] {
            let mut follower = Frames::default();
            for frame in frames() {
                for part in frame[..frame.len() - 1].chunks(size) {
                    follower.pass(part);
                    assert!(!follower.is_between());
                }
                follower.pass(&frame[frame.len() - 1..]);
                assert!(follower.is_between() && !follower.is_closed());
            }
            follower.pass(&going_away(size == 1));
            assert!(follower.is_between() && follower.is_closed());
        }
    }

    #[test]
    fn a_masked_goodbye_says_1001() {
        let frame = going_away(true);
        let code: Vec<u8> = frame[6..].iter().zip(&frame[2..6]).map(|(a, b)| a ^ b).collect();
        assert_eq!((frame[0], frame[1], code), (0x88, 0x82, vec![0x03, 0xe9]));
    }
}
