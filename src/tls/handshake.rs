//! TLS handshakes over TCP: selects the configuration of a site by the ClientHello; and checks
//! which hosts a connection may be used for.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::TlsListener;
use super::challenges::{ALPN, is_validation};
use super::report::CertificateState;

/// A fatal, unencrypted unrecognized_name alert (RFC 6066 section 3). rustls sends access_denied if
/// its resolver finds no certificate.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

impl TlsListener {
    /// Runs the handshake of a connection to the address `local`. `None` after a TLS-ALPN-01
    /// validation.
    pub async fn accept<S>(&self, stream: S, local: IpAddr) -> io::Result<Option<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = self.accept_by_name(stream, local).await?;
        let is_validation = stream.get_ref().1.alpn_protocol() == Some(ALPN);
        Ok((!is_validation).then_some(stream))
    }

    /// What a report says of the certificates from files and from a CA.
    pub fn certificates(&self) -> Vec<CertificateState> {
        self.resolver.report()
    }

    /// The configuration for QUIC connections to this address, if it differs from the listener's.
    pub fn quic_at(&self, local: IpAddr) -> Option<&Arc<ServerConfig>> {
        self.by_address.get(&local.to_canonical())?.quic.as_ref()
    }

    fn tcp_at(&self, local: IpAddr) -> Option<&Arc<ServerConfig>> {
        self.by_address.get(&local.to_canonical()).map(|at| &at.tcp)
    }

    /// Whether a connection with this server name may carry requests for `host`: both must have
    /// the same client certificate requirements.
    pub fn may_serve(&self, server_name: Option<&str>, host: &str) -> bool {
        server_name.is_some_and(|name| name.eq_ignore_ascii_case(host))
            || self.clients.agree(server_name, host)
    }

    /// Whether the site of `server_name` accepts a client that presented `chain`: for QUIC, whose
    /// handshake accepts any.
    pub fn admits(&self, server_name: Option<&str>, chain: &[CertificateDer<'_>]) -> bool {
        let policy = self.clients.find(server_name.unwrap_or_default());
        policy.is_none_or(|clients| clients.admits(chain))
    }

    async fn accept_by_name<S>(&self, stream: S, local: IpAddr) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = start.client_hello();
        if is_validation(&hello) {
            // Must not wait for the certificate that this validation is for.
            return start.into_stream(self.tcp.clone()).await;
        }
        let name = hello.server_name().map(str::to_owned);
        if let Some(name) = &name {
            self.resolver.prepare(name).await;
            if !self.resolver.knows(name) {
                return Err(refuse(start.io, name).await);
            }
        }
        let of_address = name.is_none().then(|| self.tcp_at(local)).flatten();
        let of_name = || self.by_host.find(name.as_deref().unwrap_or_default());
        let config = of_address.or_else(of_name).unwrap_or(&self.tcp);
        start.into_stream(config.clone()).await
    }
}

/// Sends unrecognized_name and closes the connection.
async fn refuse(mut stream: impl AsyncWrite + Unpin, name: &str) -> io::Error {
    let sent = stream.write_all(&UNRECOGNIZED_NAME).await;
    let ended = stream.shutdown().await;
    sent.and(ended).err().unwrap_or_else(|| io::Error::other(format!("no certificate for {name}")))
}
