//! The configuration in force.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::site::Snapshot;

/// The current configuration, shared by all workers. A reload replaces it as a whole.
pub struct Engine {
    snapshot: ArcSwap<Snapshot>,
}

impl Engine {
    pub fn new(snapshot: Snapshot) -> Arc<Self> {
        Arc::new(Self { snapshot: ArcSwap::from_pointee(snapshot) })
    }

    /// Replaces the configuration for new requests, also on open connections.
    pub fn store(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    pub fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Whether `snapshot` is the current one. Changes no reference count.
    pub(super) fn is_current(&self, snapshot: &Arc<Snapshot>) -> bool {
        Arc::ptr_eq(&self.snapshot.load(), snapshot)
    }
}
