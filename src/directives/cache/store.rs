//! Where responses are kept: in memory, and large content on disk, within bounds, for all workers.
//!
//! Each shard is a table of resources and a queue for their eviction (second chance: a resource
//! that was used since its last turn goes to the end). What is counted is what is in memory:
//! responses under way, and removed ones that a client still receives, too.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::disk::{Disk, Extent};
use super::entry::{Content, Entry, Wanted, overrides, varied};
use crate::limits::{CACHE_ON_DISK, CACHE_VARIANTS};

const SHARDS: usize = 16;
/// For how long requests for a resource do not wait for one another after a response that cannot
/// be shared.
const APART: Duration = Duration::from_secs(60);

/// The responses of one bound.
pub(super) struct Store {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    bytes: Arc<AtomicUsize>,
    most: usize,
    /// For large content.
    disk: Option<Arc<Disk>>,
    /// The shard to evict from.
    turn: AtomicUsize,
}

#[derive(Default)]
struct Shard {
    resources: HashMap<Arc<str>, Resource>,
    queue: VecDeque<Queued>,
    flights: HashMap<String, watch::Receiver<Landed>>,
    last: u64,
}

struct Queued {
    key: Arc<str>,
    /// That of the resource it stands for; another one may have its key since.
    number: u64,
}

struct Resource {
    number: u64,
    was_used: bool,
    /// The latest first.
    variants: Vec<Variant>,
    apart_until: Option<Instant>,
    _own: Reservation,
}

struct Variant {
    entry: Arc<Entry>,
    _head: Reservation,
}

/// Bytes that are counted until it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    bytes: usize,
    counter: Arc<AtomicUsize>,
}

impl Reservation {
    /// Gives back what is more than this.
    pub(super) fn shrink(&mut self, to: usize) {
        self.counter.fetch_sub(self.bytes.saturating_sub(to), Ordering::Relaxed);
        self.bytes = self.bytes.min(to);
    }

    /// Leaves nothing.
    pub(super) fn take(&mut self) -> Self {
        Self { bytes: std::mem::take(&mut self.bytes), counter: self.counter.clone() }
    }

    /// Adds another one of the same store.
    pub(super) fn join(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What has become of a request that others wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Landed {
    Flying,
    Stored,
    /// Each has to ask for itself.
    Unshared,
}

/// Who asks the origin.
pub(super) enum Turn {
    /// This request, for all that wait.
    Lead(Lead),
    /// Another one does.
    Wait(watch::Receiver<Landed>),
    /// Each for itself: the last response could not be shared.
    Alone,
    /// Look again.
    Changed,
}

/// The right to ask for all that wait. When it is dropped, one of those gets it.
pub(super) struct Lead {
    store: Arc<Store>,
    shard: usize,
    flight: String,
    sender: watch::Sender<Landed>,
}

impl Lead {
    /// Tells those that wait.
    pub(super) fn land(self, landed: Landed) {
        self.store.lock(self.shard).flights.remove(&self.flight);
        self.sender.send_replace(landed);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        let mut shard = self.store.lock(self.shard);
        // After `land` another one may have taken the place.
        let is_ours =
            |found: &watch::Receiver<Landed>| found.same_channel(&self.sender.subscribe());
        if shard.flights.get(&self.flight).is_some_and(is_ours) {
            shard.flights.remove(&self.flight);
        }
    }
}

impl Store {
    pub(super) fn new(most: usize, disk: Option<Arc<Disk>>) -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            bytes: Arc::default(),
            most,
            disk,
            turn: AtomicUsize::new(0),
        }
    }

