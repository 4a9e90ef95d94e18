//! `cache`: a shared cache (RFC 9111) before `proxy`, `fastcgi` and files.
//!
//! [`policy`] decides; [`store`] keeps, [`disk`] large content; [`serve`] answers a request from
//! what is kept, or has it asked for; [`draft`] and [`fill`] store what comes, while the client
//! gets it. [`purge`] removes.
//!
//! The handler stands behind those that let requests in or change what a client gets, whose order
//! in Caddy 1 was the other way round: what it keeps is as the origin sent it.

mod control;
mod disk;
mod draft;
mod entry;
mod fill;
mod options;
mod origin_request;
mod policy;
mod purge;
mod serve;
mod status;
mod store;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::limits::CACHE_BYTES;
use crate::site::{Rest, SiteBuilder};
use crate::upstream::Shared;

use disk::Disk;
pub(super) use options::OPTIONS;
use options::Settings;
use store::Store;

/// The stores in use, by their bound and by whose they are.
static STORES: Shared<Store> = Shared::new();

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    if !args.next() {
        return Ok(());
    }
    args.no_more()?;
    let settings = Settings::read(args)?;
    if args.next() {
        let message = "cache: another one of this site stands before it";
        return Err(args.error(message).hint("write all options into one block"));
    }
    let name = site.name();
    let Settings { memory, directory, disk, .. } = &settings;
    let bytes = memory.unwrap_or(CACHE_BYTES);
    let store = match directory {
        Some(path) => {
            let key = format!("{bytes} {disk} {} {name}", path.display());
            STORES.get(key, || Store::new(bytes, Some(Disk::new(path, *disk))))
        }
        None if memory.is_some() => {
            STORES.get(format!("{bytes} {name}"), || Store::new(bytes, None))
        }
        None => STORES.get(String::new(), || Store::new(bytes, None)),
    };
    let space = format!("{name}\n{}\n", settings.identity());
    let rest = site.rest_of_next();
    site.push(Cache(Arc::new(Shelf { settings, store, space, rest })));
    Ok(())
}

/// The cache of a site.
struct Cache(Arc<Shelf>);

struct Shelf {
    settings: Settings,
    store: Arc<Store>,
    /// What its keys begin with.
    space: String,
    /// Who responds where the cache does not.
    rest: Arc<Rest>,
}

impl Handler for Cache {
    fn handle<'a>(&'a self, req: &'a mut Request, _: Next<'a>) -> ReplyFuture<'a> {
        Box::pin(self.0.serve(req))
    }
}
