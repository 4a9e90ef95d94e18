//! Dynamic update of a zone (RFC 2136) over TCP, signed by TSIG.

use std::time::Duration;

use aws_lc_rs::hmac;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::message::{self, Message, Signer};
use crate::limits::DNS_CHALLENGE;
use crate::net::dial;
use crate::tls::pem::unix_now;

/// What the environment says of the nameserver.
pub(super) const VARIABLES: &[&str] = &[
    "RFC2136_NAMESERVER",
    "RFC2136_TSIG_KEY",
    "RFC2136_TSIG_SECRET",
    "RFC2136_TSIG_ALGORITHM",
    "RFC2136_PROPAGATION_TIMEOUT",
];

const TTL: u32 = 60;
/// The share of the time for an update that one connection may take: an update takes several.
const CONNECT_SHARE: u32 = 8;

/// A name server that accepts updates.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Rfc2136 {
    /// `host:port`.
    pub server: String,
    /// Name and bytes of the TSIG key; `None` for a server that authenticates by address.
    pub key: Option<(String, Vec<u8>)>,
    pub algorithm: Algorithm,
    /// The time until the zone has reached its secondary servers.
    pub propagation: Duration,
}

/// The TSIG algorithm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    #[default]
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

impl Algorithm {
    /// Parses its name, with or without the final dot.
    pub fn parse(name: &str) -> Option<Self> {
        match name.trim_end_matches('.').to_ascii_lowercase().as_str() {
            "hmac-sha256" => Some(Self::HmacSha256),
            "hmac-sha384" => Some(Self::HmacSha384),
            "hmac-sha512" => Some(Self::HmacSha512),
            _ => None,
        }
    }

    fn in_dns(self) -> (&'static str, hmac::Algorithm) {
        match self {
            Self::HmacSha256 => ("hmac-sha256.", hmac::HMAC_SHA256),
            Self::HmacSha384 => ("hmac-sha384.", hmac::HMAC_SHA384),
            Self::HmacSha512 => ("hmac-sha512.", hmac::HMAC_SHA512),
        }
    }
}

impl Rfc2136 {
    pub(super) async fn add(&self, name: &str, value: &str) -> Result<(), String> {
        self.update(name, value, message::IN, TTL).await
    }

    pub(super) async fn delete(&self, name: &str, value: &str) -> Result<(), String> {
        self.update(name, value, message::NONE, 0).await
    }

    async fn update(&self, name: &str, value: &str, class: u16, ttl: u32) -> Result<(), String> {
        let work = async {
            let zone = self.zone(name).await?;
            let id = fastrand::u16(..);
            let mut update = Message::new(id, message::UPDATE);
            update.question(&zone, message::SOA)?;
            update.txt(name, class, ttl, value)?;
            let answer = self.ask(update.finish(self.signer().as_ref())?).await?;
            match message::code(&answer, id) {
                Some(0) => Ok(()),
                Some(code) => Err(format!("zone {zone}: {}", message::meaning(code))),
                None => Err("the response does not match the update".to_owned()),
            }
        };
        match tokio::time::timeout(DNS_CHALLENGE, work).await {
            Ok(done) => done.map_err(|error| format!("dns rfc2136 {}: {error}", self.server)),
            Err(_) => {
                Err(format!("dns rfc2136 {}: no response within {DNS_CHALLENGE:?}", self.server))
            }
        }
    }

    /// The zone of `name`: the nearest parent with a SOA record on this server.
    async fn zone(&self, name: &str) -> Result<String, String> {
        let mut rest = name;
        while let Some((_, parent)) = rest.split_once('.') {
            if parent.is_empty() {
                break;
            }
            let id = fastrand::u16(..);
            let mut query = Message::new(id, message::QUERY);
            query.question(parent, message::SOA)?;
            let answer = self.ask(query.finish(None)?).await?;
            if message::code(&answer, id) == Some(0) && message::answers(&answer) > 0 {
                return Ok(parent.to_owned());
            }
            rest = parent;
        }
        Err(format!("the server has no zone for {name}"))
    }

    /// Sends one message and reads its response, each with a length prefix (RFC 7766 section 8).
    async fn ask(&self, message: Vec<u8>) -> Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| error.to_string();
        let mut stream = dial::host(&self.server, Instant::now() + DNS_CHALLENGE / CONNECT_SHARE)
            .await
            .map_err(failed)?;
        let length = u16::try_from(message.len()).map_err(|error| error.to_string())?;
        let sent = [&length.to_be_bytes()[..], &message].concat();
        stream.write_all(&sent).await.map_err(failed)?;
        let length = stream.read_u16().await.map_err(failed)?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.map_err(failed)?;
        Ok(answer)
    }

    fn signer(&self) -> Option<Signer<'_>> {
        let (name, secret) = self.key.as_ref()?;
        let (algorithm, hmac) = self.algorithm.in_dns();
        let key = hmac::Key::new(hmac, secret);
        Some(Signer { key_name: name, algorithm, key, now: unix_now().unsigned_abs() })
    }
}

impl std::fmt::Debug for Rfc2136 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rfc2136({})", self.server)
    }
}
