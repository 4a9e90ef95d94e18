//! TLS: the policies of sites, the sources of certificates, and the configurations for rustls.

pub mod acme;
mod certificate_spec;
pub mod challenges;
pub mod clients;
mod dns;
mod files;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod handshake;
mod hosts;
mod https_client;
mod key_type;
mod names;
mod ocsp;
mod pem;
pub mod policy;
mod report;
pub mod resolver;
mod self_signed;
mod settings;
mod source;
mod storage;
pub mod tickets;
mod watch;

use rustls::CipherSuite;

pub use certificate_spec::Eab;
pub use dns::{
    Algorithm, Change as DnsChange, Dns, Provided, Replaced, Rfc2136, Unusable, Value as DnsValue,
    provider_names,
};
pub use files::Files;
pub use key_type::KeyType;
pub use names::is_public;
pub use policy::{Certificates, HttpsRecord, ManagedPolicy, Policy};
pub use report::{CertificateState, RenewalFailure};
pub use settings::{TlsListener, build_listener};
pub use storage::{Folder, Held, Storage};

/// The IANA name of a cipher suite, which rustls does not give for those of TLS 1.3.
pub fn cipher_name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        other => other.as_str().unwrap_or(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cipher_suite_has_its_name() {
        for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
            let name = cipher_name(suite.suite());
            assert!(name.starts_with("TLS_"), "{:?}: {name:?}", suite.suite());
        }
    }
}
