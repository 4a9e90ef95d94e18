//! Finds out when a client has acknowledged an answer.

use std::future::pending;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::answer::{Answer, LONGEST};
use super::meter::{Pending as _, TcpWire};

/// Steps of a round trip.
const STEPS: u32 = 8;
/// tokio's timer is no finer.
const SHORTEST: Duration = Duration::from_millis(1);
/// A step when an answer takes long: a hundredth of what has passed.
const FINE: u32 = 100;

/// Watches an answer that begins now on a TCP connection, in a task of its own: no event tells of
/// an acknowledgement.
pub(super) fn begin(answer: Rc<Answer>, wire: Weak<dyn TcpWire>) {
    let Some(info) = wire.upgrade().and_then(|wire| wire.info()) else { return };
    answer.begins_at(info.written);
    tokio::task::spawn_local(async move { watch(&answer, &wire).await });
}

async fn watch(answer: &Answer, wire: &Weak<dyn TcpWire>) {
    let began = Instant::now();
    sleep(answer.rtt() * (STEPS - 1) / STEPS).await;
    loop {
        // When the connection ends it is looked at for the last time.
        let Some(wire) = wire.upgrade() else { return };
        let Some(info) = wire.info() else { return };
        if answer.awaits_end() && wire.is_flushed() {
            answer.ends_at(info.written);
        }
        if answer.look(&info) {
            return;
        }
        if began.elapsed() >= LONGEST {
            return answer.too_long();
        }
        drop(wire);
        sleep(step(answer, began)).await;
    }
}

fn step(answer: &Answer, began: Instant) -> Duration {
    (answer.rtt() / STEPS).max(SHORTEST).max(began.elapsed() / FINE)
}

/// Watches an answer that begins now on a QUIC connection, and never returns. quinn tells when all
/// of a stream is acknowledged; the first byte is by the first ACK frame that comes a round trip
/// after it was sent. Until then frames acknowledge what was sent before.
pub(crate) async fn watch_quic(answer: &Answer) {
    if let Some(wire) = answer.quic() {
        let first = async {
            first_acknowledged(answer, &wire.quic).await;
            pending().await
        };
        let _: Result<(), _> = timeout(LONGEST, first).await;
        answer.too_long();
    }
    pending().await
}

async fn first_acknowledged(answer: &Answer, quic: &quinn::Connection) {
    let acks = || quic.stats().frame_rx.acks;
    let began = Instant::now();
    sleep(quic.rtt().min(answer.rtt()) * (STEPS - 1) / STEPS).await;
    let before = acks();
    while acks() == before {
        sleep(step(answer, began)).await;
    }
    answer.first(Instant::now());
}
