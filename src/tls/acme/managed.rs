//! A certificate from a CA: the current one, which is replaced atomically.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;

use super::order::Issued;
use super::places::Places;
use crate::tls::certificate_spec::CertificateSpec;
use crate::tls::pem::{self, Loaded, Pem, unix_now};
use crate::tls::report::{CertificateState, RenewalFailure};
use crate::tls::self_signed::SelfSigned;
use crate::tls::source::CertificateSource;
use crate::tls::storage::Storage;

const DAY: i64 = 24 * 3600;

/// A certificate from a CA. Configurations with the same specification share it.
#[derive(Debug)]
pub(super) struct Managed {
    spec: CertificateSpec,
    current: ArcSwapOption<Loaded>,
    /// Used until there is a certificate.
    fallback: Option<Arc<SelfSigned>>,
    /// Unix second at which it is renewed.
    renew_at: AtomicI64,
    /// The last attempt, if it failed.
    failure: Mutex<Option<RenewalFailure>>,
}

impl Managed {
    /// Opens it with the stored certificate; only reads the storage.
    pub(super) fn open(
        spec: CertificateSpec,
        fallback: Option<Arc<SelfSigned>>,
        store: &dyn Storage,
    ) -> Self {
        let managed = Self::empty(spec, fallback);
        if let Some(found) = managed.found(store).filter(|found| managed.fits(found)) {
            managed.show(found);
        }
        managed
    }

    /// Opens it with any stored certificate of the name.
    pub(super) fn open_any(spec: CertificateSpec, store: &dyn Storage) -> Self {
        let managed = Self::empty(spec, None);
        if let Some(found) = managed.found(store) {
            managed.show(found);
        }
        managed
    }

    fn empty(spec: CertificateSpec, fallback: Option<Arc<SelfSigned>>) -> Self {
        let current = ArcSwapOption::empty();
        let (renew_at, failure) = (AtomicI64::new(0), Mutex::default());
        Self { spec, current, fallback, renew_at, failure }
    }

    fn found(&self, store: &dyn Storage) -> Option<Loaded> {
        stored(&Places::of(&self.spec), store).or_else(|| stored(&Places::old(&self.spec)?, store))
    }

    pub(super) fn spec(&self) -> &CertificateSpec {
        &self.spec
    }

    /// The certificate for handshakes, or the fallback.
    pub(super) fn certified(&self) -> Option<Arc<CertifiedKey>> {
        match &*self.current.load() {
            Some(current) => Some(current.key.clone()),
            None => self.fallback.as_ref().map(|fallback| fallback.certified()),
        }
    }

    /// The certificate from the CA, valid or not.
    pub(super) fn current(&self) -> Option<Arc<Loaded>> {
        self.current.load_full()
    }

    /// Keeps how the last attempt ended.
    pub(super) fn attempted(&self, failure: Option<RenewalFailure>) {
        *self.failure() = failure;
    }

    /// What a report says of it.
    pub(super) fn state(&self) -> CertificateState {
        let failure = self.failure().clone();
        let name = self.spec.name.clone();
        match self.current() {
            Some(current) => CertificateState { failure, ..CertificateState::of(&current) },
            None => CertificateState { names: vec![name], from: None, until: None, failure },
        }
    }

    fn failure(&self) -> MutexGuard<'_, Option<RenewalFailure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the certificate is valid now.
    pub(super) fn is_valid(&self) -> bool {
        self.current.load().as_ref().is_some_and(|current| current.until > unix_now())
    }

    /// Whether more than half of the time for its renewal is left.
    pub(super) fn has_time(&self) -> bool {
        let current = self.current.load();
        current.as_ref().is_some_and(|one| unix_now() < one.until - (one.until - one.from) / 6)
    }

    pub(super) fn is_due(&self) -> bool {
        self.current.load().is_none() || self.renew_at() <= unix_now()
    }

    pub(super) fn renew_at(&self) -> i64 {
        self.renew_at.load(Ordering::Relaxed)
    }

    /// Sets the renewal time that the CA suggests, within bounds: not too close to the end, and
    /// not so early that wrong advice causes a loop.
    pub(super) fn renew_by_advice(&self, at: i64) {
        if let Some(current) = self.current() {
            let life = current.until - current.from;
            let (earliest, latest) = (current.from + (life / 6).min(DAY), current.until - life / 6);
            self.renew_at.store(at.max(earliest).min(latest), Ordering::Relaxed);
        }
    }

