//! Agreement to a CA's terms: given by `-agree`, by an e-mail address that an operator wrote in
//! `tls`, by an account that is there already, or by a person at a terminal.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::Value;

use super::account;
use super::keeper::Keeper;
use crate::tls::certificate_spec::CertificateSpec;
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
            .flat_map(|listener| listener.resolver.spec())
            .find(|spec| !self.has_agreed(spec))
            .map(|spec| Undecided {
                needs_email: spec.email.is_empty()
                    && account::latest_email(&*self.store, &spec.ca).is_none(),
                ca: spec.ca.clone(),
            })
    }

    /// Fetches the URL of the CA's terms. Blocks.
    pub fn terms_of(&self, ca: &str) -> Option<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        runtime.block_on(self.terms(ca))
    }

    async fn terms(&self, ca: &str) -> Option<String> {
        let request = Request::get(ca).body(Full::<Bytes>::default()).ok()?;
        let client = self.ca(ca).client(self.settings().timeout);
        let directory = client.fetch(request).await.ok()?;
        let directory: Value = serde_json::from_slice(&directory).ok()?;
        directory["meta"]["termsOfService"].as_str().map(str::to_owned)
    }

    /// Accepts the terms of the CAs; `email` is for accounts without another address, and may be
    /// empty.
    pub fn agree(&self, email: &str) {
        email.clone_into(&mut self.answered.lock().unwrap_or_else(PoisonError::into_inner));
        self.agreed.send_replace(true);
    }

    /// Whether the CA may be asked for this certificate.
    pub(super) fn has_agreed(&self, spec: &CertificateSpec) -> bool {
        spec.agreed || self.has_account(&spec.ca)
    }

    fn has_account(&self, ca: &str) -> bool {
        *self.agreed.borrow() || account::any(&*self.store, ca)
    }

    /// Says, once for each CA, that an e-mail address in the Caddyfile agrees to its terms.
    pub(super) async fn log_agreement(&self, spec: &CertificateSpec) {
        let logged = &self.ca(&spec.ca).logged;
        if !spec.agreed || self.has_account(&spec.ca) || logged.swap(true, Ordering::Relaxed) {
            return;
        }
        match self.terms(&spec.ca).await {
            Some(terms) => log::info!(
                "{}: with the e-mail address {} in 'tls' you agree to the terms of {}: {terms}",
                spec.name,
                spec.email,
                spec.ca
            ),
            // Said when the CA can be reached.
            None => logged.store(false, Ordering::Relaxed),
        }
    }

    /// Has certificates that wait for an agreement look again: the CA has an account.
    pub(super) fn account_made(&self) {
        self.agreed.send_modify(|_| {});
    }

    /// Waits until the terms may have been agreed to.
    pub(super) async fn agreement(&self) {
        let mut agreed = self.agreed.subscribe();
        if !*agreed.borrow_and_update() {
            let _ = tokio::time::timeout(LOOK, agreed.changed()).await;
        }
    }
}
