//! The TLS session of a QUIC connection. After the handshake it is reduced to the client's identity
//! and the secret from which later keys are derived.

use std::any::Any;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::crypto::{
    ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey, ServerConfig, Session,
    UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectionId, Side, TransportError, TransportErrorCode};
use rustls::quic::{KeyChange, Secrets, ServerConnection, Suite, Version};
use rustls::{AlertDescription, CipherSuite};

use crate::server::connection::TlsSession;

/// The initial salt (RFC 9001 section 5.2).
const INITIAL: CipherSuite = CipherSuite::TLS13_AES_128_GCM_SHA256;
/// Drafts with another initial salt than the RFC.
const DRAFTS: std::ops::RangeInclusive<u32> = 0xff00_001d..=0xff00_0020;

/// Starts the handshakes of one endpoint.
pub(crate) struct Handshakes {
    tls: Arc<rustls::ServerConfig>,
    initial: Suite,
    /// The configuration for packets before a handshake.
    plain: QuicServerConfig,
}

impl Handshakes {
    pub(crate) fn new(tls: Arc<rustls::ServerConfig>) -> Option<Self> {
        let suites = &tls.crypto_provider().cipher_suites;
        let initial =
            suites.iter().find(|suite| suite.suite() == INITIAL)?.tls13()?.quic_suite()?;
        let plain = QuicServerConfig::with_initial(tls.clone(), initial).ok()?;
        Some(Self { tls, initial, plain })
    }
}

impl ServerConfig for Handshakes {
    fn initial_keys(&self, version: u32, to: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.plain.initial_keys(version, to)
    }

    fn retry_tag(&self, version: u32, to: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.plain.retry_tag(version, to, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        ours: &TransportParameters,
    ) -> Box<dyn Session> {
        let version = if DRAFTS.contains(&version) { Version::V1Draft } else { Version::V1 };
        let mut parameters = Vec::new();
        ours.write(&mut parameters);
        let handshake = ServerConnection::new(self.tls.clone(), version, parameters)
            .inspect_err(|error| log::error!("cannot start a QUIC handshake: {error}"));
        let handshake = handshake.ok().map(Box::new);
        let (client, initial) = (TlsSession::default(), self.initial);
        Box::new(Tls { handshake, client, next: None, initial, version })
    }
}

/// The result of a connection's handshake.
pub(crate) fn session(quic: &quinn::Connection) -> TlsSession {
    let settled = quic.handshake_data().and_then(|data| data.downcast().ok());
    settled.map_or_else(TlsSession::default, |settled| *settled)
}

fn settled(handshake: &ServerConnection) -> TlsSession {
    TlsSession::of(handshake.server_name(), handshake)
}

struct Tls {
    /// During the handshake.
    handshake: Option<Box<ServerConnection>>,
    /// After the handshake.
    client: TlsSession,
    next: Option<Secrets>,
    initial: Suite,
    version: Version,
}

impl Session for Tls {
    fn initial_keys(&self, to: &ConnectionId, _: Side) -> Keys {
        keys(self.initial.keys(to, rustls::Side::Server, self.version))
    }