    /// Repairs the storage: completes an interrupted installation, renames damaged entries, and
    /// loads a newer certificate of another process. The caller holds the lock of the name.
    pub(super) fn settle(&self, store: &dyn Storage) -> std::io::Result<()> {
        let places = Places::of(&self.spec);
        if let Some(both) = store.read(&places.arrived())? {
            match parse(&both, &both, &store.place(&places.arrived())) {
                Ok(_) => install(&places, &both, store)?,
                Err(error) => store.set_aside_damaged(&places.arrived(), &error)?,
            }
        }
        let Some(found) = stored(&places, store) else {
            return set_aside_damaged(&places, store);
        };
        let newer = self.current().is_none_or(|current| found.from > current.from);
        if self.fits(&found) && newer {
            self.show(found);
        }
        Ok(())
    }

    /// Takes a newer certificate from the storage, which another machine has put there.
    pub(super) fn reread(&self, store: &dyn Storage) {
        let newer = |found: &Loaded| {
            self.fits(found) && self.current().is_none_or(|current| found.from > current.from)
        };
        if let Some(found) = stored(&Places::of(&self.spec), store).filter(newer) {
            self.show(found);
        }
    }

    /// Stores a new certificate and puts it into use; a storage failure is only logged.
    pub(super) fn accept(&self, issued: &Issued, store: &dyn Storage) -> Result<(), String> {
        let both = format!("{}{}", issued.chain.trim_end(), "\n") + &issued.key;
        let loaded = parse(both.as_bytes(), both.as_bytes(), "the response of the CA")?;
        if let Err(error) = self.put_away(&both, store) {
            log::error!("{}: cannot store the new certificate: {error}", self.spec.name);
        }
        self.show(loaded);
        Ok(())
    }

    fn put_away(&self, both: &str, store: &dyn Storage) -> std::io::Result<()> {
        let places = Places::of(&self.spec);
        store.write(&places.arrived(), both.as_bytes())?;
        install(&places, both.as_bytes(), store)?;
        store.remove(&places.order())
    }

    fn show(&self, loaded: Loaded) {
        let third = (loaded.until - loaded.from) / 3;
        self.renew_at.store(loaded.until - third, Ordering::Relaxed);
        self.current.store(Some(Arc::new(loaded)));
    }

    /// Whether a stored certificate is for the name. Other differences (key type, profile) wait for
    /// the next renewal, as the CA may have ignored them.
    fn fits(&self, found: &Loaded) -> bool {
        found.names.contains(&self.spec.name)
    }
}

impl CertificateSource for Managed {
    fn certified(&self, _: Option<&str>) -> Option<Arc<CertifiedKey>> {
        self.certified()
    }

    fn spec(&self) -> Option<&CertificateSpec> {
        Some(&self.spec)
    }

    fn current(&self) -> Option<Arc<Loaded>> {
        self.current()
    }

    fn report(&self) -> Vec<CertificateState> {
        vec![self.state()]
    }

    fn staple(&self, key: &Arc<CertifiedKey>) {
        if let Some(current) = self.current().filter(|current| current.key.cert == key.cert) {
            let stapled = Loaded { key: key.clone(), ..Loaded::clone(&current) };
            // A certificate that is installed concurrently takes precedence.
            self.current.compare_and_swap(&current, Some(Arc::new(stapled)));
        }
    }

    fn prepare(self: Arc<Self>, _: String) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        None
    }
}

/// The stored certificate; `None` if there is no usable one.
fn stored(places: &Places, store: &dyn Storage) -> Option<Loaded> {
    let read = |entry: &str| store.read(entry).ok().flatten();
    let arrived = read(&places.arrived())
        .and_then(|both| parse(&both, &both, &store.place(&places.arrived())).ok());
    arrived.or_else(|| {
        let (chain, key) = (read(&places.certificate())?, read(&places.key())?);
        parse(&chain, &key, &store.place(&places.certificate())).ok()
    })
}

pub(super) fn parse(chain: &[u8], key: &[u8], place: &str) -> Result<Loaded, String> {
    let pem = |text| Pem { text, place };
    pem::pair(&pem(chain), &pem(key), &aws_lc_rs::default_provider())
}

/// Writes key and certificate to separate files. The combined file takes precedence until both
/// exist.
pub(super) fn install(places: &Places, both: &[u8], store: &dyn Storage) -> std::io::Result<()> {
    let text = String::from_utf8_lossy(both);
    let at = text.rfind("-----BEGIN").unwrap_or(0);
    store.write(&places.key(), text[at..].as_bytes())?;
    store.write(&places.certificate(), text[..at].as_bytes())?;
    store.remove(&places.arrived())
}

