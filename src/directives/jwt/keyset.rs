//! Sets of keys (JWKS, RFC 7517) that other servers publish and change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::StatusCode;
use http::header::HeaderName;
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};

use crate::error_chain::display_chain;
use crate::limits::{JWKS_BYTES, JWKS_FETCH, JWKS_KEYS, JWKS_REFRESH, JWKS_RETRY};
use crate::tokens::Key;
use crate::upstream::exchange::one_server::{OneServer, Terms};
use crate::upstream::exchange::trust::Trust;
use crate::upstream::rewrite::header_rules::HeaderRule;
use crate::upstream::{Name, Schedule, Shared};

/// A set at a URL. It survives a reload.
pub(super) struct KeySet {
    url: String,
    server: OneServer,
    keys: ArcSwap<Vec<Key>>,
    schedule: Schedule,
    /// Whether the server has answered, and whether the last answer was good.
    answered: AtomicBool,
    failed: AtomicBool,
    /// Notified of every answer.
    news: Notify,
    /// A token has a key that is not known.
    wanted: Notify,
    is_wanted: AtomicBool,
}

impl KeySet {
    /// The set at a URL, which is `https`, or `http` on this machine.
    pub(super) fn of(url: &str) -> Result<Arc<Self>, String> {
        static SETS: Shared<KeySet> = Shared::new();
        let host = url.strip_prefix("http://");
        let is_local = host.is_some_and(|host| {
            ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| {
                host.strip_prefix(local)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
            })
        });
        if !url.starts_with("https://") && !is_local {
            return Err(format!("'{url}': keys are fetched over https:// only"));
        }
        let fields = vec![HeaderRule::delete(HeaderName::from_static("x-forwarded-for"))];
        let terms = Terms { trust: Trust::System, limit: JWKS_FETCH, fields };
        let server = OneServer::new(url, terms)?;
        Ok(SETS.get(url.to_owned(), || Self {
            url: url.to_owned(),
            server,
            keys: ArcSwap::default(),
            schedule: Schedule::default(),
            answered: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            news: Notify::new(),
            wanted: Notify::new(),
            is_wanted: AtomicBool::new(false),
        }))
    }

    pub(super) fn named(&self) -> Option<Arc<Name>> {
        self.server.named()
    }

    pub(super) fn keys(&self) -> Arc<Vec<Key>> {
        self.keys.load_full()
    }

    /// Waits for the first answer, good or bad.
    pub(super) async fn ready(&self) {
        let news = self.news.notified();
        if !self.answered.load(Ordering::Relaxed) {
            let _ = timeout(JWKS_FETCH, news).await;
        }
    }

    /// Has the set fetched soon.
    pub(super) fn refresh(&self) {
        if !self.is_wanted.swap(true, Ordering::Relaxed) {
            self.wanted.notify_waiters();
        }
    }

    /// Keeps the set up to date while it is polled.
    pub(super) async fn keep(self: Arc<Self>) {
        loop {
            let wanted = self.wanted.notified();
            match self.schedule.claim(self.period()) {
                Ok(turn) => {
                    self.is_wanted.store(false, Ordering::Relaxed);
                    self.learn(self.fetch().await);
                    turn.done();
                }
                Err(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = wanted => {}
                },
            }
        }
    }

    fn period(&self) -> Duration {
        let soon = self.failed.load(Ordering::Relaxed) || self.is_wanted.load(Ordering::Relaxed);
        if soon { JWKS_RETRY } else { JWKS_REFRESH }
    }

    /// Stores what was fetched; after a failure the last keys stay in use. Failure and recovery are
    /// each logged once.
    fn learn(&self, fetched: Result<Vec<Key>, String>) {
        let failed_before = self.failed.swap(fetched.is_err(), Ordering::Relaxed);
        match fetched {
            Ok(keys) => {
                if failed_before {
                    log::info!("jwt: keys of {} are available again", self.url);
                }
                self.keys.store(Arc::new(keys));
            }
            Err(why) if !failed_before => {
                let rest = match self.keys.load().is_empty() {
                    true => "no token is valid",
                    false => "the last ones are used",
                };
                log::warn!("jwt: cannot get keys from {}: {why}; {rest}", self.url);
            }
            Err(_) => {}
        }
        self.answered.store(true, Ordering::Relaxed);
        self.news.notify_waiters();
    }

    async fn fetch(&self) -> Result<Vec<Key>, String> {
        let late = |_| format!("no answer within {JWKS_FETCH:?}");
        timeout(JWKS_FETCH, self.get()).await.map_err(late)?
    }

    async fn get(&self) -> Result<Vec<Key>, String> {
        let response = self.server.get().await.map_err(|error| display_chain(&error))?;
        if response.status() != StatusCode::OK {
            return Err(format!("the response was {}", response.status()));
        }
        let body = Limited::new(response.into_body(), JWKS_BYTES).collect().await;
        parse(&body.map_err(|error| display_chain(&*error))?.to_bytes())
    }
}

/// The keys of a set; those that are for other purposes, or of unknown kinds, are left out.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Key>, String> {
    let set: Value = serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))?;
    let list = set.get("keys").and_then(Value::as_array).ok_or("it has no `keys` array")?;
    if list.len() > JWKS_KEYS {
        return Err(format!("it has {} keys, and at most {JWKS_KEYS} are read", list.len()));
    }
    let keys: Vec<Key> = list.iter().filter_map(Key::from_jwk).collect();
    if keys.is_empty() {
        return Err("it has no key for signatures of a known kind".to_owned());
    }
    Ok(keys)
}
