//! Changes of a zone by a program, a dynamic update (RFC 2136) or the API of a provider: the TXT
//! record of DNS-01, which proves control over a name, also `*.name`; and, but for the last,
//! HTTPS records (RFC 9460).

mod exec;
#[cfg(any(test, fuzzing))]
pub(in crate::tls) mod fuzzing;
mod message;
mod providers;
mod rfc2136;
mod zone;

use std::time::Duration;

use providers::Turn;
pub use providers::{Provided, Unusable, names as provider_names};
pub use rfc2136::{Algorithm, Rfc2136};
use zone::Place;

/// The DNS provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dns {
    /// `dns exec COMMAND ARGS…`: run with `present NAME VALUE` and `cleanup NAME VALUE` appended.
    Exec(Vec<String>),
    /// `dns rfc2136`.
    Rfc2136(Rfc2136),
    /// `dns NAME`: a provider with an HTTP API.
    Provided(Provided),
}

/// A published record. It is removed when it is dropped, at the latest.
pub(super) struct Record {
    /// `None` once it is removed.
    held: Option<Held>,
}

struct Held {
    provider: Dns,
    place: Place,
    value: String,
    turn: Option<Turn>,
    /// Whether it is known to be there.
    is_set: bool,
}

/// The value of a record, as it is sent and as a zone file shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    pub data: Vec<u8>,
    pub text: String,
}

/// What becomes of the HTTPS records of a name: `old`, or none, is replaced by `new`, or none.
#[derive(Debug)]
pub struct Change<'a> {
    pub old: Option<&'a Value>,
    pub new: Option<&'a Value>,
    /// Seconds.
    pub ttl: u32,
}

/// Whether the zone was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    Done,
    /// The zone does not hold what was to be replaced, and stays as it is.
    Differs,
}

impl Dns {
    /// Changes the HTTPS records of a name, which ends in a dot. A name server compares `old` with
    /// what it has; a program has to do so itself.
    pub async fn replace_https(&self, name: &str, change: &Change<'_>) -> Result<Replaced, String> {
        match self {
            Self::Exec(command) => {
                if let Some(old) = change.old {
                    exec::run(command, &["delete", name, "HTTPS", &old.text]).await?;
                }
                if let Some(new) = change.new {
                    let ttl = change.ttl.to_string();
                    exec::run(command, &["add", name, &ttl, "HTTPS", &new.text]).await?;
                }
                Ok(Replaced::Done)
            }
            Self::Rfc2136(server) => server.replace_https(name, change).await,
            Self::Provided(_) => Err(NO_HTTPS.to_owned()),
        }
    }

    /// Whether it can change HTTPS records.
    pub fn has_https(&self) -> bool {
        !matches!(self, Self::Provided(_))
    }

    /// The time that a record may take to be visible, beyond that of other providers.
    pub(super) fn propagation(&self) -> Duration {
        match self {
            Self::Provided(provided) => provided.propagation(),
            Self::Exec(_) | Self::Rfc2136(_) => Duration::ZERO,
        }
    }

    /// Publishes the record for `name` and waits until it is visible.
    pub(super) async fn publish(&self, name: &str, value: &str) -> Result<Record, String> {
        let name = format!("_acme-challenge.{}.", name.trim_start_matches("*."));
        let place = match self {
            Self::Exec(_) | Self::Rfc2136(_) => Place { name, zone: String::new() },
            Self::Provided(_) => zone::find(&name).await?,
        };
        let held = Held {
            provider: self.clone(),
            place,
            value: value.to_owned(),
            turn: None,
            is_set: true,
        };
        match self {
            Self::Exec(command) => {
                exec::run(command, &["present", &held.place.name, value]).await?
            }
            Self::Rfc2136(server) => {
                server.add(&held.place.name, value).await?;
                tokio::time::sleep(server.propagation).await;
            }
            Self::Provided(provided) => return held.provide(provided).await,
        }
        Ok(Record { held: Some(held) })
    }
}

const NO_HTTPS: &str = "only rfc2136 and exec can publish HTTPS records";

impl Held {
    async fn provide(self, provided: &Provided) -> Result<Record, String> {
        // A request without an answer may have set it, so it is removed from here on.
        let mut record = Record { held: Some(Self { is_set: false, ..self }) };
        let Some(held) = &mut record.held else { return Ok(record) };
        held.turn = provided.add(&held.place, &held.value).await?;
        held.is_set = true;
        let visible = zone::wait(&held.place, &held.value, provided.propagation()).await;
        visible.map_err(|error| {
            let longer = provided.propagation_variable();
            format!("{error}; if it takes longer, set {longer} to more seconds")
        })?;
        Ok(record)
    }

    async fn remove(self) {
        let Self { provider, place, value, turn, is_set } = self;
        let removed = match &provider {
            Dns::Exec(command) => exec::run(command, &["cleanup", &place.name, &value]).await,
            Dns::Rfc2136(server) => server.delete(&place.name, &value).await,
            Dns::Provided(provided) => provided.remove(&place, &value, turn).await,
        };
        if let (Err(error), true) = (removed, is_set) {
            let name = place.name;
            log::warn!("{name}: cannot remove the TXT record of the challenge: {error}");
        }
    }
}

impl Record {
    /// Removes the record; a failure is only logged.
    pub(super) async fn remove(mut self) {
        let Some(held) = self.held.take() else { return };
        // On a task of its own: an attempt that is given up now does not end it.
        let _ = tokio::spawn(held.remove()).await;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(held) = self.held.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(held.remove());
        }
    }
}
