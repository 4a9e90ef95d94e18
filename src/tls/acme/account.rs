//! The account with a CA: made once, found again, and never lost to a crash, because its key is
//! on disk before the CA hears of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use instant_acme::{Account, AccountCredentials, ExternalAccountKey, Key, NewAccount};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::client::Client;
use super::failure::Failure;
use super::storage::Storage;
use super::{Eab, places};

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
    /// The account on disk, or a new one.
    pub(super) async fn account(&self, store: &dyn Storage) -> Result<Account, Failure> {
        let key = self.stored_key(store)?;
        let id = self.stored_id(store)?;
        let http = Box::new(self.ca.client(self.timeout));
        let builder = Account::builder_with_http(http);
        let directory = self.ca.url.clone();
        match (key, id, self.eab) {
            (Some(key), Some(id), _) => Ok(builder.from_parts(id, pkcs8(&key), directory).await?),
            (_, _, Some(eab)) => self.register_bound(store, eab).await,
            (Some(key), None, None) => self.register(store, &key).await,
            (None, _, None) => {
                let failed = |error: rcgen::Error| Failure::trouble(error.to_string());
                let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
                store.write(&self.entry("key"), key.serialize_pem().as_bytes())?;
                self.register(store, &key.serialize_der()).await
            }
        }
    }

    /// Forgets the account's URL, not its key: the CA does not know it any more.
    pub(super) fn forget(&self, store: &dyn Storage) -> Result<(), Failure> {
        Ok(store.remove(&self.entry("json"))?)
    }

    /// Makes the account, or finds the one that this key has.
    async fn register(&self, store: &dyn Storage, key: &[u8]) -> Result<Account, Failure> {
        let http = Box::new(self.ca.client(self.timeout));
        let pair = (Key::from_pkcs8_der(pkcs8(key))?, PrivateKeyDer::Pkcs8(pkcs8(key)));
        let (account, _) = Account::builder_with_http(http)
            .create_from_key(pair, self.ca.url.clone())
            .await
            .map_err(registering)?;
        if !self.email.is_empty() {
            let contact = format!("mailto:{}", self.email);
            account.update_contacts(&[&contact]).await.map_err(registering)?;
        }
        self.store_id(store, account.id())?;
        Ok(account)
    }

    /// With an external account binding (RFC 8555 section 7.3.4) the library makes the key.
    async fn register_bound(&self, store: &dyn Storage, eab: &Eab) -> Result<Account, Failure> {
        let http = Box::new(self.ca.client(self.timeout));
        let contact = format!("mailto:{}", self.email);
        let contacts: &[&str] = if self.email.is_empty() { &[] } else { &[&contact] };
        let wish = NewAccount {
            contact: contacts,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let binding = ExternalAccountKey::new(eab.id.clone(), &eab.key);
        let made = Account::builder_with_http(http)
            .create(&wish, self.ca.url.clone(), Some(&binding))
            .await;
        let (account, credentials) = made.map_err(registering)?;
        let key = pem(&credentials)?;
        store.write(&self.entry("key"), key.as_bytes())?;
        self.store_id(store, account.id())?;
        Ok(account)
    }

    fn store_id(&self, store: &dyn Storage, id: &str) -> Result<(), Failure> {
        log::info!("{}: account {id} {}", self.ca.url, self.email);
        let facts = json!({
            "Email": self.email,
            "Registration": { "body": { "status": "valid" }, "uri": id },
        });
        Ok(store.write(&self.entry("json"), facts.to_string().as_bytes())?)
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

fn registering(error: instant_acme::Error) -> Failure {
    let failure = Failure::from(error);
    Failure { text: format!("account: {}", failure.text), ..failure }
}

fn pkcs8(der: &[u8]) -> PrivatePkcs8KeyDer<'static> {
    PrivatePkcs8KeyDer::from(der.to_vec())
}

fn pem(credentials: &AccountCredentials) -> Result<String, Failure> {
    let der = credentials.private_key();
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(der, &PKCS_ECDSA_P256_SHA256)
        .map_err(|error| Failure::trouble(error.to_string()))?;
    Ok(pair.serialize_pem())
}
