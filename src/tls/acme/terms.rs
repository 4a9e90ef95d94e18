//! Agreement to a CA's terms: by `-agree`, by an existing account, or at the terminal.

use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::Value;

use super::account;
use super::keeper::Keeper;
use crate::tls::settings::TlsListener;

/// The interval of checks for an account of another process.
const LOOK: Duration = Duration::from_secs(600);

/// A CA whose terms have not been accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The URL of its directory.
    pub ca: String,
    /// Whether no e-mail address is known for the account.
    pub needs_email: bool,
}

impl Keeper {
    /// The first CA of these listeners whose terms have not been accepted.
    pub fn undecided<'a>(
        &self,
        listeners: impl Iterator<Item = &'a TlsListener>,
    ) -> Option<Undecided> {
        listeners
            .flat_map(|listener| listener.resolver.wanted())
            .find(|wanted| !self.has_agreed(&wanted.ca))
            .map(|wanted| Undecided {
                needs_email: wanted.email.is_empty()
                    && account::latest_email(&*self.store, &wanted.ca).is_none(),
                ca: wanted.ca.clone(),
            })
    }

    /// Fetches the URL of the CA's terms. Blocks.
    pub fn terms_of(&self, ca: &str) -> Option<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let request = Request::get(ca).body(Full::<Bytes>::default()).ok()?;
        let client = self.ca(ca).client(self.settings().timeout);
        let directory = runtime.block_on(client.fetch(request)).ok()?;
        let directory: Value = serde_json::from_slice(&directory).ok()?;
        directory["meta"]["termsOfService"].as_str().map(str::to_owned)
    }

    /// Accepts the terms of the CAs; `email` is for accounts without another address, and may be
    /// empty.
    pub fn agree(&self, email: &str) {
        email.clone_into(&mut self.answered.lock().unwrap_or_else(PoisonError::into_inner));
        self.agreed.send_replace(true);
    }

    /// Whether the terms of this CA have been accepted.
    pub(super) fn has_agreed(&self, ca: &str) -> bool {
        *self.agreed.borrow() || account::any(&*self.store, ca)
    }

    /// Waits for an agreement, for at most [`LOOK`].
    pub(super) async fn agreement(&self) {
        let mut agreed = self.agreed.subscribe();
        let _ = tokio::time::timeout(LOOK, agreed.wait_for(|agreed| *agreed)).await;
    }
}
