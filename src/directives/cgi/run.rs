//! One program: its variables, its input, and its response.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{HeaderValue, RETRY_AFTER};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::rule::Rule;
use crate::http::cgi_head::{self, Head};
use crate::http::error_lines::ErrorLines;
use crate::http::sink::ErrorLog;
use crate::http::{Body, BodyError, Fault, Reply, Request, cgi};
use crate::limits::{CGI_OUTPUT, RESPONSE_HEAD_BYTES};
use crate::programs::{self, Life};

/// What the programs of a site share.
pub(super) struct Site {
    /// Programs that may run now.
    pub(super) places: Arc<Semaphore>,
    pub(super) log: ErrorLog,
}

/// The path of a request as the program is told of it.
pub(super) struct Script<'a> {
    pub(super) matched: &'a str,
    /// What follows.
    pub(super) info: &'a str,
}

/// Bytes of one read.
const PIECE: usize = 32 * 1024;

pub(super) async fn run(site: &Site, rule: &Rule, req: &mut Request, script: Script<'_>) -> Reply {
    let length = req.body.size_hint().exact().ok_or_else(|| {
        let cause = "cgi: a program must be told the length of the content";
        Fault::caused(StatusCode::LENGTH_REQUIRED, cause)
    })?;
    let Ok(place) = site.places.clone().try_acquire_owned() else {
        let mut fault =
            Fault::caused(StatusCode::SERVICE_UNAVAILABLE, "cgi: too many programs run");
        fault.headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return Err(fault);
    };
    let mut command = command(rule, req, &script, length);
    let errors = ErrorLines::new(site.log.clone(), req.path());
    let program = programs::start(&mut command, errors).map_err(|error| {
        let name = command.as_std().get_program().display().to_string();
        Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, format!("cgi: cannot run {name}: {error}"))
    })?;
    tokio::task::spawn_local(feed(program.stdin, std::mem::take(&mut req.body)));
    let deadline = Instant::now() + rule.limit;
    let mut output = Output {
        stdout: program.stdout,
        state: Rc::new(RefCell::new(State::Runs(Box::new(program.life), place))),
        clock: None,
        deadline,
        first: BytesMut::new(),
        left: None,
        seen: 0,
    };
    let bad = |why: &str| Fault::caused(StatusCode::BAD_GATEWAY, format!("cgi: {why}"));
    let Head { status, headers, length } = match timeout_at(deadline, output.head()).await {
        Ok(head) => head.map_err(|why| bad(&why))?,
        Err(_) => {
            let cause = format!("cgi: no response within {:?}", rule.limit);
            return Err(Fault::caused(StatusCode::GATEWAY_TIMEOUT, cause));
        }
    };
    output.left = length;
    output.clock = Some(output.start_clock());
    let bodiless = req.head.method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if bodiless {
        tokio::task::spawn_local(output.drain());
        Body::empty()
    } else {
        output.into_body()
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// The program with its variables. Those of the Caddyfile take precedence.
fn command(rule: &Rule, req: &Request, script: &Script<'_>, length: u64) -> Command {
    let program = rule.program.expand(req, script.matched);
    let arguments: Vec<_> =
        rule.arguments.iter().map(|text| text.expand(req, script.matched)).collect();
    let mut command = programs::command(&program);
    command.args(&arguments).current_dir(&rule.dir);
    for name in &rule.pass {
        std::env::var_os(name).map(|value| command.env(name, value));
    }
    command.env("GATEWAY_INTERFACE", "CGI/1.1").env("DOCUMENT_ROOT", &rule.root);
    cgi::variables(req, length, &mut |name, value| {
        command.env(name, OsStr::from_bytes(value));
    });
    command.env("SCRIPT_NAME", script.matched).env("SCRIPT_FILENAME", &program);
    command.env("PATH_INFO", script.info);
    if !script.info.is_empty() {
        command.env("PATH_TRANSLATED", rule.root.join(script.info.trim_start_matches('/')));
    }
    let line = [vec![program], arguments].concat().join(" ");
    command.env("SCRIPT_EXEC", line);
    for variable in &rule.env {
        command.env(&variable.name, variable.value.expand(req, script.matched));
    }
    command
}

/// Gives a program the content; one that does not read it is no error.
async fn feed(mut stdin: ChildStdin, mut body: Body) {
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        if stdin.write_all(&data).await.is_err() {
            return;
        }
    }
}

