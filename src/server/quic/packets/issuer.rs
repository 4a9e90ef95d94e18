//! Generates the connection IDs of one endpoint for quinn.

use std::sync::Arc;

use quinn::{ConnectionId, ConnectionIdGenerator};
use quinn_proto::InvalidCid;

use super::id::LEN;
use crate::server::ServiceKeys;

/// Issues the connection IDs of one endpoint.
pub(super) struct Issuer {
    pub(super) keys: Arc<ServiceKeys>,
    pub(super) place: u16,
}

impl ConnectionIdGenerator for Issuer {
    fn generate_cid(&mut self) -> ConnectionId {
        // Neither the cipher nor the system's random number generator fails in practice. An ID that
        // cannot be decoded works as long as the client's address stays the same.
        let id = self.keys.issue(self.place).unwrap_or_else(|| {
            let mut noise = [0; LEN];
            noise.fill_with(|| fastrand::u8(..));
            noise
        });
        ConnectionId::new(&id)
    }

    /// A packet with an ID that we did not issue gets no stateless reset.
    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        let id: &[u8; LEN] = id[..].try_into().map_err(|_| InvalidCid)?;
        self.keys.home(id).map(drop).ok_or(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        LEN
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}
