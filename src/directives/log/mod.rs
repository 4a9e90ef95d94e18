//! `log`: writes one line per request when the response's body has ended, so that size and latency
//! are those of the whole response.

mod format;
#[cfg(test)]
mod fuzzed;
mod rules;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::placeholders::{RequestBody, ResponseFacts};
use crate::http::request::Watcher;
use crate::http::sink::ErrorLog;
use crate::http::{Request, fault_page};
use crate::site::SiteBuilder;

pub(super) use rules::OPTIONS;
use rules::{Entry, Rule};

/// The first rule with a matching path is used.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let rules = rules::parse(args, site)?;
    site.push_witness(Log { rules, errors: ErrorLog::process(site.name()) });
    Ok(())
}

struct Log {
    rules: Vec<Rule>,
    /// The fault is rendered here, so no outer handler sees its cause: it is logged to the process
    /// log.
    errors: ErrorLog,
}

impl Handler for Log {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let rule = self.rules.iter().find(|rule| rule.path.holds(&route));
        let entries = rule.map_or(&[][..], |rule| &rule.entries);
        let meant = entries.iter().filter(|entry| !entry.privacy.leave_out(&route));
        let meant = Meant(meant.cloned().collect());
        drop(route);
        if meant.0.is_empty() {
            return next.run(req);
        }
        if meant.0.iter().any(|entry| entry.format.wants_body()) {
            RequestBody::copy(req);
        }
        let meant = Arc::new(meant);
        req.watcher = Some(meant.clone());
        Box::pin(async move {
            let response = match next.run(&mut *req).await {
                Ok(response) => response,
                // Rendered here, so that the line has the size of the page.
                Err(fault) => {
                    fault_page::report(&fault, req, &self.errors);
                    fault_page::render(fault, req)
                }
            };
            req.watcher = None;
            let lines = meant.begin(req, response.status().as_u16(), response.headers());
            let received = req.received;
            Ok(response
                .map(|body| body.observe(move |bytes| write(lines, bytes, received.elapsed()))))
        })
    }
}

/// The pending line of one log.
struct Line {
    entry: Arc<Entry>,
    /// The part that is known so far.
    text: String,
}

/// The logs of a request.
struct Meant(Vec<Arc<Entry>>);

impl Meant {
    fn begin(&self, req: &Request, status: u16, headers: &HeaderMap) -> Vec<Line> {
        let latency = req.received.elapsed();
        let facts = ResponseFacts { status, size: 0, latency, headers };
        let client = req.peer.remote.ip();
        let line = |entry: &Arc<Entry>| Line {
            text: entry.format.begin(req, &facts, entry.privacy.mask(client)),
            entry: entry.clone(),
        };
        self.0.iter().filter(|entry| entry.sample.takes(status)).map(line).collect()
    }
}

impl fmt::Debug for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meant({})", self.0.len())
    }
}

impl Watcher for Meant {
    fn ended(&self, req: &Request, status: u16) {
        write(self.begin(req, status, &HeaderMap::new()), 0, req.received.elapsed());
    }
}

fn write(lines: Vec<Line>, size: u64, latency: Duration) {
    for Line { entry, text } in lines {
        entry.sink.write_line(&entry.format.end(&text, size, latency));
    }
}

#[cfg(test)]
mod tests;
