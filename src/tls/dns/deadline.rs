//! The time limit of all that keeps a zone.

use std::time::Duration;

/// How long a nameserver or a program may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(120);
