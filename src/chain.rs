//! The handlers of a site, in table order. Each decides whether the next one runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;

use crate::http::{Fault, Reply, Request};

/// The future of a handler's reply. It stays on its worker, hence it is not `Send`.
pub type ReplyFuture<'a> = Pin<Box<dyn Future<Output = Reply> + 'a>>;

/// A directive's handling of requests.
pub trait Handler: Send + Sync + 'static {
    /// Responds to the request, or runs `next` and may change its response.
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a>;
}

impl<H: Handler> Handler for Arc<H> {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        H::handle(self, req, next)
    }
}

/// The handlers after the current one.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    rest: &'a [Box<dyn Handler>],
}

impl<'a> Next<'a> {
    /// The start of a chain.
    pub fn new(chain: &'a [Box<dyn Handler>]) -> Self {
        Self { rest: chain }
    }

    /// Runs the rest of the chain. After the last handler the reply is 404.
    pub fn run(self, req: &'a mut Request) -> ReplyFuture<'a> {
        match self.rest.split_first() {
            Some((first, rest)) => first.handle(req, Self { rest }),
            None => Box::pin(std::future::ready(Err(Fault::status(StatusCode::NOT_FOUND)))),
        }
    }
}
