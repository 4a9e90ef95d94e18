//! A TLS client that accepts any certificate and returns the plaintext stream.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

pub type TlsStream = rustls::StreamOwned<ClientConnection, TcpStream>;

/// A connection for `localhost`.
pub fn tls_any(port: u16) -> TlsStream {
    tls_named(port, "localhost").unwrap()
}

/// A connection for this name, its handshake done.
pub fn tls_named(port: u16, name: &str) -> std::io::Result<TlsStream> {
    tls_speaking(port, name, b"http/1.1")
}

/// The same for another protocol.
pub fn tls_speaking(port: u16, name: &str, protocol: &[u8]) -> std::io::Result<TlsStream> {
    tls_of(&speaking(protocol), port, name)
}

/// A client for HTTP/1.1, which keeps its sessions.
pub fn tls_client() -> Arc<ClientConfig> {
    speaking(b"http/1.1")
}

fn speaking(protocol: &[u8]) -> Arc<ClientConfig> {
    Arc::new(any_certificate(protocol))
}

/// A client of this protocol that accepts any certificate.
pub fn any_certificate(protocol: &[u8]) -> ClientConfig {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Any(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

/// A connection of this client.
pub fn tls_of(client: &Arc<ClientConfig>, port: u16, name: &str) -> std::io::Result<TlsStream> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut session = ClientConnection::new(client.clone(), name).unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(Duration::from_secs(20)))?;
    while session.is_handshaking() {
        session.complete_io(&mut socket)?;
    }
    Ok(TlsStream::new(session, socket))
}

#[derive(Debug)]
struct Any(Arc<CryptoProvider>);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
