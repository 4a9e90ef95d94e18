//! The running service: how it is started and reloaded.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::background::Background;
use super::control::{self, Control};
use super::exit::{Failure, OK};
use super::handover::HandoverIn;
use super::settings::{input, log_style, settings};
use super::sinks::Sinks;
use super::status::Status;
use super::watchdog::Watchdog;
use super::{certificates, fleet, hooks, machines, output, qlog, sockets};
use crate::cli::Options;
use crate::config::{self, Input, LoadError, Settings, Source};
use crate::daemon::control::Answer;
use crate::daemon::pidfile::PidFile;
use crate::daemon::signals::{Event, Signals};
use crate::daemon::traces::Traces;
use crate::daemon::upgrade::Program;
use crate::daemon::{limits, notify, privileges, processlog};
use crate::fleet::store::Shared;
use crate::limits::CONNECTION_SHARE;
use crate::report::Configuration;
use crate::server::{self, Engine, ServiceKeys, Sockets, Workers};
use crate::site::{self, Task};
use crate::warning::Warning;

/// Descriptors that a worker opens for itself, with some reserve.
const DESCRIPTORS_OF_WORKER: u64 = 6;
/// Descriptors reserved for files that are opened later: logs, the configuration, certificates.
const DESCRIPTORS_TO_SPARE: u64 = 8;

pub(super) struct Service {
    pub(super) settings: Settings,
    pub(super) fleet: Option<Shared>,
    pub(super) input: Input,
    /// The active configuration text; `stdin` cannot be read again.
    pub(super) source: Source,
    pub(super) sinks: Arc<Sinks>,
    pub(super) traces: Option<Arc<Traces>>,
    pub(super) engine: Arc<Engine>,
    pub(super) keys: Arc<ServiceKeys>,
    pub(super) workers: Workers,
    /// Bound, but not served yet.
    pub(super) opening: Vec<Sockets>,
    pub(super) background: Background,
    /// Background tasks that are not started yet.
    pub(super) tasks: Vec<Task>,
    pub(super) sites: Vec<String>,
    pub(super) grace: Duration,
    pub(super) watchdog: Watchdog,
    /// The program, for upgrades.
    pub(super) program: Program,
    /// Cancelled once no previous process is running.
    pub(super) alone: CancellationToken,
    /// Removed when the service is dropped.
    pub(super) pidfile: Option<PidFile>,
    pub(super) control: Control,
    pub(super) status: Arc<Status>,
    /// Where the control socket sends what it is asked.
    events: mpsc::Sender<Event>,
}

impl Service {
    /// Builds and binds everything; [`Self::open`] serves.
    pub(super) fn start(
        options: &Options,
        mut handover: Option<HandoverIn>,
    ) -> Result<(Self, mpsc::Receiver<Event>), Failure> {
        let program = Program::this()
            .map_err(|error| format!("cannot find the file of this program: {error}"))?;
        let user = user(options)?;
        let (sender, events) = signals()?;
        open_log(options, user.as_ref())?;
        let pidfile = pidfile(options, handover.as_mut())?;
        let control = control(options, user.as_ref(), handover.as_mut())?;
        let sinks = Arc::new(Sinks::of(user.clone()));
        let fleet = fleet(options, user.as_ref(), handover.as_mut())?;
        let settings = settings(options, sinks.clone(), &fleet).map_err(Failure::configured)?;
        let input = input(options);
        let source = source(&input, &settings, handover.as_mut()).map_err(Failure::configured)?;
        let mut loaded = config::load(&source, &settings)?;
        output::activating(options.quiet);
        loaded.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let descriptors = limits::raise_nofile();
        let count =
            options.cpu.workers(std::thread::available_parallelism().map_or(1, usize::from));
        let is_next = handover.is_some();
        let keys = machines::keys(options, fleet.as_ref(), handover.as_mut())?;
        let handovers = handover.map(|handover| handover.handovers).unwrap_or_default();
        let bind = || sockets::bind_new(&mut loaded, None, handovers, count);
        let opening = as_user(user.as_ref(), bind)?;
        let sites = loaded.lines();
        let engine = Engine::new(loaded.snapshot);
        let traces = settle(options, user.as_ref())?;
        let connections = connections(descriptors, opening.len(), count);
        start_commands(&engine, &events, is_next)?;
        let recorded = qlog::choice(options, traces.as_ref());
        let workers = server::spawn(&engine, &keys, count, connections, recorded)
            .map_err(|error| format!("cannot start the workers: {error}"))?;
        let loaded_as = Configuration::new(&source.name, sites.len());
        let metrics = workers.metrics().clone();
        let status = Status::new(engine.clone(), metrics, keys.clone(), fleet.clone(), loaded_as);
        let service = Self {
            settings,
            fleet,
            input,
            source,
            sinks,
            traces,
            engine,
            keys,
            workers,
            opening,
            background: Background::default(),
            tasks: loaded.tasks,
            sites,
            grace: options.grace,
            watchdog: Watchdog::default(),
            program,
            alone: CancellationToken::new(),
            pidfile,
            control,
            status,
            events: sender,
        };
        Ok((service, events))
    }

