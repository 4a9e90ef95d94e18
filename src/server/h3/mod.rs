//! HTTP/3 on a QUIC connection: its streams and frames, requests and responses.

mod backlog;
pub(crate) mod body;
mod close;
pub(crate) mod connection_window;
pub(crate) mod control;
mod control_stream;
mod errors;
pub(crate) mod frames;
pub(crate) mod gate;
mod interim;
pub(crate) mod patience;
pub(crate) mod priorities;
pub(crate) mod refusals;
pub(crate) mod request;
mod respelled;
pub(crate) mod response;
pub(crate) mod section;
pub(crate) mod send_order;
mod send_window;
mod sending;
pub(crate) mod transport;
pub(crate) mod tunnels;
mod varint;
