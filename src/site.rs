//! One site: what its block says, as a chain; and a generation of all of them.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use fnv::FnvHashMap;
use http::{HeaderValue, StatusCode};

use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::http::address::Address;
use crate::http::paths::Prefix;
use crate::http::ranges::Ranges;
use crate::http::refusal::Refusal;
use crate::http::sink::{ErrorLog, OpenSink};
use crate::http::timeouts::{TimeoutOverrides, Timeouts};
use crate::tls::{Policy, TlsListener};
use crate::warning::Warning;

/// What stands for a folder where `index` names nothing else.
pub const INDEX: [&str; 6] =
    ["index.html", "index.htm", "index.txt", "default.html", "default.htm", "default.txt"];

/// Collects what the directives of one block say about one address. Set-ups run in table order,
/// which is the order of execution.
pub struct SiteBuilder {
    pub address: Address,
    /// `root`, else `-root`, else the working directory.
    pub root: PathBuf,
    /// Whether somebody wrote the root.
    pub root_is_named: bool,
    /// Whether a directive answers every request, so that no file is looked for.
    pub answers_all: bool,
    pub binds: Vec<String>,
    pub index: Vec<String>,
    /// Files never served: the Caddyfile itself.
    pub hidden: Vec<PathBuf>,
    pub tls: Policy,
    pub limits: Limits,
    pub timeouts: TimeoutOverrides,
    pub proxy_protocol: Option<ProxyProtocol>,
    pub sinks: Arc<dyn OpenSink>,
    /// Where `errors` writes, for what else has something to say there.
    pub error_log: Option<ErrorLog>,
    /// Files that `fastcgi` runs, and that nobody sends as they are.
    pub scripts: Arc<Scripts>,
    /// Whether this site will be served over TLS (its scheme is https).
    pub secure: bool,
    pub warnings: Vec<Warning>,
    pub hooks: Vec<Hook>,
    pub tasks: Vec<Task>,
    handlers: Vec<Box<dyn Handler>>,
    witnesses: Vec<Box<dyn Handler>>,
}

/// Work beside requests that belongs to one generation of the configuration. It starts when that
/// is put in force, once for all workers and on none of them, and is dropped when another
/// generation takes its place.
pub struct Task(Box<dyn FnOnce() -> Work + Send>);

/// A task under way. It stays on its thread.
pub type Work = Pin<Box<dyn Future<Output = ()>>>;

impl Task {
    pub fn new<W: Future<Output = ()> + 'static>(
        work: impl FnOnce() -> W + Send + 'static,
    ) -> Self {
        Self(Box::new(move || Box::pin(work())))
    }

    pub fn start(self) -> Work {
        (self.0)()
    }
}

/// What `limits` sets.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Bytes of a request's field section.
    pub header: Option<usize>,
    /// Path prefix and bytes, the longest prefix first.
    pub body: Vec<(Prefix, u64)>,
}

impl Limits {
    /// The most bytes a request body on this path may have.
    pub fn body_of(&self, path: &str) -> Option<u64> {
        self.body.iter().find(|(prefix, _)| prefix.holds(path)).map(|(_, bytes)| *bytes)
    }
}

/// The names of scripts: their source is not sent, whichever rule a request for one falls
/// through. Known when all directives have been set up.
#[derive(Debug, Default)]
pub struct Scripts {
    endings: OnceLock<Vec<String>>,
}

impl Scripts {
    /// What the names of scripts end with, such as `.php`, in any case; said once.
    pub fn end_with(&self, endings: Vec<String>) {
        // A set-up runs once for each site.
        let _ = self.endings.set(endings);
    }

    /// Whether it is the name of a script, or of a compressed copy of one.
    pub fn has(&self, path: &Path) -> bool {
        let Some(endings) = self.endings.get() else { return false };
        let name = path.as_os_str().as_encoded_bytes();
        let bare = [&b".gz"[..], b".br"].iter().find_map(|coding| name.strip_suffix(*coding));
        [Some(name), bare].into_iter().flatten().any(|name| {
            endings.iter().any(|ending| {
                let end = name.len().checked_sub(ending.len()).map(|start| &name[start..]);
                end.is_some_and(|end| end.eq_ignore_ascii_case(ending.as_bytes()))
            })
        })
    }

