//! The life of the process: start, reload, drain, stop. The only module that knows both the
//! operating system and the server.

mod background;
mod caller;
mod certificates;
mod ending;
mod hooks;
mod legacy;
mod output;
mod sinks;
mod sockets;
mod upgrade;
mod watchdog;

use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::cli::{Action, Options};
use crate::config::{self, LoadError, Settings, Source, Wanted};
use crate::daemon::activation;
use crate::daemon::detach::{self, Side};
use crate::daemon::pidfile::PidFile;
use crate::daemon::signals::{Event, Signals};
use crate::daemon::upgrade::Program;
use crate::daemon::{limits, notify, privileges, processlog};
use crate::limits::CONNECTION_SHARE;
use crate::server::{self, Engine, Family, Sockets, Workers};
use crate::site::{self, Task};
use crate::warning::Warning;
use background::Background;
use caller::Caller;
use legacy::Legacy;
use sinks::{NoSinks, Sinks};
use tokio_util::sync::CancellationToken;
use upgrade::Upgrade;
use watchdog::Watchdog;

/// Descriptors that a worker opens for itself, and a few to spare.
const DESCRIPTORS_OF_WORKER: u64 = 6;
/// Descriptors kept for files that are opened while clients come: logs, a configuration that is
/// read anew, certificates.
const DESCRIPTORS_TO_SPARE: u64 = 8;

/// Started and stopped as asked.
const OK: u8 = 0;
/// The configuration or the start failed.
const FAILED: u8 = 1;
/// A second signal cut the drain short.
const FORCED: u8 = 2;
/// Stopped as asked, and a command of `on shutdown` failed.
const SHUTDOWN_FAILED: u8 = 4;

/// Does what the command line asks and returns the exit code.
pub fn run(options: &Options) -> u8 {
    if options.server_type != "http" {
        output::error(&format!("unknown server type '{}'", options.server_type));
        return FAILED;
    }
    match options.action {
        Action::Version => output::line(concat!("Caddy ", env!("CARGO_PKG_VERSION"))),
        Action::Plugins => output::plugins(),
        Action::Validate => return validate(options),
        Action::Revoke => return revoke(options),
        Action::Serve => return begin(options),
    }
    OK
}

/// As the next process of a service, or as the first.
fn begin(options: &Options) -> u8 {
    match caller::predecessor() {
        Ok(Some((caller, legacy))) => return serve(options, caller, Some(legacy)),
        Ok(None) => {}
        Err((caller, error)) => return failed(caller, &error),
    }
    if let Err(error) = inherit() {
        return failed(Caller::Terminal, &error);
    }
    if options.daemon { in_background(options) } else { serve(options, Caller::Terminal, None) }
}

/// Takes over the sockets that the process was started with.
fn inherit() -> Result<(), String> {
    let (tcp, udp) = activation::passed()?;
    server::inherit(tcp, udp).map_err(|error| format!("socket activation: {error}"))
}

fn validate(options: &Options) -> u8 {
    match check(options) {
        Ok(warnings) => {
            warnings.iter().for_each(|warning| output::warning(&warning.to_string()));
            output::line("Caddyfile is valid");
            OK
        }
        Err(error) => {
            output::error(&error);
            FAILED
        }
    }
}

/// All that a start does short of touching anything; returns the warnings.
fn check(options: &Options) -> Result<Vec<Warning>, String> {
    options.user.as_deref().map(privileges::lookup).transpose()?;
    processlog::check(&processlog::parse_target(&options.log))?;
    let settings = settings(options, Arc::new(NoSinks))?;
    let source = wanted(options).read(&settings)?;
    let loaded = config::load(&source, &settings).map_err(|error| error.to_string())?;
    Ok(loaded.warnings)
}

fn revoke(options: &Options) -> u8 {
    let host = &options.revoke;
    let revoked =
        certificates::keeper(options).and_then(|keeper| certificates::revoke(&keeper, host));
    match revoked {
        Ok(()) => {
            output::line(&format!("Revoked certificate for {host}"));
            OK
        }
        Err(error) => {
            output::error(&format!("revoking the certificate for {host}: {error}"));
            FAILED
        }
    }
}

