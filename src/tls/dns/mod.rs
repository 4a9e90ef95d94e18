//! Changes of a zone by a program or a dynamic update (RFC 2136): the TXT record of DNS-01, which
//! proves control over a name, also `*.name`; and HTTPS records (RFC 9460).

mod exec;
#[cfg(any(test, fuzzing))]
pub(in crate::tls) mod fuzzing;
mod message;
mod rfc2136;

pub use rfc2136::{Algorithm, Rfc2136};

/// The environment variables that each provider takes its settings from. They hold keys, so no
/// command that the service runs gets them.
pub const VARIABLES: &[&[&str]] = &[rfc2136::VARIABLES];

/// The value of a variable in [`VARIABLES`]; unset where it is empty. No other is read, so that
/// one whose listing is forgotten does not work, in place of being given to every command.
pub fn variable(name: &str) -> Option<String> {
    let listed = VARIABLES.iter().any(|provider| provider.contains(&name));
    std::env::var(name).ok().filter(|value| listed && !value.is_empty())
}

/// The DNS provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Dns {
    /// `dns exec COMMAND ARGS…`: run with `present NAME VALUE` and `cleanup NAME VALUE` appended.
    Exec(Vec<String>),
    /// `dns rfc2136`.
    Rfc2136(Rfc2136),
}

/// A published record, to be removed after the validation.
pub(super) struct Record<'a> {
    provider: &'a Dns,
    name: String,
    value: String,
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
        }
    }

    /// Publishes the record for `name` and waits until it is visible.
    pub(super) async fn publish(&self, name: &str, value: &str) -> Result<Record<'_>, String> {
        let name = format!("_acme-challenge.{}.", name.trim_start_matches("*."));
        let record = Record { provider: self, name, value: value.to_owned() };
        match self {
            Self::Exec(command) => exec::run(command, &["present", &record.name, value]).await?,
            Self::Rfc2136(server) => {
                server.add(&record.name, value).await?;
                tokio::time::sleep(server.propagation).await;
            }
        }
        Ok(record)
    }
}

impl Record<'_> {
    /// Removes the record; a failure is only logged.
    pub(super) async fn remove(self) {
        let removed = match self.provider {
            Dns::Exec(command) => exec::run(command, &["cleanup", &self.name, &self.value]).await,
            Dns::Rfc2136(server) => server.delete(&self.name, &self.value).await,
        };
        if let Err(error) = removed {
            log::warn!("{}: cannot remove the TXT record of the challenge: {error}", self.name);
        }
    }
}