    /// Serves the bound sockets. From here on no failure is fatal.
    pub(super) fn open(&mut self) {
        self.settings.process.set(self.status.clone());
        for sockets in std::mem::take(&mut self.opening) {
            self.workers.open(sockets);
        }
        machines::resume(&self.keys);
        if let Err(error) = self.control.serve(self.events.clone(), self.status.clone()) {
            log::error!("control socket: cannot start a thread: {error}");
        }
        if let Err(error) = self.status.keep_current() {
            log::error!("status: cannot start a thread: {error}");
        }
        if let Err(error) = self.watchdog.start(self.workers.pulse()) {
            log::error!("watchdog: {error}");
        }
        let renewed = self.engine.clone();
        self.settings.keeper.on_renewed(Some(Box::new(move |name| {
            let env = [("CADDY_CERTIFICATE", name)];
            hooks::run_aside(&renewed.load().hooks, site::Event::CertRenew, &env);
        })));
        if let Some(shared) = &self.fleet {
            fleet::start(shared, &self.settings.keeper);
        }
        if let Err(error) = self.settings.keeper.start() {
            log::error!("certificates: cannot start a thread: {error}");
        }
        self.settings.keeper.configure(certificates::listeners(&self.engine.load()));
        self.background.replace(std::mem::take(&mut self.tasks));
    }

    pub(super) fn announce(&self, options: &Options) {
        for site in &self.sites {
            log::info!("{site}");
        }
        for socket in server::idle(&self.engine.load()) {
            log::warn!("{socket} was passed by the supervisor, but no site listens on it");
        }
        if !options.quiet {
            output::started(&self.sites);
            let listeners = &self.engine.load().listeners;
            if listeners.iter().any(|listener| !listener.addr.ip().is_loopback()) {
                output::descriptors(limits::nofile());
            }
        }
    }

    /// Builds the whole new configuration, binds what it adds, then swaps it in.
    pub(super) fn reload(&mut self, signal: &str) {
        log::info!("{signal}: Reloading");
        log::info!("Reloading");
        // Init scripts of Caddy's early days stop by HUP.
        if signal == "SIGHUP" && self.pidfile.is_none() && !notify::is_wanted() {
            let pid = std::process::id();
            log::warn!(
                "SIGHUP reloads and does not stop this server; to stop it: kill -TERM {pid}"
            );
        }
        notify::reloading();
        processlog::reopen();
        self.sinks.reopen();
        let waiting = self.control.waiting();
        let answer = match self.try_reload() {
            Ok(warnings) => {
                let configuration = Configuration::new(&self.source.name, self.sites.len());
                self.status.reloaded(signal, configuration);
                log::info!("Reloading complete");
                self.tell_restarted();
                Answer { code: OK, text: lines(&warnings) }
            }
            Err(error) => {
                self.status.reload_failed(signal, &error.brief());
                let Failure { text, code, lines } = Failure::from(error);
                lines.iter().for_each(|line| log::error!("{signal}: {line}"));
                Answer { code, text }
            }
        };
        notify::ready(&self.status.line());
        control::tell(waiting, &answer);
    }

    /// Runs the commands for a new configuration of a running service.
    pub(super) fn tell_restarted(&self) {
        let hooks = &self.engine.load().hooks;
        hooks::run_aside(hooks, site::Event::InstanceRestart, &[]);
        hooks::run_aside(hooks, site::Event::InstanceStartup, &[]);
    }

    /// Returns the warnings of the new configuration.
    fn try_reload(&mut self) -> Result<Vec<Warning>, LoadError> {
        let reread = self.input.reread(&self.source, &self.settings);
        let source = reread.map_err(LoadError::Site)?;
        let mut loaded = config::load(&source, &self.settings)?;
        loaded.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let old = self.engine.load();
        let bound = sockets::bind_new(&mut loaded, Some(&old), Vec::new(), self.workers.count())
            .map_err(LoadError::Address)?;
        let gone = sockets::gone(&old, &loaded.snapshot);
        self.sites = loaded.lines();
        self.engine.store(loaded.snapshot);
        gone.into_iter().for_each(|addr| self.workers.close(addr));
        bound.into_iter().for_each(|sockets| self.workers.open(sockets));
        self.workers.reconfigured();
        self.settings.keeper.configure(certificates::listeners(&self.engine.load()));
        self.background.replace(loaded.tasks);
        // What a configuration does not want any more is kept for one that does.
        old.experiments.iter().for_each(|one| one.save());
        self.source = source;
        Ok(loaded.warnings)
    }
}

