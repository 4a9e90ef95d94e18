//! DNS providers with an HTTP API, by the crate dns-update. Its RFC 2136 is not used: it has no
//! HTTPS records and no prerequisites, with which `super::rfc2136` replaces them.

mod cloudflare;
mod configs;
mod table;
mod values;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use dns_update::{DnsRecord, DnsRecordType, Error};
use tokio::sync::OwnedMutexGuard;

use super::zone::Place;
use crate::credentials;
use crate::limits::{DNS_CHALLENGE, DNS_PROPAGATION};
use table::{Api, LACKING, PROVIDERS, Provider};
use values::Values;

/// Held while a zone is changed: several providers change a zone, or all records of a name, by
/// reading and writing it back.
static TURN: LazyLock<Arc<tokio::sync::Mutex<()>>> = LazyLock::new(Arc::default);

/// A provider with its credentials.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Provided {
    /// In [`PROVIDERS`].
    row: usize,
    values: Values,
    propagation: Duration,
}

/// Why there is no provider of a name: a message and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable {
    pub why: String,
    pub remedy: String,
}

/// The names of all providers.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = PROVIDERS.iter().map(|row| row.name).collect();
    names.dedup();
    names
}

/// The value of a variable, or the content of the file that `NAME_FILE` names.
fn variable(name: &'static str) -> Result<Option<String>, String> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let value = match (set(name), set(&format!("{name}_FILE"))) {
        (Some(path), _) if name.ends_with("_PATH") => Some(content(&path)?),
        (Some(value), _) => Some(value),
        (None, Some(path)) => Some(content(&path)?),
        (None, None) => return Ok(None),
    };
    credentials::withhold(name);
    Ok(value.map(|value| value.trim().to_owned()))
}

fn content(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path.trim()).map_err(|error| format!("{}: {error}", path.trim()))
}

impl Provided {
    /// The provider of this name, with its credentials from the environment; `None` if nobody
    /// knows the name.
    pub fn from_environment(name: &str) -> Option<Result<Self, Unusable>> {
        Self::new(name, variable)
    }

    fn new(
        name: &str,
        variable: impl Fn(&'static str) -> Result<Option<String>, String>,
    ) -> Option<Result<Self, Unusable>> {
        if let Some((_, instead)) = LACKING.iter().find(|(lacking, _)| *lacking == name) {
            return Some(Err(lacking(name, instead)));
        }
        let mut unusable = None;
        for (row, provider) in PROVIDERS.iter().enumerate().filter(|(_, row)| row.name == name) {
            match provider.values(&variable) {
                Ok(values) => return Some(Self::with(row, values)),
                // What is missing for the row that has something, else for the first one.
                Err((missing, has_some)) if has_some || unusable.is_none() => {
                    unusable = Some(missing);
                }
                Err(_) => {}
            }
        }
        unusable.map(Err)
    }

    fn with(row: usize, values: Values) -> Result<Self, Unusable> {
        let provider = &PROVIDERS[row];
        let name = format!("{}_PROPAGATION_TIMEOUT", provider.prefix);
        let propagation = match std::env::var(&name).ok().filter(|text| !text.is_empty()) {
            None => DNS_PROPAGATION,
            Some(text) => {
                let seconds = text.trim_end_matches('s').parse().map_err(|_| Unusable {
                    why: format!("{name} must be a number of seconds, not '{text}'"),
                    remedy: format!("write: {name}={}", DNS_PROPAGATION.as_secs()),
                })?;
                Duration::from_secs(seconds)
            }
        };
        let provided = Self { row, values, propagation };
        // Only to see whether it can be made of these values.
        provided.api().map_err(|why| Unusable { why, remedy: provider.wanted() })?;
        Ok(provided)
    }

    fn provider(&self) -> &'static Provider {
        &PROVIDERS[self.row]
    }

    fn api(&self) -> Result<Api, String> {
        (self.provider().new)(&self.values).map_err(|error| self.told(&error))
    }

    /// The longest time until all servers of the zone have a record.
    pub(super) fn propagation(&self) -> Duration {
        self.propagation
    }

    /// The name of the variable for [`Self::propagation`].
    pub(super) fn propagation_variable(&self) -> String {
        format!("{}_PROPAGATION_TIMEOUT", self.provider().prefix)
    }

    /// Adds a TXT record. The turn is to be held until it is removed.
    pub(super) async fn add(&self, place: &Place, value: &str) -> Result<Option<Turn>, String> {
        let turn = TURN.clone().lock_owned().await;
        self.limited(self.change(place, value, true)).await?;
        Ok(self.provider().single.then_some(turn).map(Turn))
    }

