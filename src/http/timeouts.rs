//! The timeouts of a site or listener, which `timeouts` changes.

use std::time::Duration;

use crate::limits::{BODY_IDLE, HEADER_READ, KEEP_ALIVE_IDLE, WRITE_IDLE};

/// The timeouts of a site or listener; `None`: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// The whole request, head and body.
    pub read: Option<Duration>,
    /// Idle time within the body.
    pub silence: Option<Duration>,
    pub header: Option<Duration>,
    /// From the end of the request's head to the end of the response.
    pub write: Option<Duration>,
    /// How long a response may wait for the client to take bytes.
    pub write_idle: Option<Duration>,
    pub idle: Option<Duration>,
}

/// The settings of a site: `None` keeps the default, `Some(None)` removes the limit.
#[derive(Debug, Clone, Copy, Default)]
pub struct TimeoutOverrides {
    pub read: Option<Option<Duration>>,
    pub header: Option<Option<Duration>>,
    pub write: Option<Option<Duration>>,
    pub idle: Option<Option<Duration>>,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            read: None,
            silence: Some(BODY_IDLE),
            header: Some(HEADER_READ),
            write: None,
            write_idle: Some(WRITE_IDLE),
            idle: Some(KEEP_ALIVE_IDLE),
        }
    }
}
