//! Certificates from PEM files: a chain and its key, checked at load so that a bad file is an
//! error at start and not at the first handshake.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// How deep `load` looks; a folder that links to itself ends there.
const MAX_DEPTH: usize = 16;

/// A chain with its key, and the names it is for, lower-case.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) names: Vec<String>,
}

/// Reads a chain and its key. Both may be in one file.
pub(super) fn load_pair(
    cert: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Loaded, String> {
    let chain = read_chain(cert)?;
    let names = check_leaf(&chain[0], cert)?;
    let private = read_key(key)?;
    let pair = CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => format!(
            "the key in '{}' does not belong to the first certificate in '{}': the site's own \
             certificate must come first in its file, with the key it was issued for",
            key.display(),
            cert.display()
        ),
        other => format!("cannot use the key in '{}': {other}", key.display()),
    })?;
    Ok(Loaded { key: Arc::new(pair), names })
}

/// Every `*.pem` file below `dir`, by name; each holds a chain and its key.
pub(super) fn load_directory(dir: &Path, provider: &CryptoProvider) -> Result<Vec<Loaded>, String> {
    let mut files = Vec::new();
    find_pem(dir, 0, &mut files)?;
    files.sort();
    if files.is_empty() {
        return Err(format!(
            "no *.pem file in '{}': each must hold a certificate chain and its key",
            dir.display()
        ));
    }
    files.iter().map(|file| load_pair(file, file, provider)).collect()
}

fn find_pem(dir: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable = |error| format!("cannot read folder '{}': {error}", dir.display());
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            if depth < MAX_DEPTH {
                find_pem(&path, depth + 1, files)?;
            }
        } else if path.extension().is_some_and(|ext| ext == "pem") {
            files.push(path);
        }
    }
    Ok(())
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(path, "certificate")?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("'{}' is not well-formed PEM: {error}", path.display()))?;
    if chain.is_empty() {
        return Err(format!(
            "no certificate in '{}': it must be PEM, with a line '-----BEGIN CERTIFICATE-----'; \
             the order is 'tls CERT KEY'",
            path.display()
        ));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let text = read(path, "key")?;
    if contains(&text, b"BEGIN ENCRYPTED PRIVATE KEY") || contains(&text, b"Proc-Type: 4,ENCRYPTED")
    {
        return Err(format!(
            "the key in '{}' is encrypted: decrypt it first, as by 'openssl pkey -in {0} -out \
             NEWFILE'",
            path.display()
        ));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        format!(
            "no usable private key in '{}' ({error}): it must be PEM, PKCS#8, PKCS#1 or SEC1; \
             the order is 'tls CERT KEY'",
            path.display()
        )
    })
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path)
        .map_err(|error| format!("cannot read {what} file '{}': {error}", path.display()))
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

/// Checks the leaf's dates and returns its names.
fn check_leaf(der: &CertificateDer<'_>, path: &Path) -> Result<Vec<String>, String> {
    let (_, leaf) = X509Certificate::from_der(der).map_err(|error| {
        format!("the certificate in '{}' cannot be read: {error}", path.display())
    })?;
    let now = unix_now();
    let (from, until) =
        (leaf.validity().not_before.timestamp(), leaf.validity().not_after.timestamp());
    if until < now {
        return Err(format!(
            "the certificate in '{}' expired on {}: put a renewed one there",
            path.display(),
            date(until)
        ));
    }
    if from > now {
        return Err(format!(
            "the certificate in '{}' is not valid before {}: is this machine's clock right?",
            path.display(),
            date(from)
        ));
    }
    Ok(names(&leaf))
}

/// Subject alternative names; where there are none, the common name.
fn names(leaf: &X509Certificate<'_>) -> Vec<String> {
    let mut names = Vec::new();
    if let Ok(Some(san)) = leaf.subject_alternative_name() {
        for name in &san.value.general_names {
            match name {
                GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                GeneralName::IPAddress(bytes) => names.extend(ip(bytes)),
                _ => {}
            }
        }
    }
    if names.is_empty() {
        let common = leaf.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        names.extend(common.map(str::to_ascii_lowercase));
    }
    names
}

fn ip(bytes: &[u8]) -> Option<String> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::Ipv4Addr::from(v4).to_string());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string())
}

pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

fn date(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds, 0)
        .map_or_else(|| seconds.to_string(), |date| date.format("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    /// A certificate for `a.example` valid in these years, and its key, as PEM.
    fn pair(from: i32, until: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["A.example".to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn load(cert: &str, key: &str) -> Result<Loaded, String> {
        let dir = tempfile::tempdir().unwrap();
        let (cert_path, key_path) = (dir.path().join("cert"), dir.path().join("key"));
        std::fs::write(&cert_path, cert).unwrap();
        std::fs::write(&key_path, key).unwrap();
        load_pair(&cert_path, &key_path, &rustls::crypto::aws_lc_rs::default_provider())
    }

    #[test]
    fn files_that_cannot_serve_are_refused() {
        let (cert, key) = pair(2000, 4000);
        let (_, other_key) = pair(2000, 4000);
        let (expired, expired_key) = pair(2000, 2001);
        let (early, early_key) = pair(3999, 4000);
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        let both = format!("{cert}{key}");
        let cases = [
            (key.as_str(), key.as_str(), "no certificate in"),
            ("", &key, "no certificate in"),
            (&cert, &cert, "no usable private key in"),
            (&cert, &other_key, "does not belong to the first certificate"),
            (&expired, &expired_key, "expired on 2001-01-01"),
            (&early, &early_key, "is not valid before 3999-01-01"),
            (&cert, &encrypted, "is encrypted"),
        ];
        for (cert, key, expected) in cases {
            let error = load(cert, key).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(load(&cert, &key).unwrap().names, ["a.example"]);
        assert_eq!(load(&both, &both).unwrap().names, ["a.example"]);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let missing = Path::new("/nonexistent/cert.pem");
        let error = load_pair(missing, missing, &provider).unwrap_err();
        assert!(error.contains("cannot read certificate file '/nonexistent/cert.pem'"), "{error}");
    }

    #[test]
    fn a_folder_is_read_with_those_in_it() {
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let dir = tempfile::tempdir().unwrap();
        assert!(load_directory(dir.path(), &provider).unwrap_err().contains("no *.pem file"));
        let (cert, key) = pair(2000, 4000);
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/a.pem"), format!("{cert}{key}")).unwrap();
        std::fs::write(dir.path().join("note.txt"), "nothing").unwrap();
        assert_eq!(load_directory(dir.path(), &provider).unwrap().len(), 1);
    }
}
