//! One attempt to obtain a certificate, under the lock of its name.

use std::sync::atomic::Ordering;
use std::time::Duration;

use instant_acme::{Account, CertificateIdentifier};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::failure::{Failure, Kind};
use super::keeper::Keeper;
use super::managed::Managed;
use super::nonce::Attempts;
use super::order::{Issued, Job};
use super::places::Places;
use super::settings::Challenge;
use crate::tls::certificate_spec::CertificateSpec;
use crate::tls::pem::{date, unix_now};
use crate::tls::storage::Held;

/// The interval of attempts to take a lock that another process holds.
const LOCK_STEP: Duration = Duration::from_millis(300);

/// The right to order a certificate: nobody else orders it, and the CA has few orders at once.
#[derive(Debug)]
pub(super) struct Turn {
    _permit: OwnedSemaphorePermit,
    _lock: Box<dyn Held>,
}

impl Keeper {
    /// Waits for the turn, for as long as others order.
    pub(super) async fn turn(&self, managed: &Managed) -> Result<Turn, Failure> {
        let stopping = |_| Failure::trouble("the process is stopping");
        let permits = self.ca(&managed.spec().ca).permits.clone();
        let permit = permits.acquire_owned().await.map_err(stopping)?;
        let lock = self.lock(&Places::of(managed.spec()).lock()).await?;
        Ok(Turn { _permit: permit, _lock: lock })
    }

    /// Obtains the certificate within this time.
    pub(super) async fn obtain(
        &self,
        managed: &Managed,
        _: &Turn,
        most: Duration,
    ) -> Result<(), Failure> {
        match tokio::time::timeout(most, self.attempt(managed)).await {
            Ok(done) => done,
            Err(_) => Err(Failure::trouble(format!("not complete within {most:?}"))),
        }
    }

    /// Takes a lock that excludes other processes on the same storage.
    pub(super) async fn lock(&self, name: &str) -> Result<Box<dyn Held>, Failure> {
        held(|| self.store.try_lock(name)).await
    }

    /// Takes a lock that excludes other processes on this machine.
    pub(super) async fn lock_here(&self, name: &str) -> Result<Box<dyn Held>, Failure> {
        held(|| self.store.try_lock_here(name)).await
    }

    /// Waits until what other machines have is here, or they cannot be asked.
    pub(super) async fn settled(&self) {
        while !self.store.is_settled() {
            tokio::time::sleep(LOCK_STEP).await;
        }
    }

    async fn attempt(&self, managed: &Managed) -> Result<(), Failure> {
        let spec = managed.spec();
        let places = Places::of(spec);
        let pause = self.ca(&spec.ca).pause.load(Ordering::Relaxed);
        if pause > unix_now() {
            return Err(busy(pause));
        }
        let mut attempts = Attempts::default();
        let done = loop {
            let done = self.ask(managed, &places).await;
            if !attempts.again(&done) {
                break done;
            }
        };
        let pause = self.ca(&spec.ca).pause.load(Ordering::Relaxed);
        done.map_err(|failure| match failure.kind {
            Kind::Busy(None) if pause > unix_now() => {
                Failure { kind: Kind::Busy(Some(pause)), ..failure }
            }
            _ => failure,
        })
    }

    async fn ask(&self, managed: &Managed, places: &Places) -> Result<(), Failure> {
        let spec = managed.spec();
        log::info!("{}: requesting a certificate from {}", spec.name, spec.ca);
        let account = self.account(spec).await?;
        let replaces = managed.current().and_then(|current| {
            let leaf = current.key.cert.first()?.clone();
            CertificateIdentifier::try_from(&leaf).ok().map(CertificateIdentifier::into_owned)
        });
        let mut job = Job { account: &account, spec, places, store: &*self.store, replaces };
        let had = managed.current().is_some();
        let (issued, challenge) = match self.by_any_challenge(&job).await {
            Err(failure) if failure.is_unknown_account() => {
                log::warn!("{}: the CA no longer knows the account: registering it again", spec.ca);
                self.forget_account(spec).await?;
                let account: Account = self.account(spec).await?;
                job.account = &account;
                self.by_any_challenge(&job).await?
            }
            other => other?,
        };
        managed.accept(&issued, &*self.store).map_err(Failure::trouble)?;
        let facts = json!({ "domain": spec.name, "challenge": challenge.to_string() });
        self.store.write(&places.facts(), facts.to_string().as_bytes())?;
        let until = managed.current().map_or(0, |current| current.until);
        let what = if had { "renewed" } else { "obtained" };
        log::info!("{}: certificate {what}, valid until {}", spec.name, date(until));
        self.tell_renewed(&spec.name);
        Ok(())
    }

    /// Tries the enabled challenges, the last successful one first. Only a refusal leads to the
    /// next one; other errors would repeat.
    async fn by_any_challenge(&self, job: &Job<'_>) -> Result<(Issued, Challenge), Failure> {
        let mut failures: Vec<Failure> = Vec::new();
        for challenge in self.challenges(job.spec, job.places) {
            match job.run(challenge).await {
                Ok(issued) => return Ok((issued, challenge)),
                Err(failure) if failure.kind == Kind::Refused => failures.push(failure),
                Err(failure) => return Err(failure),
            }
        }
        let texts: Vec<_> = failures.into_iter().map(|failure| failure.text).collect();
        Err(Failure::refused(match texts.is_empty() {
            true => "no challenge is available: HTTP-01 and TLS-ALPN-01 are disabled, and 'dns' \
            is not set"
                .to_owned(),
            false => texts.join("; "),
        }))
    }

    fn challenges(&self, spec: &CertificateSpec, places: &Places) -> Vec<Challenge> {
        if spec.dns.is_some() {
            return vec![Challenge::Dns];
        }
        if spec.name.starts_with('*') {
            return Vec::new();
        }
        let mut challenges = self.settings().challenges.clone();
        let facts = self.store.read(&places.facts()).ok().flatten().unwrap_or_default();
        let facts: Value = serde_json::from_slice(&facts).unwrap_or_default();
        let last = facts["challenge"].as_str().unwrap_or_default();
        challenges.sort_by_key(|challenge| challenge.to_string() != last);
        challenges
    }
}

async fn held(
    mut take: impl FnMut() -> std::io::Result<Option<Box<dyn Held>>>,
) -> Result<Box<dyn Held>, Failure> {
    loop {
        if let Some(held) = take()? {
            return Ok(held);
        }
        tokio::time::sleep(LOCK_STEP).await;
    }
}

fn busy(until: i64) -> Failure {
    let text = format!("the CA accepts no requests before {}", date(until));
    Failure { kind: Kind::Busy(Some(until)), text }
}
