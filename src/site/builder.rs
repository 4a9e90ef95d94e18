//! A site: the chain that is built from its block.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use http::StatusCode;

use super::admin::AdminSite;
use super::local_hosts::Hosts;
use super::scripts::Scripts;
use super::settings::{Limits, ListenerSettings};
use super::task::{Hook, Task};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::experiment::{Experiment, Experiments, Plan};
use crate::fleet::common::Common;
use crate::http::Request;
use crate::http::address::Address;
use crate::http::paths::Prefix;
use crate::http::refusal::Refusal;
use crate::http::sink::{ErrorLog, OpenSink};
use crate::metrics::SiteNumber;
use crate::own_files::{Foreign, Withheld};
use crate::report::{Process, Series, UpstreamReport};
use crate::tls::Policy;
use crate::tokens::Key;
use crate::warning::Warning;

/// The index files of a directory, unless `index` names others.
pub const INDEX: [&str; 6] =
    ["index.html", "index.htm", "index.txt", "default.html", "default.htm", "default.txt"];

/// Collects the settings of one block for one address. The set-up functions of directives run in
/// table order, which is also the order of their handlers.
pub struct SiteBuilder {
    pub address: Address,
    /// `root`, else `-root`, else the working directory.
    pub root: PathBuf,
    /// Whether `root` or `-root` is set.
    pub root_is_named: bool,
    /// Whether a directive responds to every request, so that no file is ever served.
    pub answers_all: bool,
    pub binds: Vec<String>,
    pub index: Vec<String>,
    /// Files never served: the Caddyfile itself.
    pub hidden: Vec<PathBuf>,
    pub tls: Policy,
    pub limits: Limits,
    pub listener: ListenerSettings,
    pub sinks: Arc<dyn OpenSink>,
    /// What handlers for the operator read.
    pub process: Process,
    /// The log of `errors`, for other directives that write to it.
    pub error_log: Option<ErrorLog>,
    /// Files that `fastcgi` runs, and whose source is never sent.
    pub scripts: Arc<Scripts>,
    /// What no client changes, of this site and others.
    pub withheld: Arc<Withheld>,
    /// Folders that clients may write to, of this site and others.
    pub foreign: Arc<Foreign>,
    /// Folders whose files are executed.
    pub executed: Vec<Executed>,
    /// Whether a directive makes other content of files, so that it asks for them as they are.
    pub remakes_files: bool,
    /// Whether requests belong to a trace (`tracing`).
    pub is_traced: bool,
    /// Whether this site is served over TLS.
    pub secure: bool,
    pub warnings: Vec<Warning>,
    pub hooks: Vec<Hook>,
    pub tasks: Vec<Task>,
    pub upstreams: Vec<UpstreamReport>,
    /// How its requests are named where metrics are exported.
    pub series: Option<Series>,
    /// Paths that only users with a password reach.
    pub authenticated: Vec<Prefix>,
    /// Keys of the tokens that its `login` signs.
    pub token_keys: Vec<Arc<Key>>,
    /// Sites that its directives serve at other addresses.
    pub admin: Vec<AdminSite>,
    /// What this machine has in common with others (`-fleet`).
    pub fleet: Option<Arc<Common>>,
    /// Where the experiments of the process are.
    pub experiments: Arc<Experiments>,
    /// The one of this site.
    pub experiment: Option<Plan>,
    handlers: Vec<Box<dyn Handler>>,
    /// Handlers that run right before content is made.
    before_content: Vec<Box<dyn Handler>>,
    /// Where the rest of the chain begins for those that own it.
    rests: Vec<(usize, Arc<Rest>)>,
    witnesses: Vec<Box<dyn Handler>>,
}

/// A file or folder whose content is executed, and what is said if clients may write to it.
pub struct Executed {
    pub path: PathBuf,
    pub warning: Warning,
}

/// The end of a chain, owned by the handler before it, which so can run it beside a request.
#[derive(Default)]
pub struct Rest(OnceLock<Vec<Box<dyn Handler>>>);

impl Rest {
    pub fn run<'a>(&'a self, req: &'a mut Request) -> ReplyFuture<'a> {
        Next::new(self.0.get().map_or(&[], Vec::as_slice)).run(req)
    }
}

impl SiteBuilder {
    pub fn new(address: Address, root: PathBuf, sinks: Arc<dyn OpenSink>) -> Self {
        Self {
            address,
            root,
            root_is_named: false,
            answers_all: false,
            binds: Vec::new(),
            index: Vec::new(),
            hidden: Vec::new(),
            tls: Policy::default(),
            limits: Limits::default(),
            listener: ListenerSettings::default(),
            sinks,
            process: Process::default(),
            error_log: None,
            scripts: Arc::default(),
            withheld: Arc::default(),
            foreign: Arc::default(),
            executed: Vec::new(),
            remakes_files: false,
            is_traced: false,
            secure: false,
            warnings: Vec::new(),
            hooks: Vec::new(),
            tasks: Vec::new(),
            upstreams: Vec::new(),
            series: None,
            authenticated: Vec::new(),
            token_keys: Vec::new(),
            admin: Vec::new(),
            fleet: None,
            experiments: Arc::default(),
            experiment: None,
            handlers: Vec::new(),
            before_content: Vec::new(),
            rests: Vec::new(),
            witnesses: Vec::new(),
        }
    }

