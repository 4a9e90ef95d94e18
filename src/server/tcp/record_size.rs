//! The size of TLS records. A record can be decrypted only when its last byte has arrived, so
//! records have the size of one packet while the congestion window is small: a record of 16 KiB
//! exceeds TCP's initial window of 10 packets, and the client would wait another round trip for its
//! first byte. Does no I/O.

use std::time::Duration;

use tokio::time::Instant;

/// The plaintext of a full record (RFC 8446 section 5.1).
pub(super) const FULL: usize = 16 * 1024;
/// The plaintext of a record that fits one packet over IPv6 with TCP timestamps and PPPoE, 1420
/// bytes: header, content type and tag take 22 bytes (RFC 8446 section 5.2), with TLS 1.2 up to 29.
pub(super) const PACKET: usize = 1420 - 29;
/// Bytes sent in records of one packet: the first two flights and most of the third.
const BEGINNING: usize = 64 * 1024;
/// A pause after which the kernel may have reset the congestion window (RFC 9293 section 3.8.4, RFC
/// 5681 section 4.1).
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct RecordSize {
    /// Bytes left to send in records of one packet.
    beginning: usize,
    /// When data was last on its way.
    last: Instant,
}

impl RecordSize {
    pub(super) fn new(now: Instant) -> Self {
        Self { beginning: BEGINNING, last: now }
    }

    /// Data is sent while nothing is queued.
    pub(super) fn resume(&mut self, now: Instant) {
        if now.duration_since(self.last) >= PAUSE {
            self.beginning = BEGINNING;
        }
        self.last = now;
    }

    /// The client has taken some of what was queued for it. While a slow one does so, there is no
    /// pause, though nothing finds the queue empty.
    pub(super) fn taken(&mut self, now: Instant) {
        self.last = now;
    }

    /// The most plaintext of the next record.
    pub(super) fn next(&self) -> usize {
        if self.beginning > 0 { PACKET } else { FULL }
    }

    pub(super) fn sent(&mut self, bytes: usize) {
        self.beginning = self.beginning.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_small_at_the_beginning_and_after_a_pause() {
        let start = Instant::now();
        let mut size = RecordSize::new(start);
        let mut begin = |now| {
            size.resume(now);
            let small = std::iter::from_fn(|| {
                let next = size.next();
                size.sent(next);
                (next == PACKET).then_some(next)
            });
            small.take(1000).sum::<usize>()
        };
        assert!((BEGINNING..BEGINNING + PACKET).contains(&begin(start)));
        assert_eq!(begin(start + PAUSE / 2), 0);
        assert_eq!(begin(start + PAUSE), 0, "counted from the last time");
        assert!(begin(start + PAUSE * 2) >= BEGINNING);
    }

    #[test]
    fn a_client_that_takes_a_queue_slowly_makes_no_pause() {
        let start = Instant::now();
        let mut size = RecordSize::new(start);
        size.sent(BEGINNING);
        for tenths in 1..=20 {
            size.taken(start + PAUSE * tenths / 10);
        }
        size.resume(start + PAUSE * 2);
        assert_eq!(size.next(), FULL);
        size.resume(start + PAUSE * 3);
        assert_eq!(size.next(), PACKET);
    }
}
