//! USR2: an upgrade in place. The new process gets the sockets and loads its configuration; this
//! process keeps serving until the new one is ready, or for good if it fails.

use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::mpsc;
use std::time::Duration;

use super::handover::HandoverOut;
use super::service::Service;
use crate::daemon::notify;
use crate::daemon::pidfile::PidFile;
use crate::daemon::signals::Event;
use crate::daemon::upgrade::{Serving, Successor};
use crate::fleet::store::Shared;
use crate::limits::UPGRADE_READY;

/// How often signals are checked while waiting.
const STEP: Duration = Duration::from_millis(10);

/// The result of an upgrade.
pub(super) enum Upgrade {
    /// The other process serves.
    Done(Serving),
    /// Nothing has changed.
    Failed,
    /// A stop signal came first.
    Stop(&'static str),
}

/// Why there is no successor.
enum Missed {
    Failed(String),
    Stop(&'static str),
}

impl Service {
    pub(super) fn upgrade(&mut self, events: &mpsc::Receiver<Event>) -> Upgrade {
        log::info!("SIGUSR2: Upgrading to {}", self.program.path().display());
        let mut reload = None;
        let done = match self.successor(events, &mut reload) {
            Ok((successor, reads)) => self.hand_over(successor, &reads),
            Err(missed) => Err(missed),
        };
        match done {
            Ok(serving) => {
                // The new process may have read its Caddyfile before the signal was sent.
                if reload.is_some() {
                    serving.reload();
                }
                Upgrade::Done(serving)
            }
            Err(Missed::Stop(signal)) => Upgrade::Stop(signal),
            Err(Missed::Failed(reason)) => {
                let (reason, others) = reason.split_once('\n').unwrap_or((&reason, ""));
                log::error!("SIGUSR2: the upgrade failed, this process keeps serving: {reason}");
                others.lines().for_each(|line| log::error!("SIGUSR2: {line}"));
                self.status.upgrade_failed("SIGUSR2", reason);
                notify::ready(&self.status.line());
                if let Some(signal) = reload {
                    self.reload(signal);
                }
                Upgrade::Failed
            }
        }
    }

    /// Starts a new process and waits until it is ready; returns it with the addresses whose UDP
    /// sockets it will read.
    fn successor(
        &self,
        events: &mpsc::Receiver<Event>,
        reload: &mut Option<&'static str>,
    ) -> Result<(Successor, Vec<SocketAddr>), Missed> {
        let failed = |error: std::io::Error| {
            Missed::Failed(format!("{}: {error}", self.program.path().display()))
        };
        if std::process::id() == 1 {
            let reason = "this is process 1, and its container would end with it";
            return Err(Missed::Failed(reason.to_owned()));
        }
        let machines = self.keys.machines();
        let way = machines.and_then(|machines| machines.socket());
        let handover = HandoverOut {
            keys: &self.keys,
            handovers: self.workers.handovers(),
            pidfile: self.pidfile.as_ref().map(PidFile::file),
            control: self.control.socket(),
            tickets: self.fleet.as_ref().and_then(Shared::pass_tickets),
            way: way.as_ref().map(|socket| socket.as_fd()),
            known: machines.and_then(|machines| machines.known()),
            found: !self.source.is_implied(),
            stdin: self.input.is_stdin().then_some(self.source.text.as_str()),
        };
        let (text, files) = (handover.text(), handover.files());
        let mut successor =
            Successor::start(&self.program, &text, &files, UPGRADE_READY).map_err(failed)?;
        let answer = successor.answer().map_err(failed)?;
        let (said, answers) = mpsc::channel();
        std::thread::spawn(move || said.send(answer.wait()));
        loop {
            match answers.recv_timeout(STEP) {
                Ok(Ok(Ok(text))) => {
                    let reads = text.lines().filter_map(|addr| addr.parse().ok()).collect();
                    return Ok((successor, reads));
                }
                Ok(Ok(Err(reason))) => return Err(Missed::Failed(reason)),
                Ok(Err(error)) => return Err(Missed::Failed(successor.silence(&error))),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Missed::Failed(
                        "the answer of the new process was lost".to_owned(),
                    ));
                }
            }
            match events.try_recv() {
                Ok(Event::Stop(signal) | Event::StopNow(signal)) => {
                    return Err(Missed::Stop(signal));
                }
                Ok(Event::Reload(signal)) => *reload = Some(signal),
                Ok(Event::Upgrade) | Err(_) => {}
            }
        }
    }

    /// Makes the successor the main process of the service.
    fn hand_over(&self, successor: Successor, reads: &[SocketAddr]) -> Result<Serving, Missed> {
        let pid = successor.pid();
        self.workers.hand_over(reads, true);
        self.release_experiments();
        self.name(pid);
        notify::main_pid(pid);
        let taken_back = |error: std::io::Error| {
            self.name(std::process::id());
            notify::main_pid(std::process::id());
            self.workers.hand_over(reads, false);
            self.resume_experiments();
            Missed::Failed(format!("process {pid} ended: {error}"))
        };
        let serving = successor.go().map_err(taken_back)?;
        log::info!("SIGUSR2: process {pid} serves now, this one finishes its requests");
        Ok(serving)
    }

    /// The successor reads what they have measured when it serves.
    fn release_experiments(&self) {
        for experiment in &self.engine.load().experiments {
            experiment.save();
            experiment.release();
        }
    }

    fn resume_experiments(&self) {
        self.engine.load().experiments.iter().for_each(|one| one.resume());
    }

    fn name(&self, pid: u32) {
        let named = self.pidfile.as_ref().map_or(Ok(()), |file| file.name(pid));
        if let Err(error) = named {
            log::error!("cannot write the pid file: {error}");
        }
    }
}
