//! Listens and serves: sockets, workers, the three protocols and the one door they share.
//! Sees a [`crate::site::Snapshot`], never a directive.

mod accept;
mod dispatch;
mod drain;
mod guard;
mod h3_body;
mod http;
mod incoming;
mod inherited;
mod listeners;
mod outgoing;
mod quic;
mod watch;
mod worker;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::site::Snapshot;

pub use inherited::{idle, inherit};
pub use listeners::{BindError, Sockets, bind};
pub use worker::{Workers, spawn};

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
}
