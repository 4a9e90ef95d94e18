//! The client side of TLS: whom an `https://` upstream's certificate must satisfy.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// Which certificates are good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Trust {
    /// Those of the system's authorities.
    #[default]
    System,
    /// Those of the authorities in these PEM files.
    Files(Vec<String>),
    /// Any at all.
    Anything,
}

impl Trust {
    /// What sets connections apart that were made under different trust.
    pub(super) fn identity(&self) -> String {
        match self {
            Self::System => String::new(),
            Self::Files(files) => format!("ca={}", files.join(",")),
            Self::Anything => "insecure".to_owned(),
        }
    }

    /// The settings of a connection. Reads certificates: for load time only.
    pub(super) fn config(&self) -> Result<Arc<ClientConfig>, String> {
        match self {
            Self::System => {
                static SYSTEM: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
                SYSTEM.get_or_init(|| with_roots(system_roots()?)).clone()
            }
            Self::Files(files) => with_roots(roots_from(files)?),
            Self::Anything => {
                let provider = Arc::new(aws_lc_rs::default_provider());
                let builder = versions(provider.clone())?;
                let verifier = Arc::new(AcceptAll(provider));
                let config = builder.dangerous().with_custom_certificate_verifier(verifier);
                Ok(http1(config.with_no_client_auth()))
            }
        }
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn versions(provider: Arc<CryptoProvider>) -> Result<Builder, String> {
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| format!("TLS to upstreams: {e}"))
}

fn with_roots(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let builder = versions(Arc::new(aws_lc_rs::default_provider()))?;
    Ok(http1(builder.with_root_certificates(roots).with_no_client_auth()))
}

fn http1(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or(String::new(), |e| format!(": {e}"));
        return Err(format!("no certificate authorities found on this system{why}"));
    }
    Ok(roots)
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
            return Err(refused(&"holds no certificate"));
        }
    }
    Ok(roots)
}

/// `insecure_skip_verify`: any certificate will do, but who shows it must hold its key.
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
        assert!(Trust::Anything.config().is_ok());
        let missing = Trust::Files(vec!["/nonexistent/ca.pem".into()]);
        assert!(missing.config().unwrap_err().contains("/nonexistent/ca.pem"));
        let empty = tempfile::NamedTempFile::new().unwrap();
        let empty = Trust::Files(vec![empty.path().display().to_string()]);
        assert!(empty.config().unwrap_err().contains("no certificate"));
    }
}