fn set_aside_damaged(places: &Places, store: &dyn Storage) -> std::io::Result<()> {
    let (chain, key) = (store.read(&places.certificate())?, store.read(&places.key())?);
    let why = match (&chain, &key) {
        (None, None) => return Ok(()),
        (Some(_), None) => "the key is missing".to_owned(),
        // v1 leaves the key when it revokes a certificate.
        (None, Some(_)) => return Ok(()),
        (Some(chain), Some(key)) => match parse(chain, key, &store.place(&places.certificate())) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        },
    };
    for (entry, there) in [(places.certificate(), &chain), (places.key(), &key)] {
        if there.is_some() {
            store.set_aside_damaged(&entry, &why)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::tls::Folder;

    fn issued() -> Issued {
        let made = rcgen::generate_simple_self_signed(vec!["a.example".to_owned()]).unwrap();
        Issued { chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    fn spec() -> CertificateSpec {
        let (name, ca) = ("a.example".to_owned(), "https://ca.example/dir".to_owned());
        CertificateSpec { name, ca, ..CertificateSpec::default() }
    }

    /// A certificate that was made now for so many days.
    fn lasting(days: i64) -> Managed {
        let managed = Managed::empty(spec(), None);
        let made = issued();
        let key = parse(made.chain.as_bytes(), made.key.as_bytes(), "here").unwrap();
        let from = unix_now();
        managed.show(Loaded { from, until: from + days * DAY, ..key });
        managed
    }

    #[test]
    fn a_third_of_the_lifetime_is_left_at_the_renewal() {
        for (days, expected) in [(90, 60 * DAY), (45, 30 * DAY), (6, 4 * DAY)] {
            let managed = lasting(days);
            let from = managed.current().unwrap().from;
            assert_eq!(managed.renew_at() - from, expected);
            for (advice, expected) in [
                (10 * DAY, (10 * DAY).min(days * DAY * 5 / 6)),
                (-DAY, DAY),
                (1000 * DAY, days * DAY * 5 / 6),
            ] {
                managed.renew_by_advice(from + advice);
                assert_eq!(managed.renew_at() - from, expected, "{advice} of {days} days");
            }
        }
    }

    #[test]
    fn a_crash_between_two_files_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().to_owned());
        let places = Places::of(&spec());
        Managed::open(spec(), None, &store).accept(&issued(), &store).unwrap();
        let first = Managed::open(spec(), None, &store).current().unwrap();
        // The key is already the new one, the certificate not yet.
        let new = issued();
        let both = format!("{}{}", new.chain, new.key);
        store.write(&places.arrived(), both.as_bytes()).unwrap();
        store.write(&places.key(), new.key.as_bytes()).unwrap();
        let again = Managed::open(spec(), None, &store);
        assert_ne!(again.current().unwrap().key.cert, first.key.cert);
        again.settle(&store).unwrap();
        assert_eq!(store.read(&places.arrived()).unwrap(), None);
        let chain = store.read(&places.certificate()).unwrap().unwrap();
        assert_eq!(String::from_utf8(chain).unwrap().trim(), new.chain.trim());
    }

    #[test]
    fn damaged_files_are_set_aside_and_not_trusted() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().to_owned());
        let places = Places::of(&spec());
        let good = issued();
        store.write(&places.certificate(), &good.chain.as_bytes()[..100]).unwrap();
        store.write(&places.key(), good.key.as_bytes()).unwrap();
        let managed = Managed::open(spec(), None, &store);
        assert!(managed.current().is_none() && managed.is_due());
        managed.settle(&store).unwrap();
        let mut left = store.list("acme/ca.example/sites/a.example").unwrap();
        left.sort();
        assert_eq!(left, ["a.example.crt.damaged-1", "a.example.key.damaged-1"]);
    }

    #[test]
    fn a_certificate_for_another_name_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().to_owned());
        Managed::open(spec(), None, &store).accept(&issued(), &store).unwrap();
        assert!(!Managed::open(spec(), None, &store).is_due());
        let places = Places::of(&spec());
        let other = rcgen::generate_simple_self_signed(vec!["b.example".to_owned()]).unwrap();
        store.write(&places.certificate(), other.cert.pem().as_bytes()).unwrap();
        store.write(&places.key(), other.signing_key.serialize_pem().as_bytes()).unwrap();
        assert!(Managed::open(spec(), None, &store).is_due());
    }

    #[test]
    fn what_v1_kept_under_the_old_ca_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let store = Folder::new(dir.path().to_owned());
        let ca = "https://acme-v02.api.letsencrypt.org/directory".to_owned();
        let spec = CertificateSpec { ca, ..spec() };
        let old = Places::old(&spec).unwrap();
        let made = issued();
        store.write(&old.certificate(), made.chain.as_bytes()).unwrap();
        store.write(&old.key(), made.key.as_bytes()).unwrap();
        assert!(Managed::open(spec, None, &store).is_valid());
    }
}
