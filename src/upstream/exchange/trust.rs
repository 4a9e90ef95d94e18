//! TLS to upstreams: the verification of their certificates, and client certificates.

use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::net::roots;

/// Which certificates are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those signed by the system's authorities.
    #[default]
    System,
    /// Those signed by the authorities in these PEM files.
    Files(Vec<String>),
    /// Any certificate.
    Anything,
}

impl Trust {
    /// A key that keeps connections with different verification apart.
    pub(crate) fn identity(&self) -> String {
        match self {
            Self::System => String::new(),
            Self::Files(files) => format!("ca={}", files.join(",")),
            Self::Anything => "insecure".to_owned(),
        }
    }

    /// Builds the TLS configurations. Reads files: only for the time of loading.
    pub(crate) fn settings(&self, client: Option<&ClientFiles>) -> Result<ClientConfigs, String> {
        let builder = match self {
            Self::System => with_roots(roots::system()?)?,
            Self::Files(files) => with_roots(Arc::new(roots_from(files)?))?,
            Self::Anything => {
                let provider = Arc::new(aws_lc_rs::default_provider());
                let builder = versions(provider.clone())?;
                let verifier = Arc::new(AcceptAll(provider));
                builder.dangerous().with_custom_certificate_verifier(verifier)
            }
        };
        Ok(ClientConfigs::new(match client {
            None => builder.with_no_client_auth(),
            Some(client) => client.shown_by(builder)?,
        }))
    }
}

/// `tls_client`: the files of the client certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFiles {
    pub(crate) cert: String,
    pub(crate) key: String,
}

impl ClientFiles {
    /// A key that keeps connections with different client certificates apart.
    pub(crate) fn identity(&self) -> String {
        format!("client={},{}", self.cert, self.key)
    }

    fn shown_by(&self, builder: Verified) -> Result<ClientConfig, String> {
        let refused = |file: &str, e: &dyn std::fmt::Display| format!("tls_client {file}: {e}");
        let chain = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|e| refused(&self.cert, &e))?;
        if chain.is_empty() {
            return Err(refused(&self.cert, &"contains no certificate"));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|e| refused(&self.key, &e))?;
        builder.with_client_auth_cert(chain, key).map_err(|e| refused(&self.cert, &e))
    }
}

/// The TLS configurations, by the ALPN protocols that are offered.
#[derive(Debug, Clone)]
pub(crate) struct ClientConfigs {
    pub(crate) http1: Arc<ClientConfig>,
    pub(crate) http2: Arc<ClientConfig>,
    pub(crate) either: Arc<ClientConfig>,
}

impl ClientConfigs {
    fn new(config: ClientConfig) -> Self {
        let offering = |protocols: &[&[u8]]| {
            let mut config = config.clone();
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Arc::new(config)
        };
        Self {
            http1: offering(&[b"http/1.1"]),
            http2: offering(&[b"h2"]),
            either: offering(&[b"h2", b"http/1.1"]),
        }
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;
type Verified = rustls::ConfigBuilder<ClientConfig, WantsClientCert>;

fn versions(provider: Arc<CryptoProvider>) -> Result<Builder, String> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS to upstreams: {e}"))
}

fn with_roots(roots: Arc<RootCertStore>) -> Result<Verified, String> {
    let builder = versions(Arc::new(aws_lc_rs::default_provider()))?;
    Ok(builder.with_root_certificates(roots))
}

fn roots_from(files: &[String]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for file in files {
        let refused = |e: &dyn std::fmt::Display| format!("ca_certificates {file}: {e}");
        let certs = CertificateDer::pem_file_iter(file).map_err(|e| refused(&e))?;
        let before = roots.len();
        for cert in certs {
            let cert = cert.map_err(|e| refused(&e))?;
            roots.add(cert).map_err(|e| refused(&e))?;
        }
        if roots.len() == before {
            return Err(refused(&"contains no certificate"));
        }
    }
    Ok(roots)
}

/// `insecure_skip_verify`: accepts any certificate; the server must still prove to have its key.
#[derive(Debug)]
struct AcceptAll(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_that_cannot_be_loaded_is_an_error() {
        assert!(Trust::Anything.settings(None).is_ok());
        let missing = Trust::Files(vec!["/nonexistent/ca.pem".into()]);
        assert!(missing.settings(None).unwrap_err().contains("/nonexistent/ca.pem"));
        let empty = tempfile::NamedTempFile::new().unwrap();
        let empty = Trust::Files(vec![empty.path().display().to_string()]);
        assert!(empty.settings(None).unwrap_err().contains("no certificate"));
        let client = ClientFiles { cert: "/nonexistent/c.pem".into(), key: "k".into() };
        let refused = Trust::Anything.settings(Some(&client)).unwrap_err();
        assert!(refused.starts_with("tls_client /nonexistent/c.pem: "), "{refused}");
    }
}
