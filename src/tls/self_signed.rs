//! Self-signed certificates: generated, kept across reloads and renewed.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::key_type::KeyType;
use super::pem::unix_now;
use crate::machine;

/// Validity of a certificate in seconds.
const LIFE: i64 = 7 * 24 * 3600;
/// Seconds by which notBefore is set back, as client clocks may be slow.
const BACKDATE: i64 = 3600;

/// The current certificate of a host.
#[derive(Debug)]
pub(super) struct SelfSigned {
    host: String,
    key: KeyPair,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<Issued>,
    renewing: Mutex<()>,
}

#[derive(Debug)]
struct Issued {
    certified: Arc<CertifiedKey>,
    /// Unix second when a third of its validity is left.
    renew_at: i64,
}

type Cache = Mutex<HashMap<(String, KeyType), Arc<SelfSigned>>>;

/// All certificates of this process, so that a browser's exception survives a reload.
static CACHE: LazyLock<Cache> = LazyLock::new(Mutex::default);

impl SelfSigned {
    /// The certificate for `host` (empty: the names of this machine), generated once per process.
    pub(super) fn for_host(
        host: &str,
        kind: KeyType,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<Self>, String> {
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache.get(&(host.to_owned(), kind)) {
            return Ok(known.clone());
        }
        let failed = |error| format!("cannot make a self-signed certificate for '{host}': {error}");
        let key = kind.generate().map_err(|error| failed(error.to_string()))?;
        let issued = issue(host, &key, provider).map_err(failed)?;
        let made = Arc::new(Self {
            host: host.to_owned(),
            key,
            provider: provider.clone(),
            current: ArcSwap::from_pointee(issued),
            renewing: Mutex::new(()),
        });
        cache.insert((host.to_owned(), kind), made.clone());
        Ok(made)
    }

    /// The current certificate. One handshake renews it when it is due; concurrent ones use the
    /// old certificate.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        self.certified_at(unix_now())
    }

    fn certified_at(&self, now: i64) -> Arc<CertifiedKey> {
        let current = self.current.load();
        if now >= current.renew_at
            && let Ok(_one) = self.renewing.try_lock()
        {
            match issue(&self.host, &self.key, &self.provider) {
                Ok(issued) => self.current.store(Arc::new(issued)),
                Err(error) => {
                    log::error!("self-signed certificate for '{}': {error}", self.host);
                }
            }
            return self.current.load().certified.clone();
        }
        current.certified.clone()
    }
}

fn issue(host: &str, key: &KeyPair, provider: &CryptoProvider) -> Result<Issued, String> {
    let now = unix_now();
    let mut params =
        CertificateParams::new(subject_names(host)).map_err(|error| error.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Caddy Self-Signed");
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |at: i64| Duration::from_secs(at.unsigned_abs());
    params.not_before = epoch + seconds(now - BACKDATE);
    params.not_after = epoch + seconds(now + LIFE);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(key).map_err(|error| error.to_string())?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified = CertifiedKey::from_der(vec![certificate.der().clone()], private, provider)
        .map_err(|error| error.to_string())?;
    Ok(Issued { certified: Arc::new(certified), renew_at: now + LIFE * 2 / 3 })
}

/// The certificate of a catch-all site has the names of this machine.
fn subject_names(host: &str) -> Vec<String> {
    if !host.is_empty() {
        return vec![host.to_owned()];
    }
    let mut names = vec!["localhost".to_owned()];
    let machine = machine::name().to_ascii_lowercase();
    if !machine.is_empty() && machine != "localhost" && machine.is_ascii() {
        names.push(machine);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_until_two_thirds_of_its_life_are_over() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let first = SelfSigned::for_host("kept.example", KeyType::P256, &provider).unwrap();
        let again = SelfSigned::for_host("kept.example", KeyType::P256, &provider).unwrap();
        assert!(Arc::ptr_eq(&first.certified(), &again.certified()));
        let now = unix_now();
        let before = first.certified_at(now + LIFE / 2);
        assert!(Arc::ptr_eq(&first.certified(), &before));
        let renewed = first.certified_at(now + LIFE * 3 / 4);
        assert!(!Arc::ptr_eq(&before, &renewed));
        assert!(Arc::ptr_eq(&renewed, &again.certified()));
    }
}
