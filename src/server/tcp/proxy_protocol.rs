//! The header of the PROXY protocol off the front of a connection: what a proxy in front sends
//! first, so that its client is known. It comes before TLS.
//!
//! A sender from which it is expected has to send it, for a client that could leave it out could
//! name anybody (section 2 of the specification by HAProxy). Not one byte behind it is taken.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::http::request::unmapped;
use crate::net::proxy_protocol::reader::{Malformed, Step, step};
use crate::site::ProxyProtocol;

/// Why a connection is closed before it has named its client.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error("{0}")]
    Broken(#[from] io::Error),
    #[error("timed out")]
    TimedOut,
}

impl Refused {
    /// Logs the reason. A malformed header is a configuration error, which is worth a warning; a
    /// failed connection is not.
    pub(crate) fn report(&self, sender: SocketAddr) {
        let level = match self {
            Self::Malformed(_) => log::Level::Warn,
            Self::Broken(_) | Self::TimedOut => log::Level::Debug,
        };
        log::log!(level, "PROXY protocol from {sender}: {self}");
    }
}

/// The client of a connection from `sender`: the address in its header if the rule applies.
pub(crate) async fn client(
    rule: Option<&ProxyProtocol>,
    stream: &mut TcpStream,
    sender: SocketAddr,
) -> Result<SocketAddr, Refused> {
    let Some(rule) = rule.filter(|rule| rule.from.contains(sender.ip())) else {
        return Ok(sender);
    };
    let named = tokio::time::timeout(rule.timeout, read(stream)).await;
    Ok(named.map_err(|_| Refused::TimedOut)??.map_or(sender, unmapped))
}

async fn read(stream: &mut TcpStream) -> Result<Option<SocketAddr>, Refused> {
    let mut seen = Vec::new();
    loop {
        match step(&seen)? {
            Step::Read(count) => {
                let start = seen.len();
                seen.resize(start + count, 0);
                stream.read_exact(&mut seen[start..]).await?;
            }
            Step::Done(client) => return Ok(client),
        }
    }
}
