//! The locks that clients hold, in memory and for all configurations: a reload keeps them, and
//! users whose scopes overlap see each other's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::http::placeholders::RequestId;
use crate::limits::WEBDAV_LOCKS;

pub(super) static LOCKS: Locks = Locks(Mutex::new(BTreeMap::new()));

/// A lock of a client.
#[derive(Debug, Clone)]
pub(super) struct Lock {
    pub(super) token: String,
    pub(super) place: PathBuf,
    /// As the client that took it names its place.
    pub(super) href: String,
    pub(super) is_deep: bool,
    pub(super) is_exclusive: bool,
    /// XML of the client's about itself.
    pub(super) owner: String,
    pub(super) who: Option<String>,
    pub(super) until: Instant,
}

impl Lock {
    pub(super) fn new_token() -> String {
        let RequestId(uuid) = RequestId::random();
        format!("urn:uuid:{uuid}")
    }

    pub(super) fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    fn is_over(&self) -> bool {
        self.left().is_zero()
    }
}

/// What a request changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// A file's content or a resource's properties.
    Content,
    /// What the folder around it has, too.
    Member,
    /// All that is below it, too.
    Tree,
}

/// Why a lock is not given.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoLock {
    /// The place of another one, as its client names it.
    Conflict(String),
    /// There are too many.
    Full,
}

/// By place, each in the order of its path's names.
pub(super) struct Locks(Mutex<BTreeMap<PathBuf, Vec<Lock>>>);

