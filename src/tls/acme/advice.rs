//! When a CA suggests to renew (ARI, RFC 9773). Of several machines that share the storage one
//! asks, and all do as it has chosen.

use instant_acme::{CertificateIdentifier, Error};
use serde_json::{Value, json};

use super::keeper::Keeper;
use super::managed::Managed;
use super::places::Places;
use crate::tls::pem::{date, unix_now};

/// Seconds between requests for renewal information after a failure.
const AGAIN: i64 = 6 * 3600;
/// The bounds of Retry-After for renewal information, in seconds (RFC 9773 section 4.3).
const EVERY: (i64, i64) = (60, 24 * 3600);
/// Seconds within which machines look at what is due, so that the first one can tell the others.
const APART: i64 = 120;

/// What the CA has said, for other machines.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Advice {
    /// Of which certificate.
    certificate: String,
    /// When to renew, if at another time than usual.
    at: Option<i64>,
    /// Unix second of the next request.
    next: i64,
}

/// Follows the CA's advice; returns the seconds until it is due again.
pub(super) async fn follow(keeper: &Keeper, managed: &Managed) -> i64 {
    let spec = managed.spec();
    if !keeper.has_agreed(spec) {
        return AGAIN;
    }
    let Some(leaf) = managed.current().and_then(|current| current.key.cert.first().cloned()) else {
        return AGAIN;
    };
    let Ok(id) = CertificateIdentifier::try_from(&leaf) else { return AGAIN };
    if !keeper.store.is_shared() {
        return ask(keeper, managed, &id).await.next - unix_now();
    }
    if let Some(wait) = stored(keeper, managed, &id) {
        return wait;
    }
    let places = Places::of(spec);
    let Ok(_lock) = keeper.lock(&places.lock()).await else { return AGAIN };
    if let Some(wait) = stored(keeper, managed, &id) {
        return wait;
    }
    let said = ask(keeper, managed, &id).await;
    if let Err(error) = keeper.store.write(&places.advice(), &said.to_bytes()) {
        log::error!("{error}");
    }
    said.next - unix_now()
}

/// Takes what a machine was told; returns the seconds until it is due, unless it is.
fn stored(keeper: &Keeper, managed: &Managed, id: &CertificateIdentifier<'_>) -> Option<i64> {
    let kept = keeper.store.read(&Places::of(managed.spec()).advice()).ok().flatten()?;
    let advice = Advice::from_bytes(&kept).filter(|kept| kept.certificate == id.to_string())?;
    if let Some(at) = advice.at {
        take(managed, at, "");
    }
    let wait = advice.next.min(unix_now() + EVERY.1) - unix_now();
    (wait > 0).then(|| wait + fastrand::i64(0..APART))
}

async fn ask(keeper: &Keeper, managed: &Managed, id: &CertificateIdentifier<'_>) -> Advice {
    let spec = managed.spec();
    let advice = |at, wait| Advice { certificate: id.to_string(), at, next: unix_now() + wait };
    let Ok(account) = keeper.account(spec).await else { return advice(None, AGAIN) };
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
            advice(Some(managed.renew_at()), again.clamp(EVERY.0, EVERY.1))
        }
        Err(Error::Unsupported(_)) => advice(None, EVERY.1),
        Err(error) => {
            log::debug!("{}: renewal information: {error}", spec.name);
            advice(None, AGAIN)
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

impl Advice {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { certificate, at, next } = self;
        json!({ "certificate": certificate, "at": at, "next": next }).to_string().into_bytes()
    }

    /// `None` for anything else than the output of [`Self::to_bytes`].
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(bytes).ok()?;
        Some(Self {
            certificate: value["certificate"].as_str()?.to_owned(),
            at: value["at"].as_i64(),
            next: value["next"].as_i64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_stored() {
        for at in [None, Some(7)] {
            let advice = Advice { certificate: "a.b".to_owned(), at, next: 9 };
            assert_eq!(Advice::from_bytes(&advice.to_bytes()), Some(advice));
        }
        for junk in ["", "{}", r#"{"certificate": "a"}"#, r#"{"next": 1}"#] {
            assert_eq!(Advice::from_bytes(junk.as_bytes()), None, "{junk}");
        }
    }
}
