//! Keys that all processes of one service share, and the generation of this process. An upgraded
//! binary gets the secret from the process before it.

use std::sync::Arc;

use aws_lc_rs::{hkdf, hmac, rand};

use crate::server::quic::packets::Ids;

/// The keys of a service, shared by all its workers and by later processes.
pub struct ServiceKeys {
    secret: [u8; 32],
    /// 1 for the first process of a service, plus 1 for each upgrade.
    generation: u32,
    pub(crate) ids: Ids,
    /// Authenticates stateless resets (RFC 9000 section 10.3).
    pub(crate) resets: Arc<hmac::Key>,
    /// Encrypts address validation tokens (RFC 9000 section 8.1).
    pub(crate) tokens: Arc<hkdf::Prk>,
}

impl ServiceKeys {
    /// Generates keys, for the first process of a service.
    ///
    /// # Errors
    /// The system's random number generator fails.
    pub fn generate() -> Result<Arc<Self>, String> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).map_err(|_| "no randomness from the system".to_owned())?;
        Self::of_generation(secret, 1)
    }

    /// The keys for the process with this `generation` of its service.
    ///
    /// # Errors
    /// The keys cannot be created.
    pub fn of_generation(secret: [u8; 32], generation: u32) -> Result<Arc<Self>, String> {
        let ids = derive(&secret, "connection IDs");
        let ids = Ids::new(&ids[..16]).map_err(|_| "no key for connection IDs".to_owned())?;
        let resets = hmac::Key::new(hmac::HMAC_SHA256, &derive(&secret, "stateless resets"));
        let tokens = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&derive(&secret, "tokens"));
        let (resets, tokens) = (Arc::new(resets), Arc::new(tokens));
        Ok(Arc::new(Self { secret, generation, ids, resets, tokens }))
    }

    /// The secret to pass to the next process, and to no other.
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
