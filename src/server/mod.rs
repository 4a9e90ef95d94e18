//! Listens and serves: sockets, workers, the three protocols and the one door they share.
//! Sees a [`crate::site::Snapshot`], never a directive.

mod accept;
mod bad_head;
mod dispatch;
mod drain;
mod estate;
mod family;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod gather;
mod guard;
mod h3_alive;
mod h3_body;
mod h3_control;
mod h3_frames;
mod h3_gate;
mod h3_patience;
mod h3_request;
mod h3_response;
mod h3_section;
mod h3_transport;
mod h3_tunnels;
mod http;
mod huffman;
mod incoming;
mod inherited;
mod listeners;
mod outgoing;
mod packets;
mod primitives;
mod proxy_protocol;
mod qpack;
mod quic;
mod quic_tls;
mod stall;
mod tunnel;
mod turns;
mod unread;
mod upgrade;
mod watch;
mod wire;
mod worker;
mod ws_frames;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::site::Snapshot;

pub use estate::Estate;
pub use family::Family;
pub use inherited::{idle, inherit, lent};
pub use listeners::{BindError, Sockets, adopt, bind};
pub use worker::{Drain, Pulse, Workers, spawn};

/// The configuration in force, shared by all workers and swapped whole on reload.
pub struct Engine {
    snapshot: ArcSwap<Snapshot>,
}

impl Engine {
    pub fn new(snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Self { snapshot: ArcSwap::from_pointee(snapshot) })
    }

    /// What requests see from now on, also on connections that are already open.
    pub fn store(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Whether `snapshot` is what [`Engine::load`] gives, asked without counting a reference.
    fn is_current(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot.load(), snapshot)
    }
}
