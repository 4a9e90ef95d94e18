//! A cache of recently requested files. Each worker has its own, so that a hit requires neither a
//! lock nor the blocking pool.
//!
//! An entry is looked up on the disk again by the first request after [`FRESH_FOR`]. Until that
//! look-up returns, other requests are served from the entry, but never more than [`MAX_STALE`]
//! after it was confirmed. Unused entries are dropped: a deleted file must not occupy disk space.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::find::{Accepted, Opened, Place};
use crate::own_files::body::Source;

/// How long an entry is used without a look-up.
const FRESH_FOR: Duration = Duration::from_millis(100);
/// How long it is used while a look-up is in progress.
const MAX_STALE: Duration = Duration::from_secs(1);
/// How long an unused entry is kept.
const IDLE: Duration = Duration::from_secs(10);
/// Most entries.
const ENTRIES: usize = 1024;
/// Most entries of large files, which are open instead of in memory.
const OPEN: usize = 64;
/// Most bytes of memory.
const BYTES: usize = 16 << 20;
/// Bytes of an entry besides its content and path.
const OVERHEAD: usize = 512;

/// What determines the content of a response.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) place: &'a Arc<Place>,
    /// As the client wrote it.
    pub(super) path: &'a str,
    pub(super) accepted: Accepted,
}

/// The result of a cache look-up.
pub(super) enum Cached {
    Fresh(Arc<Opened>),
    /// Must be looked up on the disk; the previous entry, if any.
    Stale(Option<Arc<Opened>>),
}

/// The entry for a request that arrived at `now`.
pub(super) fn get(key: Key<'_>, now: Instant) -> Cached {
    CACHE.with_borrow_mut(|cache| cache.get(key, now))
}

/// Stores the result of a look-up that started at `asked`; `None`: there is no file.
pub(super) fn put(key: Key<'_>, found: Option<&Arc<Opened>>, asked: Instant) {
    let needs_tidying = CACHE.with_borrow_mut(|cache| {
        match found.filter(|file| file.is_settled) {
            Some(file) => cache.insert(key, file.clone(), asked),
            None => cache.forget(key, asked),
        }
        let is_used = !cache.entries.is_empty();
        is_used && !std::mem::replace(&mut cache.is_tidied, is_used)
    });
    if needs_tidying {
        tokio::spawn(tidy());
    }
}

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::default();
}

#[derive(Default)]
struct Cache {
    /// By the hash of the key. If two keys have the same hash, the later one replaces the entry.
    entries: HashMap<u64, CachedFile>,
    hasher: RandomState,
    bytes: usize,
    open: usize,
    /// Whether [`tidy`] is running.
    is_tidied: bool,
}

struct CachedFile {
    place: Arc<Place>,
    path: Box<str>,
    accepted: Accepted,
    file: Arc<Opened>,
    /// When the last look-up started.
    confirmed: Instant,
    /// When to look the file up again.
    due: Instant,
    used: Instant,
}

impl CachedFile {
    fn is(&self, key: Key<'_>) -> bool {
        *self.path == *key.path
            && self.accepted == key.accepted
            && Arc::ptr_eq(&self.place, key.place)
    }

    fn bytes(&self) -> usize {
        let content = match &self.file.source {
            Source::Content(content) => content.len(),
            Source::File(_) => 0,
        };
        content + self.path.len() + OVERHEAD
    }

    fn is_open(&self) -> bool {
        matches!(self.file.source, Source::File(_))
    }
}

impl Cache {
    fn get(&mut self, key: Key<'_>, now: Instant) -> Cached {
        let name = self.name(key);
        let Some(entry) = self.entries.get_mut(&name).filter(|entry| entry.is(key)) else {
            return Cached::Stale(None);
        };
        entry.used = now;
        if now < entry.due {
            return Cached::Fresh(entry.file.clone());
        }
        // If this request is cancelled, a later one looks the file up.
        entry.due = (now + FRESH_FOR).min(entry.confirmed + MAX_STALE);
        Cached::Stale(Some(entry.file.clone()))
    }

    fn insert(&mut self, key: Key<'_>, file: Arc<Opened>, asked: Instant) {
        let name = self.name(key);
        if self.entries.get(&name).is_some_and(|old| old.is(key) && old.confirmed > asked) {
            return;
        }
        self.remove(name);
        let entry = CachedFile {
            place: key.place.clone(),
            path: key.path.into(),
            accepted: key.accepted,
            file,
            confirmed: asked,
            due: asked + FRESH_FOR,
            used: asked,
        };
        if entry.is_open() && self.open >= OPEN {
            self.make_room(CachedFile::is_open, |left| left.open <= OPEN / 2);
        }
        if self.entries.len() >= ENTRIES || self.bytes + entry.bytes() > BYTES {
            self.make_room(
                |_| true,
                |left| left.entries.len() <= ENTRIES / 2 && left.bytes <= BYTES / 2,
            );
        }
        self.bytes += entry.bytes();
        self.open += usize::from(entry.is_open());
        self.entries.insert(name, entry);
    }

    fn forget(&mut self, key: Key<'_>, asked: Instant) {
        let name = self.name(key);
        if self.entries.get(&name).is_some_and(|old| old.is(key) && old.confirmed <= asked) {
            self.remove(name);
        }
    }

    fn name(&self, key: Key<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        Arc::as_ptr(key.place).hash(&mut hasher);
        key.path.hash(&mut hasher);
        key.accepted.map(|coding| coding.map_or(0, str::len)).hash(&mut hasher);
        hasher.finish()
    }

    fn remove(&mut self, name: u64) {
        if let Some(entry) = self.entries.remove(&name) {
            self.bytes -= entry.bytes();
            self.open -= usize::from(entry.is_open());
        }
    }

