//! New connections to upstreams: name, TCP or unix socket, TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::metrics::WorkerMetrics;
use crate::net::dial;
use crate::upstream::Io;
use crate::upstream::host::error::ProxyError;
use crate::upstream::host::upstream::{Target, Upstream};

/// The settings of a new connection.
pub(crate) struct Dial<'a> {
    /// Used if the upstream uses TLS.
    pub(crate) tls: Option<&'a Arc<ClientConfig>>,
    /// Sent first, before TLS.
    pub(crate) preface: Option<Vec<u8>>,
    /// Timeout of all steps together.
    pub(crate) limit: Duration,
}

pub(crate) async fn connect(upstream: &Upstream, dial: Dial<'_>) -> Result<Io, ProxyError> {
    let deadline = Instant::now() + dial.limit;
    let opened = timeout_at(deadline, open(upstream, &dial, deadline)).await;
    if let Ok(Ok(_)) = opened {
        WorkerMetrics::current().upstream(upstream.number).connect();
    }
    opened.unwrap_or_else(|_| Err(ProxyError::ConnectTimeout(upstream.name.to_string())))
}

async fn open(upstream: &Upstream, how: &Dial<'_>, deadline: Instant) -> Result<Io, ProxyError> {
    let name = || upstream.name.to_string();
    let refused = |e: io::Error| match e.kind() {
        io::ErrorKind::TimedOut => ProxyError::ConnectTimeout(name()),
        _ => ProxyError::Connect(name(), e),
    };
    let preface = how.preface.as_deref().unwrap_or_default();
    match &upstream.target {
        Target::Unix(path) => {
            let mut stream = dial::unix(path, deadline).await.map_err(refused)?;
            stream.write_all(preface).await.map_err(refused)?;
            Ok(Io::Unix(stream))
        }
        Target::Tcp { host, at, port, tls: secure } => {
            let addresses = at.addresses(*port, deadline).await.map_err(|e| match e.kind() {
                io::ErrorKind::TimedOut => ProxyError::ConnectTimeout(name()),
                _ => ProxyError::Resolve(host.clone(), e),
            })?;
            let mut stream = dial::tcp(&addresses, deadline).await.map_err(refused)?;
            stream.write_all(preface).await.map_err(refused)?;
            let Some(config) = how.tls.filter(|_| *secure) else { return Ok(Io::Tcp(stream)) };
            let failed = |e| ProxyError::Tls(name(), e);
            let server = ServerName::try_from(host.clone())
                .map_err(|e| failed(io::Error::new(io::ErrorKind::InvalidInput, e)))?;
            let stream = TlsConnector::from(config.clone()).connect(server, stream).await;
            Ok(Io::Tls(Box::new(stream.map_err(failed)?)))
        }
    }
}
