//! ACME accounts. The key is stored before the account is registered, so that a crash cannot lose
//! an account.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64};
use std::time::Duration;

use instant_acme::{Account, AccountBuilder, Key};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::binding::{self, Binding};
use super::failure::Failure;
use super::places;
use crate::tls::certificate_spec::Eab;
use crate::tls::https_client::Client;
use crate::tls::storage::Storage;

/// Maximum number of certificates that are obtained from a CA concurrently.
const PARALLEL: usize = 8;

/// The state of a CA. CAs are independent of each other.
pub(super) struct Ca {
    pub(super) url: String,
    /// Unix second before which it accepts no requests.
    pub(super) pause: Arc<AtomicI64>,
    /// Limits the certificates that are obtained concurrently.
    pub(super) permits: Arc<Semaphore>,
    /// Accounts by e-mail. Locked during a registration, so that it happens only once.
    pub(super) accounts: tokio::sync::Mutex<HashMap<String, Account>>,
    /// Whether it has been said who agreed to its terms.
    pub(super) logged: AtomicBool,
}

impl Ca {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            pause: Arc::default(),
            permits: Arc::new(Semaphore::new(PARALLEL)),
            accounts: tokio::sync::Mutex::default(),
            logged: AtomicBool::new(false),
        }
    }

    pub(super) fn client(&self, timeout: Duration) -> Client {
        Client::new(timeout, self.pause.clone())
    }
}

/// The owner of an account.
pub(super) struct Owner<'a> {
    pub(super) ca: &'a Ca,
    pub(super) email: &'a str,
    pub(super) eab: Option<&'a Eab>,
    pub(super) timeout: Duration,
}

