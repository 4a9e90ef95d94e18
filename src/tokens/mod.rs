//! Signed tokens: JSON Web Tokens (RFC 7519) in the compact form of JWS (RFC 7515), and the keys
//! for them from secrets, PEM and JWK (RFC 7517). Pure: the time is an argument.
//!
//! A key knows its algorithms, and a token that names another one is not even looked at: neither
//! `none` nor a public key in the role of a secret can come about.

mod key;
mod signer;
#[cfg(test)]
mod tests;
mod token;

pub use key::Key;
pub use signer::Signer;
pub use token::{Claims, Refused, verify};