impl Locks {
    fn held(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Vec<Lock>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that cover a place.
    pub(super) fn covering(&self, place: &Path) -> Vec<Lock> {
        covering(&self.held(), place, Reach::Content)
    }

    /// The place of a lock that forbids a change to one that has shown these tokens.
    pub(super) fn forbid(
        &self,
        place: &Path,
        reach: Reach,
        tokens: &[String],
        who: Option<&str>,
    ) -> Option<String> {
        let held = self.held();
        let mut locks = covering(&held, place, reach);
        if reach == Reach::Tree {
            locks.extend(below(&held, place).cloned());
        }
        let is_shown = |lock: &Lock| tokens.contains(&lock.token) && lock.who.as_deref() == who;
        let open: Vec<_> = locks.iter().filter(|lock| is_shown(lock)).collect();
        // Of shared locks of one place one suffices.
        let is_open = |lock: &Lock| open.iter().any(|shown| shown.place == lock.place);
        locks.iter().find(|lock| !is_open(lock)).map(|lock| lock.href.clone())
    }

    pub(super) fn add(&self, lock: &Lock) -> Result<(), NoLock> {
        let mut held = self.held();
        let mut others = covering(&held, &lock.place, Reach::Content);
        if lock.is_deep {
            others.extend(below(&held, &lock.place).cloned());
        }
        let conflict = others.iter().find(|other| lock.is_exclusive || other.is_exclusive);
        if let Some(conflict) = conflict {
            return Err(NoLock::Conflict(conflict.href.clone()));
        }
        let count = |held: &BTreeMap<_, Vec<Lock>>| held.values().map(Vec::len).sum::<usize>();
        if count(&held) >= WEBDAV_LOCKS {
            held.retain(|_, locks| {
                locks.retain(|lock| !lock.is_over());
                !locks.is_empty()
            });
            if count(&held) >= WEBDAV_LOCKS {
                return Err(NoLock::Full);
            }
        }
        held.entry(lock.place.clone()).or_default().push(lock.clone());
        Ok(())
    }

    /// Lets a lock that covers a place last longer.
    pub(super) fn refresh(
        &self,
        place: &Path,
        token: &str,
        who: Option<&str>,
        time: Duration,
    ) -> Option<Lock> {
        let mut held = self.held();
        let known = covering(&held, place, Reach::Content).into_iter();
        let root =
            known.filter(|lock| lock.who.as_deref() == who).find(|l| l.token == token)?.place;
        let lock = held.get_mut(&root)?.iter_mut().find(|lock| lock.token == token)?;
        lock.until = Instant::now() + time;
        Some(lock.clone())
    }

    /// Gives a lock back that covers a place.
    pub(super) fn remove(&self, place: &Path, token: &str, who: Option<&str>) -> bool {
        let mut held = self.held();
        let known = covering(&held, place, Reach::Content).into_iter();
        let found = known.filter(|lock| lock.who.as_deref() == who).find(|l| l.token == token);
        let Some(found) = found else { return false };
        if let Some(locks) = held.get_mut(&found.place) {
            locks.retain(|lock| lock.token != token);
            if locks.is_empty() {
                held.remove(&found.place);
            }
        }
        true
    }

    /// What was there is there no more, with all below it.
    pub(super) fn forget(&self, place: &Path) {
        let mut held = self.held();
        let gone: Vec<_> = below(&held, place).map(|lock| lock.place.clone()).collect();
        for place in gone {
            held.remove(&place);
        }
        held.remove(place);
    }
}

/// The locks on a place, and those of the folders around it that hold for it.
fn covering(held: &BTreeMap<PathBuf, Vec<Lock>>, place: &Path, reach: Reach) -> Vec<Lock> {
    let mut found = Vec::new();
    for (above, at) in place.ancestors().enumerate() {
        let locks = held.get(at).into_iter().flatten().filter(|lock| !lock.is_over());
        let is_reached =
            |lock: &&Lock| above == 0 || lock.is_deep || above == 1 && reach >= Reach::Member;
        found.extend(locks.filter(is_reached).cloned());
    }
    found
}

/// Those of what is below a place.
fn below<'a>(
    held: &'a BTreeMap<PathBuf, Vec<Lock>>,
    place: &'a Path,
) -> impl Iterator<Item = &'a Lock> {
    let from = held.range(place.to_owned()..).skip_while(move |(at, _)| at.as_path() == place);
    let within = from.take_while(move |(at, _)| at.starts_with(place));
    within.flat_map(|(_, locks)| locks).filter(|lock| !lock.is_over())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn lock(place: &str, is_deep: bool, is_exclusive: bool) -> Lock {
        Lock {
            token: Lock::new_token(),
            place: place.into(),
            href: place.to_owned(),
            is_deep,
            is_exclusive,
            owner: String::new(),
            who: Some("kim".to_owned()),
            until: Instant::now() + HOUR,
        }
    }

    fn locks() -> Locks {
        Locks(Mutex::new(BTreeMap::new()))
    }

    #[test]
    fn who_may_change_what() {
        let locks = locks();
        let (deep, shallow) = (lock("/s/deep", true, true), lock("/s/flat", false, true));
        for lock in [&deep, &shallow] {
            locks.add(lock).unwrap();
        }
        let forbid = |place: &str, reach, token: &Lock, who| {
            locks.forbid(Path::new(place), reach, std::slice::from_ref(&token.token), who)
        };
        let kim = Some("kim");
        for (place, reach, token, who, expected) in [
            ("/s/deep", Reach::Content, &deep, kim, None),
            ("/s/deep", Reach::Content, &deep, Some("mo"), Some("/s/deep")),
            ("/s/deep", Reach::Content, &deep, None, Some("/s/deep")),
            ("/s/deep/a/b", Reach::Content, &shallow, kim, Some("/s/deep")),
            ("/s/deeper", Reach::Tree, &shallow, kim, None),
            ("/s/flat/a", Reach::Content, &deep, kim, None),
            ("/s/flat/a", Reach::Member, &deep, kim, Some("/s/flat")),
            ("/s/flat/a/b", Reach::Member, &deep, kim, None),
            ("/s", Reach::Content, &deep, kim, None),
            ("/s", Reach::Tree, &deep, kim, Some("/s/flat")),
        ] {
            let expected = expected.map(str::to_owned);
            assert_eq!(forbid(place, reach, token, who), expected, "{place} {reach:?}");
        }
        locks.forget(Path::new("/s"));
        assert_eq!(forbid("/s", Reach::Tree, &deep, kim), None);
    }

    #[test]
    fn which_locks_go_together() {
        let locks = locks();
        locks.add(&lock("/s/a", false, false)).unwrap();
        locks.add(&lock("/s/a", true, false)).unwrap();
        for (other, is_given) in [
            (lock("/s/a", false, true), false),
            (lock("/s/a/b", false, true), false),
            (lock("/s", true, true), false),
            (lock("/s", false, true), true),
        ] {
            assert_eq!(locks.add(&other).is_ok(), is_given, "{other:?}");
        }
    }

    #[test]
    fn locks_end() {
        let locks = locks();
        let mut short = lock("/s/a", true, true);
        short.until = Instant::now();
        locks.add(&short).unwrap();
        assert!(locks.covering(Path::new("/s/a")).is_empty());
        let long = lock("/s/a", true, true);
        locks.add(&long).unwrap();
        assert_eq!(locks.covering(Path::new("/s/a")).len(), 1);
        let below = Path::new("/s/a/b");
        assert!(locks.refresh(below, &long.token, Some("mo"), HOUR).is_none());
        assert!(locks.refresh(below, &long.token, Some("kim"), 2 * HOUR).unwrap().left() > HOUR);
        assert!(!locks.remove(Path::new("/s"), &long.token, Some("kim")));
        assert!(locks.remove(below, &long.token, Some("kim")));
        assert!(locks.covering(Path::new("/s/a")).is_empty());
    }

    #[test]
    fn there_are_not_more_than_the_limit() {
        let locks = locks();
        for n in 0..WEBDAV_LOCKS {
            let mut lock = lock(&format!("/s/{n}"), false, true);
            if n == 7 {
                lock.until = Instant::now();
            }
            locks.add(&lock).unwrap();
        }
        locks.add(&lock("/s/x", false, true)).unwrap();
        assert_eq!(locks.add(&lock("/s/y", false, true)), Err(NoLock::Full));
    }
}
