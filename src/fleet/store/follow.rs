//! One connection to the engine: what the machines tell each other, the leases, and the question of
//! every few seconds, for what was not told.

use std::time::{Duration, Instant};

use super::super::engine::{Change, Link, News, Trouble};
use super::super::lease::{self, Answer, Lease, Question};
use super::thread::{Ended, Life};
use super::{Command, State, locked};
use crate::limits::FLEET_POLL;

/// How long a lock that is granted waits for whoever wanted it.
const UNCLAIMED: Duration = Duration::from_secs(5);
/// How long questions about leases are asked in a row: changes are written between.
const TENDED: Duration = Duration::from_secs(1);
/// After a message that was missed: what comes at once is waited for.
const SOON: Duration = Duration::from_millis(200);
/// Own revisions that are remembered, to tell them from those of others.
const OWN: usize = 64;

impl Life {
    /// Uses the connection until it ends.
    pub(super) async fn serve(&mut self, mut link: Link) -> Ended {
        match self.follow(&mut link).await {
            Ok(done) => Ended::Stopped(done),
            Err(trouble) => trouble.into(),
        }
    }

    async fn follow(&mut self, link: &mut Link) -> Result<std::sync::mpsc::Sender<bool>, Trouble> {
        self.survey(link, true).await?;
        self.open_way(link);
        let polled = self.ask(link).await?;
        self.set_clock(polled.now);
        self.there(&link.place.clone());
        let mut poll = Instant::now() + FLEET_POLL;
        self.begin_telling(link).await?;
        loop {
            self.tend(link).await?;
            self.tell_arrived();
            if self.rotate_tickets(link).await? {
                continue;
            }
            let next = self.leases.values().filter_map(Lease::due).min();
            let wake = next.map_or(poll, |due| self.instant(due).min(poll));
            let wake = wake.min(self.next_telling());
            tokio::select! {
                news = link.news() => match news {
                    Some(News::Told(told)) => self.hear(&told),
                    Some(News::Changed(change)) => {
                        if !self.changed(link, change).await? {
                            poll = poll.min(Instant::now() + SOON);
                        }
                    }
                    None => {
                        return Err(Trouble(format!("{}: the connection has ended", link.place)));
                    }
                },
                command = self.inbox.recv() => match command {
                    Some(Command::Stop(done)) => {
                        self.leave(link).await;
                        self.records.save(&self.inner.folder);
                        // The one who asked may be gone.
                        let _ = done.send(true);
                        return Ok(done);
                    }
                    Some(command) => {
                        if let Some(entry) = self.note(command) {
                            let pushed = self.push(link, &entry).await;
                            if pushed.is_err() {
                                self.is_away();
                            }
                            self.settled();
                            pushed?;
                        }
                    }
                    None => std::future::pending().await,
                },
                () = tokio::time::sleep_until(wake.into()) => {
                    self.tell(link).await?;
                    if Instant::now() >= poll {
                        self.poll(link).await?;
                        poll = Instant::now() + FLEET_POLL;
                    }
                }
            }
        }
    }

    /// Asks what has changed, and does what could not be done before.
    async fn poll(&mut self, link: &mut Link) -> Result<(), Trouble> {
        self.compare(link).await?;
        self.show(true);
        for entry in std::mem::take(&mut self.unwritten) {
            self.push(link, &entry).await?;
        }
        self.take_untaken(link).await?;
        let failed = self.failed.again();
        self.take(link, &failed).await?;
        if self.failed.is_empty() && self.unwritten.is_empty() {
            self.failed.succeeded();
        }
        self.drop_old(link).await?;
        self.records.save_in_time(&self.inner.folder);
        self.give_up_unclaimed();
        Ok(())
    }

    /// Takes what could not be replaced, as another task or process here had its lock.
    async fn take_untaken(&mut self, link: &mut Link) -> Result<(), Trouble> {
        let untaken: Vec<_> = std::mem::take(&mut self.untaken).into_iter().collect();
        self.take(link, &untaken).await
    }

    /// Asks whether anything has changed, and takes it.
    async fn compare(&mut self, link: &mut Link) -> Result<(), Trouble> {
        let sent = self.now();
        let polled = self.ask(link).await?;
        self.set_clock(polled.now);
        if polled.revision == self.revision {
            self.reread_tickets(sent);
            return Ok(());
        }
        self.survey(link, false).await
    }

    /// Takes what another machine has written. False if a message before this one is missing.
    async fn changed(&mut self, link: &mut Link, change: Change) -> Result<bool, Trouble> {
        let is_own = self.own.contains(&change.after);
        if change.before != self.revision {
            return Ok(is_own);
        }
        self.revision = change.after;
        if !is_own {
            self.take(link, &[change.id]).await?;
        }
        Ok(true)
    }

    /// Notes a write of this machine.
    pub(super) fn made(&mut self, change: Change) {
        if change.before == self.revision {
            self.revision.clone_from(&change.after);
        }
        self.own.push_back(change.after);
        if self.own.len() > OWN {
            self.own.pop_front();
        }
    }

    /// Asks what is due about leases; what takes too long, later.
    pub(super) async fn tend(&mut self, link: &mut Link) -> Result<(), Trouble> {
        let begun = self.now();
        for (name, question) in lease::questions(&self.leases, begun) {
            let sent = self.now();
            if sent > begun + TENDED {
                break;
            }
            let Some(lease) = self.leases.get_mut(&name) else { continue };
            lease.asked(sent);
            let sealed = self.inner.seal.id(&name).to_string();
            let answer = link.lease(&sealed, question, self.seen).await?;
            if let Some(lease) = self.leases.get_mut(&name) {
                lease.answered(answer, sent);
                let until = lease.until();
                self.inner.granted(&name, until.map(|until| self.instant(until)));
            }
            if let Answer::Granted(fence) = answer {
                self.seen = self.seen.max(fence);
                if question == Question::Acquire {
                    self.granted(link, &name).await?;
                }
            }
        }
        self.leases.retain(|_, lease| !lease.is_over());
        Ok(())
    }

    /// What a lock covers is read before it is given.
    async fn granted(&mut self, link: &mut Link, name: &str) -> Result<(), Trouble> {
        self.compare(link).await?;
        self.take_untaken(link).await?;
        self.tell_arrived();
        // That may have taken longer than the grant lasted.
        let Some(until) = self.leases.get(name).and_then(Lease::until) else { return Ok(()) };
        if let Some(hold) = locked(&self.inner.holds).get_mut(name)
            && hold.state == State::Wanted
        {
            hold.state = State::Granted(self.instant(until));
        }
        Ok(())
    }

    /// Gives back what nobody has come for.
    fn give_up_unclaimed(&mut self) {
        let mut given = Vec::new();
        locked(&self.inner.holds).retain(|name, hold| {
            let is_left = hold.state != State::Used && hold.asked.elapsed() > UNCLAIMED;
            if is_left {
                given.push(name.clone());
            }
            !is_left
        });
        given.iter().for_each(|name| self.give_up(name));
    }

    /// Gives all leases back. Others wait for what is not given back, so a failure is none.
    async fn leave(&mut self, link: &mut Link) {
        let names: Vec<_> = self.leases.keys().cloned().collect();
        names.iter().for_each(|name| self.give_up(name));
        let left = match self.tend(link).await {
            Ok(()) => self.part(link).await,
            troubled => troubled,
        };
        if let Err(Trouble(why)) = left {
            log::debug!("fleet: {why}");
        }
    }
}