fn in_background(options: &Options) -> u8 {
    match detach::detach() {
        Ok(Side::Parent(code)) => u8::try_from(code).unwrap_or(FAILED),
        Ok(Side::Child(readiness)) => serve(options, Caller::Parent(readiness), None),
        Err(error) => failed(Caller::Terminal, &format!("going to the background: {error}")),
    }
}

/// What a terminal is told on several lines, without the excerpt of the source.
fn on_one_line(error: &str) -> String {
    let lines = error.lines().filter(|line| !line.contains(" | "));
    let lines: Vec<_> = lines.map(|line| line.trim().trim_start_matches("hint: ")).collect();
    lines.join("; ")
}

/// Starts, then obeys signals until told to stop. No thread exists before this.
fn serve(options: &Options, caller: Caller, legacy: Option<Legacy>) -> u8 {
    let (mut service, events) = match Service::start(options, legacy) {
        Ok(started) => started,
        Err(error) => {
            // A predecessor has the last word on this, in the same log.
            if !caller.is_predecessor() && !options.log.is_empty() {
                log::error!("{}", on_one_line(&error));
            }
            processlog::flush();
            return failed(caller, &error);
        }
    };
    let before = match caller.ready_to_serve(&service.opening) {
        Ok(before) => before,
        Err(error) => {
            log::warn!("the process before does without this one: {error}");
            processlog::flush();
            return FAILED;
        }
    };
    service.open();
    service.announce(options);
    certificates::consent(&service.settings.keeper, &service.engine.load(), options);
    service.alone = match before {
        Caller::Predecessor(before) => {
            service.tell_restarted();
            ending::alone(Some(before))
        }
        Caller::Parent(readiness) => {
            readiness.ready();
            ending::alone(None)
        }
        Caller::Terminal => ending::alone(None),
    };
    notify::ready("serving");
    service.live(&events)
}

fn failed(caller: Caller, error: &str) -> u8 {
    caller.failed(error);
    FAILED
}

struct Service {
    settings: Settings,
    wanted: Wanted,
    /// What is in force, for `stdin`, which cannot be read again.
    source: Source,
    sinks: Arc<Sinks>,
    engine: Arc<Engine>,
    family: Arc<Family>,
    workers: Workers,
    /// Bound, and not served yet.
    opening: Vec<Sockets>,
    background: Background,
    /// To go on in the background, and not started yet.
    tasks: Vec<Task>,
    sites: Vec<String>,
    grace: Duration,
    watchdog: Watchdog,
    /// As it was started, to be started again.
    program: Program,
    /// Whether no process before this one is still there.
    alone: CancellationToken,
    /// Removed when the service is dropped.
    pidfile: Option<PidFile>,
}

