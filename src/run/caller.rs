//! The recipient of this process's readiness or start error.

use std::io;

use super::exit::Failure;
use super::handover::HandoverIn;
use super::output;
use crate::daemon::detach::Readiness;
use crate::daemon::upgrade::{self, Predecessor};
use crate::server::Sockets;

pub(super) enum Caller {
    /// The reader of stderr.
    Terminal,
    /// The process that `-daemon` left in the foreground.
    Parent(Readiness),
    /// The previous process, in an upgrade.
    Predecessor(Predecessor),
}

/// The previous process, if this is an upgrade, and its handover.
pub(super) fn predecessor() -> Result<Option<(Caller, HandoverIn)>, (Caller, String)> {
    match upgrade::predecessor() {
        Ok(None) => Ok(None),
        Ok(Some((before, parcel))) => match HandoverIn::open(parcel) {
            Ok(handover) => Ok(Some((Caller::Predecessor(before), handover))),
            Err(error) => Err((Caller::Predecessor(before), error)),
        },
        Err(error) => {
            Err((Caller::Terminal, format!("cannot take over from the previous process: {error}")))
        }
    }
}

impl Caller {
    pub(super) fn is_predecessor(&self) -> bool {
        matches!(self, Self::Predecessor(_))
    }

    /// Reports readiness to a predecessor, with the addresses whose UDP sockets this process will
    /// read, and waits for its order to serve.
    pub(super) fn ready_to_serve(self, opening: &[Sockets]) -> io::Result<Self> {
        if let Self::Predecessor(before) = &self {
            let taken = opening.iter().filter(|sockets| sockets.has_before());
            let taken: Vec<String> = taken.map(|sockets| sockets.addr.to_string()).collect();
            before.ready(&taken.join("\n"))?;
        }
        Ok(self)
    }

    pub(super) fn failed(self, why: &Failure) {
        match self {
            Self::Terminal => output::error(&why.text),
            Self::Parent(readiness) => readiness.failed(why.code, &why.text),
            Self::Predecessor(before) => before.failed(&why.lines.join("\n")),
        }
    }
}
