//! The loop: readiness, timers, new requests, new connections, and the end.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

use crate::client::{Client, Work, config};
use crate::options::{Options, Reuse, Until};
use crate::tally::Tally;

/// Handshakes under way at once.
const HANDSHAKES: usize = 32;
/// No run is meant to be silent for so long.
const PATIENCE: Duration = Duration::from_secs(60);
const TICK: u16 = 5;

pub fn run(options: &Options) -> Result<Tally, String> {
    let mut load = Load::new(options)?;
    load.connect_all()?;
    load.drive()?;
    load.finish()
}

struct Load {
    work: Work,
    config: quiche::Config,
    epoll: Epoll,
    clients: Vec<Client>,
    made: u64,
    started: u64,
    session: Option<Vec<u8>>,
    begun: Instant,
    cpu: Duration,
    ticked: Instant,
    heard: Instant,
}

impl Load {
    fn new(options: &Options) -> Result<Self, String> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| e.to_string())?;
        let now = Instant::now();
        Ok(Self {
            work: Work::new(options),
            config: config().map_err(|error| format!("quiche: {error}"))?,
            epoll,
            clients: Vec::with_capacity(options.connections),
            made: 0,
            started: 0,
            session: None,
            begun: now,
            cpu: cpu()?,
            ticked: now,
            heard: now,
        })
    }

    /// Opens the connections, a few at a time; those of `--hold` make their one request.
    fn connect_all(&mut self) -> Result<(), String> {
        let wanted = self.work.options.connections;
        let mut ready = 0;
        while ready < wanted {
            while self.clients.len() < wanted && self.clients.len() - ready < HANDSHAKES {
                let client = self.open(self.clients.len())?;
                self.clients.push(client);
            }
            for at in self.wait()? {
                let was_ready = self.clients[at].is_ready();
                self.receive(at)?;
                if !was_ready && self.clients[at].is_ready() {
                    ready += 1;
                }
            }
            if let Some(problem) = &self.work.tally.first_problem {
                return Err(problem.clone());
            }
        }
        self.work.tally.restart();
        self.begun = Instant::now();
        self.cpu = cpu()?;
        Ok(())
    }

    fn drive(&mut self) -> Result<(), String> {
        for at in 0..self.clients.len() {
            self.top_up(at)?;
        }
        let mut told = false;
        while !self.is_over() {
            for at in self.wait()? {
                self.receive(at)?;
                if self.clients[at].closed || self.is_used_up(at) {
                    self.replace(at)?;
                }
                self.top_up(at)?;
            }
            if !told && self.held() {
                told = true;
                println!("READY");
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Tally, String> {
        let tally = &mut self.work.tally;
        tally.elapsed = self.begun.elapsed();
        tally.cpu = cpu()?.saturating_sub(self.cpu);
        tally.connections = self.made;
        tally.lost += self.clients.iter().map(Client::lost).sum::<u64>();
        tally.sort();
        for client in &mut self.clients {
            client.close(&mut self.work)?;
        }
        Ok(self.work.tally)
    }

    fn open(&mut self, at: usize) -> Result<Client, String> {
        self.made += 1;
        let id = RandomState::new().hash_one((self.made, Instant::now()));
        let session = match self.work.options.reuse {
            Reuse::Resume => self.session.as_deref(),
            Reuse::Keep | Reuse::Fresh => None,
        };
        let client = Client::connect(&mut self.work, &mut self.config, id, session)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, at as u64);
        self.epoll.add(&client.socket, event).map_err(|error| format!("epoll: {error}"))?;
        Ok(client)
    }

    /// The connections that have something to read; timers are looked after on the way.
    fn wait(&mut self) -> Result<Vec<usize>, String> {
        let mut events = [EpollEvent::empty(); 256];
        let count = match self.epoll.wait(&mut events, EpollTimeout::from(TICK)) {
            Ok(count) => count,
            Err(nix::errno::Errno::EINTR) => 0,
            Err(error) => return Err(format!("epoll: {error}")),
        };
        let now = Instant::now();
        // All timers are looked at in turn, so the more there are the less often.
        let pause =
            Duration::from_millis(4).max(Duration::from_micros(20) * self.clients.len() as u32);
        if now.duration_since(self.ticked) >= pause {
            self.ticked = now;
            for client in &mut self.clients {
                client.expire(now, &mut self.work)?;
            }
        }
        if count > 0 || self.held() {
            self.heard = now;
        } else if now.duration_since(self.heard) > PATIENCE {
            return Err(format!("nothing came for {} s", PATIENCE.as_secs()));
        }
        Ok(events[..count].iter().map(|event| event.data() as usize).collect())
    }

    fn receive(&mut self, at: usize) -> Result<(), String> {
        let client = &mut self.clients[at];
        client.receive(&mut self.work)?;
        client.flush(&mut self.work)
    }

    /// A connection that has carried its one request.
    fn is_used_up(&self, at: usize) -> bool {
        self.work.options.reuse != Reuse::Keep
            && self.clients[at].answered > 0
            && self.clients[at].is_idle()
    }

    fn replace(&mut self, at: usize) -> Result<(), String> {
        if self.work.options.reuse == Reuse::Keep {
            return Ok(());
        }
        let client = &mut self.clients[at];
        self.session = client.session().or(self.session.take());
        self.work.tally.resumed += u64::from(client.is_resumed());
        self.work.tally.lost += client.lost();
        client.close(&mut self.work)?;
        // No more connections than requests, lest the last ones are opened for nothing.
        if !matches!(self.work.options.until, Until::Requests(count) if self.made >= count) {
            self.clients[at] = self.open(at)?;
        }
        Ok(())
    }

    fn top_up(&mut self, at: usize) -> Result<(), String> {
        let streams = match (self.work.options.until, self.work.options.reuse) {
            (Until::Held(_), _) | (_, Reuse::Fresh | Reuse::Resume) => 1,
            _ => self.work.options.streams,
        };
        let mut sent = false;
        while self.clients[at].in_flight() < streams && self.may_start(at) {
            if !self.clients[at].request(&mut self.work) {
                break;
            }
            self.started += 1;
            sent = true;
        }
        if sent { self.clients[at].flush(&mut self.work) } else { Ok(()) }
    }

    fn may_start(&self, at: usize) -> bool {
        let client = &self.clients[at];
        let first = client.answered == 0 && client.is_idle();
        match (self.work.options.until, self.work.options.reuse) {
            _ if client.closed || self.all_started() => false,
            (Until::Held(_), _) | (_, Reuse::Fresh | Reuse::Resume) => first,
            _ => true,
        }
    }

    fn all_started(&self) -> bool {
        matches!(self.work.options.until, Until::Requests(count) if self.started >= count)
    }

    /// Every connection of `--hold` has been answered and is idle now.
    fn held(&self) -> bool {
        let all = self.clients.len() as u64;
        matches!(self.work.options.until, Until::Held(_)) && self.work.tally.finished() >= all
    }

    fn is_over(&self) -> bool {
        let over = match self.work.options.until {
            Until::Requests(count) => self.work.tally.finished() >= count,
            Until::Elapsed(time) | Until::Held(time) => self.begun.elapsed() >= time,
        };
        let replaced = self.work.options.reuse != Reuse::Keep;
        over || (!replaced && self.clients.iter().all(|client| client.closed))
    }
}

/// Processor time that this process has used.
fn cpu() -> Result<Duration, String> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).map_err(|error| error.to_string())?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}
