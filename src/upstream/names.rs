//! DNS names of servers, resolved in the background and again when their TTL ends, with the
//! system's configuration (`/etc/resolv.conf`, `/etc/hosts`). Requests use the last good answer.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::resolver::{Resolver, Server};
use super::{Schedule, Shared};
use crate::limits::{NAME_RETRY, NAME_TTL_MAX, NAME_TTL_MIN};
use crate::net::dial;

/// The host of a server in a Caddyfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    Ip(IpAddr),
    Name(Arc<Name>),
}

impl Host {
    /// An address, with or without the brackets of IPv6, or else a name.
    pub fn parse(text: &str) -> Self {
        let text = text.trim_matches(['[', ']']);
        text.parse().map_or_else(|_| Self::Name(Name::of(text)), Self::Ip)
    }

    /// The addresses to connect to, rotated by one at each call.
    pub async fn addresses(&self, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Ip(ip) => Ok(vec![SocketAddr::new(*ip, port)]),
            Self::Name(name) => name.addresses(port, deadline).await,
        }
    }
}

/// A name and its addresses. It survives a reload.
#[derive(Debug)]
pub struct Name {
    answer: Lookup<IpAddr>,
    /// The index of the next address.
    turn: AtomicUsize,
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.answer.question == other.answer.question
    }
}

impl Eq for Name {}

impl Name {
    fn of(text: &str) -> Arc<Self> {
        static NAMES: Shared<Name> = Shared::new();
        let text = text.to_ascii_lowercase();
        NAMES.get(text.clone(), || Self { answer: Lookup::to(text), turn: AtomicUsize::new(0) })
    }

    async fn addresses(&self, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        let Some(known) = self.answer.known(deadline).await? else {
            // It is not kept resolved: the configuration is being replaced, or no service runs.
            return dial::resolve((&*self.answer.question, port)).await;
        };
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let turned = (0..known.len()).map(|i| known[first.wrapping_add(i) % known.len()]);
        Ok(turned.map(|ip| SocketAddr::new(ip, port)).collect())
    }
}

/// Keeps names resolved while it is polled.
pub async fn keep_resolved(names: Vec<Arc<Name>>) {
    join_all(names.iter().map(|name| {
        name.answer.keep(async |resolver, question| resolver.addresses(question).await)
    }))
    .await;
}

/// A service and its servers from SRV records (RFC 2782). It survives a reload.
#[derive(Debug)]
pub struct Service {
    answer: Lookup<Server>,
}

impl Service {
    pub fn of(name: &str) -> Arc<Self> {
        static SERVICES: Shared<Service> = Shared::new();
        let name = name.to_ascii_lowercase();
        SERVICES.get(name.clone(), || Self { answer: Lookup::to(name) })
    }

    /// The servers of the last good answer; none before the first one.
    pub fn servers(&self) -> Arc<Vec<Server>> {
        self.answer.known.load_full()
    }

    /// Waits for the first answer, good or bad.
    pub async fn answered(&self, deadline: Instant) {
        let _ = self.answer.known(deadline).await;
    }

    /// Waits until the servers differ from `these`.
    pub async fn changed(&self, these: &Arc<Vec<Server>>) {
        loop {
            let news = self.answer.news.notified();
            if !Arc::ptr_eq(these, &self.servers()) {
                return;
            }
            news.await;
        }
    }

    /// Keeps the servers resolved while it is polled.
    pub async fn keep(&self) {
        self.answer.keep(async |resolver, question| resolver.servers(question).await).await;
    }
}

/// The last answer of DNS to a question.
#[derive(Debug)]
struct Lookup<T> {
    question: String,
    known: ArcSwap<Vec<T>>,
    /// The number of tasks that keep it resolved.
    keepers: AtomicUsize,
    /// Notified of every answer, good or bad.
    news: Notify,
    state: Mutex<Freshness>,
    schedule: Schedule,
}

#[derive(Debug, Default)]
struct Freshness {
    failure: Option<String>,
    /// The TTL of the answer.
    ttl: Duration,
}

impl<T: PartialEq> Lookup<T> {
    fn to(question: String) -> Self {
        Self {
            question,
            known: ArcSwap::default(),
            keepers: AtomicUsize::new(0),
            news: Notify::new(),
            state: Mutex::default(),
            schedule: Schedule::default(),
        }
    }

