//! Measures the answers of sites with `quic_report`, from the first packet of a connection to the
//! last acknowledged byte. A connection of another listener has no [`Meter`], and pays nothing.
//!
//! At most one answer of a connection is measured at a time. Over TCP the kernel is asked what is
//! acknowledged (TCP_INFO) at steps of an eighth of a round trip, so that a time is at most one
//! step too long; over QUIC the end is an event. A client that closes its
//! connection at once has the answer too: over TCP its FIN acknowledges all, and over QUIC the
//! close does, if it names no error and all has been sent. What a client waits before it
//! acknowledges, up to 25 ms over QUIC and 40 ms and more over TCP, is part of the times.

mod answer;
mod meter;
mod quic;
mod request;
mod sampler;

pub(crate) use answer::Answer;
pub(crate) use meter::{Meter, TcpWire, Traffic, Wire};
pub(crate) use quic::QuicWire;
pub(crate) use request::Measured;
pub(crate) use sampler::watch_quic;