/// What is known of a program, with its place among those that run.
#[derive(Default)]
enum State {
    Runs(Box<Life>, OwnedSemaphorePermit),
    /// By itself, before its time was up.
    Ended,
    #[default]
    Stopped,
}

const LATE: &str = "cgi: the program ran too long";

/// The response of a program, which is stopped when it is dropped.
struct Output {
    stdout: ChildStdout,
    state: Rc<RefCell<State>>,
    clock: Option<AbortOnDropHandle<()>>,
    deadline: Instant,
    first: BytesMut,
    /// Bytes left of Content-Length.
    left: Option<u64>,
    seen: u64,
}

impl Output {
    async fn head(&mut self) -> Result<Head, String> {
        loop {
            if let Some(head) = cgi_head::parse(&mut self.first)? {
                return Ok(head);
            }
            if self.first.len() >= RESPONSE_HEAD_BYTES {
                return Err("the header section is too large".to_owned());
            }
            let read = self.stdout.read_buf(&mut self.first).await;
            if read.map_err(|error| error.to_string())? == 0 {
                return Err("the header section is incomplete".to_owned());
            }
        }
    }

    /// Stops the program when its time is up, also while the client reads nothing.
    fn start_clock(&self) -> AbortOnDropHandle<()> {
        let (deadline, state) = (self.deadline, self.state.clone());
        AbortOnDropHandle::new(tokio::task::spawn_local(async move {
            sleep_until(deadline).await;
            let before = state.take();
            if let State::Runs(mut life, _) = before
                && life.has_ended()
            {
                // The client may read what is left in the pipe.
                state.replace(State::Ended);
            }
        }))
    }

    fn into_body(self) -> Body {
        let pieces = stream::try_unfold(Some(self), |output| async move {
            let Some(mut output) = output else { return Ok(None) };
            let piece = output.piece().await?;
            let Some(piece) = piece else {
                // The content is whole, and the program may still have something to do.
                tokio::task::spawn_local(output.drain());
                return Ok(None);
            };
            Ok::<_, BodyError>(Some((Frame::data(piece), Some(output))))
        });
        Body::new(StreamBody::new(Box::pin(pieces)))
    }

    /// The next piece of the content, not past its length. `None`: it is whole.
    async fn piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.left == Some(0) {
            return Ok(None);
        }
        if self.first.is_empty() {
            if matches!(*self.state.borrow(), State::Stopped) {
                return Err(LATE.into());
            }
            self.first.reserve(PIECE);
            let read = timeout_at(self.deadline, self.stdout.read_buf(&mut self.first)).await;
            if read.map_err(|_| LATE)?? == 0 {
                return self.end().await;
            }
        }
        let mut piece = self.first.split().freeze();
        self.seen += piece.len() as u64;
        if self.seen > CGI_OUTPUT {
            return Err("cgi: the program wrote too much".into());
        }
        if let Some(left) = &mut self.left {
            piece.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= piece.len() as u64;
        }
        Ok(Some(piece))
    }

    /// The program has closed its output.
    async fn end(&mut self) -> Result<Option<Bytes>, BodyError> {
        let has_ended = match self.state.take() {
            State::Runs(mut life, place) => {
                // The client may read nothing meanwhile.
                AbortOnDropHandle::new(tokio::task::spawn_local(async move {
                    let has_ended = life.ended().await;
                    drop((life, place));
                    has_ended
                }))
                .await?
            }
            State::Ended => true,
            State::Stopped => return Err(LATE.into()),
        };
        match (self.left, has_ended) {
            (Some(_), _) => Err("cgi: the content is shorter than its Content-Length".into()),
            (None, false) => Err("cgi: the program was ended by a signal".into()),
            (None, true) => Ok(None),
        }
    }

    /// Lets a program end whose content nobody reads.
    async fn drain(mut self) {
        self.left = None;
        while let Ok(Some(_)) = self.piece().await {}
    }
}
