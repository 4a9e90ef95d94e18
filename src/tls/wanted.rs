//! What is wanted of a CA for one certificate; data only.

use std::fmt;

use super::dns::Dns;
use super::key_type::KeyType;

/// One certificate: its name, where it comes from, and what it is like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Lower-case; may begin with `*.`.
    pub name: String,
    /// The directory's URL.
    pub ca: String,
    /// May be empty: the account used last, or one without an address.
    pub email: String,
    pub key_type: KeyType,
    pub must_staple: bool,
    pub profile: Option<String>,
    pub eab: Option<Eab>,
    /// Proves control by DNS-01, and only by it.
    pub dns: Option<Dns>,
}

/// An external account binding: what ties the ACME account to one that the CA already has.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Eab {
    pub id: String,
    pub key: Vec<u8>,
}

impl fmt::Debug for Eab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Eab({})", self.id)
    }
}

/// The bounds of on-demand TLS; one of them at least.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnDemandLimits {
    /// `max_certs`.
    pub max: Option<u32>,
    /// `ask`: the URL that has to agree.
    pub ask: Option<String>,
}