    /// An error for a script that somebody is about to send.
    pub fn refuse(&self, path: &Path) -> io::Result<()> {
        if !self.has(path) {
            return Ok(());
        }
        let why = "is a script, which fastcgi runs; no fastcgi line took this request, and its \
                   source is not sent";
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{} {why}", path.display())))
    }
}

/// Who names the client of each TCP connection, by the PROXY protocol.
#[derive(Debug, Clone)]
pub struct ProxyProtocol {
    pub from: Ranges,
    pub timeout: Duration,
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
            timeouts: TimeoutOverrides::default(),
            proxy_protocol: None,
            sinks,
            error_log: None,
            scripts: Arc::default(),
            secure: false,
            warnings: Vec::new(),
            hooks: Vec::new(),
            tasks: Vec::new(),
            handlers: Vec::new(),
            witnesses: Vec::new(),
        }
    }

    /// The files that stand for a folder.
    pub fn index_names(&self) -> Vec<String> {
        if self.index.is_empty() { INDEX.map(str::to_owned).to_vec() } else { self.index.clone() }
    }

    /// As logs name it.
    pub fn name(&self) -> Arc<str> {
        name(&self.address)
    }

    /// Where errors are written that no response tells of.
    pub fn error_log(&self) -> ErrorLog {
        self.error_log.clone().unwrap_or_else(|| ErrorLog::process(self.name()))
    }

    /// As [`Self::push`], for what has to see requests too that are refused before the chain runs.
    pub fn push_witness(&mut self, handler: impl Handler) {
        let handler = Arc::new(handler);
        self.handlers.push(Box::new(handler.clone()));
        self.witnesses.push(Box::new(handler));
    }

    /// Puts a handler behind those already there.
    pub fn push(&mut self, handler: impl Handler) {
        self.handlers.push(Box::new(handler));
    }

    /// The finished site.
    pub fn build(self) -> Site {
        let name = self.name();
        let mut refusing = self.witnesses;
        refusing.push(Box::new(Refused));
        let path = Prefix::new(&self.address.path);
        Site {
            address: self.address,
            path,
            name,
            limits: self.limits,
            chain: self.handlers,
            refusing,
        }
    }
}

fn name(address: &Address) -> Arc<str> {
    match address.original.as_str() {
        // Without an address there is but one.
        "" => "the site".into(),
        address => address.into(),
    }
}

/// A site ready to serve.
pub struct Site {
    pub address: Address,
    /// As logs name it.
    pub name: Arc<str>,
    /// The address's path, which directives do not see.
    pub path: Prefix,
    pub limits: Limits,
    chain: Vec<Box<dyn Handler>>,
    /// What refused requests pass.
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

/// Gives the answer to a refused request.
struct Refused;

impl Handler for Refused {
    fn handle<'a>(&'a self, req: &'a mut Request, _: Next<'a>) -> ReplyFuture<'a> {
        let refusal = req.head.extensions.get().copied();
        let refusal = refusal.unwrap_or(Refusal::Rule(StatusCode::BAD_REQUEST));
        Box::pin(std::future::ready(refusal.reply(req)))
    }
}

/// A command that the service runs at a point of its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub event: Event,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Nobody waits for it.
    pub background: bool,
}

/// The points of its life that the service runs commands at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The process starts, before it answers the first request.
    Startup,
    /// The process ends, after the last request.
    Shutdown,
    /// A configuration is in force: at the start, and after each reload.
    InstanceStartup,
    /// A reload has put another configuration in force.
    InstanceRestart,
    /// A certificate from a CA is new.
    CertRenew,
}

/// One generation of the configuration. A reload builds another and swaps it in whole.
#[derive(Default)]
pub struct Snapshot {
    pub listeners: Vec<Listener>,
    pub hooks: Vec<Hook>,
}

impl Snapshot {
    /// The listener of a local address, as it was bound.
    pub fn listener(&self, addr: SocketAddr) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.addr == addr)
    }
}

