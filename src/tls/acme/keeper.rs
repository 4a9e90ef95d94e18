//! The state of all CA certificates of this process. It survives a reload. The operations are in
//! `obtain`, `renewal`, `revoke`, `terms` and `thread`.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use instant_acme::Account;
use tokio::sync::{mpsc, watch};

use super::account::{self, Ca, Owner};
use super::challenge_answers;
use super::entries;
use super::failure::Failure;
use super::managed::Managed;
use super::places::{self, Places};
use super::quota::Quota;
use super::settings::Settings;
use crate::tls::certificate_spec::CertificateSpec;
use crate::tls::challenges::Answer;
use crate::tls::key_type::KeyType;
use crate::tls::resolver::Resolver;
use crate::tls::self_signed::SelfSigned;
use crate::tls::storage::Storage;

/// Called with the name of a new certificate.
pub type Renewed = Box<dyn Fn(&str) + Send + Sync>;

/// Obtains and renews the certificates of this process.
pub struct Keeper {
    pub(super) store: Arc<dyn Storage>,
    settings: Settings,
    pub(super) agreed: watch::Sender<bool>,
    /// The e-mail address entered at the terminal.
    pub(super) answered: Mutex<String>,
    /// The certificates that a configuration uses.
    known: Mutex<HashMap<CertificateSpec, Weak<Managed>>>,
    pub(super) cas: Mutex<HashMap<String, Arc<Ca>>>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) inbox: Mutex<Option<mpsc::UnboundedReceiver<Command>>>,
    renewed: Mutex<Option<Renewed>>,
    /// Answers to challenges of other machines' orders, by their entries.
    answers: Mutex<HashMap<String, KeptAnswer>>,
    /// Held by who asks when the certificates of a page are to be renewed.
    pub(super) advice: [tokio::sync::Mutex<()>; places::ADVICE_PAGES],
    /// Certificates obtained on demand by this process.
    pub(super) on_demand: Mutex<Quota>,
}

/// The answer to a challenge, and the content of its entry.
struct KeptAnswer {
    content: Vec<u8>,
    _answer: Answer,
}

/// A command to the thread.
pub(super) enum Command {
    Configure(Vec<Arc<Managed>>, Vec<Weak<Resolver>>),
    Run(Pin<Box<dyn Future<Output = ()> + Send>>),
    Stop,
}

impl Keeper {
    pub fn new(store: impl Storage + 'static, settings: Settings) -> Arc<Self> {
        let (commands, inbox) = mpsc::unbounded_channel();
        Arc::new(Self {
            store: Arc::new(store),
            agreed: watch::Sender::new(settings.agreed),
            answered: Mutex::default(),
            settings,
            known: Mutex::default(),
            cas: Mutex::default(),
            commands,
            inbox: Mutex::new(Some(inbox)),
            renewed: Mutex::default(),
            answers: Mutex::default(),
            advice: Default::default(),
            on_demand: Mutex::default(),
        })
    }

    /// Aborts orders in progress; the next process resumes them. A validation after the ports are
    /// closed would count as a failure.
    pub fn stop(&self) {
        let _ = self.commands.send(Command::Stop);
    }

    /// The settings from the command line.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Sets the function to call for each new certificate.
    pub fn on_renewed(&self, hook: Option<Renewed>) {
        *locked(&self.renewed) = hook;
    }

