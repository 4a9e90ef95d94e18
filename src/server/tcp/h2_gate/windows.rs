//! Detects stream windows above the largest size (RFC 9113 section 6.9.1). h2 counts only while it
//! has something to send on a stream. Here the increments are added up in any state of the stream
//! and compared with all that the connection has been sent, so that a client that follows the rules
//! is never affected.

use crate::http2_frames::LARGEST_WINDOW;

/// Most streams that are tracked: those with the largest sums.
const STREAMS: usize = 8;

#[derive(Debug, Default)]
pub(super) struct Windows {
    /// Bytes sent on the connection.
    sent: u64,
    sums: [Sum; STREAMS],
}

#[derive(Debug, Default, Clone, Copy)]
struct Sum {
    stream: u32,
    steps: u64,
}

impl Windows {
    pub(super) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// Records an increment; false if the window becomes too large.
    pub(super) fn open(&mut self, stream: u32, step: u32) -> bool {
        let known = self.sums.iter().position(|sum| sum.stream == stream);
        let least = || (0..STREAMS).min_by_key(|at| self.sums[*at].steps);
        let sum = &mut self.sums[known.or_else(least).unwrap_or_default()];
        if sum.stream != stream {
            *sum = Sum { stream, steps: 0 };
        }
        sum.steps += u64::from(step);
        sum.steps <= u64::from(LARGEST_WINDOW) + self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_held_against_what_was_sent() {
        let mut windows = Windows::default();
        assert!(windows.open(1, LARGEST_WINDOW));
        assert!(!windows.open(1, 1));
        windows.sent(10);
        assert!(windows.open(1, 9), "it has taken ten");
        assert!(!windows.open(1, 1));
        assert!(windows.open(3, LARGEST_WINDOW), "each stream has its own");
        for stream in (5..101).step_by(2) {
            assert!(windows.open(stream, 1));
        }
        assert!(!windows.open(3, 100), "small sums make way");
    }
}
