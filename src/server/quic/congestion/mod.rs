//! Congestion controllers for QUIC: BBRv3 and CUBIC as state machines that time is passed into, and
//! what makes a `quinn::congestion::Controller` of one.
//!
//! What quinn's trait shows, and what follows from it:
//!
//! - `on_sent` after each call that made packets (up to ten datagrams), with the time, the bytes of
//!   the datagrams and the last packet number. It comes for packets with ACK frames alone too, and
//!   not for path challenges and MTU probes. So bytes in flight are counted from it, and corrected
//!   by `on_end_acks`.
//! - `on_ack` for each acknowledged packet, with its time of sending, its bytes, and the smoothed
//!   RTT before this acknowledgement. The RTT sample is taken from the time of sending.
//! - `app_limited`: the last call had nothing to send, and neither window nor pacer were why.
//! - `on_congestion_event` after the acknowledgement, with the sum of lost bytes and the time at
//!   which the last lost packet was sent, not the packets. How it is divided: `rate.rs`.
//! - Late acknowledgements of packets taken for lost are not shown.
//! - `window` bounds the bytes in flight *and* sets the pace: the pacer lets out up to 1.25 windows
//!   per smoothed RTT, in bursts of 2 ms or ten packets. There is no other way to pace: see
//!   `control.rs` and `bbr/mod.rs`. Before the first RTT sample quinn paces by 333 ms.
//!
//! A client that acknowledges what it has not received (RFC 9000 section 21.4) is found out, but
//! not at once. quinn closes the connection when a packet number is acknowledged that is yet to be
//! sent, or the last one of those that it leaves out: one of the first 64 at random, then one
//! between each power of two and the next. So a client that was honest for N packets can lie for
//! about N/2 further ones on average, and for 3 N at most. What that hides is losses. BBR's rate
//! then grows as over a path without a bottleneck: no sample exceeds the rate of sending
//! (`rate.rs`), which is the estimate times the gain of the state, 1.25 in a probe and 4 in
//! Startup, for each round trip. CUBIC's window grows as over a path without loss.

mod bbr;
mod control;
mod controller;
mod cubic;
mod hystart;
#[cfg(test)]
mod path;
mod rate;
#[cfg(test)]
mod tests;

pub(super) use self::control::INITIAL_WINDOW_PACKETS;
pub(super) use self::controller::factory;