    /// A [`TlsSession`].
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let under_way = self.handshake.as_deref().map(settled);
        Some(Box::new(under_way.unwrap_or_else(|| self.client.clone())))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        let keys = self.handshake.as_ref()?.zero_rtt_keys()?;
        Some((Box::new(keys.header), Box::new(keys.packet)))
    }

    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.handshake.as_ref().is_some_and(|handshake| handshake.is_handshaking())
    }

    /// Never reports that [`Session::handshake_data`] is available, as no caller waits for it.
    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        let Some(handshake) = &mut self.handshake else {
            return Err(TransportError {
                code: TransportErrorCode::crypto(AlertDescription::UnexpectedMessage.into()),
                frame: None,
                reason: "TLS has ended with its handshake (RFC 9001 section 6)".into(),
            });
        };
        handshake.read_hs(bytes).map(|()| false).map_err(|error| {
            let alert = handshake.alert().map(|alert| match (&error, alert) {
                // rustls reports in this way that the resolver has no certificate for the server
                // name.
                (rustls::Error::General(_), AlertDescription::AccessDenied) => {
                    AlertDescription::UnrecognisedName
                }
                (_, alert) => alert,
            });
            let code = alert.map(|alert| TransportErrorCode::crypto(alert.into()));
            let code = code.unwrap_or(TransportErrorCode::PROTOCOL_VIOLATION);
            TransportError { code, frame: None, reason: error.to_string() }
        })
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let handshake = self.handshake.as_ref();
        let theirs = handshake.and_then(|handshake| handshake.quic_transport_parameters());
        let read = |mut bytes| TransportParameters::read(Side::Server, &mut bytes);
        Ok(theirs.map(read).transpose()?)
    }

    fn write_handshake(&mut self, out: &mut Vec<u8>) -> Option<Keys> {
        let handshake = self.handshake.as_mut()?;
        match handshake.write_hs(out) {
            Some(KeyChange::Handshake { keys: new }) => Some(keys(new)),
            Some(KeyChange::OneRtt { keys: new, next }) => {
                self.next = Some(next);
                Some(keys(new))
            }
            None => {
                if out.is_empty() && !handshake.is_handshaking() {
                    self.client = settled(handshake);
                    self.handshake = None;
                }
                None
            }
        }
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let keys = self.next.as_mut()?.next_packet_keys();
        Some(KeyPair { local: Box::new(keys.local), remote: Box::new(keys.remote) })
    }

    /// Only servers send Retry.
    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }

    fn export_keying_material(
        &self,
        _: &mut [u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

fn keys(keys: rustls::quic::Keys) -> Keys {
    let (local, remote) = (keys.local, keys.remote);
    Keys {
        header: KeyPair { local: Box::new(local.header), remote: Box::new(remote.header) },
        packet: KeyPair { local: Box::new(local.packet), remote: Box::new(remote.packet) },
    }
}

#[cfg(test)]
mod tests {
    use quinn::crypto::rustls::QuicClientConfig;
    use quinn::{ClientConfig, Connection, Endpoint};
    use rustls::RootCertStore;
    use rustls::pki_types::PrivateKeyDer;

    use super::*;

    fn handshakes_and_client() -> (Handshakes, ClientConfig) {
        let ours = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(ours.signing_key.serialize_der()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ours.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![ours.cert.der().clone()], key)
            .unwrap();
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = QuicClientConfig::try_from(client).unwrap();
        (Handshakes::new(Arc::new(server)).unwrap(), ClientConfig::new(Arc::new(client)))
    }

    async fn connected() -> (Connection, Connection) {
        let (handshakes, client) = handshakes_and_client();
        let config = quinn::ServerConfig::with_crypto(Arc::new(handshakes));
        let server = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(client);
        let connecting = endpoint.connect(server.local_addr().unwrap(), "a.example").unwrap();
        let accepted = async { server.accept().await.unwrap().await };
        let (near, far) = tokio::join!(connecting, accepted);
        (near.unwrap(), far.unwrap())
    }

    #[tokio::test]
    async fn a_connection_goes_on_with_new_keys_after_the_handshake() {
        let (near, far) = connected().await;
        assert_eq!(session(&far).server_name.as_deref(), Some("a.example"));
        for by_client in [false, true] {
            if by_client {
                near.force_key_update()
            } else {
                far.force_key_update()
            }
            let (mut send, mut receive) = near.open_bi().await.unwrap();
            send.write_all(b"there").await.unwrap();
            send.finish().unwrap();
            let (mut back, mut came) = far.accept_bi().await.unwrap();
            assert_eq!(came.read_to_end(9).await.unwrap(), b"there");
            back.write_all(b"and back").await.unwrap();
            back.finish().unwrap();
            assert_eq!(receive.read_to_end(9).await.unwrap(), b"and back");
        }
    }

    #[derive(Debug)]
    struct Nobody;

    impl rustls::server::ResolvesServerCert for Nobody {
        fn resolve(
            &self,
            _: rustls::server::ClientHello<'_>,
        ) -> Option<Arc<rustls::sign::CertifiedKey>> {
            None
        }
    }

    #[tokio::test]
    async fn a_name_without_a_certificate_is_unrecognized() {
        let (_, client) = handshakes_and_client();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Nobody));
        let handshakes = Handshakes::new(Arc::new(server)).unwrap();
        let config = quinn::ServerConfig::with_crypto(Arc::new(handshakes));
        let server = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
        let mut endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        endpoint.set_default_client_config(client);
        let connecting = endpoint.connect(server.local_addr().unwrap(), "a.example").unwrap();
        let accepted = async { server.accept().await.unwrap().await };
        let (near, _) = tokio::join!(connecting, accepted);
        match near {
            Err(quinn::ConnectionError::ConnectionClosed(close)) => {
                assert_eq!(u64::from(close.error_code), 0x170);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_is_taken_after_the_handshake() {
        let (handshakes, _) = handshakes_and_client();
        let (client, initial) = (TlsSession::default(), handshakes.initial);
        let version = Version::V1;
        let mut tls = Tls { handshake: None, client, next: None, initial, version };
        let refused = tls.read_handshake(b"\x18\0\0\x01\0").unwrap_err();
        assert_eq!(u64::from(refused.code), 0x10a);
    }
}
