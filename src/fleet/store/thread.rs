//! The thread of the fleet: connects to the engine and, while it does not answer, goes on alone.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc as blocking};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use super::super::Stamp;
use super::super::engine::{Early, Trouble};
use super::super::lease::Lease;
use super::super::seal::Id;
use super::failed::Failed;
use super::membership::{Clock, Membership, was_refused};
use super::messages::Messages;
use super::records::Records;
use super::{Command, Inner, locked};
use crate::limits::{FLEET_AGAIN, FLEET_POLL};

/// The time between the first attempts to reach the engine.
const FIRST: Duration = Duration::from_secs(1);

pub(super) fn start(inner: Arc<Inner>, inbox: UnboundedReceiver<Command>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let life = Life::new(inner, inbox);
    std::thread::Builder::new()
        .name("fleet".to_owned())
        .spawn(move || runtime.block_on(life.live()))
        .map(drop)
}

/// What the thread knows.
pub(super) struct Life {
    pub(super) inner: Arc<Inner>,
    pub(super) inbox: UnboundedReceiver<Command>,
    pub(super) records: Records,
    pub(super) leases: HashMap<String, Lease>,
    /// Entries that were removed on purpose and are to be removed at the engine.
    pub(super) removed: HashSet<String>,
    /// Entries that are to be written once another machine has given its lease back, or once their
    /// files can be read.
    pub(super) unwritten: HashSet<String>,
    /// Entries that are to be taken once a process of this machine has done its work on them.
    pub(super) untaken: HashSet<Id>,
    /// Entries that the disk does not take.
    pub(super) failed: Failed,
    /// Versions of entries that cannot be read here.
    pub(super) unread: HashMap<Id, Stamp>,
    /// Whether there was one.
    pub(super) has_unread: bool,
    /// The engine's revision that this machine is at.
    pub(super) revision: String,
    /// Revisions that this machine has made.
    pub(super) own: VecDeque<String>,
    /// Entries that have come since the hook was called.
    pub(super) arrived: Vec<String>,
    /// When entries were looked for that are over.
    pub(super) dropped: Option<Instant>,
    /// The highest version and fencing number that was seen.
    pub(super) seen: Stamp,
    pub(super) clock: Option<Clock>,
    pub(super) membership: Membership,
    pub(super) messages: Messages,
    /// The trouble that was logged last.
    said: Option<String>,
    was_there: bool,
    /// Whether the engine was another fleet's when it was asked last.
    pub(super) is_refused: bool,
}

/// Why a connection is not used any more.
pub(super) enum Ended {
    Trouble(Trouble),
    Stopped(blocking::Sender<bool>),
}

impl From<Trouble> for Ended {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Life {
    pub(super) fn new(inner: Arc<Inner>, inbox: UnboundedReceiver<Command>) -> Self {
        let records = Records::read(&inner.folder);
        let membership = Membership::new(&inner.folder);
        let is_refused = was_refused(&inner.folder, &inner.seal);
        let seen = records.all().map(|(_, record)| record.version).max().unwrap_or(0);
        Self {
            inner,
            inbox,
            records,
            leases: HashMap::new(),
            removed: HashSet::new(),
            unwritten: HashSet::new(),
            untaken: HashSet::new(),
            failed: Failed::default(),
            unread: HashMap::new(),
            has_unread: false,
            revision: String::new(),
            own: VecDeque::new(),
            arrived: Vec::new(),
            dropped: None,
            seen,
            clock: None,
            membership,
            messages: Messages::default(),
            said: None,
            was_there: false,
            is_refused,
        }
    }

    async fn live(mut self) {
        let mut wait = FIRST;
        // Sentinels name another server within seconds.
        let most = if self.inner.fails_over() { FLEET_POLL } else { FLEET_AGAIN };
        loop {
            match self.once().await {
                Ended::Stopped(done) => {
                    self.records.save(&self.inner.folder);
                    // The one who asked may be gone.
                    let _ = done.send(false);
                    return;
                }
                Ended::Trouble(trouble) => self.away(trouble),
            }
            self.age_tickets();
            if self.was_there {
                (self.was_there, wait) = (false, FIRST);
            }
            if let Ok(done) = timeout(wait, self.stopped()).await {
                self.records.save(&self.inner.folder);
                let _ = done.send(false);
                return;
            }
            wait = (wait * 2).min(most);
        }
    }

