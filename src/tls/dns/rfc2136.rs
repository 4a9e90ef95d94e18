//! Dynamic update of a zone (RFC 2136) over TCP, signed by TSIG.

use std::time::Duration;

use aws_lc_rs::hmac;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::Instant;

use super::message::{self, Entry, Message, Section, Signer};
use super::{Change, Replaced};
use crate::limits::DNS_CHALLENGE;
use crate::net::dial;
use crate::tls::pem::unix_now;

const TTL: u32 = 60;
/// The share of the time for an update that one connection may take: an update takes several.
const CONNECT_SHARE: u32 = 8;

/// What happens to the record of an entry.
enum Class {
    Add,
    Delete,
}

impl Class {
    fn entry<'a>(self, name: &'a str, kind: u16, ttl: u32, data: &'a [u8]) -> Entry<'a> {
        let (class, ttl) = match self {
            Self::Add => (message::IN, ttl),
            Self::Delete => (message::NONE, 0),
        };
        Entry { section: Section::Update, name, kind, class, ttl, data }
    }
}

/// The prerequisite that a name has no records of this type.
fn absent(name: &str, kind: u16) -> Entry<'_> {
    Entry { section: Section::Prerequisite, name, kind, class: message::NONE, ttl: 0, data: &[] }
}

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
        self.txt(name, value, Class::Add).await
    }

    pub(super) async fn delete(&self, name: &str, value: &str) -> Result<(), String> {
        self.txt(name, value, Class::Delete).await
    }

    async fn txt(&self, name: &str, value: &str, class: Class) -> Result<(), String> {
        let data = message::txt(value)?;
        let entry = class.entry(name, message::TXT, TTL, &data);
        match self.update(name, &[entry]).await? {
            0 => Ok(()),
            code => Err(self.failed(message::meaning(code))),
        }
    }

    /// Puts `new` in the place of `old`, if the HTTPS records of the name are `old`. A server
    /// ignores a record beside a CNAME without a word (RFC 2136 section 3.4.2.2), so that there
    /// must be none.
    pub(super) async fn replace_https(
        &self,
        name: &str,
        change: &Change<'_>,
    ) -> Result<Replaced, String> {
        let (https, ttl) = (message::HTTPS, change.ttl);
        let mut entries = vec![absent(name, message::CNAME)];
        match change.old {
            Some(old) => {
                entries.push(Entry {
                    section: Section::Prerequisite,
                    name,
                    kind: https,
                    class: message::IN,
                    ttl: 0,
                    data: &old.data,
                });
                entries.push(Class::Delete.entry(name, https, 0, &old.data));
            }
            None => entries.push(absent(name, https)),
        }
        entries.extend(change.new.map(|new| Class::Add.entry(name, https, ttl, &new.data)));
        match self.update(name, &entries).await? {
            0 => Ok(Replaced::Done),
            message::YXRRSET | message::NXRRSET => Ok(Replaced::Differs),
            code => Err(self.failed(message::meaning(code))),
        }
    }

    /// Sends an update; the RCODE of the response.
    async fn update(&self, name: &str, entries: &[Entry<'_>]) -> Result<u8, String> {
        let work = async {
            let zone = self.zone(name).await?;
            let id = fastrand::u16(..);
            let mut update = Message::new(id, message::UPDATE);
            update.question(&zone, message::SOA)?;
            entries.iter().try_for_each(|entry| update.record(entry))?;
            let answer = self.ask(update.finish(self.signer().as_ref())?).await?;
            message::code(&answer, id)
                .ok_or_else(|| "the response does not match the update".to_owned())
        };
        match tokio::time::timeout(DNS_CHALLENGE, work).await {
            Ok(done) => done.map_err(|error| self.failed(&error)),
            Err(_) => Err(self.failed(&format!("no response within {DNS_CHALLENGE:?}"))),
        }
    }

    fn failed(&self, error: &str) -> String {
        format!("dns rfc2136 {}: {error}", self.server)
    }

    /// The zone of `name`: the name itself, or the nearest parent, with a SOA record on this
    /// server.
    async fn zone(&self, name: &str) -> Result<String, String> {
        let mut rest = name;
        while !rest.is_empty() {
            let id = fastrand::u16(..);
            let mut query = Message::new(id, message::QUERY);
            query.question(rest, message::SOA)?;
            let answer = self.ask(query.finish(None)?).await?;
            if message::code(&answer, id) == Some(0) && message::answers(&answer) > 0 {
                return Ok(rest.to_owned());
            }
            rest = rest.split_once('.').map_or("", |(_, parent)| parent);
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