impl Service {
    /// Builds and binds everything; [`Self::open`] serves.
    fn start(
        options: &Options,
        legacy: Option<Legacy>,
    ) -> Result<(Self, mpsc::Receiver<Event>), String> {
        let program = Program::this().map_err(|error| format!("its own program: {error}"))?;
        let user = options.user.as_deref().map(privileges::lookup).transpose()?;
        if let Some(user) = &user {
            privileges::forbid_gaining()?;
            privileges::settle(user)?;
        }
        let events = signals()?;
        processlog::install(&log_style(options), user.as_ref())
            .map_err(|error| format!("process log {}: {error}", options.log))?;
        let mut legacy = legacy;
        let pidfile = pidfile(options, legacy.as_mut())?;
        let sinks = Arc::new(Sinks::of(user.clone()));
        let settings = settings(options, sinks.clone())?;
        let wanted = wanted(options);
        let source = match legacy.as_mut().and_then(|legacy| legacy.stdin.take()) {
            Some(text) => Source::from_stdin(text),
            None => wanted.read(&settings)?,
        };
        if let Some(legacy) = &legacy {
            source.succeeds(!legacy.found)?;
        }
        let mut loaded = config::load(&source, &settings).map_err(|error| error.to_string())?;
        output::activating(options.quiet);
        loaded.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let descriptors = limits::raise_nofile();
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let count = options.cpu.workers(available);
        let is_next = legacy.is_some();
        let (family, estates) = match legacy {
            Some(legacy) => (legacy.family, legacy.estates),
            None => (Family::found()?, Vec::new()),
        };
        let bind = || sockets::bind_new(&mut loaded, None, estates, count);
        // As the user: sockets of one port in a later reload have to have the same owner.
        let opening = match &user {
            Some(user) => privileges::acting_as(user, bind)??,
            None => bind()?,
        };
        let sites = loaded.lines();
        let engine = Engine::new(loaded.snapshot);
        if let Some(user) = &user {
            privileges::drop_to(user)?;
        }
        // At each address a worker has one client accepted that waits for its place.
        let of_worker = DESCRIPTORS_OF_WORKER + opening.len() as u64;
        let own = limits::open_files() + DESCRIPTORS_TO_SPARE + of_worker * count as u64;
        let connections = descriptors.saturating_sub(own).saturating_mul(CONNECTION_SHARE) / 100;
        let connections = usize::try_from(connections).unwrap_or(usize::MAX >> 8).min(1 << 24);
        if !is_next {
            start_commands(&engine, &events)?;
        }
        let workers = server::spawn(&engine, &family, count, connections)
            .map_err(|error| format!("starting workers: {error}"))?;
        let service = Self {
            settings,
            wanted,
            source,
            sinks,
            engine,
            family,
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
        };
        Ok((service, events))
    }

    /// Serves what was bound. Nothing can fail any more that a service could not do without.
    fn open(&mut self) {
        for sockets in std::mem::take(&mut self.opening) {
            self.workers.open(sockets);
        }
        if let Err(error) = self.watchdog.start(self.workers.pulse()) {
            log::error!("watchdog: {error}");
        }
        let renewed = self.engine.clone();
        self.settings.keeper.on_renewed(Some(Box::new(move |name| {
            let env = [("CADDY_CERTIFICATE", name)];
            hooks::run_aside(&renewed.load().hooks, site::Event::CertRenew, &env);
        })));
        if let Err(error) = self.settings.keeper.start() {
            log::error!("certificates: starting a thread: {error}");
        }
        self.settings.keeper.configure(certificates::listeners(&self.engine.load()));
        self.background.replace(std::mem::take(&mut self.tasks));
    }

    fn announce(&self, options: &Options) {
        for site in &self.sites {
            log::info!("{site}");
        }
        for socket in server::idle(&self.engine.load()) {
            log::warn!("{socket} was passed by the supervisor, and no site listens on it");
        }
        if !options.quiet {
            output::started(&self.sites);
            let listeners = &self.engine.load().listeners;
            if listeners.iter().any(|listener| !listener.addr.ip().is_loopback()) {
                output::descriptors(limits::nofile());
            }
        }
    }

    fn live(mut self, events: &mpsc::Receiver<Event>) -> u8 {
        while let Ok(event) = events.recv() {
            match event {
                Event::Reload(signal) => self.reload(signal),
                Event::Stop(signal) => {
                    log::info!("{signal}: Shutting down");
                    return self.stop(events);
                }
                Event::StopNow(signal) => {
                    log::warn!("{signal}: Force quit");
                    return FORCED;
                }
                Event::Upgrade => match self.upgrade(events) {
                    Upgrade::Done(new) => return self.leave(new, events),
                    Upgrade::Failed => {}
                    Upgrade::Stop(signal) => {
                        log::info!("{signal}: Shutting down");
                        return self.stop(events);
                    }
                },
            }
        }
        OK
    }

