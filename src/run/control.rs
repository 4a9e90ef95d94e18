//! Requests on the control socket. A reload request waits here until its configuration has been
//! accepted or rejected.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use super::exit::{FAILED, NOT_RUNNING, OK, STOPPED, UNKNOWN, USAGE};
use super::status::Status;
use super::{output, quic_report};
use crate::cli::Options;
use crate::daemon::control::{self, Answer, Request};
use crate::daemon::privileges::User;
use crate::daemon::signals::Event;
use crate::limits::{CONTROL_ANSWER, QUIC_REPORT_ANSWER, STATUS_ANSWER};

/// The default path, which the init script and the unit use.
const USUAL_PLACE: &str = "/var/run/caddy/caddy.sock";
/// The request for a reload.
const RELOAD: &str = "reload";
/// The requests for the status, as text and as JSON.
const STATUS: &str = "status";
const STATUS_JSON: &str = "status json";
/// The requests for the report of `quic_report`.
const QUIC_REPORT: &str = "quic-report";
const QUIC_REPORT_JSON: &str = "quic-report json";
const QUIC_REPORT_SVG: &str = "quic-report svg";
/// The request for a stop.
const STOP: &str = "stop";
/// The origin of a reload or stop in the log, where other reloads name their signal.
const BY: &str = "control socket";

/// The socket, and the requests that wait for the result of a reload.
#[derive(Default)]
pub(super) struct Control {
    socket: Option<control::Control>,
    waiting: Arc<Mutex<Vec<Request>>>,
    /// The requests for a stop: the end of the process is their response.
    stopping: Arc<Mutex<Vec<Request>>>,
}

impl Control {
    /// Opens the socket of `-control`, or takes it over from the previous process. Without the flag
    /// there is no socket.
    pub(super) fn open(
        options: &Options,
        user: Option<&User>,
        handed: Option<OwnedFd>,
    ) -> Result<Self, String> {
        let Some(path) = &options.control else { return Ok(Self::default()) };
        let socket = match handed {
            Some(handed) => control::Control::inherit(path, handed),
            None => control::Control::open(path, user),
        };
        let failed = |error| format!("control socket {}: {error}", path.display());
        Ok(Self { socket: Some(socket.map_err(failed)?), ..Self::default() })
    }

    /// Starts to accept requests.
    pub(super) fn serve(
        &mut self,
        events: mpsc::Sender<Event>,
        status: Arc<Status>,
    ) -> io::Result<()> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        let (waiting, stopping) = (self.waiting.clone(), self.stopping.clone());
        socket.serve(move |request| match request.text.as_str() {
            RELOAD => {
                waiting.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                let _ = events.send(Event::Reload(BY));
            }
            STOP => {
                stopping.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                let _ = events.send(Event::Stop(BY));
            }
            // Answered on this thread, so also during a reload or an upgrade.
            STATUS => request.answer(&Answer { code: OK, text: status.text() }),
            STATUS_JSON => request.answer(&Answer { code: OK, text: status.json() }),
            QUIC_REPORT => quic_report::answer(request, status.experiments(), quic_report::text),
            QUIC_REPORT_JSON => {
                quic_report::answer(request, status.experiments(), quic_report::json);
            }
            QUIC_REPORT_SVG => {
                quic_report::answer(request, status.experiments(), quic_report::svg);
            }
            _ => {
                let text = format!("unknown request '{}'\n", request.text.escape_debug());
                request.answer(&Answer { code: USAGE, text });
            }
        })
    }

    /// The reload requests so far.
    pub(super) fn waiting(&self) -> Vec<Request> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.socket.as_ref().map(control::Control::socket)
    }

    /// Another process has the socket now and responds to later requests.
    pub(super) fn release(&mut self) {
        if let Some(socket) = &mut self.socket {
            socket.release();
        }
        let text = "another process has taken over meanwhile: repeat the command\n".to_owned();
        tell(self.waiting(), &Answer { code: FAILED, text });
    }
}

/// Sends the same response to all of them.
pub(super) fn tell(waiting: Vec<Request>, answer: &Answer) {
    waiting.into_iter().for_each(|request| request.answer(answer));
}

/// Requests a reload of the running service and returns the exit code of its response.
pub(super) fn reload(options: &Options) -> u8 {
    let path = place(options);
    match control::ask(&path, RELOAD, CONTROL_ANSWER) {
        Ok(Answer { code: 0, text }) => {
            text.lines().for_each(output::warning);
            0
        }
        Ok(Answer { code, text }) => {
            output::error(text.trim_end());
            code
        }
        Err(error) => {
            output::error(&unanswered(&path, &error));
            if is_stopped(&error) { NOT_RUNNING } else { FAILED }
        }
    }
}

/// Has the running service stop, and waits for its end.
pub(super) fn stop(options: &Options) -> u8 {
    let path = place(options);
    match control::ask(&path, STOP, options.grace + CONTROL_ANSWER) {
        Ok(Answer { code: USAGE, .. }) => {
            output::error("the running service is too old to stop by its socket: kill -TERM it");
            UNKNOWN
        }
        Ok(Answer { code, text }) => {
            output::error(text.trim_end());
            code
        }
        // The service closes the connection by its end.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => OK,
        Err(error) => {
            output::error(&unanswered(&path, &error));
            if is_stopped(&error) { NOT_RUNNING } else { FAILED }
        }
    }
}

/// Prints the status of the running service. The exit codes are LSB's for the status of a service.
pub(super) fn status(options: &Options) -> u8 {
    let request = if options.json { STATUS_JSON } else { STATUS };
    print_answer(options, request, STATUS_ANSWER)
}

/// Prints whether HTTP/3 pays off.
pub(super) fn quic_report(options: &Options) -> u8 {
    let request = match (options.json, options.svg) {
        (true, _) => QUIC_REPORT_JSON,
        (false, true) => QUIC_REPORT_SVG,
        (false, false) => QUIC_REPORT,
    };
    print_answer(options, request, QUIC_REPORT_ANSWER)
}

fn print_answer(options: &Options, request: &str, patience: Duration) -> u8 {
    let path = place(options);
    match control::ask(&path, request, patience) {
        Ok(Answer { code: 0, text }) => {
            output::text(&text);
            OK
        }
        Ok(Answer { code: USAGE, .. }) => {
            let text = "the running service is too old to tell that: restart or upgrade it";
            output::error(text);
            UNKNOWN
        }
        Ok(Answer { code, text }) => {
            output::error(text.trim_end());
            code
        }
        Err(error) => {
            output::error(&unanswered(&path, &error));
            if is_stopped(&error) { STOPPED } else { UNKNOWN }
        }
    }
}

fn place(options: &Options) -> PathBuf {
    options.control.clone().unwrap_or_else(|| PathBuf::from(USUAL_PLACE))
}

/// Whether no process listens.
fn is_stopped(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn unanswered(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        _ if is_stopped(error) => format!(
            "no service listens on the control socket {path}: is it running, and started with \
             -control {path}?"
        ),
        io::ErrorKind::PermissionDenied => {
            format!(
                "control socket {path}: permission denied: run it as root or the service's user"
            )
        }
        io::ErrorKind::UnexpectedEof => {
            format!("the service ended before it answered on the control socket {path}")
        }
        io::ErrorKind::TimedOut => {
            format!("no answer on the control socket {path} in time: see the log of the service")
        }
        _ => format!("control socket {path}: {error}"),
    }
}
