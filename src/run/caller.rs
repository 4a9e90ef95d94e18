//! Who waits for this process to be ready, and hears why it is not.

use std::io;

use super::handover::HandoverIn;
use super::output;
use crate::daemon::detach::Readiness;
use crate::daemon::upgrade::{self, Predecessor};
use crate::server::Sockets;

pub(super) enum Caller {
    /// Whoever reads stderr.
    Terminal,
    /// The process that `-daemon` left in the foreground.
    Parent(Readiness),
    /// The process that this one is to take over from.
    Predecessor(Predecessor),
}

/// The process before this one, if there is one, and what it hands over.
pub(super) fn predecessor() -> Result<Option<(Caller, HandoverIn)>, (Caller, String)> {
    match upgrade::predecessor() {
        Ok(None) => Ok(None),
        Ok(Some((before, parcel))) => match HandoverIn::open(parcel) {
            Ok(handover) => Ok(Some((Caller::Predecessor(before), handover))),
            Err(error) => Err((Caller::Predecessor(before), error)),
        },
        Err(error) => Err((Caller::Terminal, format!("the process before: {error}"))),
    }
}

impl Caller {
    pub(super) fn is_predecessor(&self) -> bool {
        matches!(self, Self::Predecessor(_))
    }

    /// Waits for a predecessor's word, which is told of which addresses this process will read the
    /// UDP sockets.
    pub(super) fn ready_to_serve(self, opening: &[Sockets]) -> io::Result<Self> {
        if let Self::Predecessor(before) = &self {
            let taken = opening.iter().filter(|sockets| sockets.has_before());
            let taken: Vec<String> = taken.map(|sockets| sockets.addr.to_string()).collect();
            before.ready(&taken.join("\n"))?;
        }
        Ok(self)
    }

    pub(super) fn failed(self, error: &str) {
        match self {
            Self::Terminal => output::error(error),
            Self::Parent(readiness) => readiness.failed(error),
            Self::Predecessor(before) => before.failed(error),
        }
    }
}
