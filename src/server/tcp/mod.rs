//! HTTP/1.1 and HTTP/2: TCP connections, TLS, the guard and the gate, and hyper.

pub(crate) mod accept;
pub(crate) mod activity;
pub(crate) mod batched_tls;
pub(crate) mod client_stream;
pub(crate) mod guard;
pub(crate) mod h2_gate;
pub(crate) mod outgoing;
pub(crate) mod proxy_protocol;
mod record_size;
pub(crate) mod send_order;
pub(crate) mod serve;
pub(crate) mod stall;
pub(crate) mod stream;
pub(crate) mod stream_slots;
pub(crate) mod unread;
pub(crate) mod watch;
