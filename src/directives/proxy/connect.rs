//! New connections to upstreams: name, TCP or unix socket, TLS, HTTP/1.1.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::conn::Conn;
use super::error::ProxyError;
use super::pool;
use super::upstream::{State, Target, Upstream};
use crate::upstream::{Io, dial};

/// Connects within `limit`, TLS handshake included.
pub(super) async fn connect(
    upstream: &Upstream,
    tls: Option<&Arc<ClientConfig>>,
    limit: Duration,
) -> Result<Box<Conn>, ProxyError> {
    let deadline = Instant::now() + limit;
    match timeout_at(deadline, open(upstream, tls, deadline)).await {
        Ok(opened) => {
            pool::sweep();
            Ok(Box::new(Conn::new(opened?)))
        }
        Err(_) => Err(ProxyError::ConnectTimeout(upstream.name.to_string())),
    }
}

async fn open(
    upstream: &Upstream,
    tls: Option<&Arc<ClientConfig>>,
    deadline: Instant,
) -> Result<Io, ProxyError> {
    let name = || upstream.name.to_string();
    match &upstream.target {
        Target::Unix(path) => {
            let stream = UnixStream::connect(path).await;
            Ok(Io::Unix(stream.map_err(|e| ProxyError::Connect(name(), e))?))
        }
        Target::Tcp { host, port, tls: secure } => {
            let addresses = resolve(host, *port, &upstream.state).await?;
            let stream = dial(&addresses, deadline).await;
            let stream = stream.map_err(|e| match e.kind() {
                io::ErrorKind::TimedOut => ProxyError::ConnectTimeout(name()),
                _ => ProxyError::Connect(name(), e),
            })?;
            let Some(config) = tls.filter(|_| *secure) else { return Ok(Io::Tcp(stream)) };
            let failed = |e| ProxyError::Tls(name(), e);
            let server = ServerName::try_from(host.clone())
                .map_err(|e| failed(io::Error::new(io::ErrorKind::InvalidInput, e)))?;
            let stream = TlsConnector::from(config.clone()).connect(server, stream).await;
            Ok(Io::Tls(Box::new(stream.map_err(failed)?)))
        }
    }
}

/// The addresses behind a host. The last ones known stand in while the name cannot be resolved.
async fn resolve(host: &str, port: u16, state: &State) -> Result<Vec<SocketAddr>, ProxyError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let looked_up = tokio::net::lookup_host((host, port)).await.map(|found| found.collect());
    let mut last = state.last_addresses.lock().unwrap_or_else(PoisonError::into_inner);
    match looked_up {
        Ok(found) if !Vec::is_empty(&found) => {
            last.clone_from(&found);
            Ok(found)
        }
        Ok(_) | Err(_) if !last.is_empty() => Ok(last.clone()),
        Ok(_) => Err(ProxyError::Resolve(host.to_owned(), io::ErrorKind::NotFound.into())),
        Err(error) => Err(ProxyError::Resolve(host.to_owned(), error)),
    }
}
