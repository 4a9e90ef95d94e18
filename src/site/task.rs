//! Work beside requests, and commands at points of the service's life: what a configuration
//! brings that no request passes.

use std::future::Future;
use std::pin::Pin;

/// Work beside requests that belongs to one generation of the configuration. It starts when that
/// is put in force, once for all workers and on none of them, and is dropped when another
/// generation takes its place.
pub struct Task(Box<dyn FnOnce() -> Work + Send>);

/// A task under way. It stays on its thread.
pub type Work = Pin<Box<dyn Future<Output = ()>>>;

impl Task {
    pub fn new<W: Future<Output = ()> + 'static>(
        work: impl FnOnce() -> W + Send + 'static,
    ) -> Self {
        Self(Box::new(move || Box::pin(work())))
    }

    pub fn start(self) -> Work {
        (self.0)()
    }
}

/// A command that the service runs at a point of its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub event: Event,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Nobody waits for it.
    pub background: bool,
}

/// The points of its life that the service runs commands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The process starts, before it answers the first request.
    Startup,
    /// The process ends, after the last request.
    Shutdown,
    /// A configuration is in force: at the start, and after each reload.
    InstanceStartup,
    /// A reload has put another configuration in force.
    InstanceRestart,
    /// A certificate from a CA is new.
    CertRenew,
}
