//! Whether another machine is there, by its answers: a state machine; the caller passes the time.

use std::net::SocketAddr;
use std::time::Duration;

/// A machine that has spoken so lately is not asked whether it is there.
const FRESH: Duration = Duration::from_secs(1);
/// Between two questions.
const AGAIN: Duration = Duration::from_millis(400);
/// A machine that is silent for so long although it was asked is dead.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Questions before such a pause say nothing of now.
const PAUSE: Duration = Duration::from_secs(4);

/// Another machine.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) at: SocketAddr,
    /// When it last spoke by the engine's clock as it was then.
    pub(super) told: Option<Duration>,
    heard: Option<Duration>,
    /// The first question since then.
    asked: Option<Duration>,
    /// The last one.
    asked_last: Option<Duration>,
}

/// Where messages for it go, and what says which time they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) at: SocketAddr,
    pub(super) told: Option<Duration>,
}

/// What to do with a packet for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Advice {
    pub(super) is_alive: bool,
    /// Whether to ask it.
    pub(super) asks: bool,
}

impl Peer {
    pub(super) fn new(at: SocketAddr) -> Self {
        Self { at, told: None, heard: None, asked: None, asked_last: None }
    }

    pub(super) fn route(&self) -> Route {
        Route { at: self.at, told: self.told }
    }

    pub(super) fn hear(&mut self, now: Duration) {
        (self.heard, self.asked) = (Some(now), None);
    }

    /// Whether it has spoken within this time.
    pub(super) fn is_heard(&self, now: Duration, within: Duration) -> bool {
        self.heard.is_some_and(|heard| now.saturating_sub(heard) < within)
    }

    pub(super) fn advise(&mut self, now: Duration) -> Advice {
        if self.is_heard(now, FRESH) {
            return Advice { is_alive: true, asks: false };
        }
        let since_last = self.asked_last.map(|last| now.saturating_sub(last));
        if since_last.is_none_or(|since| since > PAUSE) {
            self.asked = None;
        }
        let asked = *self.asked.get_or_insert(now);
        let asks = asked == now || since_last.is_none_or(|since| since >= AGAIN);
        if asks {
            self.asked_last = Some(now);
        }
        Advice { is_alive: now.saturating_sub(asked) < PATIENCE, asks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_dead() {
        let mut peer = Peer::new("127.0.0.1:1".parse().unwrap());
        let ms = Duration::from_millis;
        let mut advice = |at, hears: bool| {
            if hears {
                peer.hear(ms(at));
            }
            let Advice { is_alive, asks } = peer.advise(ms(at));
            (is_alive, asks)
        };
        assert_eq!(advice(0, false), (true, true));
        assert_eq!(advice(100, false), (true, false));
        assert_eq!(advice(150, true), (true, false));
        // A second after it spoke it is asked again.
        assert_eq!(advice(1100, false), (true, false));
        assert_eq!(advice(1200, false), (true, true));
        assert_eq!(advice(1700, false), (true, true));
        assert_eq!(advice(2699, false), (true, true));
        assert_eq!(advice(2700, false), (false, false));
        // It is asked as long as packets come, and is there again when it speaks.
        assert_eq!(advice(3200, false), (false, true));
        assert_eq!(advice(3201, true), (true, false));
        // Silence that was long ago says nothing.
        assert_eq!(advice(5000, false), (true, true));
        assert_eq!(advice(60_000, false), (true, true));
        assert_eq!(advice(61_400, false), (true, true));
        assert_eq!(advice(61_500, false), (false, false));
    }
}
