//! On-demand TLS: a certificate is obtained at the first handshake for its name. The cost that
//! untrusted handshakes can cause is limited: one issuance per name, a maximum number of waiting
//! handshakes, a cache of failed names, and `max_certs` or `ask`.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwap;
use http::Uri;
use rustls::sign::CertifiedKey;
use tokio::sync::oneshot;

use super::failure::Failure;
use super::keeper::{Keeper, locked};
use super::managed::Managed;
use super::quota::Quota;
use super::renewal;
use crate::limits::{ON_DEMAND_FAILED, ON_DEMAND_NAMES, ON_DEMAND_WAITING};
use crate::tls::certificate_spec::{CertificateSpec, OnDemandLimits};
use crate::tls::https_client::Client;
use crate::tls::names::{covers, qualifies};
use crate::tls::pem::{Loaded, unix_now};
use crate::tls::report::CertificateState;
use crate::tls::source::CertificateSource;

/// A site with on-demand TLS.
#[derive(Debug)]
pub(super) struct OnDemand {
    keeper: Arc<Keeper>,
    /// The specification of its certificates, without a name.
    spec: CertificateSpec,
    /// The site's host: empty, a name, or a pattern with `*`.
    host: String,
    limits: OnDemandLimits,
    known: ArcSwap<HashMap<String, Arc<Managed>>>,
    failed: Mutex<HashMap<String, i64>>,
    waiting: Mutex<HashMap<String, Vec<oneshot::Sender<()>>>>,
}

/// All such sites of this process: a reload keeps their state.
static SITES: Mutex<Vec<Weak<OnDemand>>> = Mutex::new(Vec::new());

impl CertificateSource for OnDemand {
    fn certified(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        self.known.load().get(&name?.to_ascii_lowercase())?.certified()
    }

    fn spec(&self) -> Option<&CertificateSpec> {
        None
    }

    fn current(&self) -> Option<Arc<Loaded>> {
        None
    }

    fn report(&self) -> Vec<CertificateState> {
        self.known.load().values().map(|managed| managed.state()).collect()
    }

    fn staple(&self, _: &Arc<CertifiedKey>) {}

    fn prepare(self: Arc<Self>, name: String) -> Option<Pin<Box<dyn Future<Output = ()> + Send>>> {
        let pending = self.pending(&name)?;
        Some(Box::pin(async { drop(pending.await) }))
    }
}

impl OnDemand {
    pub(super) fn new(
        keeper: &Arc<Keeper>,
        host: &str,
        spec: CertificateSpec,
        limits: OnDemandLimits,
    ) -> Arc<Self> {
        let fresh = |spec| Self {
            keeper: keeper.clone(),
            spec,
            host: host.to_owned(),
            limits: limits.clone(),
            known: ArcSwap::default(),
            failed: Mutex::default(),
            waiting: Mutex::default(),
        };
        let mut sites = locked(&SITES);
        sites.retain(|site| site.strong_count() > 0);
        let same = |site: &Arc<Self>| {
            Arc::ptr_eq(&site.keeper, keeper)
                && site.host == host
                && site.spec == spec
                && site.limits == limits
        };
        if let Some(site) = sites.iter().filter_map(Weak::upgrade).find(same) {
            return site;
        }
        let site = Arc::new(fresh(spec));
        sites.push(Arc::downgrade(&site));
        site
    }

    /// A receiver that completes when an issuance for `name` has ended; `None` if there is nothing
    /// to wait for.
    fn pending(self: &Arc<Self>, name: &str) -> Option<oneshot::Receiver<()>> {
        match self.known.load().get(name) {
            Some(managed) if managed.is_valid() && !managed.is_due() => None,
            // Renewed in the background; this client gets the current one.
            Some(managed) if managed.is_valid() => {
                drop(self.queue(name));
                None
            }
            _ => self.queue(name),
        }
    }

