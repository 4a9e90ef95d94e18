//! A handshake over TCP, from the client's first words to the configuration of the site it
//! names; and who may then ask for which host.

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

/// A fatal alert of TLS 1.2 or 1.3 before any keys: unrecognized_name (RFC 6066 section 3).
/// rustls knows of no resolver that finds nothing and says access_denied.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

impl TlsListener {
    /// Runs the handshake of a connection to the address `local`. `None` after one that only proved
    /// control over a name to a CA.
    pub async fn accept<S>(&self, stream: S, local: IpAddr) -> io::Result<Option<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = self.accept_by_name(stream, local).await?;
        let is_validation = stream.get_ref().1.alpn_protocol() == Some(ALPN);
        Ok((!is_validation).then_some(stream))
    }

    /// For QUIC connections to the address, where the listener's own does not do.
    pub fn quic_at(&self, local: IpAddr) -> Option<&Arc<ServerConfig>> {
        self.by_address.get(&local.to_canonical())?.quic.as_ref()
    }

    fn tcp_at(&self, local: IpAddr) -> Option<&Arc<ServerConfig>> {
        self.by_address.get(&local.to_canonical()).map(|at| &at.tcp)
    }

    /// Whether a connection whose handshake named `server_name` may carry requests for `host`:
    /// not where the two want different client certificates.
    pub fn may_serve(&self, server_name: Option<&str>, host: &str) -> bool {
        server_name.is_some_and(|name| name.eq_ignore_ascii_case(host))
            || self.clients.agree(server_name, host)
    }

    /// Whether the site of `server_name` lets a client in that showed `chain`: for QUIC, whose
    /// handshake cannot tell.
    pub fn admits(&self, server_name: Option<&str>, chain: &[CertificateDer<'_>]) -> bool {
        let asked = self.clients.find(server_name.unwrap_or_default());
        asked.is_none_or(|clients| clients.admits(chain))
    }

    async fn accept_by_name<S>(&self, stream: S, local: IpAddr) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        let hello = start.client_hello();
        if is_validation(&hello) {
            // It shows no certificate, and what waits for a certificate waits for it.
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

/// Tells a client that nobody has the name that it came for.
async fn refuse(mut stream: impl AsyncWrite + Unpin, name: &str) -> io::Error {
    let told = stream.write_all(&UNRECOGNIZED_NAME).await;
    let ended = stream.shutdown().await;
    told.and(ended).err().unwrap_or_else(|| io::Error::other(format!("no certificate for {name}")))
}
