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
use crate::limits::ACME_ATTEMPT;
use crate::tls::dns::Dns;
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

/// Makes an attempt when it is this machine's turn, unless another one has made it meanwhile. How
/// it ends is stored before the turn does.
pub(super) async fn attempt(keeper: &Keeper, managed: &Managed, backoff: &mut Backoff) {
    let propagation = managed.spec().dns.as_ref().map_or(Duration::ZERO, Dns::propagation);
    attempt_within(ACME_ATTEMPT + propagation, keeper, managed, backoff).await;
}

/// The order has so much time, which does not begin while others have theirs.
async fn attempt_within(most: Duration, keeper: &Keeper, managed: &Managed, backoff: &mut Backoff) {
    keeper.log_agreement(managed.spec()).await;
    let turn = match keeper.turn(managed).await {
        Ok(turn) => turn,
        Err(failure) => {
            // The CA was not asked: others may.
            let (_, wait) = failed(managed, backoff, &failure);
            return log_failure(managed, &failure, wait);
        }
    };
    let done = match managed.settle(&*keeper.store) {
        Ok(()) if !managed.is_due() => Ok(()),
        Ok(()) => match remembered(keeper, managed).filter(|other| other.next > unix_now()) {
            Some(other) => {
                *backoff = other;
                return not_again(managed, backoff);
            }
            None => keeper.obtain(managed, &turn, most).await,
        },
        Err(error) => Err(error.into()),
    };
    let retry = Places::of(managed.spec()).retry();
    let kept = match done {
        Ok(()) => {
            *backoff = Backoff::default();
            managed.attempted(None);
            keeper.store.remove(&retry)
        }
        Err(failure) => {
            let (last, wait) = failed(managed, backoff, &failure);
            let kept = keeper.store.write(&retry, &backoff.to_bytes(&last));
            log_failure(managed, &failure, wait);
            kept
        }
    };
    drop(turn);
    if let Err(error) = kept {
        log::error!("{error}");
    }
}

/// Counts a failure of this machine; returns also the time until the next attempt.
fn failed(
    managed: &Managed,
    backoff: &mut Backoff,
    failure: &Failure,
) -> (RenewalFailure, Duration) {
    let at = unix_now();
    let wait = backoff.failed(failure, at);
    let last = RenewalFailure { at, error: failure.text.clone(), next: backoff.next };
    managed.attempted(Some(last.clone()));
    (last, wait)
}

fn log_failure(managed: &Managed, failure: &Failure, wait: Duration) {
    let (name, state) = (&managed.spec().name, state(managed));
    log::error!("{name}: no new certificate: {failure}. Next attempt in {wait:?}; {state}");
}

/// Logs that another machine, or another process of this one, has failed already.
fn not_again(managed: &Managed, backoff: &Backoff) {
    let (name, state) = (&managed.spec().name, state(managed));
    let why = managed.state().failure.map(|failure| failure.error).unwrap_or_default();
    let next = date(backoff.next);
    log::warn!(
        "{name}: no new certificate: another machine has tried meanwhile: {why}. Next attempt at \
         {next}; {state}"
    );
}

fn state(managed: &Managed) -> &'static str {
    if managed.is_valid() {
        "the certificate in use is still valid"
    } else {
        "clients see an untrusted certificate"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::tls::acme::Settings;
    use crate::tls::certificate_spec::CertificateSpec;
    use crate::tls::{Folder, Storage as _};

    const NAME: &str = "a.example";

    /// Of a CA that nobody reaches.
    fn machine(folder: &std::path::Path) -> (Arc<Keeper>, Arc<Managed>) {
        let ca = "http://127.0.0.1:1/dir".to_owned();
        let settings = Settings {
            ca: ca.clone(),
            email: String::new(),
            agreed: true,
            timeout: Duration::from_secs(5),
            challenges: Vec::new(),
        };
        let keeper = Keeper::new(Folder::new(folder.to_owned()), settings);
        let spec = CertificateSpec { name: NAME.to_owned(), ca, ..CertificateSpec::default() };
        let managed = keeper.managed_bare(&spec).unwrap();
        (keeper, managed)
    }

    fn run(work: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(work);
    }

    fn why(managed: &Managed) -> String {
        managed.state().failure.map(|failure| failure.error).unwrap_or_default()
    }

    #[test]
    fn the_order_of_another_machine_takes_no_time_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, managed) = machine(dir.path());
        let held = keeper.store.try_lock(NAME).unwrap();
        run(async {
            let most = Duration::from_secs(5);
            let mut backoff = Backoff::default();
            let others = async {
                tokio::time::sleep(most + Duration::from_secs(1)).await;
                assert_eq!(managed.state().failure, None);
                drop(held);
            };
            tokio::join!(attempt_within(most, &keeper, &managed, &mut backoff), others);
        });
        let why = why(&managed);
        assert!(why.contains("refused"), "{why}");
    }

    #[test]
    fn what_another_machine_has_failed_at_is_not_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, managed) = machine(dir.path());
        let retry = Places::of(managed.spec()).retry();
        let mut others = Backoff::default();
        others.failed(&Failure::refused("the CA says no"), unix_now());
        let error = "the CA says no".to_owned();
        let last = RenewalFailure { at: unix_now(), error, next: others.next };
        Folder::new(dir.path().to_owned()).write(&retry, &others.to_bytes(&last)).unwrap();
        let before = keeper.store.read(&retry).unwrap();
        let mut backoff = Backoff::default();
        run(attempt(&keeper, &managed, &mut backoff));
        assert_eq!((why(&managed).as_str(), &backoff), ("the CA says no", &others));
        assert_eq!(keeper.store.read(&retry).unwrap(), before);
    }

    /// As when the lock's file cannot be made.
    #[test]
    fn what_was_not_asked_of_the_ca_is_no_failure_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, managed) = machine(dir.path());
        std::fs::write(dir.path().join("locks"), "a file").unwrap();
        run(attempt(&keeper, &managed, &mut Backoff::default()));
        assert!(!why(&managed).is_empty());
        let retry = Places::of(managed.spec()).retry();
        assert_eq!(keeper.store.read(&retry).unwrap(), None);
    }
}
