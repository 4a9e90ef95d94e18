//! Client certificates: the requirements of a site and their verification. Over TCP the server name
//! selects the site's own TLS configuration. A QUIC endpoint has one configuration for all sites:
//! it accepts any certificate, and verifies it once the name is known.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use super::hosts::ByHost;

/// `clients [request|require|verify_if_given] CA…`.
#[derive(Debug)]
pub struct Clients {
    mode: Mode,
    /// Verifies a certificate; `None`: any certificate is accepted.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    demand: Demand,
}

/// A digest of mode and CAs: equal for sites that accept the same clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Demand(Vec<u8>);

/// Which certificate a client must present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Optional, any certificate.
    Request,
    /// Required, any certificate.
    Require,
    /// Optional, signed by these CAs.
    VerifyIfGiven,
    /// Required, signed by these CAs.
    #[default]
    RequireAndVerify,
}

impl Clients {
    /// Reads the CAs' certificates from PEM files.
    pub fn load(mode: Mode, files: &[&str]) -> Result<Self, String> {
        let mut demand = Context::new(&SHA256);
        demand.update(&[mode as u8]);
        if matches!(mode, Mode::Request | Mode::Require) && files.is_empty() {
            return Ok(Self { mode, verifier: None, demand: Demand::of(demand) });
        }
        let mut roots = RootCertStore::empty();
        for file in files {
            let refused = |error: &dyn std::fmt::Display| format!("client CA '{file}': {error}");
            let before = roots.len();
            for found in CertificateDer::pem_file_iter(file).map_err(|e| refused(&e))? {
                let found = found.map_err(|e| refused(&e))?;
                demand.update(&found);
                roots.add(found).map_err(|e| refused(&e))?;
            }
            if roots.len() == before {
                return Err(refused(&"contains no certificate"));
            }
        }
        let provider = Arc::new(default_provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if matches!(mode, Mode::VerifyIfGiven) {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build().map_err(|error| format!("client CAs: {error}"))?;
        let any = matches!(mode, Mode::Request | Mode::Require);
        let verifier = (!any).then_some(verifier as Arc<dyn ClientCertVerifier>);
        Ok(Self { mode, verifier, demand: Demand::of(demand) })
    }

    pub(super) fn demand(&self) -> &Demand {
        &self.demand
    }

    /// The verifier for handshakes of this site.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        match &self.verifier {
            Some(verifier) => verifier.clone(),
            None => Arc::new(AnyCertificate::new(self.mandatory())),
        }
    }

    /// Whether a client that presented `chain` is accepted.
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

impl Demand {
    fn of(digest: Context) -> Self {
        Self(digest.finish().as_ref().to_vec())
    }

    /// The same on all machines.
    pub(super) fn digest(&self) -> &[u8] {
        &self.0
    }
}

/// The client certificate requirements of a listener, by host.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    hosts: ByHost<Option<Arc<Clients>>>,
    any: bool,
}

impl Hosts {
    pub(super) fn insert(&mut self, host: &str, clients: Option<Arc<Clients>>) {
        self.any |= clients.is_some();
        self.hosts.insert(host.to_owned(), clients);
    }

    /// Whether no site requests client certificates.
    pub(super) fn is_empty(&self) -> bool {
        !self.any
    }

    /// The requirements of the site of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<Clients>> {
        if !self.any {
            return None;
        }
        self.hosts.find(name).and_then(Option::as_ref)
    }

    /// Whether a connection with this server name may carry a request for `host`: both must have
    /// the same requirements.
    pub(super) fn agree(&self, server_name: Option<&str>, host: &str) -> bool {
        if !self.any {
            return true;
        }
        let demand = |name| self.find(name).map(|clients| clients.demand());
        demand(server_name.unwrap_or_default()) == demand(host)
    }
}

/// Accepts any certificate whose key the client has, without verifying its issuer.
#[derive(Debug)]
pub(super) struct AnyCertificate {
    mandatory: bool,
}

impl AnyCertificate {
    fn new(mandatory: bool) -> Self {
        Self { mandatory }
    }

    /// For a listener whose sites differ: a missing certificate is checked later.
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
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
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
        let asking = Clients::load(Mode::Request, &[]).unwrap();
        hosts.insert("asking.example", Some(Arc::new(asking)));
        for (sni, host, expected) in [
            (Some("open.example"), "also-open.example", true),
            (Some("closed.example"), "closed.example", true),
            (Some("CLOSED.example"), "closed.example", true),
            (Some("open.example"), "closed.example", false),
            (Some("closed.example"), "open.example", false),
            (None, "closed.example", false),
            (None, "open.example", true),
            (Some("a.wild.example"), "b.wild.example", true),
            (Some("closed.example"), "b.wild.example", true),
            (Some("closed.example"), "asking.example", false),
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
