//! The system's certificate authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).

use std::sync::{Arc, Mutex, PoisonError};

use rustls::RootCertStore;

/// The authorities, as read for the current configuration.
static KNOWN: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);

/// The authorities, read once per configuration. A failure is not cached.
pub fn system() -> Result<Arc<RootCertStore>, String> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(roots) = &*known {
        return Ok(roots.clone());
    }
    let roots = Arc::new(read()?);
    *known = Some(roots.clone());
    Ok(roots)
}

/// Drops the cached authorities, when another configuration is loaded.
pub fn forget() {
    *KNOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Reads the authorities of this machine.
pub fn read() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or(String::new(), |error| format!(": {error}"));
        return Err(format!("no certificate authorities found on this system{why}"));
    }
    if let Some(error) = found.errors.first() {
        let more = match found.errors.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        log::warn!("some certificate authorities cannot be read: {error}{more}");
    }
    Ok(roots)
}
