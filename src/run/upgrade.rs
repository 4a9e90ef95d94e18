//! USR2: a new binary takes this process's place, with its sockets. It builds its own
//! configuration first; as long as it has not said that it is ready, this process serves as
//! before, and goes on if it never is.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use super::handover::HandoverOut;
use super::service::Service;
use crate::daemon::notify;
use crate::daemon::pidfile::PidFile;
use crate::daemon::signals::Event;
use crate::daemon::upgrade::{Serving, Successor};
use crate::limits::UPGRADE_READY;

/// How often signals are looked for meanwhile.
const STEP: Duration = Duration::from_millis(10);

/// What came of it.
pub(super) enum Upgrade {
    /// The other process serves.
    Done(Serving),
    /// Nothing has changed.
    Failed,
    /// A signal came first.
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
                // It may have read its Caddyfile before the change that the signal was about.
                if reload.is_some() {
                    serving.reload();
                }
                Upgrade::Done(serving)
            }
            Err(Missed::Stop(signal)) => Upgrade::Stop(signal),
            Err(Missed::Failed(reason)) => {
                log::error!("SIGUSR2: the upgrade failed, this process goes on: {reason}");
                let reason = reason.lines().next().unwrap_or_default();
                notify::ready(&format!("serving as before; the upgrade failed: {reason}"));
                if let Some(signal) = reload {
                    self.reload(signal);
                }
                Upgrade::Failed
            }
        }
    }

    /// A new process that is ready, and of which addresses it will read the UDP sockets.
    fn successor(
        &self,
        events: &mpsc::Receiver<Event>,
        reload: &mut Option<&'static str>,
    ) -> Result<(Successor, Vec<SocketAddr>), Missed> {
        let failed = |error: std::io::Error| {
            Missed::Failed(format!("{}: {error}", self.program.path().display()))
        };
        if std::process::id() == 1 {
            let reason = "with process 1 everything in its container ends";
            return Err(Missed::Failed(reason.to_owned()));
        }
        let handover = HandoverOut {
            keys: &self.keys,
            handovers: self.workers.handovers(),
            pidfile: self.pidfile.as_ref().map(PidFile::file),
            found: !self.source.is_implied(),
            stdin: self.wanted.is_stdin().then_some(self.source.text.as_str()),
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
                    return Err(Missed::Failed("its answer was lost".to_owned()));
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

    /// From here on the successor is the service.
    fn hand_over(&self, successor: Successor, reads: &[SocketAddr]) -> Result<Serving, Missed> {
        let pid = successor.pid();
        self.workers.hand_over(reads, true);
        self.name(pid);
        notify::main_pid(pid);
        let taken_back = |error: std::io::Error| {
            self.name(std::process::id());
            notify::main_pid(std::process::id());
            self.workers.hand_over(reads, false);
            Missed::Failed(format!("process {pid} ended: {error}"))
        };
        let serving = successor.go().map_err(taken_back)?;
        log::info!("SIGUSR2: process {pid} serves now, this one ends what is under way");
        Ok(serving)
    }

    fn name(&self, pid: u32) {
        let named = self.pidfile.as_ref().map_or(Ok(()), |file| file.name(pid));
        if let Err(error) = named {
            log::error!("pid file: {error}");
        }
    }
}
