//! The storage that a fleet shares: each machine has it whole on its disk, in the layout of
//! [`Folder`], and reads nothing else. A thread of its own keeps the copies alike by the engine.

mod early;
mod exchange;
mod expiry;
mod failed;
mod follow;
mod members;
mod membership;
mod messages;
mod pages;
mod publish;
mod records;
mod refusals;
mod thread;
mod ticket_keys;
mod tickets;
mod write;

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc as blocking};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::Stamp;
use super::common::Common;
use super::engine::Engine;
use super::seal::Seal;
use crate::limits::{FLEET_ALONE, FLEET_FAILOVER};
use crate::tls::acme::entries;
use crate::tls::{Folder, Held, Storage};
pub use membership::View;

/// Called with the entries that have come from other machines.
pub type Arrived = Box<dyn Fn(&[String]) + Send + Sync>;

/// Called with the answer to a challenge, an entry and its content, before it has its file.
pub type Answered = Box<dyn Fn(&str, &[u8]) + Send + Sync>;

/// What hears of the other machines.
pub trait Neighbours: Send + Sync {
    /// The engine is connected, by this address of ours. Returns where we take packets.
    fn connected(&self, local: IpAddr) -> Option<SocketAddr>;
    /// The engine has said who is there.
    fn learned(&self, view: &View);
    /// The engine has said its time: it may jump.
    fn clock(&self, now: Stamp);
}

/// A storage on this disk that is kept like those of the other machines.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Inner>);

struct Inner {
    folder: Folder,
    engine: Engine,
    seal: Seal,
    common: Arc<Common>,
    holds: Mutex<HashMap<String, Hold>>,
    commands: mpsc::UnboundedSender<Command>,
    inbox: Mutex<Option<mpsc::UnboundedReceiver<Command>>>,
    /// Changes that the thread has not seen to.
    unsettled: AtomicUsize,
    /// Since when the engine does not answer.
    away: Mutex<Option<Instant>>,
    arrived: Mutex<Option<Arrived>>,
    answered: Mutex<Option<Answered>>,
    /// The versions of answers to challenges that came with messages, or that this machine writes.
    early: Mutex<HashMap<String, Stamp>>,
    /// Whether this process is one of the fleet's machines, as other than in `-revoke`.
    is_member: AtomicBool,
    seen: Mutex<membership::Seen>,
    /// The begin of its steady clock.
    begun: Instant,
    tickets: OnceLock<ticket_keys::Tickets>,
    neighbours: Mutex<Option<Box<dyn Neighbours>>>,
}

/// A lock that is wanted or held.
#[derive(Debug)]
struct Hold {
    state: State,
    /// When it was asked for last.
    asked: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Wanted,
    /// The engine has granted it until then, and what it covers is up to date here.
    Granted(Instant),
    Used,
}

/// What the thread is told.
enum Command {
    Changed {
        entry: String,
        is_removed: bool,
    },
    Want(String),
    Release(String),
    /// Is told whether everything before was written.
    Stop(blocking::Sender<bool>),
}

impl Shared {
    pub fn new(folder: Folder, engine: Engine, seal: Seal) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let number = membership::kept(&folder).map(|claim| claim.number);
        Self(Arc::new(Inner {
            folder,
            engine,
            common: Arc::new(seal.common()),
            seal,
            holds: Mutex::default(),
            commands,
            inbox: Mutex::new(Some(inbox)),
            unsettled: AtomicUsize::new(0),
            away: Mutex::new(Some(Instant::now())),
            arrived: Mutex::default(),
            answered: Mutex::default(),
            early: Mutex::default(),
            is_member: AtomicBool::new(false),
            seen: Mutex::new(membership::Seen::new(number)),
            begun: Instant::now(),
            tickets: OnceLock::new(),
            neighbours: Mutex::default(),
        }))
    }

    /// What others may have of the fleet.
    pub fn common(&self) -> Arc<Common> {
        self.0.common.clone()
    }

    /// Starts the thread. Nothing is connected before.
    pub fn start(&self) -> io::Result<()> {
        let Some(inbox) = locked(&self.0.inbox).take() else { return Ok(()) };
        thread::start(self.0.clone(), inbox)
    }

    pub fn on_arrival(&self, hook: Arrived) {
        *locked(&self.0.arrived) = Some(hook);
    }

    pub fn on_answer(&self, hook: Answered) {
        *locked(&self.0.answered) = Some(hook);
    }

    /// Shows this machine to the others.
    pub fn join(&self) {
        self.0.is_member.store(true, Ordering::Release);
    }

    /// Leaves that to another process of this machine.
    pub fn resign(&self) {
        self.0.is_member.store(false, Ordering::Release);
    }

    /// Has this hear of the other machines.
    pub fn meet(&self, neighbours: Box<dyn Neighbours>) {
        *locked(&self.0.neighbours) = Some(neighbours);
    }

    /// A secret for one purpose that all machines of the fleet have, and no other of its engine.
    pub fn secret(&self, purpose: &str) -> [u8; 32] {
        self.0.common.secret(&format!("{purpose} {}", self.0.engine.place().prefix))
    }

    /// Who is there, as far as this machine knows.
    pub fn view(&self) -> View {
        locked(&self.0.seen).view(self.0.engine.place().to_string())
    }

    /// Ends the thread; whether the engine has everything. Waits no longer than `limit`.
    pub fn stop(&self, limit: Duration) -> bool {
        let (sender, done) = blocking::channel();
        self.0.tell(Command::Stop(sender));
        done.recv_timeout(limit).unwrap_or(false)
    }
}