/// What is served on one address.
pub struct Listener {
    pub addr: SocketAddr,
    pub tls: Option<TlsListener>,
    pub sites: SiteTable,
    pub timeouts: Timeouts,
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Bytes of a request's field section.
    pub header_bytes: usize,
    /// HTTP/3 on the same port number.
    pub quic: bool,
    /// The `Alt-Svc` field of responses over TCP.
    pub alt_svc: Option<HeaderValue>,
}

/// Sites by host, then by the longest path.
#[derive(Default)]
pub struct SiteTable {
    /// Clients bring no key in, so that none of them can make keys collide.
    hosts: FnvHashMap<String, Vec<Arc<Site>>>,
    has_wildcards: bool,
}

impl SiteTable {
    pub fn insert(&mut self, site: Arc<Site>) {
        self.has_wildcards |= site.address.host.contains('*');
        let paths = self.hosts.entry(site.address.host.clone()).or_default();
        paths.push(site);
        paths.sort_by_key(|site| std::cmp::Reverse(site.path.as_str().len()));
    }

    /// Exact host, else with its labels replaced by `*` from the left, else `0.0.0.0`, the empty
    /// host or `*`; then the longest path that holds the request's.
    pub fn find(&self, host: &str, path: &str) -> Option<&Site> {
        let sites = self
            .hosts
            .get(host)
            .or_else(|| self.wildcard(host))
            .or_else(|| self.hosts.get("0.0.0.0"))
            .or_else(|| self.hosts.get(""))
            .or_else(|| self.hosts.get("*"))?;
        sites.iter().find(|site| site.path.holds(path)).map(|site| &**site)
    }

    /// The site, where there is but one.
    pub fn only(&self) -> Option<&Site> {
        let mut all = self.hosts.values().flatten();
        all.next().filter(|_| all.next().is_none()).map(|site| &**site)
    }

    fn wildcard(&self, host: &str) -> Option<&Vec<Arc<Site>>> {
        if !self.has_wildcards {
            return None;
        }
        let mut labels: Vec<&str> = host.split('.').collect();
        for at in 0..labels.len() {
            labels[at] = "*";
            if let Some(sites) = self.hosts.get(&labels.join(".")) {
                return Some(sites);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::sink::tests::NoSinks;

    fn table(keys: &[&str]) -> SiteTable {
        let mut table = SiteTable::default();
        for key in keys {
            let address = Address::parse(key).unwrap();
            let site = SiteBuilder::new(address, "/".into(), Arc::new(NoSinks));
            table.insert(Arc::new(site.build()));
        }
        table
    }

    #[test]
    fn the_host_then_the_longest_path() {
        let several = &[
            "example",
            "example.com",
            "*.example.com",
            "example.com/foo",
            "example.com/foo/bar",
            "*.example.com/test",
        ][..];
        for (keys, host, path, expected) in [
            (several, "not-in-trie.com", "/", None),
            (several, "example", "/x", Some("example")),
            (several, "example.com", "/test", Some("example.com")),
            (several, "example.com", "/foo/", Some("example.com/foo")),
            (several, "example.com", "/Foo", Some("example.com/foo")),
            (several, "example.com", "/foo/other", Some("example.com/foo")),
            (several, "example.com", "/foo/bar/x", Some("example.com/foo/bar")),
            (several, "example.com", "/foobar", Some("example.com/foo")),
            (several, "foo.example.com", "/else", Some("*.example.com")),
            (several, "foo.example.com", "/test/x", Some("*.example.com/test")),
            (several, "a.foo.example.com", "/", None),
            (&["example.com", ""], "other.com", "/x", Some("")),
            (&["0.0.0.0/asdf"], "host", "/asdf", Some("0.0.0.0/asdf")),
            (&["0.0.0.0/asdf"], "example.com", "/foo", None),
            (&["*/foo"], "example.com", "/foo", Some("*/foo")),
            (&["*.*.com"], "a.b.com", "/", Some("*.*.com")),
            (&["example.com:1234"], "example.com", "/foo", Some("example.com:1234")),
            (&["example.com/foo", ""], "example.com", "/", None),
        ] {
            let table = table(keys);
            let found = table.find(host, path).map(|site| site.address.original.as_str());
            assert_eq!(found, expected, "{host}{path} among {keys:?}");
        }
    }
}
