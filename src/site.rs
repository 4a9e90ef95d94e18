//! One site: what its block says, as a chain; and a generation of all of them.

use std::path::PathBuf;
use std::sync::Arc;

use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::http::address::Address;
use crate::http::limits::Timeouts;
use crate::http::sink::OpenSink;
use crate::tls::Policy;

/// Collects what the directives of one block say about one address. Set-ups run in table order,
/// which is the order of execution.
pub struct SiteBuilder {
    pub address: Address,
    /// `root`, else `-root`.
    pub root: PathBuf,
    pub binds: Vec<String>,
    pub index: Vec<String>,
    /// Files never served: the Caddyfile itself.
    pub hidden: Vec<PathBuf>,
    pub tls: Policy,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub sinks: Arc<dyn OpenSink>,
    /// Whether this site will be served over TLS (its scheme is https).
    pub secure: bool,
    pub warnings: Vec<String>,
    handlers: Vec<Box<dyn Handler>>,
}

/// What `limits` sets.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Bytes of a request's field section.
    pub header: Option<usize>,
    /// Path prefix and bytes, the longest prefix first.
    pub body: Vec<(String, u64)>,
}

impl SiteBuilder {
    pub fn new(address: Address, root: PathBuf, sinks: Arc<dyn OpenSink>) -> Self {
        Self {
            address,
            root,
            binds: Vec::new(),
            index: Vec::new(),
            hidden: Vec::new(),
            tls: Policy::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            sinks,
            secure: false,
            warnings: Vec::new(),
            handlers: Vec::new(),
        }
    }

    /// Puts a handler behind those already there.
    pub fn push(&mut self, handler: impl Handler) {
        self.handlers.push(Box::new(handler));
    }

    /// The finished site.
    pub fn build(self) -> Site {
        Site { address: self.address, limits: self.limits, chain: self.handlers }
    }
}

/// A site ready to serve.
pub struct Site {
    pub address: Address,
    pub limits: Limits,
    chain: Vec<Box<dyn Handler>>,
}

impl Site {
    /// Runs the chain.
    pub fn handle<'a>(&'a self, req: &'a mut Request) -> ReplyFuture<'a> {
        Next::new(&self.chain).run(req)
    }
}
