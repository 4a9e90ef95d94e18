//! The renewal loop of a certificate: renews it when a third of its validity is left or when the CA
//! suggests (ARI, RFC 9773), and retries after failures.

use std::sync::Arc;
use std::time::Duration;

use super::advice;
use super::backoff::Backoff;
use super::failure::Failure;
use super::keeper::Keeper;
use super::managed::Managed;
use super::places::Places;
use crate::tls::pem::{date, unix_now};
use crate::tls::report::RenewalFailure;

/// The maximum sleep in seconds, as the clock may be changed.
const NAP: i64 = 600;
/// The time between looks at whether the machines that share the storage are back.
const REUNION: Duration = Duration::from_secs(10);

/// Keeps the certificate renewed while the task runs.
pub(super) async fn keep(keeper: Arc<Keeper>, managed: Arc<Managed>) {
    let spec = managed.spec();
    let mut backoff = settle(&keeper, &managed).await;
    if managed.is_due() && backoff.next > unix_now() {
        let entry = keeper.store.place(&Places::of(spec).retry());
        let next = date(backoff.next);
        log::warn!(
            "{}: earlier attempts failed; the next is at {next} (remove {entry} and reload to \
             try at once)",
            spec.name
        );
    }
    let mut advice_at = 0;
    let mut told = false;
    loop {
        if managed.is_due()
            && let Some(other) = remembered(&keeper, &managed)
            && other.next > backoff.next
        {
            backoff = other;
        }
        if managed.is_due() && backoff.next <= unix_now() {
            // Each machine would ask for one of its own.
            if managed.has_time() && keeper.store.is_cut_off() {
                tokio::time::sleep(REUNION).await;
                continue;
            }
            if !keeper.has_agreed(spec) {
                if !std::mem::replace(&mut told, true) {
                    log::error!(
                        "{}: no certificate: the terms of {} have not been accepted. Read them and \
                        start with -agree, or write 'tls E-MAIL'; until then the site uses a self-signed certificate",
                        spec.name,
                        spec.ca
                    );
                }
                keeper.agreement().await;
                continue;
            }
            attempt(&keeper, &managed, &mut backoff).await;
            advice_at = advice_at.min(unix_now());
        }
        if advice_at <= unix_now() && managed.is_valid() && !managed.is_due() {
            advice_at = unix_now() + advice::follow(&keeper, &managed).await;
        }
        let due = if managed.current().is_some() { managed.renew_at() } else { 0 };
        let mut next = due.max(backoff.next);
        if managed.is_valid() && !managed.is_due() {
            next = next.min(advice_at);
        }
        let nap = (next - unix_now()).clamp(1, NAP);
        tokio::time::sleep(Duration::from_secs(nap.unsigned_abs())).await;
    }
}

/// Repairs the files of this machine after a crash, then takes what the others know.
async fn settle(keeper: &Keeper, managed: &Managed) -> Backoff {
    let places = Places::of(managed.spec());
    let settled = match keeper.lock_here(&places.lock()).await {
        Ok(_lock) => managed.settle(&*keeper.store).map_err(Failure::from),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = settled {
        log::error!("{}: {failure}", managed.spec().name);
    }
    keeper.settled().await;
    remembered(keeper, managed).unwrap_or_default()
}

/// The stored backoff, of this process or another.
pub(super) fn remembered(keeper: &Keeper, managed: &Managed) -> Option<Backoff> {
    let retry = Places::of(managed.spec()).retry();
    let kept = keeper.store.read(&retry).ok().flatten()?;
    let backoff = Backoff::from_bytes(&kept, unix_now());
    if let Some(last) = Backoff::last_failure(&kept) {
        managed.attempted(Some(last));
    }
    if backoff.is_none()
        && let Err(error) = keeper.store.set_aside_damaged(&retry, "not a record of retries")
    {
        log::error!("{error}");
    }
    backoff
}

/// Makes an attempt and stores the backoff.
pub(super) async fn attempt(keeper: &Keeper, managed: &Managed, backoff: &mut Backoff) {
    let name = &managed.spec().name;
    let retry = Places::of(managed.spec()).retry();
    keeper.log_agreement(managed.spec()).await;
    let kept = match keeper.obtain(managed).await {
        Ok(()) => {
            *backoff = Backoff::default();
            managed.attempted(None);
            keeper.store.remove(&retry)
        }
        Err(failure) => {
            let at = unix_now();
            let wait = backoff.failed(&failure, at);
            let error = failure.text.clone();
            let last = RenewalFailure { at, error, next: backoff.next };
            let kept = keeper.store.write(&retry, &backoff.to_bytes(&last));
            managed.attempted(Some(last));
            let state = if managed.is_valid() {
                "the certificate in use is still valid"
            } else {
                "clients see an untrusted certificate"
            };
            log::error!("{name}: no new certificate: {failure}. Next attempt in {wait:?}; {state}");
            kept
        }
    };
    if let Err(error) = kept {
        log::error!("{error}");
    }
}
