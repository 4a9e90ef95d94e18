//! The configuration in force.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::site::Snapshot;

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
    pub(super) fn is_current(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot.load(), snapshot)
    }
}