    /// Removes it, and no other of the name.
    pub(super) async fn remove(
        &self,
        place: &Place,
        value: &str,
        turn: Option<Turn>,
    ) -> Result<(), String> {
        let _turn = match turn {
            Some(Turn(turn)) => turn,
            None => TURN.clone().lock_owned().await,
        };
        self.limited(self.change(place, value, false)).await
    }

    async fn limited(&self, work: impl Future<Output = Result<(), Error>>) -> Result<(), String> {
        match tokio::time::timeout(DNS_CHALLENGE, work).await {
            Ok(done) => done.map_err(|error| self.told(&error)),
            Err(_) => Err(self.failed(&format!("no response within {DNS_CHALLENGE:?}"))),
        }
    }

    async fn change(&self, place: &Place, value: &str, is_new: bool) -> Result<(), Error> {
        let provider = self.provider();
        let record = vec![DnsRecord::TXT(value.to_owned())];
        let (name, zone, ttl, txt) = (&*place.name, &*place.zone, provider.ttl, DnsRecordType::TXT);
        match (provider.new)(&self.values)? {
            Api::CloudflareKey(api) if is_new => api.add(place, value, ttl).await,
            Api::CloudflareKey(api) => api.remove(place, value).await,
            Api::Crate(api) if provider.single => {
                let records = if is_new { record } else { Vec::new() };
                api.set_rrset(name, txt, ttl, records, zone).await
            }
            Api::Crate(api) if is_new => api.add_to_rrset(name, txt, ttl, record, zone).await,
            Api::Crate(api) => api.remove_from_rrset(name, txt, record, zone).await,
        }
    }

    /// An error of the API, without what may hold a key: the body of an answer that cannot be
    /// read, and the values of the variables, which some APIs take in the URL.
    fn told(&self, error: &Error) -> String {
        let text = match error {
            Error::Unauthorized => "the credentials are refused (401)".to_owned(),
            Error::NotFound => "no such zone, or none of these credentials (404)".to_owned(),
            other => other.to_string(),
        };
        let text = text.split(" (body: ").next().unwrap_or_default();
        self.failed(&self.values.blanked(text))
    }

    fn failed(&self, error: &str) -> String {
        format!("dns {}: {error}", self.provider().name)
    }
}

impl std::fmt::Debug for Provided {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provided({})", self.provider().name)
    }
}

/// The right to change zones, of a provider with one value per name until that is removed.
pub(super) struct Turn(OwnedMutexGuard<()>);

impl Provider {
    /// Its variables: the names of each, and whether it is required.
    fn each(&self) -> impl Iterator<Item = (Vec<&'static str>, bool)> {
        self.variables.split_whitespace().map(|spec: &'static str| {
            let (names, required) = match spec.strip_suffix('?') {
                Some(names) => (names, false),
                None => (spec, true),
            };
            (names.split('|').collect(), required)
        })
    }

    /// Their values; else what is missing, and whether a required one is there.
    fn values(
        &self,
        variable: impl Fn(&'static str) -> Result<Option<String>, String>,
    ) -> Result<Values, (Unusable, bool)> {
        let (mut values, mut missing, mut has_some) = (Vec::new(), None, false);
        for (names, required) in self.each() {
            let mut value = None;
            for name in &names {
                value = variable(name).map_err(|why| {
                    let remedy = "make the file readable for the user of the service".to_owned();
                    (Unusable { why: self.told(&format!("{name}: {why}")), remedy }, true)
                })?;
                if value.is_some() {
                    break;
                }
            }
            has_some |= required && value.is_some();
            if required && value.is_none() && missing.is_none() {
                missing = Some(names[0]);
            }
            values.push(value);
        }
        let Some(name) = missing else { return Ok(Values(values)) };
        let why = self.told(&format!("{name} is not set"));
        Err((Unusable { why, remedy: self.wanted() }, has_some))
    }

    fn told(&self, error: &str) -> String {
        format!("dns {}: {error}", self.name)
    }

    fn wanted(&self) -> String {
        let rows = PROVIDERS.iter().filter(|row| row.name == self.name);
        let sets = rows.map(|row| {
            let needed = row.each().filter(|(_, required)| *required);
            needed.map(|(names, _)| names[0]).collect::<Vec<_>>().join(", ")
        });
        let sets: Vec<_> = sets.collect();
        format!(
            "set in the environment of the service: {}; or NAME_FILE to the path of a file",
            sets.join("; or ")
        )
    }
}

fn lacking(name: &str, instead: &str) -> Unusable {
    let or = match instead {
        "" => String::new(),
        instead => format!("{instead}; or "),
    };
    Unusable {
        why: format!("DNS provider '{name}' is not supported"),
        remedy: format!("{or}write a program that sets the record: dns exec /path/to/program"),
    }
}

#[cfg(test)]
mod tests;