    fn lock(&self, shard: usize) -> MutexGuard<'_, Shard> {
        self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard_of(&self, key: &str) -> usize {
        usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).unwrap_or(0)
    }

    /// The response for a request.
    pub(super) fn find(&self, key: &str, wanted: Wanted<'_>) -> Option<Arc<Entry>> {
        let mut shard = self.lock(self.shard_of(key));
        let resource = shard.resources.get_mut(key)?;
        resource.was_used = true;
        resource.find(wanted)
    }

    /// Decides who asks the origin; `seen` is what [`Self::find`] has found.
    pub(super) fn turn(
        self: &Arc<Self>,
        key: &str,
        wanted: Wanted<'_>,
        seen: Option<&Arc<Entry>>,
    ) -> Turn {
        let at = self.shard_of(key);
        let mut shard = self.lock(at);
        let mut flight = key.to_owned();
        if let Some(resource) = shard.resources.get(key) {
            let found = resource.find(wanted);
            let is_same = match (&found, seen) {
                (Some(found), Some(seen)) => Arc::ptr_eq(found, seen),
                (found, seen) => found.is_none() && seen.is_none(),
            };
            if !is_same {
                return Turn::Changed;
            }
            let is_own = found.is_some_and(|found| !found.freshness.can_be_shared());
            if is_own || resource.apart_until.is_some_and(|until| Instant::now() < until) {
                return Turn::Alone;
            }
            // Requests for different variants do not wait for one another.
            let latest = resource.variants.first().into_iter();
            let fields = latest.flat_map(|variant| &variant.entry.selector.fields);
            let values = varied(fields.map(|(name, _)| name), wanted.fields);
            flight.extend(values.into_iter().map(|(_, value)| "\n".to_owned() + &value));
        }
        flight.extend(["\n", wanted.target]);
        for (name, value) in overrides(wanted.fields) {
            flight += &format!("\n{name}: {value:?}");
        }
        if let Some(landing) = shard.flights.get(&flight) {
            return Turn::Wait(landing.clone());
        }
        let (sender, receiver) = watch::channel(Landed::Flying);
        shard.flights.insert(flight.clone(), receiver);
        Turn::Lead(Lead { store: self.clone(), shard: at, flight, sender })
    }

    /// Room for so many bytes, for which others are removed; `None`: there is none.
    pub(super) fn reserve(&self, bytes: usize) -> Option<Reservation> {
        if bytes > self.most {
            return None;
        }
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.most);
        while self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_err() {
            if !self.evict(|_| true) {
                return None;
            }
        }
        Some(Reservation { bytes, counter: self.bytes.clone() })
    }

    /// A place on disk for content of so many bytes, for which others are removed; `None`: it stays
    /// in memory.
    pub(super) fn extent(&self, bytes: usize) -> Option<Extent> {
        let disk =
            self.disk.as_ref().filter(|disk| bytes >= CACHE_ON_DISK && disk.is_for(bytes))?;
        loop {
            let extent = disk.take(bytes);
            if extent.is_some() || !self.evict(Resource::is_on_disk) {
                return extent;
            }
        }
    }

    /// Removes one of such resources; returns whether there was one.
    fn evict(&self, is_such: fn(&Resource) -> bool) -> bool {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        // The first round makes all unused, so the second one finds what there is.
        (0..2 * SHARDS).any(|step| self.lock((first + step) % SHARDS).evict(is_such))
    }

    /// Stores a response in place of the one for the same requests.
    pub(super) fn insert(&self, key: &str, entry: Arc<Entry>, head: Reservation) {
        self.change(key, |resource| {
            resource.variants.retain(|variant| variant.entry.selector != entry.selector);
            resource.variants.truncate(CACHE_VARIANTS - 1);
            resource.apart_until = None;
            resource.variants.insert(0, Variant { entry, _head: head });
        });
    }

    /// The response to a request could not be shared: what was stored for it is removed, and for a
    /// while requests do not wait for one another.
    pub(super) fn part(&self, key: &str, wanted: Wanted<'_>) {
        self.change(key, |resource| {
            resource.variants.retain(|variant| !variant.entry.selector.matches(wanted));
            resource.apart_until = Some(Instant::now() + APART);
        });
    }

    fn change(&self, key: &str, change: impl FnOnce(&mut Resource)) {
        let at = self.shard_of(key);
        if let Some(resource) = self.lock(at).resources.get_mut(key) {
            return change(resource);
        }
        // Evicts from any shard, so none may be locked.
        let Some(own) = self.reserve(2 * key.len() + size_of::<Resource>()) else { return };
        let mut shard = self.lock(at);
        shard.last += 1;
        let (number, name) = (shard.last, Arc::<str>::from(key));
        let fresh = || Resource {
            number,
            was_used: false,
            variants: Vec::new(),
            apart_until: None,
            _own: own,
        };
        change(shard.resources.entry(name.clone()).or_insert_with(fresh));
        if shard.resources.get(key).is_some_and(|resource| resource.number == number) {
            shard.queue.push_back(Queued { key: name, number });
            shard.tidy();
        }
    }

    /// Removes a resource; returns how many responses it had.
    pub(super) fn remove(&self, key: &str) -> usize {
        let removed = self.lock(self.shard_of(key)).resources.remove(key);
        removed.map_or(0, |resource| resource.variants.len())
    }

    /// Removes all resources whose keys begin so; returns how many responses they had.
    pub(super) fn remove_below(&self, prefix: &str) -> usize {
        let mut removed = 0;
        for at in 0..SHARDS {
            self.lock(at).resources.retain(|key, resource| {
                let stays = !key.starts_with(prefix);
                removed += if stays { 0 } else { resource.variants.len() };
                stays
            });
        }
        removed
    }
}

impl Resource {
    fn find(&self, wanted: Wanted<'_>) -> Option<Arc<Entry>> {
        let mut variants = self.variants.iter().map(|variant| &variant.entry);
        variants.find(|entry| entry.selector.matches(wanted)).cloned()
    }

    fn is_on_disk(&self) -> bool {
        let is_there = |variant: &Variant| matches!(variant.entry.content, Content::Disk(_));
        self.variants.iter().any(is_there)
    }
}

impl Shard {
    /// Removes the first of such resources that was not used since its last turn.
    fn evict(&mut self, is_such: fn(&Resource) -> bool) -> bool {
        for _ in 0..self.queue.len() {
            let Some(queued) = self.queue.pop_front() else { return false };
            match self.resources.get_mut(&queued.key) {
                Some(resource) if resource.number != queued.number => {}
                Some(resource) if !is_such(resource) => self.queue.push_back(queued),
                Some(resource) if resource.was_used => {
                    resource.was_used = false;
                    self.queue.push_back(queued);
                }
                Some(_) => {
                    self.resources.remove(&queued.key);
                    return true;
                }
                None => {}
            }
        }
        false
    }

    /// Removals leave their places in the queue.
    fn tidy(&mut self) {
        if self.queue.len() > 2 * self.resources.len() + 64 {
            let resources = &self.resources;
            let is_there = |queued: &Queued| {
                resources.get(&queued.key).is_some_and(|found| found.number == queued.number)
            };
            self.queue.retain(is_there);
        }
    }
}

#[cfg(test)]
mod tests;
