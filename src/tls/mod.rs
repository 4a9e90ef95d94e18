//! Certificates and TLS settings: what a site asks for, and what rustls is given.

pub mod policy;
pub mod resolver;
mod self_signed;
mod settings;
mod store;

pub use policy::{Certificates, KeyType, Policy};
pub use resolver::check;
pub use settings::{TlsListener, build_listener};
