//! When a CA suggests to renew (ARI, RFC 9773). Of several machines that share the storage one
//! asks, and all do as it has chosen. It asks for many certificates in a row and notes the answers
//! on a page: 10,000 certificates cost the machines no more than some pages.

use std::collections::{BTreeMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest};
use instant_acme::{CertificateIdentifier, Error};
use serde_json::{Value, json};

use super::entries;
use super::keeper::Keeper;
use super::managed::Managed;
use super::places;
use crate::tls::pem::{date, unix_now};

/// Seconds between requests for renewal information after a failure.
const AGAIN: i64 = 6 * 3600;
/// The bounds of Retry-After for renewal information, in seconds (RFC 9773 section 4.3).
const EVERY: (i64, i64) = (60, 24 * 3600);
/// Seconds within which machines look at what is due, so that the first one can tell the others.
const APART: i64 = 120;
/// What becomes due within so many seconds is asked for together. It is never asked for early.
const TOGETHER: i64 = 600;

/// What the CA has said, for other machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Advice {
    /// When to renew, if at another time than usual.
    at: Option<i64>,
    /// Unix second of the next request.
    next: i64,
}

/// By certificate.
type Page = BTreeMap<String, Advice>;

/// Follows the CA's advice; returns the seconds until it is due again.
pub(super) async fn follow(keeper: &Keeper, managed: &Managed) -> i64 {
    if !keeper.has_agreed(managed.spec()) {
        return AGAIN;
    }
    let Some(id) = identifier(managed) else { return AGAIN };
    if !keeper.store.is_shared() {
        return ask(keeper, managed, &id).await.0.next - unix_now();
    }
    let number = number(&id);
    if let Some(wait) = stored(keeper, managed, &id) {
        return wait;
    }
    // Another certificate of the page may be first, and ask for this one, too.
    let _turn = keeper.advice[number].lock().await;
    if let Some(wait) = stored(keeper, managed, &id) {
        return wait;
    }
    let lock = entries::lock_of(&places::advice(number));
    let Ok(_lock) = keeper.lock(&lock).await else { return AGAIN };
    if stored(keeper, managed, &id).is_none() {
        ask_for_page(keeper, number).await;
    }
    stored(keeper, managed, &id).unwrap_or(AGAIN)
}

/// Takes what a machine was told; returns the seconds until it is due, unless it is.
fn stored(keeper: &Keeper, managed: &Managed, id: &CertificateIdentifier<'_>) -> Option<i64> {
    let advice = *read(keeper, number(id)).get(&id.to_string())?;
    if let Some(at) = advice.at {
        take(managed, at, "");
    }
    let now = unix_now();
    let due = advice.next.min(now + EVERY.1);
    (due > now).then(|| together(due) - now + fastrand::i64(0..APART))
}

/// When what is due at this time is asked for.
fn together(due: i64) -> i64 {
    due + (-due).rem_euclid(TOGETHER)
}

/// Asks for all certificates of the page that are due, under its lock.
async fn ask_for_page(keeper: &Keeper, number: usize) {
    let mut page = read(keeper, number);
    // Those of certificates that were replaced.
    page.retain(|_, advice| advice.next > unix_now() - EVERY.1);
    let mut silent = HashSet::new();
    for managed in keeper.all() {
        let spec = managed.spec();
        let Some(id) = identifier(&managed).filter(|id| self::number(id) == number) else {
            continue;
        };
        let is_known = page.get(&id.to_string()).is_some_and(|known| known.next > unix_now());
        if is_known || !managed.is_valid() || managed.is_due() || !keeper.has_agreed(spec) {
            continue;
        }
        let mut advice = Advice { at: None, next: unix_now() + AGAIN };
        if !silent.contains(&spec.ca) {
            let (said, is_silent) = ask(keeper, &managed, &id).await;
            advice = said;
            if is_silent {
                silent.insert(spec.ca.clone());
            }
        }
        page.insert(id.to_string(), advice);
    }
    if let Err(error) = keeper.store.write(&places::advice(number), &to_bytes(&page)) {
        log::error!("{error}");
    }
}

