//! `upload`: writes what clients send to files of a folder, and moves and removes them.

mod names;
mod options;
mod quota;
mod receive;
mod signature;
#[cfg(test)]
mod tests;

use std::io;

use http::{Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::confined::work::{beside, empty, fault};
use crate::confined::{self, Area, Before, Overwrite};
use crate::http::sink::ErrorLog;
use crate::http::{Fault, Reply, Request};
use crate::limits::{UPLOAD_NAMES, UPLOAD_TREE};
use crate::site::SiteBuilder;

use names::{BadName, Names};
use options::Block;
pub(super) use options::OPTIONS;
use quota::Files;
use receive::Receiver;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut blocks = Vec::new();
    while args.next() {
        let block = options::read(args, site)?;
        site.foreign.add(block.to().path());
        site.tasks.extend(block.quota.as_ref().map(quota::Quota::task));
        blocks.push(block);
    }
    let log = site.error_log();
    site.push(Upload { blocks, log });
    Ok(())
}

/// The first block that holds a path is used.
struct Upload {
    blocks: Vec<Block>,
    log: ErrorLog,
}

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Put,
    Post,
    Copy,
    Move,
    Delete,
}

impl Wish {
    fn of(method: &Method) -> Option<Self> {
        Some(match method.as_str() {
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "COPY" => Self::Copy,
            "MOVE" => Self::Move,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }
}

impl Handler for Upload {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let Some(wish) = Wish::of(&req.head.method) else { return next.run(req) };
        let route = req.route();
        let found = self.blocks.iter().find_map(|block| {
            let path = block.paths.iter().find(|path| path.holds(&route))?;
            Some((block, path.rest(&route).unwrap_or_default().to_owned()))
        });
        drop(route);
        let Some((block, path)) = found else { return next.run(req) };
        let refusal = if block.changes_nothing && !matches!(wish, Wish::Put | Wish::Post) {
            Some(Fault::not_allowed("PUT, POST"))
        } else if block.keys.is_empty() {
            None
        } else {
            let checked = block.keys.check(&req.head.headers, block.tolerance);
            checked.err().map(signature::Refused::fault)
        };
        match refusal {
            Some(fault) if block.is_silent => {
                let why = fault.cause.map_or_else(String::new, |cause| cause.to_string());
                self.log.notice(req.about(fault.status), &why);
                next.run(req)
            }
            Some(fault) => Box::pin(std::future::ready(Err(fault))),
            None => Box::pin(async move {
                match wish {
                    Wish::Put | Wish::Post => Receiver::new(block).receive(req, &path).await,
                    Wish::Copy => Err(Fault::status(StatusCode::NOT_IMPLEMENTED)),
                    Wish::Move => block.rename(req, &path).await,
                    Wish::Delete => block.remove(&path).await,
                }
            }),
        }
    }
}

impl Block {
    fn to(&self) -> Area {
        Area::new(self.to.clone().unwrap_or_default(), self.withheld.clone())
    }

    /// For whoever changes files.
    async fn files(&self) -> Files {
        match &self.quota {
            Some(quota) => quota.files().await,
            None => Files::default(),
        }
    }

    fn names(&self, path: &str) -> Result<Names, Fault> {
        self.rules.read(path).map_err(BadName::fault)
    }

    /// The names of a new file.
    fn new_names(&self, path: &str) -> Result<Names, Fault> {
        self.names(path)?.with_suffix(self.suffix).map_err(BadName::fault)
    }

    async fn rename(&self, req: &Request, path: &str) -> Reply {
        let old = self.names(path)?;
        let wanted = req.head.headers.get("destination").and_then(|value| value.to_str().ok());
        let wanted = wanted.and_then(|wanted| self.below(wanted, req.host_field()));
        let wrong = "the field Destination names no path of these uploads";
        let new = wanted.ok_or_else(|| Fault::caused(StatusCode::BAD_REQUEST, wrong))?;
        let new = self.names(&new)?;
        if old == new {
            return Err(Fault::status(StatusCode::CONFLICT));
        }
        let keeps = req.head.headers.get("overwrite").is_some_and(|value| value == "F");
        let overwrite = if keeps { Overwrite::No } else { Overwrite::Yes };
        let mut files = self.files().await;
        let before = beside(self.to(), move |to| {
            let (old, new) = (old.all(), new.all());
            survey(to, old, UPLOAD_NAMES - new.len().saturating_sub(old.len()))?;
            let replaced = files.replaced(to, new);
            let before = confined::rename(to, old, new, overwrite)?;
            files.gone(replaced);
            Ok(before)
        })
        .await;
        match before {
            Ok(Before::Nothing) => Ok(empty(StatusCode::CREATED)),
            Ok(Before::Something) => Ok(empty(StatusCode::NO_CONTENT)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && keeps => {
                Err(Fault::status(StatusCode::PRECONDITION_FAILED))
            }
            Err(error) => Err(fault(error)),
        }
    }

    /// The rest of a path or URL behind the path of the block.
    fn below(&self, wanted: &str, host: &str) -> Option<String> {
        let uri: Uri = wanted.parse().ok()?;
        let is_here = uri.authority().is_none_or(|authority| authority.as_str() == host);
        let path = percent_decode_str(uri.path()).decode_utf8().ok()?;
        let path = crate::http::paths::clean(&path);
        let below = self.paths.iter().find_map(|prefix| prefix.rest(&path));
        below.filter(|_| is_here).map(str::to_owned)
    }

    async fn remove(&self, path: &str) -> Reply {
        let names = self.names(path)?;
        let mut files = self.files().await;
        let removed = beside(self.to(), move |to| {
            survey(to, names.all(), UPLOAD_NAMES)?;
            let before = files.bytes(to, names.all());
            let removed = confined::remove(to, names.all());
            // A part of a folder may be left.
            files.gone(before.saturating_sub(files.bytes(to, names.all())));
            removed
        });
        match removed.await {
            Ok(()) => Ok(empty(StatusCode::NO_CONTENT)),
            // As in the plugin: it is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(empty(StatusCode::NO_CONTENT))
            }
            Err(error) => Err(fault(error)),
        }
    }
}

/// An error of kind `QuotaExceeded` if a folder has too much for one request, or is too deep.
fn survey(to: &Area, names: &[String], deepest: usize) -> io::Result<()> {
    match confined::look(to, names) {
        Ok(about) if about.is_folder() => {
            confined::survey(to, names, UPLOAD_TREE, deepest, &mut |_| Ok(()))
        }
        _ => Ok(()),
    }
}
