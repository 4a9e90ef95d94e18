//! A site whose directives have been read, before it has a listener.

use crate::http::paths::Prefix;
use crate::https_records::RecordSpec;
use crate::site::SiteBuilder;

/// One such site.
pub(super) struct Draft {
    pub(super) site: SiteBuilder,
    pub(super) port: u16,
    /// `FILE:LINE` of its address.
    pub(super) place: String,
    /// The HTTPS record that it should have.
    pub(super) record: Option<RecordSpec>,
    /// A site for the operator, which the start does not list.
    pub(super) is_admin: bool,
}

impl Draft {
    /// Of two with the same key on the same port, one could never be reached.
    pub(super) fn key(&self) -> (String, String) {
        let address = &self.site.address;
        (address.host.clone(), Prefix::new(address.path.trim_end_matches('/')).folded())
    }
}
