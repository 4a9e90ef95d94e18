//! The experiment of a site with `quic_report`: divides its visitors, collects what the workers
//! measure, and keeps it over reloads, upgrades and restarts. What it means is for
//! [`crate::quic_report`] to say.
//!
//! Nothing personal is stored. Of an address only a keyed hash is made, of its /24 or /56 and the
//! day; that and the key stay in memory and in the state folder until the day ends.

mod draw;
mod events;
mod latest;
mod ledger;
mod other_machines;
mod state;
mod visitors;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, net::IpAddr};

use arc_swap::ArcSwap;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

pub use draw::Visitor;
pub use events::{Answer, Beacon, Connected, Event, Figures};
pub use latest::Dated;

use crate::fleet::common::{Common, Pages};
use crate::limits::{QUIC_REPORT_DAYS, QUIC_REPORT_QUEUE, QUIC_REPORT_SAVE};
use crate::quic_report::{Book, Report};
use crate::tls::Folder;
use crate::upstream::Shared;
use draw::Draw;
use latest::Latest;
use ledger::Ledger;
use other_machines::OtherMachines;
use state::State;

/// How often what the workers measured is taken from the queue.
const COLLECT: Duration = Duration::from_secs(1);
/// Of all sites one report is made at a time for those who look often: requests need the cores.
static ANALYSES: Semaphore = Semaphore::const_new(1);

/// The experiments of the process, by site. Successive configurations share them.
#[derive(Default)]
pub struct Experiments {
    folder: PathBuf,
    common: Option<Arc<Common>>,
    known: Shared<Experiment>,
}

impl Experiments {
    /// Their state is in `folder`, the same as that of certificates; with what a fleet has in
    /// common, if this machine is of one.
    pub const fn new(folder: PathBuf, common: Option<Arc<Common>>) -> Self {
        Self { folder, common, known: Shared::new() }
    }

    /// The experiment of a site, with the state of earlier processes. Writes nothing.
    pub fn open(&self, site: &str) -> Arc<Experiment> {
        let make = || {
            let state = State::of(Folder::new(self.folder.clone()), site);
            Experiment::open(site, state, self.common.clone())
        };
        let experiment = self.known.get(site.to_owned(), make);
        if let Some(common) = &self.common {
            let pages: Weak<dyn Pages> = Arc::<Experiment>::downgrade(&experiment);
            common.keep(pages);
        }
        experiment
    }
}

impl fmt::Debug for Experiments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Experiments").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// An experiment as a configuration wants it.
#[derive(Debug)]
pub struct Plan {
    pub experiment: Arc<Experiment>,
    /// For how many days it keeps what was measured.
    pub days: u32,
}

/// The experiment of one site.
pub struct Experiment {
    site: Arc<str>,
    draw: ArcSwap<Draw>,
    common: Option<Arc<Common>>,
    others: Mutex<OtherMachines>,
    /// For how many days it keeps what was measured.
    days: AtomicU32,
    queue: mpsc::Sender<Event>,
    inner: Mutex<Inner>,
    latest: Latest,
}

struct Inner {
    inbox: mpsc::Receiver<Event>,
    /// Read when it is needed first: the process before this one writes until this one serves.
    ledger: Option<Ledger>,
    state: State,
    /// The name of this machine among those of the fleet, from one start to the next.
    machine: Option<String>,
    /// Another process writes the state now.
    released: bool,
}

impl Experiment {
    fn open(site: &str, state: State, common: Option<Arc<Common>>) -> Self {
        let now = SystemTime::now();
        let draw = match &common {
            Some(common) => Draw::common(common, site, now),
            None => state.draw(now),
        };
        let (queue, inbox) = mpsc::channel(QUIC_REPORT_QUEUE);
        let inner = Inner { inbox, ledger: None, state, machine: None, released: false };
        Self {
            site: site.into(),
            draw: ArcSwap::from_pointee(draw),
            common,
            others: Mutex::default(),
            days: AtomicU32::new(QUIC_REPORT_DAYS),
            queue,
            inner: Mutex::new(inner),
            latest: Latest::default(),
        }
    }

    /// The name of its site.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Whom an address belongs to, today.
    pub fn visitor(&self, address: IpAddr, now: SystemTime) -> Visitor {
        let draw = self.draw.load();
        if draw.holds(now) {
            return draw.visitor(address);
        }
        // Workers that come here at once agree on the one that was first.
        let next = Arc::new(match &self.common {
            Some(common) => Draw::common(common, &self.site, now),
            None => Draw::new(now),
        });
        self.draw.rcu(|old| if old.holds(now) { old.clone() } else { next.clone() });
        self.draw.load().visitor(address)
    }

