//! Background tasks of a configuration, and the commands it runs at events of the service.

use std::future::Future;
use std::pin::Pin;

/// Background work of one configuration. It starts when the configuration becomes active, once for
/// all workers and on a thread of its own, and is dropped when another one replaces it.
pub struct Task(Box<dyn FnOnce() -> Work + Send>);

/// A running task. It stays on its thread.
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

/// A command that the service runs at an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub event: Event,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Whether the service does not wait for it.
    pub background: bool,
}

/// The events at which the service runs commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The process starts, before it answers the first request.
    Startup,
    /// The process ends, after the last request.
    Shutdown,
    /// A configuration has become active: at the start, and after each reload.
    InstanceStartup,
    /// A reload has activated another configuration.
    InstanceRestart,
    /// A certificate was obtained or renewed.
    CertRenew,
}
