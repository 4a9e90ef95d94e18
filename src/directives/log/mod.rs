//! `log`: one line per request, written when the response's body has ended, so that size and
//! latency are those of the whole response.

mod format;
mod rules;

use std::sync::Arc;

use http::Method;

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::placeholders::{RequestBody, ResponseFacts};
use crate::http::{Fault, Request, fault_page, paths};
use crate::site::SiteBuilder;

use rules::{Entry, Rule};

/// `log`, `log FILE`, `log PATH FILE [FORMAT]`, each with an optional block. The first rule
/// whose path holds a request is used.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let rules = rules::parse(args, site)?;
    site.push(Log { rules });
    Ok(())
}

struct Log {
    rules: Vec<Rule>,
}

impl Handler for Log {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let rule = self.rules.iter().find(|rule| paths::under(&route, &rule.path));
        let entries = rule.map_or(&[][..], |rule| &rule.entries);
        let mut lines: Vec<Line> = Vec::with_capacity(entries.len());
        let meant = entries.iter().filter(|entry| !entry.options.leave_out(&route));
        lines.extend(meant.map(|entry| Line { entry: entry.clone(), text: String::new() }));
        drop(route);
        if lines.is_empty() {
            return next.run(req);
        }
        if lines.iter().any(|line| line.entry.format.wants_body()) {
            RequestBody::copy(req);
        }
        Box::pin(async move {
            let is_head = req.head.method == Method::HEAD;
            let response = match next.run(&mut *req).await {
                Ok(response) => response,
                // Rendered here, so that the line has the page's size.
                Err(fault) => {
                    report(req, &fault);
                    fault_page::render(fault, is_head)
                }
            };
            let received = req.received;
            let facts = ResponseFacts {
                status: response.status().as_u16(),
                size: 0,
                latency: received.elapsed(),
                headers: response.headers(),
            };
            let client = req.peer.remote.ip();
            for Line { entry, text } in &mut lines {
                *text = entry.format.begin(req, &facts, entry.options.mask(client));
            }
            Ok(response.map(|body| {
                body.observe(move |end| {
                    for Line { entry, text } in lines {
                        let line = entry.format.end(&text, end.bytes, received.elapsed());
                        entry.sink.write_line(&line);
                    }
                })
            }))
        })
    }
}

/// What one log will get.
struct Line {
    entry: Arc<Entry>,
    /// As far as it is known.
    text: String,
}

/// A rendered fault's cause ends here, hence it goes to the process log.
fn report(req: &Request, fault: &Fault) {
    if let Some(cause) = &fault.cause {
        log::error!("[ERROR {} {}] {cause}", fault.status.as_u16(), req.path());
    }
}

#[cfg(test)]
mod tests;
