//! What a machine knows of itself and of the others: its number, which its disk keeps, the engine's
//! clock, and the list as it was read last.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use super::super::members::{Claim, Member, Number, Roll, Said};
use super::super::seal::Seal;
use crate::fleet::Stamp;
use crate::limits::FLEET_ANSWER;
use crate::machine;
use crate::tls::{Folder, Storage as _};

pub(super) const FILE: &str = "fleet/machine";
/// The fingerprint of the key that a fleet has refused last.
pub(super) const REFUSED: &str = "fleet/refused";
/// Signs of life of another process under our name after which we take another name: an upgrade has
/// two processes for a moment, a copied disk for ever.
const STRANGERS: u32 = 3;

/// What the thread knows of it.
#[derive(Debug)]
pub(super) struct Membership {
    pub(super) claim: Claim,
    /// Whether the engine has granted the number.
    pub(super) is_granted: bool,
    host: String,
    process: u64,
    /// Where it takes packets from the others.
    pub(super) way: Option<SocketAddr>,
    pub(super) since: Option<Stamp>,
    /// How long the last answer took.
    pub(super) lag: Duration,
    pub(super) next: Instant,
    pub(super) signs: u32,
    strangers: u32,
}

/// The engine's clock when it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) engine: Stamp,
    pub(super) read: Instant,
}

/// What others are told of it.
#[derive(Debug, Clone)]
pub struct View {
    /// `None` until the engine has granted one for the first time.
    pub number: Option<Number>,
    /// Where the engine is.
    pub engine: String,
    pub is_connected: bool,
    /// Since when it is, or is not.
    pub since: SystemTime,
    /// How long the last answer took.
    pub lag: Option<Duration>,
    /// The engine's clock.
    pub now: Stamp,
    /// All machines that are there, by number.
    pub members: Vec<Member>,
}

/// The parts of a view that the thread sets.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) number: Option<Number>,
    is_connected: bool,
    since: SystemTime,
    pub(super) lag: Option<Duration>,
    pub(super) roll: Roll,
    pub(super) clock: Option<Clock>,
}

impl Seen {
    /// `number` is that of the last start.
    pub(super) fn new(number: Option<Number>) -> Self {
        Self {
            number,
            is_connected: false,
            since: SystemTime::now(),
            lag: None,
            roll: Roll::default(),
            clock: None,
        }
    }

    pub(super) fn connected(&mut self, is_connected: bool) {
        if self.is_connected != is_connected {
            (self.is_connected, self.since) = (is_connected, SystemTime::now());
        }
    }

    /// That of the machine for which the engine takes longest.
    pub(super) fn lag_of_all(&self) -> Duration {
        let there = self.roll.there(self.clock.map_or(0, Clock::now));
        there.map(|member| member.said.lag).max().unwrap_or_default().min(FLEET_ANSWER)
    }

    pub(super) fn view(&self, engine: String) -> View {
        let now = self.clock.map_or(0, Clock::now);
        let mut members: Vec<_> = self.roll.there(now).cloned().collect();
        members.sort_by_key(|member| member.number);
        View {
            number: self.number,
            engine,
            is_connected: self.is_connected,
            since: self.since,
            lag: self.lag.filter(|_| self.is_connected),
            now,
            members,
        }
    }
}

impl Clock {
    pub(super) fn at(engine: Stamp) -> Self {
        Self { engine, read: Instant::now() }
    }

    pub(super) fn now(self) -> Stamp {
        let since = u64::try_from(self.read.elapsed().as_micros()).unwrap_or(0);
        self.engine.saturating_add(since)
    }
}

impl Membership {
    /// As this machine was at its last start.
    pub(super) fn new(folder: &Folder) -> Self {
        let kept = kept(folder);
        Self {
            claim: kept.unwrap_or_else(Claim::draw),
            is_granted: kept.is_some(),
            host: machine::name(),
            process: fastrand::u64(..),
            way: None,
            since: None,
            lag: Duration::ZERO,
            next: Instant::now(),
            signs: 0,
            strangers: 0,
        }
    }

    /// The number that this machine has, or had last.
    pub(super) fn number(&self) -> Option<Number> {
        self.is_granted.then_some(self.claim.number)
    }

    pub(super) fn said(&self, now: Stamp) -> Said {
        Said {
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: self.since.unwrap_or(now),
            lag: self.lag,
            way: self.way,
            process: self.process,
        }
    }

    /// Whether another process has our name and goes on using it.
    pub(super) fn is_copied(&mut self, before: Option<&Said>) -> bool {
        let is_strange = before.is_some_and(|before| before.process != self.process);
        self.strangers = if is_strange { self.strangers + 1 } else { 0 };
        self.strangers >= STRANGERS
    }

    pub(super) fn rename(&mut self) {
        (self.claim, self.is_granted, self.strangers) = (Claim::draw(), false, 0);
    }
}

/// What the disk says of this machine.
pub(super) fn kept(folder: &Folder) -> Option<Claim> {
    let kept = folder.read(FILE).ok().flatten()?;
    Claim::parse(&String::from_utf8_lossy(&kept))
}

/// Whether this key was refused last, and not taken since.
pub(super) fn was_refused(folder: &Folder, seal: &Seal) -> bool {
    let kept = folder.read(REFUSED).ok().flatten();
    kept.is_some_and(|kept| kept == seal.fingerprint().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_that_was_refused_is() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().to_owned());
        let (key, other) = (Seal::new(&[1; 32]).unwrap(), Seal::new(&[2; 32]).unwrap());
        assert!(!was_refused(&folder, &key));
        folder.write(REFUSED, key.fingerprint().as_bytes()).unwrap();
        assert!(was_refused(&folder, &key) && !was_refused(&folder, &other));
    }

    #[test]
    fn who_answers_last_is_waited_for_within_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let said = Membership::new(&Folder::new(dir.path().to_owned())).said(7);
        let mut seen = Seen::new(None);
        assert_eq!(seen.lag_of_all(), Duration::ZERO);
        let now = 1_000_000_000;
        seen.clock = Some(Clock::at(now));
        for (lags, expected) in [(&[1, 900, 20][..], 900), (&[20, 60_000], 5000)] {
            let member = |lag: &u64| {
                let said = Said { lag: Duration::from_millis(*lag), ..said.clone() };
                Member { number: 1, said, seen: now }
            };
            seen.roll.replace(now, lags.iter().map(member).collect());
            assert_eq!(seen.lag_of_all(), Duration::from_millis(expected));
        }
    }

    #[test]
    fn a_copied_disk_is_told_from_an_upgrade() {
        let dir = tempfile::tempdir().unwrap();
        let mut membership = Membership::new(&Folder::new(dir.path().to_owned()));
        let own = membership.said(7);
        let other = Said { process: own.process ^ 1, ..own.clone() };
        let mut is_copied = |before: &[&Said]| {
            let all: Vec<_> = before.iter().map(|one| membership.is_copied(Some(one))).collect();
            all.contains(&true)
        };
        assert!(!is_copied(&[&other, &other, &own, &own, &other, &own]));
        assert!(is_copied(&[&other, &other, &other]));
        let before = membership.claim;
        membership.rename();
        assert_ne!(membership.claim, before);
        assert_eq!(membership.number(), None);
    }
}
