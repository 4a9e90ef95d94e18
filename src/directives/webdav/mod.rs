//! `webdav`: a folder that clients list, read and change (RFC 4918, classes 1 and 2).

mod answer;
mod condition;
mod locking;
mod locks;
mod options;
mod preconditions;
mod properties;
mod read;
#[cfg(test)]
mod tests;
mod transfer;
mod visit;
mod write;
mod xml;

use http::StatusCode;

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::{Fault, Reply, Request};
use crate::site::SiteBuilder;

use answer::{METHODS, Refusal};
pub(super) use options::OPTIONS;
use options::Share;
use transfer::How;
use visit::Visit;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut shares = Vec::new();
    while args.next() {
        shares.push(options::read(args, site)?);
    }
    site.push(WebDav { shares });
    Ok(())
}

/// The first one that holds a path is used.
struct WebDav {
    shares: Vec<Share>,
}

impl Share {
    async fn answer(&self, req: &mut Request, rest: &str) -> Reply {
        let named = req.user.as_ref().and_then(|name| self.users.get(name));
        let user = named.unwrap_or(&self.everybody);
        let visit = Visit::new(user, req, rest)?;
        let method = req.head.method.clone();
        let is_read = matches!(method.as_str(), "OPTIONS" | "GET" | "HEAD" | "PROPFIND");
        if !is_read && !user.may_modify {
            return Err(Fault::status(StatusCode::FORBIDDEN));
        }
        let done = match method.as_str() {
            "OPTIONS" => Ok(read::options()),
            "GET" | "HEAD" => read::get(visit, req).await,
            "PROPFIND" => read::propfind(visit, req).await,
            "PUT" => write::put(visit, req).await,
            "MKCOL" => write::mkcol(visit, req).await,
            "DELETE" => write::delete(visit, req).await,
            "PROPPATCH" => write::proppatch(visit, req).await,
            "COPY" => transfer::transfer(visit, req, How::Copy).await,
            "MOVE" => transfer::transfer(visit, req, How::Move).await,
            "LOCK" => locking::lock(visit, req).await,
            "UNLOCK" => locking::unlock(&visit, req),
            _ => Err(Fault::not_allowed(METHODS).into()),
        };
        done.or_else(Refusal::reply)
    }
}

impl Handler for WebDav {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let found = self.shares.iter().find_map(|share| Some((share, share.rest(&route)?)));
        let found = found.map(|(share, rest)| (share, rest.to_owned()));
        drop(route);
        match found {
            Some((share, rest)) => Box::pin(async move { share.answer(req, &rest).await }),
            None => next.run(req),
        }
    }
}
