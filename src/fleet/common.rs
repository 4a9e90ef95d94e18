//! What parts of the program have of a fleet that know nothing of its engine: secrets that all
//! machines make alike of `-fleet-key`.

use std::fmt;

use aws_lc_rs::hmac;

/// Of one process.
pub struct Common {
    secrets: hmac::Key,
}

impl Common {
    pub fn new(secrets: hmac::Key) -> Self {
        Self { secrets }
    }

    /// A secret for one purpose.
    pub fn secret(&self, purpose: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.secrets, purpose.as_bytes());
        let mut secret = [0; 32];
        secret.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        secret
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common").finish_non_exhaustive()
    }
}
