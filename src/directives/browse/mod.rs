//! `browse`: lists directories without an index file, as HTML or JSON.

mod listing;
mod page;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use crate::arguments;
use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::{Prefix, leads_into_git};
use crate::http::{Body, Fault, Reply, Request, target};
use crate::pages::{Facts, Rendered, Root};
use crate::site::SiteBuilder;

use listing::{Folder, Order};
use page::{Page, View};

/// `browse [PATH [TEMPLATE]]`.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    while args.next() {
        let (path, template) = match *args.remaining().as_slice() {
            [] => ("/", None),
            [path] => (path, None),
            [path, template] => (path, Some(template)),
            _ => return Err(args.arg_error()),
        };
        let path = arguments::prefix(args, path)?;
        if rules.iter().any(|rule| rule.path == path) {
            return Err(args
                .error(format!("duplicate browsing config for {path}"))
                .hint("write browse once for each path"));
        }
        let page = match template {
            None => Page::ours(),
            Some(file) if site.foreign.holds_path(Path::new(file)) => {
                return Err(args
                    .error(format!("browse: clients may write the template {file}"))
                    .hint("keep it where neither upload nor webdav writes"));
            }
            Some(file) => Page::read(file),
        };
        let page = page.map_err(|message| {
            args.error(format!("browse: {message}"))
                .hint("a template is one of Go's text/template; see docs/browse.md")
        })?;
        rules.push(Rule { path, page: Arc::new(page) });
    }
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.path.as_str().len()));
    let index = site.index_names();
    let (hidden, files) = (site.hidden.clone(), Root::of(site));
    site.push(Browse { rules, root: site.root.clone(), index, hidden, files });
    Ok(())
}

/// The longest path first.
struct Browse {
    rules: Vec<Rule>,
    root: PathBuf,
    index: Vec<String>,
    hidden: Vec<PathBuf>,
    /// What templates may read.
    files: Arc<Root>,
}

struct Rule {
    path: Prefix,
    page: Arc<Page>,
}

impl Rule {
    /// Whether the parent directory is listed too.
    fn holds_parent(&self, folder: &str) -> bool {
        let parent = folder.trim_end_matches('/').rsplit_once('/').map(|(parent, _)| parent);
        parent.is_some_and(|parent| self.path.holds(&format!("{parent}/")))
    }
}

impl Handler for Browse {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let rule = self.rules.iter().find(|rule| rule.path.holds(&route));
        let is_folder = route.ends_with('/') && !leads_into_git(&route);
        drop(route);
        let folder = target::file(&self.root, req.path()).filter(|_| is_folder);
        let (Some(rule), Some(folder)) = (rule, folder) else { return next.run(req) };
        let method = req.head.method.clone();
        if method.as_str() == "PROPFIND" {
            return Box::pin(std::future::ready(Err(Fault::status(StatusCode::NOT_IMPLEMENTED))));
        }
        if method != Method::GET && method != Method::HEAD {
            return next.run(req);
        }
        Box::pin(async move {
            match self.list(rule, folder, req).await? {
                Some(response) => Ok(response),
                None => next.run(req).await,
            }
        })
    }
}

impl Browse {
    /// The list; `None` if the path is not a directory or has an index file.
    async fn list(
        &self,
        rule: &Rule,
        path: PathBuf,
        req: &Request,
    ) -> Result<Option<Response<Body>>, Fault> {
        let (order, chosen) = Order::of(req);
        let wants_json = req
            .field(header::ACCEPT.as_str())
            .is_some_and(|accept| accept.to_ascii_lowercase().contains("application/json"));
        let shown = shown_path(req);
        let can_go_up = rule.holds_parent(&req.route());
        let (index, hidden) = (self.index.clone(), self.hidden.clone());
        let (root, facts) = (self.files.clone(), Facts::of(req));
        let page = rule.page.clone();
        let work = move || -> std::io::Result<Option<Content>> {
            let Some(folder) = Folder::read(&path, &index, &hidden, order)? else {
                return Ok(None);
            };
            if wants_json {
                let kind = "application/json; charset=utf-8";
                return Ok(Some(Content { bytes: folder.json(), kind, links: Vec::new() }));
            }
            let view = View { folder, path: shown, can_go_up, order, root, facts };
            let Rendered { text, links, .. } = page.render(view).map_err(std::io::Error::other)?;
            let kind = "text/html; charset=utf-8";
            Ok(Some(Content { bytes: text.into_bytes(), kind, links }))
        };
        let done = tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, error))?;
        match done {
            Ok(None) => Ok(None),
            Ok(Some(content)) => {
                let mut response = content.response()?;
                response.headers_mut().extend(cookies(chosen, rule, req));
                Ok(Some(response))
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Err(Fault::caused(StatusCode::FORBIDDEN, error))
            }
            Err(error) => Err(Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, error)),
        }
    }
}

/// A list as it is sent.
struct Content {
    bytes: Vec<u8>,
    kind: &'static str,
    /// The `Link` fields that a template asks for.
    links: Vec<String>,
}

impl Content {
    fn response(self) -> Reply {
        let mut response = Response::new(Body::from(bytes::Bytes::from(self.bytes)));
        let headers = response.headers_mut();
        for link in self.links {
            let link = HeaderValue::try_from(link)
                .map_err(|error| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, error))?;
            headers.append(header::LINK, link);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(self.kind));
        // The same URL has two representations.
        headers.insert(header::VARY, HeaderValue::from_static("Accept, Cookie"));
        Ok(response)
    }
}

/// The path as the client sees it, decoded.
fn shown_path(req: &Request) -> String {
    let path = req.original_uri.path();
    percent_encoding::percent_decode_str(path).decode_utf8_lossy().into_owned()
}

/// Stores a newly chosen order in cookies.
fn cookies(chosen: Option<Order>, rule: &Rule, req: &Request) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(order) = chosen else { return headers };
    let secure = if req.peer.tls.is_some() { "; Secure" } else { "" };
    for (name, value) in [("sort", order.by.word()), ("order", order.direction())] {
        let text = format!("{name}={value}; Path={}; SameSite=Lax{secure}", rule.path);
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.append(header::SET_COOKIE, value);
        }
    }
    headers
}

#[cfg(test)]
mod tests;