    /// Builds the whole new configuration, binds what it adds, then swaps it in.
    fn reload(&mut self, signal: &str) {
        log::info!("{signal}: Reloading");
        log::info!("Reloading");
        notify::reloading();
        processlog::reopen();
        self.sinks.reopen();
        match self.try_reload() {
            Ok(()) => {
                log::info!("Reloading complete");
                self.tell_restarted();
                notify::ready("serving");
            }
            Err(error) => {
                log::error!("{signal}: {}", error.line());
                let why = error.brief();
                notify::ready(&format!("serving as before; the reload failed: {why}"));
            }
        }
    }

    /// Runs the commands that hang on a new configuration of a running service.
    fn tell_restarted(&self) {
        let hooks = &self.engine.load().hooks;
        hooks::run_aside(hooks, site::Event::InstanceRestart, &[]);
        hooks::run_aside(hooks, site::Event::InstanceStartup, &[]);
    }

    fn try_reload(&mut self) -> Result<(), LoadError> {
        let reread = self.wanted.reread(&self.source, &self.settings);
        let source = reread.map_err(LoadError::Site)?;
        let mut loaded = config::load(&source, &self.settings)?;
        loaded.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let old = self.engine.load();
        let bound = sockets::bind_new(&mut loaded, Some(&old), Vec::new(), self.workers.count())
            .map_err(LoadError::Site)?;
        let gone = sockets::gone(&old, &loaded.snapshot);
        self.sites = loaded.lines();
        self.engine.store(loaded.snapshot);
        gone.into_iter().for_each(|addr| self.workers.close(addr));
        bound.into_iter().for_each(|sockets| self.workers.open(sockets));
        self.workers.reconfigured();
        self.settings.keeper.configure(certificates::listeners(&self.engine.load()));
        self.background.replace(loaded.tasks);
        self.source = source;
        Ok(())
    }
}

/// The one that the process before handed over, or a new one.
fn pidfile(options: &Options, legacy: Option<&mut Legacy>) -> Result<Option<PidFile>, String> {
    let Some(path) = &options.pidfile else { return Ok(None) };
    let pidfile = match legacy.and_then(|legacy| legacy.pidfile.take()) {
        Some(handed) => PidFile::inherit(path, handed),
        None => PidFile::acquire(path),
    };
    pidfile.map(Some).map_err(|error| error.to_string())
}

/// The commands of the start. Clients that come meanwhile wait: the ports are bound.
fn start_commands(engine: &Engine, events: &mpsc::Receiver<Event>) -> Result<(), String> {
    let give_up = || matches!(events.try_recv(), Ok(Event::Stop(_) | Event::StopNow(_)));
    let hooks = &engine.load().hooks;
    hooks::run(hooks, site::Event::Startup, &[], give_up)?;
    hooks::run(hooks, site::Event::InstanceStartup, &[], give_up)
}

/// Signals arrive on a thread of their own, so that waiting for them never delays a drain.
fn signals() -> Result<mpsc::Receiver<Event>, String> {
    let mut signals = Signals::install().map_err(|error| format!("signal handlers: {error}"))?;
    let (events, inbox) = mpsc::channel();
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || while events.send(signals.wait()).is_ok() {})
        .map_err(|error| format!("starting a thread: {error}"))?;
    Ok(inbox)
}

fn settings(
    options: &Options,
    sinks: Arc<dyn crate::http::sink::OpenSink>,
) -> Result<Settings, String> {
    Ok(Settings {
        host: options.host.clone(),
        port: options.port.clone(),
        http_port: options.http_port,
        https_port: options.https_port,
        alt_svc_port: options.alt_svc_port,
        root: options.root.clone(),
        quic: options.quic,
        http2: options.http2,
        sinks,
        keeper: certificates::keeper(options)?,
    })
}

fn log_style(options: &Options) -> processlog::Style {
    processlog::Style {
        target: processlog::parse_target(&options.log),
        roll_mb: options.log_roll_mb,
        compress: options.log_roll_compress,
        timestamps: options.log_timestamps,
    }
}

fn wanted(options: &Options) -> Wanted {
    Wanted { conf: options.conf.clone(), lines: options.lines.clone() }
}