    /// The certificate for `spec`: a known one, or from the storage.
    pub(super) fn managed(&self, spec: CertificateSpec) -> Result<Arc<Managed>, String> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let fallback = || SelfSigned::for_host(&spec.name, KeyType::P256, &provider).map(Some);
        self.known_or(&spec, fallback)
    }

    /// The certificate for `spec`, if a configuration uses it.
    pub(super) fn known(&self, spec: &CertificateSpec) -> Option<Arc<Managed>> {
        locked(&self.known).get(spec).and_then(Weak::upgrade)
    }

    /// All certificates that a configuration uses.
    pub(super) fn all(&self) -> Vec<Arc<Managed>> {
        locked(&self.known).values().filter_map(Weak::upgrade).collect()
    }

    /// As [`Self::managed`], without a self-signed fallback.
    pub(super) fn managed_bare(&self, spec: &CertificateSpec) -> Result<Arc<Managed>, String> {
        self.known_or(spec, || Ok(None))
    }

    fn known_or(
        &self,
        spec: &CertificateSpec,
        fallback: impl FnOnce() -> Result<Option<Arc<SelfSigned>>, String>,
    ) -> Result<Arc<Managed>, String> {
        let mut known = locked(&self.known);
        if let Some(managed) = known.get(spec).and_then(Weak::upgrade) {
            return Ok(managed);
        }
        known.retain(|_, managed| managed.strong_count() > 0);
        let managed = Arc::new(Managed::open(spec.clone(), fallback()?, &*self.store));
        known.insert(spec.clone(), Arc::downgrade(&managed));
        Ok(managed)
    }

    /// Runs a future on the keeper's thread.
    pub(super) fn run(&self, work: impl Future<Output = ()> + Send + 'static) {
        let _ = self.commands.send(Command::Run(Box::pin(work)));
    }

    pub(super) fn ca(&self, url: &str) -> Arc<Ca> {
        let fresh = || Arc::new(Ca::new(url));
        locked(&self.cas).entry(url.to_owned()).or_insert_with(fresh).clone()
    }

    /// The account for `spec`; registers one if there is none.
    pub(super) async fn account(&self, spec: &CertificateSpec) -> Result<Account, Failure> {
        let ca = self.ca(&spec.ca);
        let email = match spec.email.as_str() {
            "" => account::latest_email(&*self.store, &ca.url)
                .unwrap_or_else(|| locked(&self.answered).clone()),
            email => email.to_owned(),
        };
        let owner = Owner {
            ca: &ca,
            email: &email,
            eab: spec.eab.as_ref(),
            timeout: self.settings.timeout,
        };
        let mut accounts = ca.accounts.lock().await;
        if let Some(account) = accounts.get(&email) {
            return Ok(account.clone());
        }
        let _lock = self.lock(&places::accounts_lock(&ca.url)).await?;
        let account = owner.account(&*self.store).await?;
        accounts.insert(email.clone(), account.clone());
        self.account_made();
        Ok(account)
    }

    /// Forgets the accounts of a CA that no longer knows them; the next use registers the keys
    /// again.
    pub(super) async fn forget_account(&self, spec: &CertificateSpec) -> Result<(), Failure> {
        let ca = self.ca(&spec.ca);
        for (email, _) in ca.accounts.lock().await.drain() {
            let owner = Owner { ca: &ca, email: &email, eab: None, timeout: self.settings.timeout };
            owner.forget(&*self.store)?;
        }
        Ok(())
    }

    /// Takes what another machine has stored.
    pub fn reread(&self, entries: &[String]) {
        let known = self.all();
        let fresh =
            |managed: &&Arc<Managed>| entries.contains(&Places::of(managed.spec()).certificate());
        known.iter().filter(fresh).for_each(|managed| managed.reread(&*self.store));
        for entry in entries.iter().filter(|entry| challenge_answers::is_challenge_answer(entry)) {
            match self.store.read(entry).ok().flatten() {
                Some(content) => self.answer(entry, &content),
                None => drop(locked(&self.answers).remove(entry)),
            }
        }
        self.account_made();
    }

    /// Answers the challenge of another machine's order, as this entry has it.
    pub fn answer(&self, entry: &str, content: &[u8]) {
        let mut answers = locked(&self.answers);
        if answers.get(entry).is_some_and(|known| known.content == content) {
            return;
        }
        // The old one withdraws its answer, which may be the same.
        answers.remove(entry);
        if let Some(answer) = challenge_answers::answer(content) {
            answers.insert(
                entry.to_owned(),
                KeptAnswer { content: content.to_vec(), _answer: answer },
            );
        }
    }

    /// Answers challenges of other machines' orders that began before this process did.
    pub fn recall(&self) {
        let stored = entries::list(&*self.store);
        let answers: Vec<_> = stored
            .into_iter()
            .filter(|entry| challenge_answers::is_challenge_answer(entry))
            .collect();
        self.reread(&answers);
    }

    pub(super) fn tell_renewed(&self, name: &str) {
        if let Some(hook) = &*locked(&self.renewed) {
            hook(name);
        }
    }
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("settings", &self.settings).finish_non_exhaustive()
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