/// Opens what the machines of a fleet share.
fn fleet(
    options: &Options,
    user: Option<&privileges::User>,
    handover: Option<&mut HandoverIn>,
) -> Result<Option<Shared>, Failure> {
    as_user(user, || fleet::join(options, handover)).map_err(Failure::configured)
}

/// Becomes the user to run as, and opens what that user may write.
fn settle(
    options: &Options,
    user: Option<&privileges::User>,
) -> Result<Option<Arc<Traces>>, Failure> {
    if let Some(user) = user {
        privileges::drop_to(user)?;
    }
    qlog::open(options)
}

/// Inherits the pid file of the previous process, or creates one.
fn pidfile(
    options: &Options,
    handover: Option<&mut HandoverIn>,
) -> Result<Option<PidFile>, String> {
    let Some(path) = &options.pidfile else { return Ok(None) };
    let pidfile = match handover.and_then(|handover| handover.pidfile.take()) {
        Some(handed) => PidFile::inherit(path, handed),
        None => PidFile::acquire(path),
    };
    pidfile.map(Some).map_err(|error| error.to_string())
}

/// Opens the process log.
fn open_log(options: &Options, user: Option<&privileges::User>) -> Result<(), Failure> {
    processlog::check(&processlog::parse_target(&options.log)).map_err(Failure::configured)?;
    processlog::install(&log_style(options), user)
        .map_err(|error| format!("process log {}: {error}", options.log).into())
}

/// Acts as the user: sockets of one port in a later reload have to have the same owner, and what is
/// read now is read again by the process after an upgrade.
fn as_user<T>(
    user: Option<&privileges::User>,
    act: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    match user {
        Some(user) => privileges::acting_as(user, act)?,
        None => act(),
    }
}

/// The control socket that the previous process passed on, or a new one. An upgrade does not fail
/// for want of it.
fn control(
    options: &Options,
    user: Option<&privileges::User>,
    handover: Option<&mut HandoverIn>,
) -> Result<Control, String> {
    let is_next = handover.is_some();
    let handed = handover.and_then(|handover| handover.control.take());
    match Control::open(options, user, handed) {
        Err(error) if is_next => {
            log::warn!("{error}");
            Ok(Control::default())
        }
        done => done,
    }
}

/// One line for each.
fn lines(warnings: &[Warning]) -> String {
    warnings.iter().map(|warning| format!("{warning}\n")).collect()
}

/// Runs the startup commands, unless a process before this one has. Clients that connect meanwhile
/// wait, as the ports are bound.
fn start_commands(
    engine: &Engine,
    events: &mpsc::Receiver<Event>,
    is_next: bool,
) -> Result<(), String> {
    if is_next {
        return Ok(());
    }
    let give_up = || matches!(events.try_recv(), Ok(Event::Stop(_) | Event::StopNow(_)));
    let hooks = &engine.load().hooks;
    hooks::run(hooks, site::Event::Startup, &[], give_up)?;
    hooks::run(hooks, site::Event::InstanceStartup, &[], give_up)
}

/// Signals arrive on a thread of their own, so that waiting for them never delays a drain.
fn signals() -> Result<(mpsc::Sender<Event>, mpsc::Receiver<Event>), String> {
    let mut signals =
        Signals::install().map_err(|error| format!("cannot install signal handlers: {error}"))?;
    let (events, inbox) = mpsc::channel();
    let sender = events.clone();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || while events.send(signals.wait()).is_ok() {})
        .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok((sender, inbox))
}

/// Looks up the user to run as. From here on no child process can gain privileges.
fn user(options: &Options) -> Result<Option<privileges::User>, Failure> {
    let user = options.user.as_deref().map(privileges::lookup).transpose();
    let user = user.map_err(Failure::configured)?;
    if let Some(user) = &user {
        privileges::forbid_gaining()?;
        privileges::settle(user)?;
    }
    Ok(user)
}

/// The configuration text: from the standard input of the previous process, or from the options.
fn source(
    input: &Input,
    settings: &Settings,
    handover: Option<&mut HandoverIn>,
) -> Result<Source, String> {
    let Some(handover) = handover else { return input.read(settings) };
    let source = match handover.stdin.take() {
        Some(text) => Source::from_stdin(text),
        None => input.read(settings)?,
    };
    source.succeeds(!handover.found)?;
    Ok(source)
}

/// The maximum number of client connections for these descriptors, addresses and workers.
fn connections(descriptors: u64, addresses: usize, workers: usize) -> usize {
    // At each address a worker has accepted one client that waits for a place.
    let of_worker = DESCRIPTORS_OF_WORKER + addresses as u64;
    let own = limits::open_files() + DESCRIPTORS_TO_SPARE + of_worker * workers as u64;
    let connections = descriptors.saturating_sub(own).saturating_mul(CONNECTION_SHARE) / 100;
    usize::try_from(connections).unwrap_or(usize::MAX >> 8).min(1 << 24)
}
