//! Responses to ACME challenges in progress: HTTP-01 (RFC 8555 section 8.3) and certificates for
//! TLS-ALPN-01 (RFC 8737). They are global to the process, so that a reload does not disturb a
//! validation.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;

use super::names::{address, reverse_name};

/// The protocol of a TLS-ALPN-01 handshake.
pub const ALPN: &[u8] = b"acme-tls/1";
const HTTP_PREFIX: &str = "/.well-known/acme-challenge/";

type Responses<T> = LazyLock<ArcSwap<HashMap<String, T>>>;

/// Token to key authorization.
static HTTP: Responses<Arc<str>> = LazyLock::new(ArcSwap::default);
/// Name to the certificate that proves control over it.
static TLS: Responses<Arc<CertifiedKey>> = LazyLock::new(ArcSwap::default);

/// The response to a CA's request for `path`; `None` for other requests.
pub fn http_answer(path: &str) -> Option<Arc<str>> {
    let token = path.strip_prefix(HTTP_PREFIX)?;
    HTTP.load().get(token).cloned()
}

/// Whether this handshake is a TLS-ALPN-01 validation: it offers only this protocol (RFC 8737
/// section 3).
pub(in crate::tls) fn is_validation(hello: &ClientHello<'_>) -> bool {
    let mut offered = hello.alpn().into_iter().flatten();
    offered.next() == Some(ALPN) && offered.next().is_none()
}

/// The certificate for a TLS-ALPN-01 handshake that asks for `name`.
pub(in crate::tls) fn alpn_certificate(name: &str) -> Option<Arc<CertifiedKey>> {
    TLS.load().get(&name.to_ascii_lowercase()).cloned()
}

/// Makes a challenge response available while it lives.
#[derive(Debug)]
pub(super) enum Answer {
    Http(String),
    Tls(String),
}

impl Answer {
    pub(super) fn http(token: &str, authorization: &str) -> Self {
        insert(&HTTP, token, Arc::from(authorization));
        Self::Http(token.to_owned())
    }

    /// `name` may be an address; `digest` is the SHA-256 of the key authorization.
    pub(super) fn tls(name: &str, digest: &[u8]) -> Result<Self, String> {
        let asked_for = address(name).map_or_else(|| name.to_owned(), reverse_name);
        insert(&TLS, &asked_for, Arc::new(certificate(name, digest)?));
        Ok(Self::Tls(asked_for))
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        match self {
            Self::Http(token) => remove(&HTTP, token),
            Self::Tls(name) => remove(&TLS, name),
        }
    }
}

fn insert<T: Clone>(table: &Responses<T>, key: &str, value: T) {
    table.rcu(|old| {
        let mut new = HashMap::clone(old);
        new.insert(key.to_owned(), value.clone());
        new
    });
}

fn remove<T: Clone>(table: &Responses<T>, key: &str) {
    table.rcu(|old| {
        let mut new = HashMap::clone(old);
        new.remove(key);
        new
    });
}

fn certificate(name: &str, digest: &[u8]) -> Result<CertifiedKey, String> {
    let failed = |error: &dyn std::fmt::Display| format!("certificate for TLS-ALPN-01: {error}");
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let mut params =
        CertificateParams::new(vec![name.to_owned()]).map_err(|error| failed(&error))?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let made = params.self_signed(&key).map_err(|error| failed(&error))?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = aws_lc_rs::default_provider();
    let signer = provider.key_provider.load_private_key(private).map_err(|error| failed(&error))?;
    // Not `from_der`: it refuses critical extensions that it does not know, as this one is.
    Ok(CertifiedKey::new(vec![made.der().clone()], signer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_there_while_it_is_kept() {
        let path = "/.well-known/acme-challenge/token-1";
        assert!(http_answer(path).is_none());
        let answer = Answer::http("token-1", "token-1.thumb");
        assert_eq!(http_answer(path).as_deref(), Some("token-1.thumb"));
        assert!(http_answer("/.well-known/acme-challenge/token-2").is_none());
        assert!(http_answer("/token-1").is_none());
        drop(answer);
        assert!(http_answer(path).is_none());
        let answer = Answer::tls("challenge.example", &[7; 32]).unwrap();
        assert!(alpn_certificate("Challenge.example").is_some());
        drop(answer);
        assert!(alpn_certificate("challenge.example").is_none());
    }
}
