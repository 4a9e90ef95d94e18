//! `filter`: replaces text in responses by regular expressions.

mod replacement;
mod rule;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::response::Parts;
use http::{Method, Response, StatusCode};

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::sink::ErrorLog;
use crate::http::{Body, Fault, Reply, Request};
use crate::limits::{FILTER_BYTES, FILTER_MADE};
use crate::remake::{self, Content, Made, Unread};
use crate::site::SiteBuilder;

use replacement::Piece;
pub(super) use rule::OPTIONS;
use rule::{Block, Rule};

/// Content above this size is searched beside the worker.
const AT_ONCE: usize = 32 << 10;

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut read = Read { rules: Vec::new(), most: FILTER_BYTES };
    while args.next() {
        if args.next_arg() {
            read.one(args)?;
            continue;
        }
        while args.next_block()? {
            read.one(args)?;
        }
    }
    let Read { rules, most } = read;
    if rules.is_empty() {
        return Err(args.error("filter: no rule: the directive has no effect").hint(
            "write: filter rule { path PATTERN; search_pattern PATTERN; replacement TEXT }",
        ));
    }
    let (log, told) = (site.error_log(), Told::default());
    site.push(Filter { rules: rules.into(), most, log, told });
    Ok(())
}

/// The lines that have been read.
struct Read {
    rules: Vec<Rule>,
    most: usize,
}

impl Read {
    /// Reads a rule or the size, whose name the cursor stands on.
    fn one(&mut self, args: &mut Args<'_>) -> Result<(), ConfigError> {
        match args.val() {
            "rule" => {
                args.no_more()?;
                if !args.opens_block() {
                    return Err(args
                        .error("filter: the rule has no block")
                        .hint("write: filter rule { ... }, with search_pattern in it"));
                }
                let mut block = Block::default();
                OPTIONS.read(&mut block, args)?;
                self.rules.push(block.rule(args)?);
            }
            "max_buffer_size" => {
                args.written_as("filter max_buffer_size SIZE, such as: max_buffer_size 10MB");
                let size = args.size()?;
                args.no_more()?;
                self.most = usize::try_from(size).unwrap_or(usize::MAX);
            }
            _ => return Err(args.unknown("word", &["rule", "max_buffer_size"])),
        }
        Ok(())
    }
}

struct Filter {
    rules: Arc<[Rule]>,
    /// Larger content is not read.
    most: usize,
    log: ErrorLog,
    told: Told,
}

/// What the log has had once.
#[derive(Default)]
struct Told {
    large: AtomicBool,
    coded: AtomicBool,
    grown: AtomicBool,
}

impl Handler for Filter {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let by_path: Vec<bool> = self.rules.iter().map(|rule| rule.holds(&route)).collect();
        drop(route);
        let known = self.rules.iter().zip(&by_path).filter_map(|(rule, held)| rule.known(*held));
        let Some(known) = known.max().filter(|_| req.upgrade.is_none()) else {
            return next.run(req);
        };
        Box::pin(async move {
            let meant = |head: &Parts| {
                let rules = self.rules.iter().zip(&by_path).enumerate();
                let meant = rules.filter(|(_, (rule, held))| rule.means(**held, head));
                meant.map(|(at, _)| at).collect::<Vec<_>>()
            };
            let response = remake::ask(req, next, known, |head| !meant(head).is_empty()).await?;
            let (head, body) = response.into_parts();
            let meant = meant(&head);
            if meant.is_empty() || !remake::is_whole(&head) {
                return Ok(Response::from_parts(head, body));
            }
            if req.head.method == Method::HEAD {
                return Ok(remake::respond_to_head(head));
            }
            self.replace(req, meant, head, body).await
        })
    }
}

impl Filter {
    async fn replace(&self, req: &Request, meant: Vec<usize>, head: Parts, body: Body) -> Reply {
        let broken = |error| Fault::caused(StatusCode::BAD_GATEWAY, error);
        let content = match remake::collect(&head.headers, body, self.most).await.map_err(broken)? {
            Content::Whole(content) => content,
            Content::Unread(body, why) => {
                self.tell_unread(req, why);
                return Ok(Response::from_parts(head, body));
            }
        };
        let pieces = meant.iter().map(|at| self.rules[*at].replacement.pieces(req, &head));
        let pieces: Vec<_> = meant.iter().copied().zip(pieces).collect();
        let made = if content.len() <= AT_ONCE {
            apply(&self.rules, &pieces, &content)
        } else {
            let (rules, content) = (self.rules.clone(), content.clone());
            let failed = |error| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, error);
            let work = move || apply(&rules, &pieces, &content);
            tokio::task::spawn_blocking(work).await.map_err(failed)?
        };
        let content = made.unwrap_or_else(|| {
            self.tell(req, &self.told.grown, &format!("would make more than {FILTER_MADE} bytes"));
            content
        });
        remake::respond(req, head, &Made::new(content))
    }

    fn tell_unread(&self, req: &Request, why: Unread) {
        match why {
            Unread::TooLarge => {
                let what = format!("is not applied to more than {} bytes", self.most);
                self.tell(req, &self.told.large, &format!("{what} (max_buffer_size)"));
            }
            Unread::Coded => {
                let what = "cannot read the content coding that the upstream uses";
                self.tell(req, &self.told.coded, what);
            }
        }
    }

    fn tell(&self, req: &Request, told: &AtomicBool, what: &str) {
        if !told.swap(true, Ordering::Relaxed) {
            let text = format!("filter {what}: the content passes unchanged; said once");
            self.log.notice(req.about(StatusCode::OK), &text);
        }
    }
}

/// The content after the rules; `None` if it grows too large.
fn apply(rules: &[Rule], pieces: &[(usize, Vec<Piece>)], content: &Bytes) -> Option<Bytes> {
    let mut content = content.clone();
    for (at, pieces) in pieces {
        if let Some(made) = rules[*at].apply(&content, pieces)? {
            content = made;
        }
    }
    Some(content)
}
