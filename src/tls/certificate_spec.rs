//! The specification of a certificate from a CA.

use std::fmt;

use super::dns::Dns;
use super::key_type::KeyType;

/// A certificate to obtain: its name, its CA and its properties.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct CertificateSpec {
    /// In lower case; may begin with `*.`, or be an IP address.
    pub name: String,
    /// The URL of the directory.
    pub ca: String,
    /// Empty: the account used last, or one without an address.
    pub email: String,
    /// Whether an operator wrote the address beside the site, and so agreed to the terms of the CA.
    pub agreed: bool,
    pub key_type: KeyType,
    pub must_staple: bool,
    pub profile: Option<String>,
    pub eab: Option<Eab>,
    /// If set, DNS-01 is the only challenge.
    pub dns: Option<Dns>,
}

/// An external account binding (RFC 8555 section 7.3.4).
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

/// The limits of on-demand TLS; at least one is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnDemandLimits {
    /// `max_certs`.
    pub max: Option<u32>,
    /// `ask`: the URL that must allow a name.
    pub ask: Option<String>,
}