    /// The index files of a directory.
    pub fn index_names(&self) -> Vec<String> {
        if self.index.is_empty() { INDEX.map(str::to_owned).to_vec() } else { self.index.clone() }
    }

    /// The name of the site in logs.
    pub fn name(&self) -> Arc<str> {
        name(&self.address)
    }

    /// The log for errors that no response reports.
    pub fn error_log(&self) -> ErrorLog {
        self.error_log.clone().unwrap_or_else(|| ErrorLog::process(self.name()))
    }

    /// As [`Self::push`], for a handler that also runs for requests refused before the chain.
    pub fn push_witness(&mut self, handler: impl Handler) {
        let handler = Arc::new(handler);
        self.handlers.push(Box::new(handler.clone()));
        self.witnesses.push(Box::new(handler));
    }

    /// Whether only users with a password, or only this machine, reach a path.
    pub fn is_private(&self, path: &str) -> bool {
        self.is_bound_to_this_machine() || self.asks_for_password(path)
    }

    /// Which hosts requests for a path of the operator may name: those of this machine where
    /// nothing but the address that the site is bound to keeps others away.
    pub fn hosts(&self, path: &str) -> Hosts {
        let is_by_address = self.is_bound_to_this_machine() && !self.asks_for_password(path);
        if is_by_address { Hosts::Local } else { Hosts::Any }
    }

    fn is_bound_to_this_machine(&self) -> bool {
        let is_local = |host: &String| is_loopback(host.trim_matches(['[', ']']));
        !self.binds.is_empty() && self.binds.iter().all(is_local)
    }

    fn asks_for_password(&self, path: &str) -> bool {
        self.authenticated.iter().any(|prefix| prefix.holds(path))
    }

    /// Appends a handler to the chain.
    pub fn push(&mut self, handler: impl Handler) {
        self.push_boxed(Box::new(handler));
    }

    pub fn push_boxed(&mut self, handler: Box<dyn Handler>) {
        self.handlers.push(handler);
    }

    /// Appends a handler that runs right before those that make content: the path is rewritten by
    /// then, and the user known.
    pub fn push_before_content(&mut self, handler: impl Handler) {
        self.before_content.push(Box::new(handler));
    }

    /// The directives that make content are set up next.
    pub fn content_follows(&mut self) {
        self.handlers.append(&mut self.before_content);
    }

    /// The handlers that will follow the next one to be pushed. That one owns them: its own `next`
    /// is empty.
    pub fn rest_of_next(&mut self) -> Arc<Rest> {
        let rest = Arc::<Rest>::default();
        self.rests.push((self.handlers.len() + 1, rest.clone()));
        rest
    }

    /// The finished site.
    pub fn build(mut self) -> Site {
        let name = self.name();
        self.withheld.add(&self.hidden);
        while let Some((at, rest)) = self.rests.pop() {
            // Each was made for this one place.
            let _ = rest.0.set(self.handlers.split_off(at.min(self.handlers.len())));
        }
        let mut refusing = self.witnesses;
        refusing.push(Box::new(Refused));
        let path = Prefix::new(&self.address.path);
        Site {
            address: self.address,
            path,
            number: SiteNumber::of(&name),
            name,
            limits: self.limits,
            experiment: self.experiment.map(|plan| plan.experiment),
            chain: self.handlers,
            refusing,
        }
    }
}

/// Whether a host to listen on is of this machine alone.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn name(address: &Address) -> Arc<str> {
    match address.original.as_str() {
        // Only a single site can have no address.
        "" => "the site".into(),
        address => address.into(),
    }
}

/// A site ready to serve.
pub struct Site {
    pub address: Address,
    /// The name of the site in logs.
    pub name: Arc<str>,
    /// What its requests are counted by.
    pub number: SiteNumber,
    /// The path of the address; requests reach the directives without it.
    pub path: Prefix,
    pub limits: Limits,
    pub experiment: Option<Arc<Experiment>>,
    chain: Vec<Box<dyn Handler>>,
    /// The handlers for refused requests.
    refusing: Vec<Box<dyn Handler>>,
}

impl Site {
    /// Runs the chain.
    pub fn handle<'a>(&'a self, req: &'a mut Request) -> ReplyFuture<'a> {
        Next::new(&self.chain).run(req)
    }

    /// Answers a request whose [`Refusal`] is in its extensions.
    pub fn refuse<'a>(&'a self, req: &'a mut Request) -> ReplyFuture<'a> {
        Next::new(&self.refusing).run(req)
    }
}

/// The handler that responds to refused requests.
struct Refused;

impl Handler for Refused {
    fn handle<'a>(&'a self, req: &'a mut Request, _: Next<'a>) -> ReplyFuture<'a> {
        let refusal = req.head.extensions.get().copied();
        let refusal = refusal.unwrap_or(Refusal::Rule(StatusCode::BAD_REQUEST));
        Box::pin(std::future::ready(refusal.reply(req)))
    }
}