impl Owner<'_> {
    /// The stored account, or a new one.
    pub(super) async fn account(&self, store: &dyn Storage) -> Result<Account, Failure> {
        let known = self.stored_key(store)?;
        let id = match &known {
            Some(key) => self.stored_id(store, key)?,
            None => None,
        };
        match (known, id, self.eab) {
            (Some(key), Some(id), _) => self.open(&key, id).await,
            (Some(key), None, None) => self.register(store, &key).await,
            // An earlier process may have registered it.
            (Some(key), None, Some(eab)) => match self.find(&key).await {
                Err(failure) if failure.is_unknown_account() => {
                    self.register_bound(store, &key, eab).await
                }
                found => self.keep(store, &key, found?),
            },
            (None, _, eab) => {
                let failed = |error: rcgen::Error| Failure::trouble(error.to_string());
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
                store.write(&self.entry("key"), key.serialize_pem().as_bytes())?;
                let key = key.serialize_der();
                match eab {
                    None => self.register(store, &key).await,
                    Some(eab) => self.register_bound(store, &key, eab).await,
                }
            }
        }
    }

    /// Removes the URL of the account, not its key, after the CA has lost the account.
    pub(super) fn forget(&self, store: &dyn Storage) -> Result<(), Failure> {
        Ok(store.remove(&self.entry("json"))?)
    }

    async fn open(&self, key: &[u8], id: String) -> Result<Account, Failure> {
        Ok(self.builder().from_parts(id, pkcs8(key), self.ca.url.clone()).await?)
    }

    /// The account that the CA has for this key.
    async fn find(&self, key: &[u8]) -> Result<Account, Failure> {
        Ok(self.builder().from_key(pair(key)?, self.ca.url.clone()).await?.0)
    }

    /// Registers the account, or finds the existing one of this key.
    async fn register(&self, store: &dyn Storage, key: &[u8]) -> Result<Account, Failure> {
        let made = self.builder().create_from_key(pair(key)?, self.ca.url.clone()).await;
        let (account, _) = made.map_err(|error| registering(error.into()))?;
        if !self.email.is_empty() {
            let contact = format!("mailto:{}", self.email);
            let updated = account.update_contacts(&[&contact]).await;
            updated.map_err(|error| registering(error.into()))?;
        }
        self.keep(store, key, account)
    }

    async fn register_bound(
        &self,
        store: &dyn Storage,
        key: &[u8],
        eab: &Eab,
    ) -> Result<Account, Failure> {
        let (client, directory) = (self.ca.client(self.timeout), self.ca.url.as_str());
        let binding = Binding { client: &client, directory, email: self.email, eab };
        let id = binding.register(key).await.map_err(registering)?;
        self.keep(store, key, self.open(key, id).await?)
    }

    fn builder(&self) -> AccountBuilder {
        Account::builder_with_http(Box::new(self.ca.client(self.timeout)))
    }

    fn keep(&self, store: &dyn Storage, key: &[u8], account: Account) -> Result<Account, Failure> {
        let id = account.id();
        log::info!("{}: registered account {id} {}", self.ca.url, self.email);
        let facts = json!({
            "Email": self.email,
            "Registration": { "body": { "status": "valid" }, "uri": id },
            "Key": binding::thumbprint(key)?,
        });
        store.write(&self.entry("json"), facts.to_string().as_bytes())?;
        Ok(account)
    }

    fn entry(&self, kind: &str) -> String {
        places::account(&self.ca.url, self.email, kind)
    }

    /// The key in PKCS#8. An unusable one is renamed and not overwritten: v1 made P-384 keys.
    fn stored_key(&self, store: &dyn Storage) -> Result<Option<Vec<u8>>, Failure> {
        let entry = self.entry("key");
        let Some(bytes) = store.read(&entry)? else { return Ok(None) };
        if let Ok(PrivateKeyDer::Pkcs8(key)) = PrivateKeyDer::from_pem_slice(&bytes)
            && Key::from_pkcs8_der(key.clone_key()).is_ok()
        {
            return Ok(Some(key.secret_pkcs8_der().to_vec()));
        }
        for entry in [entry, self.entry("json")] {
            if store.read(&entry)?.is_some() {
                let aside = store.set_aside(&entry)?;
                log::warn!(
                    "{}: not an account with a P-256 key (Caddy 0.9 to 1.0 used P-384); moved to \
                    {aside}; registering a new account",
                    store.place(&entry)
                );
            }
        }
        Ok(None)
    }

    /// The URL, unless it is that of another key: two machines that registered one each may have
    /// mixed them. One without a thumbprint is believed.
    fn stored_id(&self, store: &dyn Storage, key: &[u8]) -> Result<Option<String>, Failure> {
        let entry = self.entry("json");
        let Some(bytes) = store.read(&entry)? else { return Ok(None) };
        let facts: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let Some(id) = facts["Registration"]["uri"].as_str() else {
            store.set_aside_damaged(&entry, "no account URL")?;
            return Ok(None);
        };
        let kept = facts["Key"].as_str();
        if kept.is_some_and(|kept| binding::thumbprint(key).is_ok_and(|own| own != kept)) {
            log::warn!("{}: of another key; asking the CA for the account", store.place(&entry));
            return Ok(None);
        }
        Ok(Some(id.to_owned()))
    }
}

/// The e-mail address of the account used last with this CA, as in v1.
pub(super) fn latest_email(store: &dyn Storage, ca: &str) -> Option<String> {
    let found = store.list(&places::users(ca)).unwrap_or_default();
    found.into_iter().find(|name| name.contains('@'))
}

/// Whether there is any account with this CA: then its terms have been accepted.
pub(super) fn any(store: &dyn Storage, ca: &str) -> bool {
    let users = places::users(ca);
    store.list(&users).unwrap_or_default().into_iter().any(|user| {
        let entries = store.list(&format!("{users}/{user}")).unwrap_or_default();
        // Includes an account of v1 that was renamed.
        entries.iter().any(|entry| entry.contains(".json"))
    })
}

fn registering(failure: Failure) -> Failure {
    Failure { text: format!("account: {}", failure.text), ..failure }
}

fn pkcs8(der: &[u8]) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from(der.to_vec())
}

fn pair(der: &[u8]) -> Result<(Key, PrivateKeyDer<'static>), Failure> {
    Ok((Key::from_pkcs8_der(pkcs8(der))?, PrivateKeyDer::Pkcs8(pkcs8(der))))
}