impl Inner {
    fn tell(&self, command: Command) {
        // Fails only once the thread has ended.
        let _ = self.commands.send(command);
    }

    /// Whether Sentinels name another server when one is gone.
    fn fails_over(&self) -> bool {
        self.engine.place().primary.is_some()
    }

    /// Whether another server may take over. Services do so without Sentinels, but one that this
    /// machine has never reached may be nowhere.
    fn may_come_back(&self) -> bool {
        let is_known = || locked(&self.seen).number.is_some();
        self.fails_over() || (self.is_member.load(Ordering::Acquire) && is_known())
    }

    /// Notes until when a lock that nobody has come for is granted; `None`: no longer.
    fn granted(&self, name: &str, until: Option<Instant>) {
        if let Some(hold) = locked(&self.holds).get_mut(name)
            && matches!(hold.state, State::Granted(_))
        {
            hold.state = until.map_or(State::Wanted, State::Granted);
        }
    }

    fn changed(&self, key: &str, is_removed: bool) {
        if let Some(entry) = entries::entry_of(key) {
            self.unsettled.fetch_add(1, Ordering::AcqRel);
            self.tell(Command::Changed { entry, is_removed });
        }
    }
}

impl Storage for Shared {
    fn read(&self, key: &str) -> io::Result<Option<Vec<u8>>> {
        self.0.folder.read(key)
    }

    fn write(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.folder.write(key, bytes)?;
        self.0.changed(key, false);
        Ok(())
    }

    fn remove(&self, key: &str) -> io::Result<()> {
        self.0.folder.remove(key)?;
        self.0.changed(key, true);
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.0.folder.list(folder)
    }

    fn set_aside(&self, key: &str) -> io::Result<String> {
        self.0.folder.set_aside(key)
    }

    fn try_lock(&self, name: &str) -> io::Result<Option<Box<dyn Held>>> {
        let is_alone = self.is_cut_off();
        let mut holds = locked(&self.0.holds);
        let hold = holds.entry(name.to_owned()).or_insert_with(|| {
            self.0.tell(Command::Want(name.to_owned()));
            Hold { state: State::Wanted, asked: Instant::now() }
        });
        hold.asked = Instant::now();
        let may = match hold.state {
            State::Wanted => is_alone,
            // While the engine does not answer, a grant ends, and nothing says so.
            State::Granted(until) => is_alone || Instant::now() < until,
            State::Used => false,
        };
        if !may {
            return Ok(None);
        }
        let Some(local) = self.0.folder.try_lock(name)? else { return Ok(None) };
        hold.state = State::Used;
        let (inner, name) = (self.0.clone(), name.to_owned());
        Ok(Some(Box::new(Guard { local: Some(local), inner, name })))
    }

    fn try_lock_here(&self, name: &str) -> io::Result<Option<Box<dyn Held>>> {
        self.0.folder.try_lock(name)
    }

    fn place(&self, key: &str) -> String {
        self.0.folder.place(key)
    }

    fn is_cut_off(&self) -> bool {
        let wait = if self.0.may_come_back() { FLEET_FAILOVER } else { FLEET_ALONE };
        locked(&self.0.away).is_some_and(|since| since.elapsed() >= wait)
    }

    fn is_shared(&self) -> bool {
        !self.is_cut_off()
    }

    fn lag(&self) -> Duration {
        locked(&self.0.seen).lag_of_all()
    }

    fn is_settled(&self) -> bool {
        let is_there = locked(&self.0.away).is_none();
        self.0.unsettled.load(Ordering::Acquire) == 0 && (is_there || self.is_cut_off())
    }
}

/// A lock of this machine and, unless the engine is away, of the fleet.
#[derive(Debug)]
struct Guard {
    local: Option<Box<dyn Held>>,
    inner: Arc<Inner>,
    name: String,
}

impl Held for Guard {}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.local.take());
        locked(&self.inner.holds).remove(&self.name);
        // Behind what was written under it.
        self.inner.tell(Command::Release(std::mem::take(&mut self.name)));
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Inner").field(&self.folder).field(&self.engine).finish()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