    /// Obtains the certificate, on the keeper's thread, and wakes the waiting handshakes.
    async fn serve(self: Arc<Self>, name: String) {
        match self.fetch(&name).await {
            Ok(managed) => self.remember(&name, managed),
            Err(failure) => {
                log::info!("{name}: no certificate on demand: {failure}");
                let mut failed = locked(&self.failed);
                if failed.len() >= ON_DEMAND_NAMES {
                    failed.clear();
                }
                failed.insert(name.clone(), unix_now() + ON_DEMAND_FAILED);
            }
        }
        locked(&self.waiting).remove(&name);
    }

    /// Queues a handshake for `name` and starts the issuance; `None` if the name is refused.
    fn queue(self: &Arc<Self>, name: &str) -> Option<oneshot::Receiver<()>> {
        let mine = self.host.is_empty() || covers(&self.host, name);
        if !mine || !qualifies(name) {
            return None;
        }
        if locked(&self.failed).get(name).is_some_and(|until| *until > unix_now()) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        let mut waiting = locked(&self.waiting);
        if waiting.values().map(Vec::len).sum::<usize>() >= ON_DEMAND_WAITING {
            return None;
        }
        let those = waiting.entry(name.to_owned()).or_default();
        let first = those.is_empty();
        those.push(sender);
        if first {
            self.keeper.run(self.clone().serve(name.to_owned()));
        }
        Some(receiver)
    }

    async fn fetch(&self, name: &str) -> Result<Arc<Managed>, Failure> {
        let spec = CertificateSpec { name: name.to_owned(), ..self.spec.clone() };
        let managed = self.keeper.managed_bare(&spec).map_err(Failure::trouble)?;
        let waits = managed.has_time() && self.keeper.store.is_cut_off();
        if managed.is_valid() && (!managed.is_due() || waits) {
            return Ok(managed);
        }
        let mut backoff = renewal::remembered(&self.keeper, &managed).unwrap_or_default();
        if backoff.next > unix_now() {
            return Err(Failure::refused(
                "an earlier attempt failed, and the next one is not due yet",
            ));
        }
        if !self.keeper.has_agreed(&spec) {
            return Err(Failure::refused(
                "the terms of the CA have not been accepted: start with -agree, or write 'tls E-MAIL'",
            ));
        }
        let mut place = None;
        if managed.current().is_none() {
            place = Some(self.place()?);
            self.allowed(name).await?;
        }
        renewal::attempt(&self.keeper, &managed, &mut backoff).await;
        if !managed.is_valid() {
            return Err(Failure::trouble("the certificate was not obtained"));
        }
        if let Some(place) = &mut place {
            place.obtained = Some(unix_now());
        }
        Ok(managed)
    }

    /// A place within `max_certs`.
    fn place(&self) -> Result<Place<'_>, Failure> {
        let quota = &self.keeper.on_demand;
        locked(quota).begin(self.limits.max, unix_now()).map_err(Failure::refused)?;
        Ok(Place { quota, obtained: None })
    }

    /// Checks `ask`.
    async fn allowed(&self, name: &str) -> Result<(), Failure> {
        let Some(ask) = &self.limits.ask else { return Ok(()) };
        let separator = if ask.contains('?') { '&' } else { '?' };
        let uri: Uri = format!("{ask}{separator}domain={name}")
            .parse()
            .map_err(|error| Failure::refused(format!("ask {ask}: {error}")))?;
        let client = Client::new(self.keeper.settings().timeout, Arc::default());
        match client.get(&uri).await {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) => Err(Failure::refused(format!("{ask} returned {status}"))),
            Err(error) => Err(Failure::trouble(format!("ask: {error}"))),
        }
    }

    fn remember(&self, name: &str, managed: Arc<Managed>) {
        self.known.rcu(|old| {
            let mut new = HashMap::clone(old);
            if new.len() >= ON_DEMAND_NAMES
                && let Some(any) = new.keys().next().cloned()
            {
                new.remove(&any);
            }
            new.insert(name.to_owned(), managed.clone());
            new
        });
    }
}

/// A certificate that is being obtained, in the quota.
struct Place<'a> {
    quota: &'a Mutex<Quota>,
    /// When it was obtained.
    obtained: Option<i64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        locked(self.quota).end(self.obtained);
    }
}
