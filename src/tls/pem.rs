//! Certificates in PEM: a chain and its key, checked when they are read, so that a bad file is an
//! error at the start and not at the first handshake.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

/// A day, in seconds.
pub(super) const DAY: i64 = 24 * 3600;
/// Warnings begin this long before a certificate expires.
pub(super) const NOTICE: i64 = 14 * DAY;

/// id-ad-ocsp.
const OCSP: &str = "1.3.6.1.5.5.7.48.1";

/// A chain with its key, its names in lower case, and its validity period in Unix seconds.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) names: Vec<String>,
    pub(super) from: i64,
    pub(super) until: i64,
    /// The URL of the OCSP responder that the certificate names.
    pub(super) responder: Option<String>,
}

impl Loaded {
    /// A warning about its validity period at the time `now`.
    pub(super) fn complaint(&self, now: i64) -> Option<String> {
        if self.until < now {
            let on = date(self.until);
            return Some(format!("the certificate expired on {on}: replace it with a renewed one"));
        }
        if self.from > now {
            let from = date(self.from);
            return Some(format!(
                "the certificate is not valid before {from}: check the clock of this machine"
            ));
        }
        // A short-lived certificate is renewed later.
        let notice = NOTICE.min((self.until - self.from) / 3);
        (self.until - now < notice).then(|| {
            let (on, days) = (date(self.until), (self.until - now) / DAY);
            format!(
                "the certificate expires on {on}, in {days} days: replace it with a renewed one"
            )
        })
    }
}

/// Text in PEM, and its file name for messages.
pub(super) struct Pem<'a> {
    pub(super) text: &'a [u8],
    pub(super) place: &'a str,
}

/// Reads a chain and its key, which may be in one file.
pub(super) fn load_pair(
    cert: &Path,
    key: &Path,
    provider: &CryptoProvider,
) -> Result<Loaded, String> {
    let (cert_place, key_place) = (cert.display().to_string(), key.display().to_string());
    let chain = read(cert, "certificate")?;
    let private = if cert == key { chain.clone() } else { read(key, "key")? };
    let chain = Pem { text: &chain, place: &cert_place };
    pair(&chain, &Pem { text: &private, place: &key_place }, provider)
}

/// Combines a chain and its key, and checks that they match.
pub(super) fn pair(
    chain: &Pem<'_>,
    key: &Pem<'_>,
    provider: &CryptoProvider,
) -> Result<Loaded, String> {
    let certificates = parse_chain(chain)?;
    let private = parse_key(key)?;
    let leaf = certificates[0].clone();
    let (_, leaf) = X509Certificate::from_der(&leaf)
        .map_err(|error| format!("the certificate in '{}' cannot be read: {error}", chain.place))?;
    let made =
        CertifiedKey::from_der(certificates, private, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => format!(
                "the key in '{}' does not belong to the first certificate in '{}': the site's \
                 own certificate must come first in its file, with the key it was issued for",
                key.place, chain.place
            ),
            other => format!("cannot use the key in '{}': {other}", key.place),
        })?;
    Ok(Loaded {
        responder: responder(&leaf),
        key: Arc::new(made),
        names: names(&leaf),
        from: leaf.validity().not_before.timestamp(),
        until: leaf.validity().not_after.timestamp(),
    })
}

fn parse_chain(pem: &Pem<'_>) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.text)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("'{}' is not well-formed PEM: {error}", pem.place))?;
    if chain.is_empty() {
        return Err(format!(
            "no certificate in '{}': it must be PEM, with a line '-----BEGIN CERTIFICATE-----'; \
             the order is 'tls CERT KEY'",
            pem.place
        ));
    }
    Ok(chain)
}

fn parse_key(pem: &Pem<'_>) -> Result<PrivateKeyDer<'static>, String> {
    let marked = |mark| contains(pem.text, mark);
    if marked(b"BEGIN ENCRYPTED PRIVATE KEY") || marked(b"Proc-Type: 4,ENCRYPTED") {
        return Err(format!(
            "the key in '{}' is encrypted: decrypt it first, for example with \
            'openssl pkey -in {0} -out NEWFILE'",
            pem.place
        ));
    }
    PrivateKeyDer::from_pem_slice(pem.text).map_err(|error| {
        format!(
            "no usable private key in '{}' ({error}): it must be PEM, PKCS#8, PKCS#1 or SEC1; \
             the order is 'tls CERT KEY'",
            pem.place
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

/// The subject alternative names, or the common name if there are none.
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

/// The URL of the OCSP responder (RFC 5280 section 4.2.2.1).
fn responder(leaf: &X509Certificate<'_>) -> Option<String> {
    leaf.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => access.iter().find_map(|one| {
            match (&one.access_location, one.access_method.to_id_string() == OCSP) {
                (GeneralName::URI(url), true) => Some((*url).to_owned()),
                _ => None,
            }
        }),
        _ => None,
    })
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

pub(super) fn date(seconds: i64) -> String {
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
        let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        let both = format!("{cert}{key}");
        let cases = [
            (key.as_str(), key.as_str(), "no certificate in"),
            ("", &key, "no certificate in"),
            (&cert, &cert, "no usable private key in"),
            (&cert, &other_key, "does not belong to the first certificate"),
            (&cert, &encrypted, "is encrypted"),
        ];
        for (cert, key, expected) in cases {
            let error = load(cert, key).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        for (from, until, complaint) in
            [(2000, 2001, "expired on 2001-01-01"), (3999, 4000, "not valid before 3999-01-01")]
        {
            let (cert, key) = pair(from, until);
            let message = load(&cert, &key).unwrap().complaint(unix_now()).unwrap();
            assert!(message.contains(complaint), "{message}");
        }
        assert_eq!(load(&cert, &key).unwrap().complaint(unix_now()), None);
        assert_eq!(load(&cert, &key).unwrap().names, ["a.example"]);
        assert_eq!(load(&both, &both).unwrap().names, ["a.example"]);
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let missing = Path::new("/nonexistent/cert.pem");
        let error = load_pair(missing, missing, &provider).unwrap_err();
        assert!(error.contains("cannot read certificate file '/nonexistent/cert.pem'"), "{error}");
    }
}