    /// Drops the least recently used entries of a kind.
    fn make_room(&mut self, is_meant: fn(&CachedFile) -> bool, is_enough: fn(&Self) -> bool) {
        let meant = self.entries.iter().filter(|(_, entry)| is_meant(entry));
        let mut by_use: Vec<_> = meant.map(|(name, entry)| (entry.used, *name)).collect();
        by_use.sort_unstable();
        for (_, name) in by_use {
            if is_enough(self) {
                return;
            }
            self.remove(name);
        }
    }

    fn drop_idle(&mut self, now: Instant) {
        let names = self.entries.iter();
        let idle = names.filter(|(_, entry)| now.saturating_duration_since(entry.used) >= IDLE);
        let idle: Vec<_> = idle.map(|(name, _)| *name).collect();
        for name in idle {
            self.remove(name);
        }
    }
}

/// Runs on the worker as long as its cache has entries.
async fn tidy() {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        let goes_on = CACHE.with_borrow_mut(|cache| {
            cache.drop_idle(Instant::now());
            cache.is_tidied = !cache.entries.is_empty();
            cache.is_tidied
        });
        if !goes_on {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::find::{Lookup, Outcome, find};
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    fn place() -> (tempfile::TempDir, Arc<Place>) {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("small"), [0; 1000]).unwrap();
        fs::write(dir.path().join("large"), [0; 100_000]).unwrap();
        let place = Place {
            root: dir.path().into(),
            index: Vec::new(),
            hidden: Vec::new(),
            scripts: Arc::default(),
        };
        (dir, Arc::new(place))
    }

    fn opened(place: &Place, name: &str) -> Arc<Opened> {
        let (path, accepted) = (name.into(), [None; 3]);
        let wanted = Lookup { path, slash: false, accepted, known: None };
        let Ok(Outcome::File(file)) = find(place, &wanted) else { panic!("{name}") };
        file
    }

    fn key<'a>(place: &'a Arc<Place>, path: &'a str) -> Key<'a> {
        Key { place, path, accepted: [None; 3] }
    }

    fn is_fresh(cache: &mut Cache, key: Key<'_>, now: Instant) -> bool {
        matches!(cache.get(key, now), Cached::Fresh(_))
    }

    #[test]
    fn one_asks_again_and_nobody_gets_what_is_old() {
        let (_dir, place) = place();
        let (mut cache, start, key) = (Cache::default(), Instant::now(), key(&place, "/small"));
        cache.insert(key, opened(&place, "small"), start);
        for (after, is_first_fresh, is_second_fresh) in [
            (Duration::ZERO, true, true),
            (FRESH_FOR - MOMENT, true, true),
            (FRESH_FOR, false, true),
            (FRESH_FOR * 3, false, true),
            (MAX_STALE - MOMENT, false, true),
            (MAX_STALE, false, false),
            (MAX_STALE * 3, false, false),
        ] {
            let fresh = [(); 2].map(|()| is_fresh(&mut cache, key, start + after));
            assert_eq!(fresh, [is_first_fresh, is_second_fresh], "{after:?}");
        }
        cache.insert(key, opened(&place, "small"), start + MAX_STALE);
        assert!(is_fresh(&mut cache, key, start + MAX_STALE));
    }

    #[test]
    fn an_answer_that_comes_late_changes_nothing() {
        let (_dir, place) = place();
        let (mut cache, start, key) = (Cache::default(), Instant::now(), key(&place, "/small"));
        cache.insert(key, opened(&place, "small"), start + MOMENT);
        cache.insert(key, opened(&place, "large"), start);
        let Cached::Fresh(file) = cache.get(key, start + MOMENT) else { panic!("it was kept") };
        assert_eq!(file.size, 1000);
        cache.forget(key, start);
        assert!(is_fresh(&mut cache, key, start + MOMENT));
        cache.forget(key, start + MOMENT);
        assert!(!is_fresh(&mut cache, key, start + MOMENT));
    }

    #[test]
    fn what_a_response_depends_on_tells_entries_apart() {
        let ((_dir, one), (_other_dir, other)) = (place(), place());
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.insert(key(&one, "/small"), opened(&one, "small"), now);
        assert!(is_fresh(&mut cache, key(&one, "/small"), now));
        assert!(!is_fresh(&mut cache, key(&one, "/Small"), now));
        assert!(!is_fresh(&mut cache, key(&other, "/small"), now));
        let zipped = Key { accepted: [Some("gzip"), None, None], ..key(&one, "/small") };
        assert!(!is_fresh(&mut cache, zipped, now));
    }

    #[test]
    fn memory_and_descriptors_are_bounded() {
        let (_dir, place) = place();
        let (mut cache, now) = (Cache::default(), Instant::now());
        let (small, large) = (opened(&place, "small"), opened(&place, "large"));
        for number in 0..5 * ENTRIES {
            let file = if number % 2 == 0 { &small } else { &large };
            let later = now + Duration::from_nanos(number as u64);
            cache.insert(key(&place, &format!("/{number}")), file.clone(), later);
            assert!(cache.entries.len() <= ENTRIES && cache.open <= OPEN && cache.bytes <= BYTES);
        }
        assert!(is_fresh(&mut cache, key(&place, &format!("/{}", 5 * ENTRIES - 1)), now));
        let path = "x".repeat(BYTES / 4);
        for number in 0..8 {
            let path = format!("/{number}{path}");
            cache.insert(key(&place, &path), small.clone(), now + MOMENT);
            assert!(cache.bytes <= BYTES, "{}", cache.bytes);
        }
        cache.drop_idle(now + IDLE + MOMENT);
        assert_eq!((cache.entries.len(), cache.open, cache.bytes), (0, 0, 0));
    }
}
