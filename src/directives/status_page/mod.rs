//! `status_page [ADDRESS|PATH]`: the state of the service as a page for browsers, at an address of
//! this machine or at a path that is protected.

mod cells;
mod charts;
mod experiments;
mod fleet;
mod network;
mod shapes;
mod tables;
mod view;

use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, Method, Response, StatusCode, header};

use crate::arguments;
use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::placeholders::Template;
use crate::http::ranges::Ranges;
use crate::http::{Body, Fault, Reply, Request};
use crate::report::{self, Process, Report};
use crate::site::local_hosts::Hosts;
use crate::site::{AdminSite, SiteBuilder};

use view::Page;

const DEFAULT_ADDRESS: &str = "localhost:9181";
const SCRIPT: &str = include_str!("live.js");

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut is_set = false;
    while args.next() {
        let word = match args.remaining()[..] {
            [] => DEFAULT_ADDRESS,
            [word] => word,
            _ => return Err(args.arg_error()),
        };
        if std::mem::replace(&mut is_set, true) {
            return Err(args.error("status_page may be written only once").hint("keep one line"));
        }
        if word.starts_with('/') {
            at_path(args, site, word)?;
        } else {
            at_address(args, site, word)?;
        }
    }
    Ok(())
}

fn at_address(args: &Args<'_>, site: &mut SiteBuilder, word: &str) -> Result<(), ConfigError> {
    let addr: SocketAddr = arguments::admin_address(args, word)?;
    if !addr.ip().is_loopback() {
        return Err(args
            .error_at(word, format!("status_page: {word} can be reached from other machines"))
            .hint(
                "write localhost and a port, or a path such as /status that 'basicauth' protects \
                 in this site",
            ));
    }
    // The site that serves it checks them.
    let page = StatusPage::new(args, site, Prefix::new("/"), Hosts::Any)?;
    let place = args.token().map_or_else(String::new, |at| format!("{}:{}", at.file, at.line));
    let (name, path, handler) = ("status page", String::new(), Box::new(page));
    site.admin.push(AdminSite { name, addr, path, allowed: Ranges::default(), place, handler });
    Ok(())
}

fn at_path(args: &mut Args<'_>, site: &mut SiteBuilder, word: &str) -> Result<(), ConfigError> {
    let path = arguments::prefix(args, word)?;
    if !site.is_private(path.as_str()) {
        return Err(args.error_at(word, format!("status_page: {word} is public")).hint(format!(
            "add 'basicauth {word} USER PASSWORD' to this site, or 'bind 127.0.0.1', or leave \
                 the path out: the page is then at http://{DEFAULT_ADDRESS}"
        )));
    }
    let hosts = site.hosts(path.as_str());
    let page = StatusPage::new(args, site, path, hosts)?;
    site.push(page);
    Ok(())
}

struct StatusPage {
    /// Without its last slash: empty for the root.
    path: String,
    hosts: Hosts,
    process: Process,
    page: Arc<Page>,
    host: Template,
    policy: HeaderValue,
}

/// What is served below the path.
#[derive(Clone, Copy)]
enum Part {
    /// The path without its last slash, which relative references need.
    Redirect,
    Page,
    Script,
    Json,
}

impl Part {
    fn at(rest: &str) -> Option<Self> {
        Some(match rest {
            "" => Self::Redirect,
            "/" => Self::Page,
            "/live.js" => Self::Script,
            "/status.json" => Self::Json,
            _ => return None,
        })
    }
}

impl StatusPage {
    fn new(
        args: &Args<'_>,
        site: &SiteBuilder,
        path: Prefix,
        hosts: Hosts,
    ) -> Result<Self, ConfigError> {
        let failed = |why: String| args.error(format!("status_page: {why}"));
        let policy = HeaderValue::try_from(policy()).map_err(|why| failed(why.to_string()))?;
        Ok(Self {
            path: path.as_str().trim_end_matches('/').to_owned(),
            hosts,
            process: site.process.clone(),
            page: Arc::new(Page::new().map_err(|why| failed(why.to_string()))?),
            host: Template::parse("{hostname}"),
            policy,
        })
    }

    async fn reply(&self, part: Part, req: &Request) -> Reply {
        let (content, kind) = match part {
            Part::Redirect => return self.redirect(),
            Part::Script => (SCRIPT.to_owned(), "text/javascript; charset=utf-8"),
            Part::Page => {
                let (page, host) = (self.page.clone(), self.host.expand(req, None, ""));
                let html = self.of_report(move |report| page.render(report, &host)).await?;
                let failed = |why| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, why);
                (html.map_err(failed)?, "text/html; charset=utf-8")
            }
            Part::Json => (self.of_report(report::json).await?, "application/json; charset=utf-8"),
        };
        Ok(self.response(content, kind))
    }

    /// Not on the thread of a worker, where it would delay requests.
    async fn of_report<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Report) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let process = self.process.clone();
        let read = tokio::task::spawn_blocking(move || process.report().as_ref().map(read));
        let read = read.await.map_err(|e| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, e))?;
        read.ok_or_else(|| Fault::status(StatusCode::SERVICE_UNAVAILABLE))
    }

    fn response(&self, content: String, kind: &'static str) -> Response<Body> {
        let mut response = Response::new(Body::from(content));
        let headers = response.headers_mut();
        let fields = [
            (header::CONTENT_TYPE, kind),
            (header::CACHE_CONTROL, "no-store"),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ];
        headers.extend(fields.map(|(name, value)| (name, HeaderValue::from_static(value))));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }

    /// Relative, as a proxy in front may serve the page at another path.
    fn redirect(&self) -> Reply {
        let last = self.path.rsplit('/').next().unwrap_or_default();
        let to = HeaderValue::try_from(format!("{last}/"));
        let to = to.map_err(|why| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, why))?;
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(header::LOCATION, to);
        Ok(response)
    }
}

/// Nothing runs or loads but what is served here.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src {}; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        view::style_source()
    )
}

impl Handler for StatusPage {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let part = req.route().strip_prefix(&self.path).and_then(Part::at);
        let Some(part) = part else { return next.run(req) };
        Box::pin(async move {
            self.hosts.check(req)?;
            if !matches!(req.head.method, Method::GET | Method::HEAD) {
                return Err(Fault::not_allowed("GET, HEAD"));
            }
            self.reply(part, req).await
        })
    }
}

#[cfg(test)]
mod tests;
