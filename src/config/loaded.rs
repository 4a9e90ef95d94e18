//! The result of loading a Caddyfile.

use std::net::SocketAddr;

use crate::site::{Snapshot, Task};
use crate::warning::Warning;

/// A configuration ready to be put in force.
pub struct Loaded {
    pub snapshot: Snapshot,
    /// What goes on beside its requests.
    pub tasks: Vec<Task>,
    /// One line per site, as the start prints them.
    pub sites: Vec<String>,
    /// What only carries implied redirects: failing to bind it is a warning.
    pub redirects: Vec<Redirects>,
    pub warnings: Vec<Warning>,
}

/// An address of which nobody wrote anything.
pub struct Redirects {
    pub addr: SocketAddr,
    /// As [`Loaded::sites`].
    pub sites: Vec<String>,
}

impl Loaded {
    /// All sites, as the start prints them.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.sites.clone();
        for line in self.redirects.iter().flat_map(|only| &only.sites) {
            if !lines.contains(line) {
                lines.push(line.clone());
            }
        }
        lines
    }
}
