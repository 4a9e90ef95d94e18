//! Looks whether certificate files have changed, for as long as a listener shows them.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::pem::{DAY, unix_now};
use super::resolver::Resolver;

/// How often. A renewed file is in use after this time at most.
const EVERY: Duration = Duration::from_secs(5);

/// Watches the files of these listeners until they are all gone.
pub(super) async fn files(resolvers: Vec<Weak<Resolver>>) {
    // The configuration's own warnings are those of its first day.
    let mut day = unix_now() / DAY;
    loop {
        tokio::time::sleep(EVERY).await;
        let alive: Vec<_> = resolvers.iter().filter_map(Weak::upgrade).collect();
        if alive.is_empty() {
            return;
        }
        if std::mem::replace(&mut day, unix_now() / DAY) != day {
            warn(&alive);
        }
        // Listeners share files: all have to look before any file counts as read.
        let changed: Vec<_> = alive.iter().flat_map(|one| one.files()).collect();
        let mut new = false;
        for files in changed {
            match files.refresh() {
                Ok(changed) => new |= changed,
                Err(error) => log::error!("{error}; the certificate in use stays"),
            }
        }
        if new {
            log::info!("certificate files changed: they are in use from now on");
            alive.iter().for_each(|one| one.rebuild());
        }
    }
}

/// What is wrong with the dates of the certificates, each said once.
fn warn(resolvers: &[Arc<Resolver>]) {
    let files = resolvers.iter().flat_map(|one| one.files());
    let complaints: BTreeSet<_> = files.flat_map(|files| files.complaints()).collect();
    complaints.iter().for_each(|complaint| log::warn!("{complaint}"));
}
