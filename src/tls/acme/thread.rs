//! The thread that obtains and renews certificates, with one task per certificate. A task is
//! aborted when no configuration uses its certificate.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::keeper::{Command, Keeper, locked};
use super::on_demand::OnDemand;
use super::renewal;
use super::settings::Challenge;
use crate::tls::certificate_spec::CertificateSpec;
use crate::tls::names::address;
use crate::tls::policy::Policy;
use crate::tls::settings::TlsListener;
use crate::tls::source::{CertificateSource, Issuer};
use crate::tls::{ocsp, watch};

impl Keeper {
    /// Starts the thread. No request is sent to a CA before.
    pub fn start(self: &Arc<Self>) -> std::io::Result<()> {
        let Some(inbox) = locked(&self.inbox).take() else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let keeper = self.clone();
        std::thread::Builder::new()
            .name("certificates".to_owned())
            .spawn(move || runtime.block_on(live(keeper, inbox)))?;
        Ok(())
    }

    /// Keeps the certificates of these listeners, and stops the tasks of others.
    pub fn configure<'a>(&self, listeners: impl Iterator<Item = &'a TlsListener>) {
        let resolvers: Vec<_> = listeners.map(|listener| &listener.resolver).collect();
        let spec = resolvers.iter().flat_map(|resolver| resolver.spec());
        let spec = spec.filter_map(|spec| self.known(spec)).collect();
        let resolvers = resolvers.into_iter().map(Arc::downgrade).collect();
        // Fails only if the thread was never started or has ended.
        let _ = self.commands.send(Command::Configure(spec, resolvers));
    }
}

async fn live(keeper: Arc<Keeper>, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let mut tasks: HashMap<CertificateSpec, AbortOnDropHandle<()>> = HashMap::new();
    let mut watching = None;
    while let Some(command) = inbox.recv().await {
        match command {
            Command::Configure(spec, resolvers) => {
                tasks.retain(|key, _| spec.iter().any(|managed| managed.spec() == key));
                for managed in spec {
                    let key = managed.spec().clone();
                    let task = || tokio::spawn(renewal::keep(keeper.clone(), managed));
                    tasks.entry(key).or_insert_with(|| AbortOnDropHandle::new(task()));
                }
                let staples = ocsp::keep(resolvers.clone(), keeper.store.clone());
                let watching_now = [
                    AbortOnDropHandle::new(tokio::spawn(watch::files(resolvers))),
                    AbortOnDropHandle::new(tokio::spawn(staples)),
                ];
                drop(watching.replace(watching_now));
            }
            Command::Run(work) => drop(tokio::spawn(work)),
            // Drops the runtime with all tasks.
            Command::Stop => return,
        }
    }
}

impl Issuer for Arc<Keeper> {
    fn source(&self, host: &str, policy: &Policy) -> Result<Arc<dyn CertificateSource>, String> {
        let asked = &policy.managed;
        let settings = self.settings();
        let spec = CertificateSpec {
            name: asked.subject(host).unwrap_or_default(),
            ca: asked.ca.clone().unwrap_or_else(|| settings.ca.clone()),
            email: asked.email.clone().unwrap_or_else(|| settings.email.clone()),
            agreed: asked.email.as_deref().is_some_and(|email| email.contains('@')),
            key_type: policy.key_type,
            must_staple: asked.must_staple,
            profile: asked.profile.clone(),
            eab: asked.eab.clone(),
            // No CA proves an address by DNS-01 (RFC 8738 section 7).
            dns: asked.dns.clone().filter(|_| address(host).is_none()),
        };
        Ok(match &asked.on_demand {
            Some(limits) => OnDemand::new(self, host, spec, limits.clone()),
            None => self.managed(spec)?,
        })
    }

    fn validates_by_alpn(&self) -> bool {
        self.settings().challenges.contains(&Challenge::TlsAlpn)
    }
}
