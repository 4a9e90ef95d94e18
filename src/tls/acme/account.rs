//! The account with a CA: made once, found again, and never lost to a crash, because its key is
//! on disk before the CA hears of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use instant_acme::{Account, AccountBuilder, Key};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::binding::Binding;
use super::failure::Failure;
use super::places;
use crate::tls::https_client::Client;
use crate::tls::storage::Storage;
use crate::tls::wanted::Eab;

/// Certificates that are obtained from one CA at the same time.
const PARALLEL: usize = 8;

/// One CA as this process sees it. What is trouble with one is none with another.
pub(super) struct Ca {
    pub(super) url: String,
    /// Unix second before which it wants no requests.
    pub(super) pause: Arc<AtomicI64>,
    /// For the certificates that are obtained at the same time.
    pub(super) permits: Semaphore,
    /// By e-mail. Held while an account is made, so that one is made only once.
    pub(super) accounts: tokio::sync::Mutex<HashMap<String, Account>>,
}

impl Ca {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            pause: Arc::default(),
            permits: Semaphore::new(PARALLEL),
            accounts: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn client(&self, timeout: Duration) -> Client {
        Client::new(timeout, self.pause.clone())
    }
}

/// Whose account it is.
pub(super) struct Owner<'a> {
    pub(super) ca: &'a Ca,
    pub(super) email: &'a str,
    pub(super) eab: Option<&'a Eab>,
    pub(super) timeout: Duration,
}

impl Owner<'_> {
    /// The account on disk, or a new one. Its key is on disk before the CA hears of it.
    pub(super) async fn account(&self, store: &dyn Storage) -> Result<Account, Failure> {
        let known = self.stored_key(store)?;
        let id = self.stored_id(store)?;
        match (known, id, self.eab) {
            (Some(key), Some(id), _) => self.open(&key, id).await,
            (Some(key), None, None) => self.register(store, &key).await,
            // An earlier process may have come as far as the CA.
            (Some(key), None, Some(eab)) => match self.find(&key).await {
                Err(failure) if failure.is_unknown_account() => {
                    self.register_bound(store, &key, eab).await
                }
                found => self.keep(store, found?),
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

    /// Forgets the account's URL, not its key: the CA does not know it any more.
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

    /// Makes the account, or finds the one that this key has.
    async fn register(&self, store: &dyn Storage, key: &[u8]) -> Result<Account, Failure> {
        let made = self.builder().create_from_key(pair(key)?, self.ca.url.clone()).await;
        let (account, _) = made.map_err(|error| registering(error.into()))?;
        if !self.email.is_empty() {
            let contact = format!("mailto:{}", self.email);
            let updated = account.update_contacts(&[&contact]).await;
            updated.map_err(|error| registering(error.into()))?;
        }
        self.keep(store, account)
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
        self.keep(store, self.open(key, id).await?)
    }

    fn builder(&self) -> AccountBuilder {
        Account::builder_with_http(Box::new(self.ca.client(self.timeout)))
    }

    fn keep(&self, store: &dyn Storage, account: Account) -> Result<Account, Failure> {
        let id = account.id();
        log::info!("{}: account {id} {}", self.ca.url, self.email);
        let facts = json!({
            "Email": self.email,
            "Registration": { "body": { "status": "valid" }, "uri": id },
        });
        store.write(&self.entry("json"), facts.to_string().as_bytes())?;
        Ok(account)
    }

    fn entry(&self, kind: &str) -> String {
        places::account(&self.ca.url, self.email, kind)
    }

    /// The key in PKCS#8. One that cannot be used is set aside: v1 made P-384 keys, and those are
    /// not for us to overwrite.
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
                    "{}: not an account with a P-256 key, as Caddy 0.9 to 1.0 made none; moved \
                     to {aside}, and a new account is made",
                    store.place(&entry)
                );
            }
        }
        Ok(None)
    }

    fn stored_id(&self, store: &dyn Storage) -> Result<Option<String>, Failure> {
        let entry = self.entry("json");
        let Some(bytes) = store.read(&entry)? else { return Ok(None) };
        let facts: Option<Value> = serde_json::from_slice(&bytes).ok();
        let id = facts.as_ref().and_then(|facts| facts["Registration"]["uri"].as_str());
        if let Some(id) = id {
            return Ok(Some(id.to_owned()));
        }
        store.set_aside_damaged(&entry, "it names no account")?;
        Ok(None)
    }
}

/// The e-mail of the account used last with this CA; v1 did the same.
pub(super) fn latest_email(store: &dyn Storage, ca: &str) -> Option<String> {
    let found = store.list(&places::users(ca)).unwrap_or_default();
    found.into_iter().find(|name| name.contains('@'))
}

/// Whether any account with this CA is there: its terms were agreed to.
pub(super) fn any(store: &dyn Storage, ca: &str) -> bool {
    let users = places::users(ca);
    store.list(&users).unwrap_or_default().into_iter().any(|user| {
        let entries = store.list(&format!("{users}/{user}")).unwrap_or_default();
        // Also one of v1 that was set aside.
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
