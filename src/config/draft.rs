//! A site between its directives and its listeners.

use crate::http::paths::Prefix;
use crate::site::SiteBuilder;

/// A site whose directives have been read, on its way to a listener.
pub(super) struct Draft {
    pub(super) site: SiteBuilder,
    pub(super) port: u16,
    /// `FILE:LINE` of its address.
    pub(super) place: String,
}

impl Draft {
    /// Of two with the same key on the same port, one could never be reached.
    pub(super) fn key(&self) -> (String, String) {
        let address = &self.site.address;
        (address.host.clone(), Prefix::new(address.path.trim_end_matches('/')).folded())
    }
}
