//! `markdown [PATH]`: sends files of Markdown as pages.

mod document;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod page;

use std::hash::Hasher as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use fnv::FnvHasher;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LAST_MODIFIED, LINK};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::arguments;
use crate::caddyfile::Repeat::Accumulates;
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::{Prefix, extension};
use crate::http::preconditions::{Validators, Verdict};
use crate::http::{Body, Fault, Reply, Request, target};
use crate::own_files::Cache;
use crate::pages::{Facts, Root};
use crate::site::SiteBuilder;

use page::{DEFAULT, Look, Source};

pub(super) static OPTIONS: Options<Rule> = Options::new(&[
    option("ext .EXTENSION..., such as: ext .md .txt", Accumulates, |rule, args| {
        for word in args.one_or_more()? {
            rule.add_extension(word, args)?;
        }
        Ok(())
    }),
    option("css FILE, such as: css /style.css", Accumulates, |rule, args| {
        rule.look.styles.push(args.required()?.to_owned());
        args.no_more()
    }),
    option("js FILE, such as: js /script.js", Accumulates, |rule, args| {
        rule.look.scripts.push(args.required()?.to_owned());
        args.no_more()
    }),
    option("template [NAME] FILE", Accumulates, |rule, args| match *args.remaining().as_slice() {
        [file] => rule.add_template(DEFAULT, &rule.root.place(file), args),
        [name, file] => rule.add_template(name, &rule.root.place(file), args),
        _ => Err(args.arg_error()),
    }),
    option(
        "templatedir PATTERN, such as: templatedir templates/*.html",
        Accumulates,
        |rule, args| {
            let pattern = args.required()?;
            args.no_more()?;
            rule.add_folder(pattern, args)
        },
    ),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        let path = match *args.remaining().as_slice() {
            [] => "/",
            [path] => path,
            _ => return Err(args.arg_error()),
        };
        let path = arguments::prefix(args, path)?;
        let mut rule = Rule {
            path,
            extensions: Vec::new(),
            look: Look::default(),
            changed: None,
            root: Root::of(site),
            cache: Cache::default(),
        };
        OPTIONS.read(&mut rule, args)?;
        if rule.extensions.is_empty() {
            rule.extensions = EXTENSIONS.map(str::to_owned).to_vec();
        }
        rules.push(Arc::new(rule));
    }
    site.push(Markdown { rules, root: site.root.clone() });
    Ok(())
}

const EXTENSIONS: [&str; 3] = [".md", ".markdown", ".mdown"];

pub(super) struct Rule {
    path: Prefix,
    extensions: Vec<String>,
    look: Look,
    /// The latest change of a template.
    changed: Option<SystemTime>,
    root: Arc<Root>,
    cache: Cache<Made>,
}

/// A page ready to send.
struct Made {
    content: Bytes,
    /// None for a page that may be another at the next request.
    validators: Option<Validators>,
    links: Vec<String>,
}

impl Rule {
    fn add_extension(&mut self, word: &str, args: &Args<'_>) -> Result<(), ConfigError> {
        if !word.starts_with('.') {
            return Err(args
                .error_at(word, format!("markdown: '{word}' is not an extension"))
                .hint(format!("an extension starts with a dot: .{word}")));
        }
        self.extensions.push(word.to_owned());
        Ok(())
    }

    fn add_template(
        &mut self,
        name: &str,
        file: &Path,
        args: &Args<'_>,
    ) -> Result<(), ConfigError> {
        let shown = file.display();
        if self.root.is_foreign(file) {
            return Err(args
                .error(format!("markdown: clients may write the template {shown}"))
                .hint("keep it where neither upload nor webdav writes"));
        }
        let text = std::fs::read_to_string(file).map_err(|error| {
            args.error(format!("markdown: cannot read the template {shown}: {error}"))
                .hint("its path is relative to the root of the site")
        })?;
        self.look.templates.add(name, &text).map_err(|error| {
            let message =
                format!("markdown: invalid template {shown}:{}: {}", error.line, error.message);
            args.error(message)
                .hint("the language is that of Go's text/template; see docs/templates.md")
        })?;
        let changed = std::fs::metadata(file).and_then(|about| about.modified()).ok();
        self.changed = self.changed.max(changed);
        Ok(())
    }

