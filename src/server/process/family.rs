//! What the processes of one service have in common: a secret that none but they know, and which
//! of them this one is. An upgraded binary gets both from the process before it.

use std::sync::Arc;

use aws_lc_rs::{hkdf, hmac, rand};

use crate::server::quic::packets::Ids;

/// The keys of a service, the same in all its workers and in the processes after this one.
pub struct Family {
    secret: [u8; 32],
    /// Processes before this one, and one.
    generation: u32,
    pub(crate) ids: Ids,
    /// By it a client knows that its connection is gone (RFC 9000 section 10.3).
    pub(crate) resets: Arc<hmac::Key>,
    /// Seals the tokens by which a client proves its address (RFC 9000 section 8.1).
    pub(crate) tokens: Arc<hkdf::Prk>,
}

impl Family {
    /// The first of a new family.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn found() -> Result<Arc<Self>, String> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| "no randomness from the system".to_owned())?;
        Self::member(secret, 1)
    }

    /// The member that comes `generation`th.
    ///
    /// # Errors
    /// The keys cannot be made.
    pub fn member(secret: [u8; 32], generation: u32) -> Result<Arc<Self>, String> {
        let ids = derive(&secret, "connection IDs");
        let ids = Ids::new(&ids[..16]).map_err(|_| "no key for connection IDs".to_owned())?;
        let resets = hmac::Key::new(hmac::HMAC_SHA256, &derive(&secret, "stateless resets"));
        let tokens = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&derive(&secret, "tokens"));
        let (resets, tokens) = (Arc::new(resets), Arc::new(tokens));
        Ok(Arc::new(Self { secret, generation, ids, resets, tokens }))
    }

    /// For the process that is to come next, and for nobody else.
    pub fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    pub fn generation(&self) -> u32 {
        self.generation
    }
}

fn derive(secret: &[u8; 32], purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), purpose.as_bytes());
    key.copy_from_slice(tag.as_ref());
    key
}
