//! Certificates and TLS settings: what a site asks for, where it comes from, and what rustls is
//! given.

pub mod acme;
pub mod clients;
mod files;
mod handshake;
mod hosts;
mod ocsp;
mod pem;
pub mod policy;
pub mod resolver;
mod self_signed;
mod settings;
mod watch;

pub use files::Files;
pub use policy::{Certificates, KeyType, ManagedPolicy, Policy};
pub use settings::{TlsListener, build_listener};
