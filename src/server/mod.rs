//! Listens and serves: sockets, workers, the three protocols and the one door they share.
//! Sees a [`crate::site::Snapshot`], never a directive.

mod compression;
mod connection;
mod context;
mod dispatch;
mod drain;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod h3;
mod process;
mod quic;
mod tcp;
mod tunnel;
mod worker;

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::site::Snapshot;

pub use process::estate::Estate;
pub use process::family::Family;
pub use process::inherited::{idle, inherit, lent};
pub use process::listeners::{BindError, Sockets, adopt, bind};
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
