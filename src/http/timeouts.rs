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

impl TimeoutOverrides {
    /// Of each timeout, the shorter of the two.
    pub fn join(&mut self, other: &Self) {
        let Self { read, header, write, idle } = other;
        shorten(&mut self.read, *read);
        shorten(&mut self.header, *header);
        shorten(&mut self.write, *write);
        shorten(&mut self.idle, *idle);
    }

    /// The defaults with these changes. `read none` and `write none` also remove the limits on
    /// idle time within a message. A limit on the whole message keeps them.
    pub fn over_defaults(&self) -> Timeouts {
        let default = Timeouts::default();
        let unless_none = |whole: Option<Option<Duration>>, idle: Option<Duration>| match whole {
            Some(None) => None,
            _ => idle,
        };
        Timeouts {
            silence: unless_none(self.read, default.silence),
            write_idle: unless_none(self.write, default.write_idle),
            read: self.read.unwrap_or(default.read),
            header: self.header.unwrap_or(default.header),
            write: self.write.unwrap_or(default.write),
            idle: self.idle.unwrap_or(default.idle),
        }
    }
}

fn shorten(set: &mut Option<Option<Duration>>, other: Option<Option<Duration>>) {
    *set = set.iter().copied().chain(other).min_by_key(|limit| limit.unwrap_or(Duration::MAX));
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
