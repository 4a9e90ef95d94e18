//! The life cycle of the process: start, reload, upgrade, drain, stop. The only module that uses
//! both `daemon` and `server`.

mod background;
mod caller;
mod certificates;
mod check;
mod control;
mod convert;
mod ending;
mod exit;
mod fleet;
mod format;
mod handover;
mod hooks;
mod machines;
mod output;
mod paint;
mod qlog;
mod quic_report;
mod service;
mod settings;
mod sinks;
mod sockets;
mod status;
mod upgrade;
mod watchdog;

use std::sync::mpsc;

use crate::cli::{self, Action, Options};
use crate::daemon::activation;
use crate::daemon::detach::{self, Side};
use crate::daemon::signals::Event;
use crate::daemon::{notify, processlog};
use crate::server;
use caller::Caller;
use exit::{FAILED, FORCED, Failure, OK};
use handover::HandoverIn;
use service::Service;
use upgrade::Upgrade;

/// Runs the action of the command line and returns the exit code.
pub fn run(options: &Options) -> u8 {
    if options.server_type != "http" {
        output::error(&format!("unknown server type '{}'", options.server_type));
        return FAILED;
    }
    match options.action {
        Action::Version => output::line(concat!("Caddy ", env!("CARGO_PKG_VERSION"))),
        Action::Plugins => output::plugins(),
        Action::Validate => return check::validate(options),
        Action::Reload => return control::reload(options),
        Action::Status => return control::status(options),
        Action::QuicReport => return control::quic_report(options),
        Action::Stop => return control::stop(options),
        Action::Convert => return convert::convert(options),
        Action::Format => return format::format(options),
        Action::Help => output::text(&cli::help()),
        Action::Revoke => return revoke(options),
        Action::Serve => return begin(options),
    }
    OK
}

/// Starts the service: as the successor of another process, or as the first.
fn begin(options: &Options) -> u8 {
    match caller::predecessor() {
        Ok(Some((caller, handover))) => return serve(options, caller, Some(handover)),
        Ok(None) => {}
        Err((caller, error)) => return failed(caller, &error.into()),
    }
    if let Err(error) = inherit() {
        return failed(Caller::Terminal, &error.into());
    }
    if options.daemon { in_background(options) } else { serve(options, Caller::Terminal, None) }
}

/// Takes the sockets of socket activation.
fn inherit() -> Result<(), String> {
    let (tcp, udp) = activation::passed()?;
    server::inherit(tcp, udp).map_err(|error| format!("socket activation: {error}"))
}

fn revoke(options: &Options) -> u8 {
    let host = &options.revoke;
    let revoked = fleet::open(options).and_then(|shared| {
        let keeper = certificates::keeper(options, shared.as_ref())?;
        fleet::revoking(shared.as_ref(), || certificates::revoke(&keeper, host))
    });
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
        Err(error) => failed(Caller::Terminal, &format!("cannot detach: {error}").into()),
    }
}

/// Starts the service and handles signals until it stops. No thread exists before this.
fn serve(options: &Options, caller: Caller, handover: Option<HandoverIn>) -> u8 {
    let (mut service, events) = match Service::start(options, handover) {
        Ok(started) => started,
        Err(error) => {
            // A predecessor logs this itself, in the same log.
            if !caller.is_predecessor() && !options.log.is_empty() {
                error.lines.iter().for_each(|line| log::error!("{line}"));
            }
            processlog::flush();
            return failed(caller, &error);
        }
    };
    let before = match caller.ready_to_serve(&service.opening) {
        Ok(before) => before,
        Err(error) => {
            log::warn!("the previous process has cancelled the upgrade: {error}");
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
    notify::ready(&service.status.line());
    service.live(&events)
}

fn failed(caller: Caller, why: &Failure) -> u8 {
    caller.failed(why);
    why.code
}

impl Service {
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
}