    /// Takes what a worker has measured. What does not fit into the queue is lost, whichever arm
    /// it is of.
    pub fn tell(&self, event: Event) {
        let _ = self.queue.try_send(event);
    }

    /// A handshake with a client at this address has failed.
    pub fn not_connected(&self, address: IpAddr) {
        self.tell(Event::NotConnected(self.visitor(address, SystemTime::now())));
    }

    /// What is known by now. It may take a second, so it is for threads that serve nobody else.
    pub fn report(&self) -> Arc<Report> {
        let _turn = self.latest.turn();
        let (changes, book) = {
            let mut inner = self.inner();
            let ledger = inner.collect();
            let changes = ledger.changes().wrapping_add(self.others().changes);
            if let Some(report) = self.latest.fresh(changes) {
                return report;
            }
            (changes, ledger.book().clone())
        };
        if self.common.is_none() {
            return self.latest.make(changes, || Report::of(&book, changes));
        }
        let (all, machines) = self.others().with(&book, self.days());
        self.latest.make(changes, || Report { machines, ..Report::of(&all, changes) })
    }

    /// The report that was made last, at once. It is made anew beside, within seconds, as long as
    /// somebody looks; `None` until the first one is made after the start.
    pub fn latest(&self) -> Option<Dated> {
        self.latest.get()
    }

    /// That as JSON, with the name of the site.
    pub fn json(&self) -> Value {
        let mut value = self.report().json();
        if let Value::Object(members) = &mut value {
            members.insert("site".to_owned(), self.site().into());
        }
        value
    }

    fn days(&self) -> u32 {
        self.days.load(Ordering::Relaxed)
    }

    fn others(&self) -> MutexGuard<'_, OtherMachines> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Collects, saves and makes reports until it is dropped.
    pub async fn keep(self: Arc<Self>, days: u32) {
        self.days.store(days, Ordering::Relaxed);
        tokio::join!(self.keep_book(days), self.keep_latest());
    }

    async fn keep_latest(self: &Arc<Self>) {
        loop {
            if self.latest.take_wanted() {
                let _one = ANALYSES.acquire().await;
                let this = self.clone();
                let _ = tokio::task::spawn_blocking(move || this.report()).await;
            }
            tokio::time::sleep(COLLECT).await;
        }
    }

    async fn keep_book(self: &Arc<Self>, days: u32) {
        let mut saved = None;
        loop {
            {
                let mut inner = self.inner();
                inner.collect().forget(SystemTime::now(), days);
            }
            let day = self.draw.load().day;
            let is_saved = |(at, of): (Instant, u32)| at.elapsed() < QUIC_REPORT_SAVE && of == day;
            if !saved.is_some_and(is_saved) {
                let this = self.clone();
                // The file is written and synced.
                let _ = tokio::task::spawn_blocking(move || this.save()).await;
                saved = Some((Instant::now(), day));
            }
            tokio::time::sleep(COLLECT).await;
        }
    }

    /// Writes the state, unless another process does.
    pub fn save(&self) {
        let mut inner = self.inner();
        if inner.released {
            return;
        }
        let draw = self.draw.load();
        let book = inner.collect().book().clone();
        if let Err(error) = inner.state.save(&draw, &book) {
            log::error!("{}: cannot save the state of quic_report: {error}", self.site);
        }
    }

    /// Another process collects from now on. What comes after it is lost.
    pub fn release(&self) {
        self.inner().released = true;
    }

    /// That process has failed.
    pub fn resume(&self) {
        self.inner().released = false;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn machine(&mut self) -> String {
        self.machine.get_or_insert_with(|| self.state.machine()).clone()
    }

    /// Enters what has come.
    fn collect(&mut self) -> &mut Ledger {
        let Self { inbox, ledger, state, .. } = self;
        let ledger = ledger.get_or_insert_with(|| Ledger::new(state.book(), fastrand::u64(..)));
        while let Ok(event) = inbox.try_recv() {
            ledger.add(event);
        }
        ledger
    }
}

impl fmt::Debug for Experiment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Experiment").field("site", &self.site).finish_non_exhaustive()
    }
}

/// Days that samples are kept, unless `keep` says otherwise.
pub const MOST_DAYS: u32 = Book::MOST_DAYS;

#[cfg(test)]
pub(crate) mod tests;