    /// One connection, from its begin to its end.
    async fn once(&mut self) -> Ended {
        let (inner, hears) = (self.inner.clone(), self.inner.clone());
        // Another engine may never have had them.
        locked(&inner.early).clear();
        let early: Early = Arc::new(move |sealed| hears.hear_early(sealed));
        let connected = tokio::select! {
            connected = inner.engine.connect(&early) => connected,
            done = self.stopped() => return Ended::Stopped(done),
        };
        match connected {
            Ok(link) => self.serve(link).await,
            Err(trouble) => trouble.into(),
        }
    }

    /// Takes commands without the engine, until the thread is to end.
    async fn stopped(&mut self) -> blocking::Sender<bool> {
        loop {
            match self.inbox.recv().await {
                Some(Command::Stop(done)) => return done,
                Some(command) => {
                    if self.note(command).is_some() {
                        self.settled();
                    }
                }
                None => return std::future::pending().await,
            }
        }
    }

    /// Notes what a command wants; returns the entry that has changed.
    pub(super) fn note(&mut self, command: Command) -> Option<String> {
        match command {
            Command::Changed { entry, is_removed } => {
                if is_removed {
                    self.removed.insert(entry.clone());
                } else {
                    self.removed.remove(&entry);
                }
                return Some(entry);
            }
            Command::Want(name) => {
                let now = self.now();
                self.leases.entry(name).or_default().want(now);
            }
            Command::Release(name) => self.give_up(&name),
            Command::Stop(_) => {}
        }
        None
    }

    /// A change has been seen to; without the engine it is when it comes back.
    pub(super) fn settled(&self) {
        self.inner.unsettled.fetch_sub(1, Ordering::AcqRel);
    }

    pub(super) fn give_up(&mut self, name: &str) {
        let now = self.now();
        if let Some(lease) = self.leases.get_mut(name) {
            lease.give_up(now);
        }
        // Whoever wants it since waits for a grant of its own.
        self.inner.granted(name, None);
    }

    /// The time of this machine's steady clock.
    pub(super) fn now(&self) -> Duration {
        self.inner.begun.elapsed()
    }

    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.inner.begun + at
    }

    /// The engine's clock as far as it is known.
    pub(super) fn engine_now(&self) -> Stamp {
        self.clock.map_or(0, Clock::now)
    }

    pub(super) fn set_clock(&mut self, engine: Stamp) {
        if let Some(clock) = self.clock.replace(Clock::at(engine)) {
            locked(&self.inner.seen).roll.went_on(clock.now(), engine);
        }
        if let Some(neighbours) = &*locked(&self.inner.neighbours) {
            neighbours.clock(engine);
        }
    }

    /// The engine answers, and all copies here are as it has them.
    pub(super) fn there(&mut self, place: &str) {
        self.was_there = true;
        *locked(&self.inner.away) = None;
        self.show(true);
        match self.said.take() {
            None => log::info!("fleet: connected to {place}"),
            Some(_) => log::info!("fleet: {place} answers again"),
        }
    }

    /// The engine has answered, while not all copies here are as it has them: who waits for it
    /// does so from now on.
    pub(super) fn goes_on(&self) {
        if let Some(since) = &mut *locked(&self.inner.away) {
            *since = Instant::now();
        }
    }

    pub(super) fn is_away(&self) {
        locked(&self.inner.away).get_or_insert_with(Instant::now);
    }

    /// Says it once, not at each attempt.
    fn away(&mut self, Trouble(why): Trouble) {
        self.is_away();
        self.show(false);
        if self.said.is_none() {
            log::warn!(
                "fleet: {why}; this machine goes on with what it has, and tries again until the \
                 engine answers"
            );
        } else if self.said.as_ref() != Some(&why) {
            log::debug!("fleet: {why}");
        }
        self.said = Some(why);
    }
}
