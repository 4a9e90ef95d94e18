//! Whether the fleet at the engine has another key than this machine. It is remembered over
//! restarts: a machine with a wrong key must not become the fleet when the engine is emptied.

use super::super::engine::{Link, Trouble};
use super::membership::REFUSED;
use super::thread::Life;
use crate::tls::Storage as _;

impl Life {
    /// Notes whether the engine's fleet has another key.
    pub(super) fn refuse(&mut self, is_refused: bool) {
        let was_refused = std::mem::replace(&mut self.is_refused, is_refused);
        let folder = &self.inner.folder;
        let kept = match is_refused {
            true if was_refused => Ok(()),
            true => folder.write(REFUSED, self.inner.seal.fingerprint().as_bytes()),
            false => folder.remove(REFUSED),
        };
        if let Err(error) = kept {
            log::warn!("fleet: {error}");
        }
    }

    pub(super) fn refusal(&self, link: &Link, is_empty: bool) -> Trouble {
        let place = &link.place;
        Trouble(match is_empty {
            false => format!(
                "{place}: -fleet-key is not the key of the machines that are there: copy the file \
                 from one of them, or write another prefix ('?prefix=NAME' behind the URL)"
            ),
            true => format!(
                "{place}: -fleet-key was not the key of the machines that were there, and it has \
                 been emptied since: if the key is right, remove {} and start caddy anew",
                self.inner.folder.place(REFUSED)
            ),
        })
    }
}