/// Asks for one certificate; true as well if the CA does not answer.
async fn ask(keeper: &Keeper, managed: &Managed, id: &CertificateIdentifier<'_>) -> (Advice, bool) {
    let spec = managed.spec();
    let advice = |at, wait| Advice { at, next: unix_now() + wait };
    let Ok(account) = keeper.account(spec).await else { return (advice(None, AGAIN), true) };
    match account.renewal_info(id).await {
        Ok((info, again)) => {
            let start = info.suggested_window.start.unix_timestamp();
            let end = info.suggested_window.end.unix_timestamp().max(start + 1);
            // A time that is already within the window is kept.
            if !(start..end).contains(&managed.renew_at()) {
                let why = info.explanation_url.map_or(String::new(), |url| format!(" (see {url})"));
                take(managed, fastrand::i64(start..end), &why);
            }
            let again = i64::try_from(again.as_secs()).unwrap_or(AGAIN);
            (advice(Some(managed.renew_at()), again.clamp(EVERY.0, EVERY.1)), false)
        }
        Err(Error::Unsupported(_)) => (advice(None, EVERY.1), false),
        Err(error) => {
            log::debug!("{}: renewal information: {error}", spec.name);
            (advice(None, AGAIN), !matches!(error, Error::Api(_)))
        }
    }
}

fn take(managed: &Managed, at: i64, why: &str) {
    let before = managed.renew_at();
    managed.renew_by_advice(at);
    let after = managed.renew_at();
    if after != before {
        let name = &managed.spec().name;
        log::info!("{name}: the CA advises renewal at {}{why}", date(after));
    }
}

fn identifier(managed: &Managed) -> Option<CertificateIdentifier<'static>> {
    let leaf = managed.current()?.key.cert.first()?.clone();
    CertificateIdentifier::try_from(&leaf).ok().map(CertificateIdentifier::into_owned)
}

/// The page of a certificate, the same on all machines.
fn number(id: &CertificateIdentifier<'_>) -> usize {
    let hash = digest(&SHA256, id.to_string().as_bytes());
    usize::from(hash.as_ref()[0]) % places::ADVICE_PAGES
}

/// Without what cannot be read: that is asked for anew.
fn read(keeper: &Keeper, number: usize) -> Page {
    let kept = keeper.store.read(&places::advice(number)).ok().flatten();
    kept.map_or_else(Page::new, |kept| from_bytes(&kept))
}

fn to_bytes(page: &Page) -> Vec<u8> {
    let advice = |(certificate, advice): (&String, &Advice)| {
        (certificate.clone(), json!({ "at": advice.at, "next": advice.next }))
    };
    Value::Object(page.iter().map(advice).collect()).to_string().into_bytes()
}

fn from_bytes(bytes: &[u8]) -> Page {
    let kept: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let advice = |(certificate, kept): (&String, &Value)| {
        let advice = Advice { at: kept["at"].as_i64(), next: kept["next"].as_i64()? };
        Some((certificate.clone(), advice))
    };
    kept.as_object().into_iter().flatten().filter_map(advice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_stored() {
        let advice = |at, next| Advice { at, next };
        let page = [("a.b", advice(Some(7), 9)), ("c.d", advice(None, 8))];
        let page: Page = page.map(|(id, advice)| (id.to_owned(), advice)).into();
        assert_eq!(from_bytes(&to_bytes(&page)), page);
        for junk in ["", "[]", "{", r#"{"a.b": {"at": 1}, "c": 7}"#] {
            assert_eq!(from_bytes(junk.as_bytes()), Page::new(), "{junk}");
        }
    }

    #[test]
    fn what_is_due_at_about_the_same_time_is_asked_for_together() {
        for (due, expected) in [(0, 0), (1, 600), (599, 600), (600, 600), (601, 1200)] {
            assert_eq!(together(due), expected, "{due}");
        }
    }
}
