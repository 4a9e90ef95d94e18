//! What a site's `tls` lines ask for, in types.

use std::path::PathBuf;

use rustls::crypto::SupportedKxGroup;
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};

/// Where a site's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// No TLS.
    Off,
    SelfSigned,
    /// PEM files: chain and key.
    Files {
        cert: PathBuf,
        key: PathBuf,
    },
    /// A folder of `*.pem` files, each a chain and its key.
    Directory(PathBuf),
    /// From an ACME CA, with this account e-mail; the seam for automatic HTTPS.
    Managed {
        email: String,
    },
}

/// The kind of key that is made where a certificate is made here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum KeyType {
    #[default]
    P256,
    P384,
    Rsa2048,
    Rsa4096,
}

/// One site's TLS settings; an empty list is the default.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// `None`: no `tls` line.
    pub certificates: Option<Certificates>,
    pub versions: Vec<&'static SupportedProtocolVersion>,
    pub suites: Vec<SupportedCipherSuite>,
    pub groups: Vec<&'static dyn SupportedKxGroup>,
    pub alpn: Vec<Vec<u8>>,
    pub key_type: KeyType,
    /// Certificates of further `tls CERT KEY` lines and of `load`.
    pub more: Vec<Certificates>,
}
