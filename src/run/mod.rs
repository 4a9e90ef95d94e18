//! The life of the process: start, reload, drain, stop. The only module that knows both the
//! operating system and the server.

mod certificates;
mod hooks;
mod output;
mod sinks;
mod sockets;
mod watchdog;

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::cli::{Action, Options};
use crate::config::{self, Settings, Source, Wanted};
use crate::daemon::activation;
use crate::daemon::detach::{self, Readiness, Side};
use crate::daemon::pidfile::PidFile;
use crate::daemon::signals::{Event, Signals};
use crate::daemon::{limits, notify, privileges, processlog};
use crate::http::limits::CONNECTION_SHARE;
use crate::server::{self, Engine, Family, Workers};
use crate::site;
use sinks::{NoSinks, Sinks};

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
        Action::Serve => {
            if let Err(error) = inherit() {
                output::error(&error);
                return FAILED;
            }
            return if options.daemon { in_background(options) } else { serve(options, None) };
        }
    }
    OK
}

/// Takes over the sockets that the process was started with.
fn inherit() -> Result<(), String> {
    let (tcp, udp) = activation::passed()?;
    server::inherit(tcp, udp).map_err(|error| format!("socket activation: {error}"))
}

fn validate(options: &Options) -> u8 {
    match check(options) {
        Ok(warnings) => {
            warnings.iter().for_each(|warning| output::warning(warning));
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
fn check(options: &Options) -> Result<Vec<String>, String> {
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
        Ok(Side::Child(readiness)) => serve(options, Some(readiness)),
        Err(error) => {
            output::error(&format!("going to the background: {error}"));
            FAILED
        }
    }
}

/// Starts, then obeys signals until told to stop. No thread exists before this.
fn serve(options: &Options, readiness: Option<Readiness>) -> u8 {
    match Service::start(options) {
        Ok((service, events)) => {
            service.announce(options);
            certificates::consent(&service.settings.keeper, &service.engine.load(), options);
            if let Some(readiness) = readiness {
                readiness.ready();
            }
            notify::ready("serving");
            service.live(&events)
        }
        Err(error) => {
            log::error!("{error}");
            processlog::flush();
            match readiness {
                Some(readiness) => readiness.failed(&error),
                None => output::error(&error),
            }
            FAILED
        }
    }
}

struct Service {
    settings: Settings,
    wanted: Wanted,
    /// What is in force, for `stdin`, which cannot be read again.
    source: Source,
    sinks: Arc<Sinks>,
    engine: Arc<Engine>,
    workers: Workers,
    sites: Vec<String>,
    grace: Duration,
    /// Removed when the service is dropped.
    _pidfile: Option<PidFile>,
}

impl Service {
    fn start(options: &Options) -> Result<(Self, mpsc::Receiver<Event>), String> {
        let user = options.user.as_deref().map(privileges::lookup).transpose()?;
        if user.is_some() {
            privileges::forbid_gaining()?;
        }
        let events = signals()?;
        processlog::install(&log_style(options), user.as_ref())
            .map_err(|error| format!("process log {}: {error}", options.log))?;
        let pidfile = match &options.pidfile {
            Some(path) => Some(PidFile::acquire(path).map_err(|error| error.to_string())?),
            None => None,
        };
        let sinks = Arc::new(Sinks::of(user.clone()));
        let settings = settings(options, sinks.clone())?;
        let wanted = wanted(options);
        let source = wanted.read(&settings)?;
        let mut loaded = config::load(&source, &settings).map_err(|error| error.to_string())?;
        output::activating(options.quiet);
        loaded.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let descriptors = limits::raise_nofile();
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let count = options.cpu.workers(available);
        let mut bind = || sockets::bind_new(&mut loaded, None, count);
        // As the user: sockets of one port in a later reload have to have the same owner.
        let bound = match &user {
            Some(user) => privileges::acting_as(user, bind)??,
            None => bind()?,
        };
        let sites = loaded.lines();
        let engine = Engine::new(loaded.snapshot);
        if let Some(user) = &user {
            privileges::drop_to(user)?;
        }
        let connections = descriptors.saturating_mul(CONNECTION_SHARE) / 100;
        let connections = usize::try_from(connections).unwrap_or(usize::MAX >> 8).min(1 << 24);
        start_commands(&engine, &events)?;
        let family = Family::found()?;
        let workers = server::spawn(&engine, &family, count, connections)
            .map_err(|error| format!("starting workers: {error}"))?;
        bound.into_iter().for_each(|sockets| workers.open(sockets));
        watchdog::start(workers.pulse()).map_err(|error| format!("watchdog: {error}"))?;
        let renewed = engine.clone();
        settings.keeper.on_renewed(Some(Box::new(move |name| {
            let env = [("CADDY_CERTIFICATE", name)];
            hooks::run_aside(&renewed.load().hooks, site::Event::CertRenew, &env);
        })));
        settings.keeper.start().map_err(|error| format!("starting a thread: {error}"))?;
        settings.keeper.configure(certificates::listeners(&engine.load()));
        let grace = options.grace;
        let service = Self {
            settings,
            wanted,
            source,
            sinks,
            engine,
            workers,
            sites,
            grace,
            _pidfile: pidfile,
        };
        Ok((service, events))
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
                Event::Upgrade => log::warn!("SIGUSR2: upgrading in place is not there yet"),
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
                let hooks = &self.engine.load().hooks;
                hooks::run_aside(hooks, site::Event::InstanceRestart, &[]);
                hooks::run_aside(hooks, site::Event::InstanceStartup, &[]);
                notify::ready("serving");
            }
            Err(error) => {
                log::error!("{signal}: {error}");
                let reason = error.lines().next().unwrap_or_default();
                notify::ready(&format!("serving as before; the reload failed: {reason}"));
            }
        }
    }

    fn try_reload(&mut self) -> Result<(), String> {
        let source = if self.wanted.is_stdin() {
            self.source.clone()
        } else {
            self.wanted.read(&self.settings)?
        };
        let mut loaded =
            config::load(&source, &self.settings).map_err(|error| error.to_string())?;
        loaded.warnings.iter().for_each(|warning| log::warn!("{warning}"));
        let old = self.engine.load();
        let bound = sockets::bind_new(&mut loaded, Some(&old), self.workers.count())?;
        let gone = sockets::gone(&old, &loaded.snapshot);
        self.sites = loaded.lines();
        self.engine.store(loaded.snapshot);
        gone.into_iter().for_each(|addr| self.workers.close(addr));
        bound.into_iter().for_each(|sockets| self.workers.open(sockets));
        self.workers.reconfigured();
        self.settings.keeper.configure(certificates::listeners(&self.engine.load()));
        self.source = source;
        Ok(())
    }

    /// Lets requests in flight end; a second signal cuts that short.
    fn stop(self, events: &mpsc::Receiver<Event>) -> u8 {
        notify::stopping();
        // However long `-grace` is, the manager should not cut it short.
        notify::extend_timeout(self.grace + Duration::from_secs(5));
        let (done, drained) = mpsc::channel();
        let (workers, grace) = (self.workers, self.grace);
        std::thread::spawn(move || {
            workers.drain(grace);
            let _ = done.send(());
        });
        let step = Duration::from_millis(20);
        while let Err(mpsc::RecvTimeoutError::Timeout) = drained.recv_timeout(step) {
            if let Ok(Event::Stop(signal) | Event::StopNow(signal)) = events.try_recv() {
                log::warn!("{signal}: Force quit");
                self.sinks.flush();
                processlog::flush();
                return FORCED;
            }
        }
        let mut forced = false;
        let mut give_up = || {
            forced |= matches!(events.try_recv(), Ok(Event::Stop(_) | Event::StopNow(_)));
            forced
        };
        let hooks = &self.engine.load().hooks;
        let ended = hooks::run(hooks, site::Event::Shutdown, &[], &mut give_up);
        match &ended {
            Ok(()) => log::info!("Shutdown complete"),
            Err(error) => log::error!("{error}"),
        }
        self.sinks.flush();
        processlog::flush();
        match ended {
            Ok(()) => OK,
            Err(_) if forced => FORCED,
            Err(_) => SHUTDOWN_FAILED,
        }
    }
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
        root: PathBuf::from(&options.root),
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
