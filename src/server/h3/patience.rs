//! Limits the requests that a client cancels before they are answered, or that are malformed behind
//! their head. Each costs the client two frames, and the server and an upstream a request; a
//! connection that sends too many is closed (RFC 9114 section 10.5).

use std::cell::Cell;
use std::rc::Rc;

use h3::error::Code;
use tokio::time::Instant;

use super::close::close;
use crate::limits::{QUIC_BROKEN_OFF, QUIC_BROKEN_OFF_RATE};

/// How many more aborted requests a connection tolerates; shared by its streams.
#[derive(Clone, Debug)]
pub(crate) struct Patience(Rc<Cell<(u32, Instant)>>);

impl Patience {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Cell::new((QUIC_BROKEN_OFF, Instant::now()))))
    }

    /// Counts an aborted request, and closes the connection above the limit.
    pub(crate) fn strain(&self, quic: &quinn::Connection) {
        if self.is_at_end(Instant::now()) {
            close(quic, Code::H3_EXCESSIVE_LOAD, b"too many cancelled requests");
        }
    }

    fn is_at_end(&self, now: Instant) -> bool {
        let (left, since) = self.0.get();
        let regained = now.duration_since(since).as_millis() * u128::from(QUIC_BROKEN_OFF_RATE);
        let regained = u32::try_from(regained / 1000).unwrap_or(u32::MAX);
        // The fraction counts next time.
        let since = if regained > 0 { now } else { since };
        let left = left.saturating_add(regained).min(QUIC_BROKEN_OFF);
        self.0.set((left.saturating_sub(1), since));
        left == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn bursts_end_and_a_steady_rate_does_not() {
        let patience = Patience::new();
        let begin = Instant::now();
        let pause = Duration::from_secs(1) / QUIC_BROKEN_OFF_RATE;
        for count in 1..1000 {
            assert!(!patience.is_at_end(begin + pause * count), "at the rate: {count}");
        }
        let then = begin + pause * 1000;
        let stood = (0..1000).take_while(|_| !patience.is_at_end(then)).count();
        assert!((190..=200).contains(&stood), "{stood}");
        let later = then + Duration::from_secs(3600);
        let stood = (0..1000).take_while(|_| !patience.is_at_end(later)).count();
        assert_eq!(stood, 200);
    }
}