    /// The last good answer; waits for the first one. `None`: no task keeps it resolved.
    async fn known(&self, deadline: Instant) -> io::Result<Option<Arc<Vec<T>>>> {
        loop {
            let news = self.news.notified();
            let known = self.known.load_full();
            if !known.is_empty() {
                return Ok(Some(known));
            }
            if self.keepers.load(Ordering::Relaxed) == 0 {
                return Ok(None);
            }
            if let Some(failure) = &self.state().failure {
                return Err(io::Error::new(io::ErrorKind::NotFound, failure.clone()));
            }
            timeout_at(deadline, news).await.map_err(|_| io::ErrorKind::TimedOut)?;
        }
    }

    /// Repeats the lookup whenever the TTL ends.
    async fn keep(
        &self,
        resolve: impl AsyncFn(&mut Resolver, &str) -> Result<(Vec<T>, Duration), String>,
    ) {
        let _keeping = Keeping::new(self);
        let mut resolver = Resolver::default();
        // A new configuration resolves at once, as /etc/hosts may have changed.
        let mut ttl = NAME_TTL_MIN;
        loop {
            match self.schedule.claim(ttl) {
                Ok(turn) => {
                    self.learn(resolve(&mut resolver, &self.question).await);
                    turn.done();
                }
                Err(due) => sleep_until(due).await,
            }
            ttl = self.state().ttl.max(NAME_TTL_MIN);
        }
    }

    /// Stores an answer; after a failure the last good one stays in use. Failure and recovery are
    /// each logged once.
    fn learn(&self, found: Result<(Vec<T>, Duration), String>) {
        let name = &self.question;
        let failed = self.state().failure.is_some();
        let state = match found {
            Ok((found, ttl)) => {
                if failed {
                    log::info!("{name} resolves again");
                }
                if **self.known.load() != found {
                    self.known.store(Arc::new(found));
                }
                Freshness { failure: None, ttl: ttl.clamp(NAME_TTL_MIN, NAME_TTL_MAX) }
            }
            Err(error) => {
                let known = !self.known.load().is_empty();
                let rest = if known { "; the last answer is used" } else { "" };
                if !failed {
                    log::warn!("{name} cannot be resolved{rest}: {error}");
                }
                Freshness { failure: Some(error), ttl: NAME_RETRY }
            }
        };
        *self.state() = state;
        self.news.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, Freshness> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a task in `keepers` while it lives.
struct Keeping<'a> {
    keepers: &'a AtomicUsize,
    news: &'a Notify,
}

impl<'a> Keeping<'a> {
    fn new<T>(answer: &'a Lookup<T>) -> Self {
        answer.keepers.fetch_add(1, Ordering::Relaxed);
        Self { keepers: &answer.keepers, news: &answer.news }
    }
}

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        self.keepers.fetch_sub(1, Ordering::Relaxed);
        self.news.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[tokio::test]
    async fn the_last_good_answer_stands_in_for_a_bad_one() {
        let answer: Lookup<u8> = Lookup::to("names.test".to_owned());
        assert!(answer.known(soon()).await.unwrap().is_none());
        let _keeping = Keeping::new(&answer);
        assert_eq!(answer.known(soon()).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        answer.learn(Err("no such name".to_owned()));
        assert_eq!(answer.known(soon()).await.unwrap_err().to_string(), "no such name");
        answer.learn(Ok((vec![1], Duration::ZERO)));
        answer.learn(Err("no such name".to_owned()));
        assert_eq!(*answer.known(soon()).await.unwrap().unwrap(), [1]);
        assert_eq!(answer.state().ttl, NAME_RETRY);
        answer.learn(Ok((vec![2], Duration::ZERO)));
        assert_eq!(*answer.known(soon()).await.unwrap().unwrap(), [2]);
        assert_eq!(answer.state().ttl, NAME_TTL_MIN);
    }

    #[tokio::test]
    async fn each_address_has_its_turn() {
        let name = Name::of("Turns.Test");
        name.answer
            .learn(Ok(([1, 2].map(|n| IpAddr::from([127, 0, 0, n])).to_vec(), NAME_TTL_MIN)));
        let mut first = Vec::new();
        for _ in 0..3 {
            let all = Host::parse("turns.test").addresses(80, soon()).await.unwrap();
            assert_eq!(all.len(), 2);
            first.push(all[0].to_string());
        }
        assert_eq!(first, ["127.0.0.1:80", "127.0.0.2:80", "127.0.0.1:80"]);
        assert_eq!(Host::parse("[::1]"), Host::Ip("::1".parse().unwrap()));
    }
}
