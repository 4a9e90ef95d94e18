//! Certificates and TLS settings: what a site asks for, where it comes from, and what rustls is
//! given.

pub mod acme;
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
pub mod resolver;
mod self_signed;
mod settings;
mod source;
mod storage;
mod wanted;
mod watch;

pub use dns::{Algorithm, Dns, Rfc2136};
pub use files::Files;
pub use key_type::KeyType;
pub use policy::{Certificates, ManagedPolicy, Policy};
pub use settings::{TlsListener, build_listener};
pub use source::{CertificateSource, Issuer};
pub use storage::{Folder, Storage};
pub use wanted::{Eab, OnDemandLimits, Wanted};
