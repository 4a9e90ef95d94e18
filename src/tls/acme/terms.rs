//! Agreement to a CA's terms: given by `-agree`, by an account that is there already, or by a
//! person at a terminal.

use super::account;
use super::keeper::Keeper;
use crate::tls::TlsListener;

/// A CA that cannot be asked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// Its directory.
    pub ca: String,
    /// Whether no e-mail address is known for the account.
    pub needs_email: bool,
}

impl Keeper {
    /// The first CA among those of the listeners whose terms nobody has agreed to.
    pub fn undecided<'a>(
        &self,
        listeners: impl Iterator<Item = &'a TlsListener>,
    ) -> Option<Undecided> {
        listeners
            .flat_map(|listener| listener.resolver.managed())
            .map(|managed| managed.wanted().clone())
            .find(|wanted| !self.has_agreed(&wanted.ca))
            .map(|wanted| Undecided {
                needs_email: wanted.email.is_empty()
                    && account::latest_email(&*self.store, &wanted.ca).is_none(),
                ca: wanted.ca,
            })
    }
}
