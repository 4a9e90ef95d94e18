//! The background work: DNS is asked for each record some seconds after a configuration is active
//! and daily from then on. What is found is logged when it changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_resolver::proto::rr::rdata::svcb::SVCB;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::finding::{Exchange, Finding};
use super::record;
use super::spec::{RecordSpec, line};
use crate::limits::{HTTPS_RECORD_CHECK, HTTPS_RECORD_DELAY, HTTPS_RECORD_RETRY, HTTPS_RECORD_TTL};
use crate::site::Task;
use crate::tls::{Dns, DnsChange, Replaced};
use crate::upstream::{Resolver, Shared};

/// Names that DNS is asked for at once.
const AT_ONCE: usize = 8;
/// Records in AliasMode that are followed.
const ALIASES: usize = 8;

/// Whether the log says that DNS does not answer. The next answer resets it.
static OFFLINE: AtomicBool = AtomicBool::new(false);

/// The last message in the log about a name. It survives a reload.
#[derive(Default)]
struct LastMessage(Mutex<Option<String>>);

impl LastMessage {
    fn of(owner: &str) -> Arc<Self> {
        static KNOWN: Shared<LastMessage> = Shared::new();
        KNOWN.get(owner.to_owned(), Self::default)
    }

    /// Stores a message; returns whether it differs from the last one.
    fn is_news(&self, text: &str) -> bool {
        self.last().replace(text.to_owned()).as_deref() != Some(text)
    }

    /// Stores a message if there is none; returns whether there was none.
    fn is_first(&self, text: &str) -> bool {
        let mut last = self.last();
        let is_first = last.is_none();
        last.get_or_insert_with(|| text.to_owned());
        is_first
    }

    /// Removes the message; returns whether there was one.
    fn is_over(&self) -> bool {
        self.last().take().is_some()
    }

    fn last(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks these records while it runs; `None` if there are none.
pub fn task(mut specs: Vec<RecordSpec>) -> Option<Task> {
    specs.sort_by(|a, b| (&a.owner, a.provider.is_none()).cmp(&(&b.owner, b.provider.is_none())));
    specs.dedup_by(|a, b| a.owner == b.owner);
    let watched: Vec<_> =
        specs.into_iter().map(|spec| (LastMessage::of(&spec.owner), spec)).collect();
    if watched.is_empty() {
        return None;
    }
    let work = || async move {
        sleep(HTTPS_RECORD_DELAY).await;
        let turns = Semaphore::new(AT_ONCE);
        join_all(watched.iter().map(|(last, spec)| keep(spec, last, &turns))).await;
    };
    Some(Task::new(work))
}

async fn keep(spec: &RecordSpec, last: &LastMessage, turns: &Semaphore) {
    loop {
        let turn = turns.acquire().await;
        let done = check(spec, last).await;
        drop(turn);
        sleep(if done { HTTPS_RECORD_CHECK } else { HTTPS_RECORD_RETRY }).await;
    }
}

/// Asks once, publishes where that is requested, and logs what is new. Returns whether it
/// succeeded.
async fn check(spec: &RecordSpec, last: &LastMessage) -> bool {
    let finding = match look(spec, &mut Resolver::without_hosts()).await {
        Ok(finding) => finding,
        Err(error) => {
            if !OFFLINE.swap(true, Ordering::Relaxed) {
                let (owner, retry) = (&spec.owner, minutes(HTTPS_RECORD_RETRY));
                log::warn!(
                    "{owner}: DNS cannot be asked for the HTTPS record, which is repeated every \
                     {retry} minutes: {error}"
                );
            }
            return false;
        }
    };
    OFFLINE.store(false, Ordering::Relaxed);
    if let Some(provider) = &spec.provider
        && let Some(exchange) = finding.change(spec)
    {
        return publish(spec, provider, &exchange, last).await;
    }
    match finding.advice(spec) {
        Some(advice) if last.is_news(&advice) => log::info!("{advice}"),
        None if last.is_over() && spec.record.is_some() => {
            log::info!("{}: DNS has an HTTPS record with HTTP/3", spec.host);
        }
        _ => {}
    }
    true
}

fn minutes(time: Duration) -> u64 {
    time.as_secs() / 60
}

/// What DNS says of the site.
async fn look(spec: &RecordSpec, resolver: &mut Resolver) -> Result<Finding, String> {
    let mut name = spec.owner.clone();
    for _ in 0..=ALIASES {
        let found = resolver.https(&name).await?;
        let alias = found.iter().find(|one| one.svc_priority == 0 && !one.target_name.is_root());
        if let Some(alias) = alias {
            name = alias.target_name.to_ascii().trim_end_matches('.').to_owned();
            continue;
        }
        if name != spec.owner {
            let is_good = spec.record.is_none() || found.iter().any(record::has_h3);
            return Ok(if is_good { Finding::Good } else { Finding::Alias(name) });
        }
        if !found.is_empty() {
            return Ok(Finding::of(spec, found));
        }
        break;
    }
    if name != spec.owner {
        return Ok(Finding::Alias(name));
    }
    absent(spec, resolver).await
}

/// Why there is no record.
async fn absent(spec: &RecordSpec, resolver: &mut Resolver) -> Result<Finding, String> {
    if spec.record.is_none() {
        return Ok(Finding::Good);
    }
    if !resolver.has_address(&spec.host).await? {
        return Ok(Finding::NoAddress);
    }
    let cname = resolver.cname(&spec.owner).await?;
    Ok(cname.map_or(Finding::Absent, Finding::Cname))
}

/// Changes the zone and logs it; returns whether that succeeded.
async fn publish(
    spec: &RecordSpec,
    provider: &Dns,
    exchange: &Exchange<'_>,
    last: &LastMessage,
) -> bool {
    let (host, owner) = (&spec.host, &spec.owner);
    let done = replace(owner, provider, exchange).await;
    let text = match (&done, exchange.new.map(|new| line(owner, new))) {
        (Ok(Replaced::Differs), _) => {
            // A name server on the way may show for a while what was there before.
            let text = format!(
                "{host}: the zone has other HTTPS records than DNS shows; it stays as it is"
            );
            if last.is_first(&text) {
                log::info!("{text}");
            }
            return true;
        }
        (Ok(Replaced::Done), Some(line)) => format!("{host}: HTTPS record published: {line}"),
        (Ok(Replaced::Done), None) => {
            format!("{host}: HTTPS record of {owner} removed, as HTTP/3 is off")
        }
        (Err(error), Some(line)) => {
            format!("{host}: cannot publish the HTTPS record: {error}; add to the zone: {line}")
        }
        (Err(error), None) => {
            format!("{host}: cannot remove the HTTPS record, though HTTP/3 is off: {error}")
        }
    };
    if last.is_news(&text) {
        log::log!(if done.is_ok() { log::Level::Info } else { log::Level::Warn }, "{text}");
    }
    done.is_ok()
}

async fn replace(owner: &str, provider: &Dns, exchange: &Exchange<'_>) -> Result<Replaced, String> {
    let value = |record: Option<&SVCB>| record.map(record::value).transpose();
    let old = value(exchange.old).map_err(|error| error.to_string())?;
    let new = value(exchange.new).map_err(|error| error.to_string())?;
    let change = DnsChange { old: old.as_ref(), new: new.as_ref(), ttl: HTTPS_RECORD_TTL };
    provider.replace_https(&format!("{owner}."), &change).await
}
