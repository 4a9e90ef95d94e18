//! `ipfilter`: lets clients in, or keeps them out, by address or country.

mod addresses;
mod country;
mod folder;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use self::country::{Code, Database};
use self::folder::Folder;
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::ranges::Ranges;
use crate::http::{Body, Fault, Reply, Request};
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<Block> = Options::new(&[
    option("rule allow|block", LastWins, |block, args| {
        block.blocks = args.one_of("rule", &[("allow", false), ("block", true)])?;
        Ok(())
    }),
    option("ip RANGE..., such as: ip 192.0.2.0/24 2001:db8::1", Accumulates, |block, args| {
        args.each(|args, word| addresses::add(args, word, &mut block.ranges)).map(drop)
    }),
    option("country CODE..., such as: country US JP", Accumulates, |block, args| {
        let codes = args.each(|args, word| args.parsed(word, Code::parse))?;
        block.countries.extend(codes);
        Ok(())
    }),
    option("database FILE, such as: database /srv/geo.mmdb", LastWins, |block, args| {
        let word = args.required()?;
        Database::open(word, args).map(|database| block.database = Some(database))
    }),
    option("prefix_dir DIRECTORY, such as: prefix_dir /srv/blocked", LastWins, |block, args| {
        let word = args.required()?;
        Folder::open(word, args).map(|folder| block.folder = Some(folder))
    }),
    option("blockpage FILE, such as: blockpage /srv/blocked.html", LastWins, |block, args| {
        let word = args.required()?;
        let page = std::fs::read(word).map_err(|error| {
            args.error_at(word, format!("ipfilter: cannot read the page '{word}': {error}"))
                .hint("write the path of a file, relative to the working directory")
        })?;
        block.page = Some(Bytes::from(page));
        Ok(())
    }),
    // Nobody but `realip` names clients.
    option("strict", Accumulates, |_, _| Ok(())),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut blocks = Vec::new();
    let mut database: Option<Arc<Database>> = None;
    while args.next() {
        let paths = args.each(arguments::prefix)?;
        let mut block = Block { paths, ..Block::default() };
        OPTIONS.read(&mut block, args)?;
        if block.is_empty() {
            let whom = if block.blocks { "everyone" } else { "nobody" };
            let message = format!("ipfilter: the block names no clients: it lets {whom} in");
            let hint = "write: ip RANGE..., country CODE... or prefix_dir DIRECTORY";
            args.warn(args.error(message).hint(hint));
        }
        if let (Some(first), Some(other)) = (&database, &block.database)
            && !Arc::ptr_eq(first, other)
        {
            return Err(args
                .error("ipfilter: the site has another database already")
                .hint("keep one of them; it holds for all blocks of the site"));
        }
        database = database.or_else(|| block.database.take());
        blocks.push(block);
    }
    if blocks.iter().all(Block::is_empty) {
        return Err(args
            .error("ipfilter: no addresses, countries or directory: the directive has no effect")
            .hint("write: ip RANGE..., country CODE... or prefix_dir DIRECTORY"));
    }
    if database.is_none() && blocks.iter().any(|block| !block.countries.is_empty()) {
        return Err(args
            .error("ipfilter: countries are looked up in a database, and none is named")
            .hint("write: database FILE, the path of a file in MaxMind's format (.mmdb)"));
    }
    site.push(IpFilter { blocks, database });
    Ok(())
}

#[derive(Default)]
pub(super) struct Block {
    paths: Vec<Prefix>,
    /// Whether the clients that it names are kept out, and not the only ones let in.
    blocks: bool,
    ranges: Ranges,
    countries: Vec<Code>,
    folder: Option<Folder>,
    page: Option<Bytes>,
    /// Until all blocks have been read.
    database: Option<Arc<Database>>,
}

impl Block {
    fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.countries.is_empty() && self.folder.is_none()
    }

    /// The length of the longest path that holds a reading.
    fn length(&self, reading: &str) -> Option<usize> {
        let held = self.paths.iter().filter(|path| path.holds(reading));
        held.map(|path| path.as_str().len()).max()
    }

    fn refusal(&self, ip: IpAddr) -> Reply {
        let Some(page) = &self.page else {
            let cause = format!("ipfilter: {ip} is kept out");
            return Err(Fault::caused(StatusCode::FORBIDDEN, cause));
        };
        let mut response = Response::new(Body::from(page.clone()));
        *response.status_mut() = StatusCode::FORBIDDEN;
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, html);
        Ok(response)
    }
}

struct IpFilter {
    blocks: Vec<Block>,
    database: Option<Arc<Database>>,
}

impl IpFilter {
    /// The block with the longest path; of several the last.
    fn governing(&self, reading: &str) -> Option<&Block> {
        let lengths = self.blocks.iter().filter_map(|block| Some((block.length(reading)?, block)));
        lengths.max_by_key(|(length, _)| *length).map(|(_, block)| block)
    }

    /// The block for each reading of the path.
    fn governing_each(&self, req: &Request) -> [Option<&Block>; 2] {
        let readings = req.readings();
        let mut each = readings.each().map(|reading| self.governing(reading));
        [each.next().flatten(), each.next().flatten()]
    }

    /// Whether a block names a client.
    async fn names(&self, block: &Block, ip: IpAddr) -> Result<bool, Fault> {
        if block.ranges.contains(ip) {
            return Ok(true);
        }
        // What cannot be looked up is let in by no rule.
        let failed = |error: String| {
            Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, format!("ipfilter: {ip}: {error}"))
        };
        if let Some(database) = self.database.as_ref().filter(|_| !block.countries.is_empty()) {
            let country = database.country(ip).map_err(failed)?;
            if country.is_some_and(|country| block.countries.contains(&country)) {
                return Ok(true);
            }
        }
        match &block.folder {
            Some(folder) => folder.names(ip).await.map_err(failed),
            None => Ok(false),
        }
    }
}

impl Handler for IpFilter {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let governing = self.governing_each(req);
        if governing.iter().all(Option::is_none) {
            return next.run(req);
        }
        Box::pin(async move {
            let ip = req.peer.remote.ip().to_canonical();
            for block in governing.into_iter().flatten() {
                if self.names(block, ip).await? == block.blocks {
                    return block.refusal(ip);
                }
            }
            next.run(req).await
        })
    }
}
