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
//! A client cannot raise a rate by acknowledging what it has not received (RFC 9000 section 21.4):
//! quinn leaves out packet numbers at random and closes the connection when one of those, or one
//! that is yet to be sent, is acknowledged.

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
