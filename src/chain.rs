//! How a request goes through a site: handlers in table order, each deciding whether the next
//! one runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use http::StatusCode;

use crate::http::{Fault, Reply, Request};

/// A handler's answer in the making. It stays on its worker, hence it is not `Send`.
pub type ReplyFuture<'a> = Pin<Box<dyn Future<Output = Reply> + 'a>>;

/// One directive at work on a request.
pub trait Handler: Send + Sync + 'static {
    /// Answers the request, or lets `next` do so and works on what comes back.
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a>;
}

impl<H: Handler> Handler for Arc<H> {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        H::handle(self, req, next)
    }
}

/// The handlers behind the current one.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    rest: &'a [Box<dyn Handler>],
}

impl<'a> Next<'a> {
    /// The start of a chain.
    pub fn new(chain: &'a [Box<dyn Handler>]) -> Self {
        Self { rest: chain }
    }

    /// Runs the rest of the chain. Behind the last handler nothing is found: 404.
    pub fn run(self, req: &'a mut Request) -> ReplyFuture<'a> {
        match self.rest.split_first() {
            Some((first, rest)) => first.handle(req, Self { rest }),
            None => Box::pin(std::future::ready(Err(Fault::status(StatusCode::NOT_FOUND)))),
        }
    }
}
