//! How a handler gets the report of the process that it runs in.

use std::sync::{Arc, OnceLock};

use super::Report;

/// Collects reports. Called for each request that shows one, so never on the way of others.
pub trait ReportSource: Send + Sync {
    fn report(&self) -> Report;
}

/// Where handlers read the report. A configuration is loaded before the process that serves it has
/// anything to report, so directives keep this handle and read it when a request is served.
#[derive(Clone, Default)]
pub struct Process(Arc<OnceLock<Arc<dyn ReportSource>>>);

impl Process {
    /// Sets the source, once and before the first request.
    pub fn set(&self, source: Arc<dyn ReportSource>) {
        // Only the first one counts: a process has one.
        let _ = self.0.set(source);
    }

    /// `None` while the process does not serve yet, as in `-validate`.
    pub fn report(&self) -> Option<Report> {
        self.0.get().map(|source| source.report())
    }
}
