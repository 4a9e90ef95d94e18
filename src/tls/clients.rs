//! Client certificates: what a site asks of them, and who is let in. Over TCP the site's own
//! configuration is chosen by the server name; a QUIC endpoint has one configuration for all its
//! sites, takes any certificate there, and judges it once the name is known.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::policy::patterns;

/// `clients [request|require|verify_if_given] CA…`.
#[derive(Debug)]
pub struct Clients {
    mode: Mode,
    /// Judges a certificate; `None` where any will do.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

/// How much a client has to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// May show a certificate, any.
    Request,
    /// Has to show one, any.
    Require,
    /// May show one, of these CAs.
    VerifyIfGiven,
    /// Has to show one, of these CAs.
    #[default]
    RequireAndVerify,
}

impl Clients {
    /// Reads the CAs' certificates from PEM files.
    pub fn load(mode: Mode, files: &[&str]) -> Result<Self, String> {
        if matches!(mode, Mode::Request | Mode::Require) && files.is_empty() {
            return Ok(Self { mode, verifier: None });
        }
        let mut roots = RootCertStore::empty();
        for file in files {
            let refused = |error: &dyn std::fmt::Display| format!("client CA '{file}': {error}");
            let before = roots.len();
            for found in CertificateDer::pem_file_iter(file).map_err(|e| refused(&e))? {
                roots.add(found.map_err(|e| refused(&e))?).map_err(|e| refused(&e))?;
            }
            if roots.len() == before {
                return Err(refused(&"holds no certificate"));
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if matches!(mode, Mode::VerifyIfGiven) {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build().map_err(|error| format!("client CAs: {error}"))?;
        let any = matches!(mode, Mode::Request | Mode::Require);
        Ok(Self { mode, verifier: (!any).then_some(verifier as Arc<dyn ClientCertVerifier>) })
    }

    /// What the handshake of this site verifies with.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        match &self.verifier {
            Some(verifier) => verifier.clone(),
            None => Arc::new(AnyCertificate::new(self.mandatory())),
        }
    }

    /// Whether a client that showed `chain` may come in.
    pub(super) fn admits(&self, chain: &[CertificateDer<'_>]) -> bool {
        let Some((leaf, rest)) = chain.split_first() else { return !self.mandatory() };
        match &self.verifier {
            Some(verifier) => verifier.verify_client_cert(leaf, rest, UnixTime::now()).is_ok(),
            None => true,
        }
    }

    fn mandatory(&self) -> bool {
        matches!(self.mode, Mode::Require | Mode::RequireAndVerify)
    }
}

/// Which hosts of a listener ask for client certificates. Hosts are found as sites are.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    hosts: HashMap<String, Option<Arc<Clients>>>,
    any: bool,
}

impl Hosts {
    pub(super) fn insert(&mut self, host: &str, clients: Option<Arc<Clients>>) {
        self.any |= clients.is_some();
        let slot = self.hosts.entry(host.to_ascii_lowercase()).or_default();
        // Sites that differ in their path only: the handshake comes before the path.
        if slot.is_none() {
            *slot = clients;
        }
    }

    /// Whether no site asks: then nothing has to be looked up.
    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    /// What the site of this name asks for.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<Clients>> {
        if !self.any {
            return None;
        }
        let others = ["0.0.0.0".to_owned(), String::new()];
        let found = patterns(name).chain(others).find_map(|name| self.hosts.get(&name));
        found.and_then(Option::as_ref)
    }

    /// Whether a connection that was set up for `server_name` may carry a request for `host`.
    pub(super) fn agree(&self, server_name: Option<&str>, host: &str) -> bool {
        if !self.any {
            return true;
        }
        match (self.find(server_name.unwrap_or_default()), self.find(host)) {
            (None, None) => true,
            (Some(shown), Some(wanted)) => Arc::ptr_eq(shown, wanted),
            _ => false,
        }
    }
}

/// Takes any certificate whose key the client has; nobody vouches for the name in it.
#[derive(Debug)]
pub(super) struct AnyCertificate {
    mandatory: bool,
}

impl AnyCertificate {
    fn new(mandatory: bool) -> Self {
        Self { mandatory }
    }

    /// For a listener whose sites differ: who shows none is judged later.
    pub(super) fn or_none() -> Arc<dyn ClientCertVerifier> {
        Arc::new(Self::new(false))
    }
}

impl ClientCertVerifier for AnyCertificate {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        use x509_parser::prelude::{FromDer, X509Certificate};
        match X509Certificate::from_der(leaf) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(_) => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_stays_with_the_policy_of_its_handshake() {
        let clients = || Some(Arc::new(Clients::load(Mode::Require, &[]).unwrap()));
        let mut hosts = Hosts::default();
        hosts.insert("open.example", None);
        hosts.insert("also-open.example", None);
        assert!(hosts.agree(None, "open.example"));
        hosts.insert("closed.example", clients());
        hosts.insert("*.wild.example", clients());
        for (sni, host, expected) in [
            (Some("open.example"), "also-open.example", true),
            (Some("closed.example"), "closed.example", true),
            (Some("CLOSED.example"), "closed.example", true),
            (Some("open.example"), "closed.example", false),
            (Some("closed.example"), "open.example", false),
            (None, "closed.example", false),
            (None, "open.example", true),
            (Some("a.wild.example"), "b.wild.example", true),
            (Some("closed.example"), "b.wild.example", false),
        ] {
            assert_eq!(hosts.agree(sni, host), expected, "{sni:?} {host}");
        }
    }

    #[test]
    fn cas_that_cannot_be_read_are_errors() {
        let missing = Clients::load(Mode::default(), &["/nonexistent/ca.pem"]).unwrap_err();
        assert!(missing.contains("/nonexistent/ca.pem"), "{missing}");
        let empty = tempfile::NamedTempFile::new().unwrap();
        let path = empty.path().display().to_string();
        assert!(Clients::load(Mode::default(), &[&path]).unwrap_err().contains("no certificate"));
    }
}