    fn add_folder(&mut self, pattern: &str, args: &Args<'_>) -> Result<(), ConfigError> {
        let paths = glob::glob(pattern).map_err(|error| {
            args.error(format!("markdown: '{pattern}' is not a pattern: {error}"))
                .hint("write a pattern of files, such as templates/*.html")
        })?;
        let files: Vec<PathBuf> = paths.flatten().filter(|path| path.is_file()).collect();
        if files.is_empty() {
            return Err(args
                .error(format!("markdown: no file matches '{pattern}'"))
                .hint("the pattern is relative to the working directory of the server"));
        }
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.add_template(&name, &file, args)?;
        }
        Ok(())
    }

    /// The page of a file; an error of kind `NotFound` if there is no such file.
    fn page(&self, wanted: &Wanted) -> io::Result<Arc<Made>> {
        let (path, folder) = match &wanted.folder {
            None => (wanted.path.clone(), None),
            Some(folder) => {
                let names =
                    self.extensions.iter().map(|ending| folder.join(format!("index{ending}")));
                let found = names.into_iter().find(|path| path.is_file());
                (found.ok_or(io::ErrorKind::NotFound)?, Some(folder.as_path()))
            }
        };
        let file = self.root.open(&path)?;
        let state = file.state;
        if let Some(made) = self.cache.get(&path, &state) {
            return Ok(made);
        }
        let text = file.read()?;
        let source = Source { path: &path, text: &text, folder };
        let rendered = self.look.render(&source, &self.root, wanted.facts.clone());
        let rendered = rendered.map_err(io::Error::other)?;
        let mut hasher = FnvHasher::default();
        hasher.write(rendered.text.as_bytes());
        let changed = state.modified().max(self.changed);
        let validators = (!rendered.varies).then(|| Validators::new(changed, hasher.finish()));
        let is_kept = validators.is_some();
        let made =
            Arc::new(Made { content: rendered.text.into(), validators, links: rendered.links });
        if is_kept {
            self.cache.put(&path, &state, made.content.len(), &made);
        }
        Ok(made)
    }
}

/// A file of Markdown that a request may be for.
struct Wanted {
    path: PathBuf,
    /// The folder whose index it is.
    folder: Option<PathBuf>,
    facts: Facts,
}

/// The first rule that holds a path is used.
struct Markdown {
    rules: Vec<Arc<Rule>>,
    root: PathBuf,
}

impl Handler for Markdown {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let is_read = matches!(req.head.method, Method::GET | Method::HEAD);
        let route = req.route();
        let is_folder = route.ends_with('/');
        let rule = self.rules.iter().find(|rule| rule.path.holds(&route));
        let has = |rule: &&Arc<Rule>| {
            is_folder || rule.extensions.iter().any(|known| known == extension(&route))
        };
        let rule = rule.filter(has).filter(|_| is_read);
        let path = rule.and_then(|_| target::file(&self.root, req.path()));
        drop(route);
        let (Some(rule), Some(path)) = (rule, path) else { return next.run(req) };
        Box::pin(async move {
            let (rule, facts) = (rule.clone(), Facts::of(req));
            let folder = is_folder.then(|| path.clone());
            let wanted = Wanted { path, folder, facts };
            let done = tokio::task::spawn_blocking(move || rule.page(&wanted)).await;
            let failed = |error: io::Error| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, error);
            match done.map_err(io::Error::other).flatten() {
                Ok(made) => reply(req, &made),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    Err(Fault::caused(StatusCode::FORBIDDEN, error))
                }
                // The file handler says why.
                Err(error) if is_absent(&error) => next.run(req).await,
                Err(error) => Err(failed(error)),
            }
        })
    }
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | InvalidFilename)
}

fn reply(req: &Request, made: &Made) -> Reply {
    let mut headers = HeaderMap::with_capacity(12);
    if let Some(validators) = &made.validators {
        for (name, value) in [(ETAG, &validators.etag), (LAST_MODIFIED, &validators.last_modified)]
        {
            headers.extend(value.clone().map(|value| (name, value)));
        }
        match validators.check(&req.head.headers) {
            Verdict::Send => {}
            Verdict::NotModified => {
                return Ok(with(StatusCode::NOT_MODIFIED, headers, Body::empty()));
            }
            Verdict::Failed => return Err(Fault::status(StatusCode::PRECONDITION_FAILED)),
        }
    }
    for link in &made.links {
        let value = HeaderValue::try_from(link)
            .map_err(|error| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, error))?;
        headers.append(LINK, value);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_LENGTH, made.content.len().into());
    let is_head = req.head.method == Method::HEAD;
    let body = if is_head { Body::empty() } else { made.content.clone().into() };
    Ok(with(StatusCode::OK, headers, body))
}

fn with(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests;
