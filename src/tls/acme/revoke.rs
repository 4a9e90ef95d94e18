//! `-revoke`: revokes the certificate of a name and removes it from the storage.

use instant_acme::{RevocationReason, RevocationRequest};

use super::failure::Failure;
use super::keeper::Keeper;
use super::managed::Managed;
use super::nonce::Attempts;
use super::places::Places;
use crate::tls::certificate_spec::CertificateSpec;

/// Revokes the stored certificate of `host` with the account of the CA. The key is kept, as in v1.
pub fn revoke(keeper: &Keeper, host: &str) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let spec = CertificateSpec {
        name: host.to_ascii_lowercase(),
        ca: keeper.settings().ca.clone(),
        email: keeper.settings().email.clone(),
        ..CertificateSpec::default()
    };
    runtime.block_on(keeper.revoke(spec))
}

impl Keeper {
    async fn revoke(&self, spec: CertificateSpec) -> Result<(), Failure> {
        let places = Places::of(&spec);
        let _lock = self.lock(&places.lock()).await?;
        if self.store.is_cut_off() {
            let place = self.store.place(&places.certificate());
            return Err(Failure::refused(format!(
                "nothing is revoked: the engine of -fleet does not answer, and the other machines \
                 would keep the certificate. Try again when it does, or revoke without -fleet and \
                 remove {place} on each machine"
            )));
        }
        let managed = Managed::open_any(spec, &*self.store);
        let leaf = managed.current().and_then(|current| current.key.cert.first().cloned());
        let Some(leaf) = leaf else {
            let place = self.store.place(&places.certificate());
            return Err(Failure::refused(format!("no certificate to revoke in {place}")));
        };
        let request =
            RevocationRequest { certificate: &leaf, reason: Some(RevocationReason::Unspecified) };
        let account = self.account(managed.spec()).await?;
        let mut attempts = Attempts::default();
        loop {
            let done = account.revoke(&request).await.map_err(Failure::from);
            if !attempts.again(&done) {
                break done?;
            }
        }
        Ok(self.store.remove(&places.certificate())?)
    }
}
