//! Certificates and TLS settings: what a site asks for, and what rustls is given.

pub mod policy;
pub mod resolver;
mod self_signed;
mod store;

pub use policy::{Certificates, Policy};
pub use resolver::{TlsListener, build_listener};
