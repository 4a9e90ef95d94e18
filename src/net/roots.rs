//! The system's certificate authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others).

use std::sync::{Arc, Mutex, PoisonError};

use rustls::RootCertStore;

/// Those of the configuration that is loaded now.
static KNOWN: Mutex<Option<Arc<RootCertStore>>> = Mutex::new(None);

/// The authorities, read once for each configuration. A failure is not kept.
pub fn system() -> Result<Arc<RootCertStore>, String> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(roots) = &*known {
        return Ok(roots.clone());
    }
    let roots = Arc::new(read()?);
    *known = Some(roots.clone());
    Ok(roots)
}

/// Another configuration is loaded: whoever asks next reads them anew.
pub fn forget() {
    *KNOWN.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// The authorities as they are on this machine now.
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
        log::warn!("not all certificate authorities can be read: {error}{more}");
    }
    Ok(roots)
}
