//! Static files, the last handler of every site: finds the file, checks preconditions and ranges,
//! and streams the content. Calls that may block run on the blocking pool; recently requested files
//! are cached.
//!
//! Symbolic links are followed anywhere, as in Caddy v1: who can write to the root decides what it
//! serves. A request's path cannot leave the root.

mod cache;
mod find;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod reply;

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use percent_encoding::percent_encode;

use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::coding::Codings;
use crate::http::paths::{IN_PATH, clean};
use crate::http::{Body, Fault, Reply, Request, target};
use crate::metrics::WorkerMetrics;
use crate::own_files::Raw;
use crate::site::SiteBuilder;

use cache::{Cached, Key};
use find::{Lookup, Opened, Outcome, Place, Slash};

/// The methods of a file.
const METHODS: &str = "GET, HEAD, OPTIONS";

/// Adds the file handler at the end of a site's chain.
pub fn setup_static(site: &mut SiteBuilder) {
    let index = site.index_names();
    let scripts = site.scripts.clone();
    let place = Place { root: site.root.clone(), index, hidden: site.hidden.clone(), scripts };
    let are_remade = site.remakes_files;
    let path = clean(&site.address.path).trim_matches('/').to_owned();
    site.push(Files { place: Arc::new(place), prefix: path, are_remade });
}

struct Files {
    place: Arc<Place>,
    /// The site's path without outer slashes, which request paths do not include.
    prefix: String,
    /// Whether a handler of the site makes other content of files.
    are_remade: bool,
}

impl Handler for Files {
    fn handle<'a>(&'a self, req: &'a mut Request, _next: Next<'a>) -> ReplyFuture<'a> {
        Box::pin(self.serve(req))
    }
}

impl Files {
    async fn serve(&self, req: &Request) -> Reply {
        match req.head.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return Ok(options()),
            _ => return Err(Fault::not_allowed(METHODS)),
        }
        let accepted = match self.is_raw(req) {
            true => [None; find::CODINGS.len()],
            false => Codings::of(req).choose(find::CODINGS),
        };
        let key = Key { place: &self.place, path: req.path(), accepted };
        match cache::get(key, req.received) {
            Cached::Fresh(file) if file.holds() => {
                WorkerMetrics::current().files().hit();
                self.reply(req, &file)
            }
            Cached::Fresh(file) => self.look_up(req, key, Some(file)).await,
            Cached::Stale(known) => self.look_up(req, key, known).await,
        }
    }

    /// Whether an outer handler asks for the file as it is.
    fn is_raw(&self, req: &Request) -> bool {
        self.are_remade && req.head.extensions.get::<Raw>().is_some()
    }

    fn reply(&self, req: &Request, file: &Opened) -> Reply {
        if self.is_raw(req) { Ok(reply::raw(req, file)) } else { reply::file(req, file) }
    }

    async fn look_up(&self, req: &Request, key: Key<'_>, known: Option<Arc<Opened>>) -> Reply {
        let files = WorkerMetrics::current().files();
        if known.is_some() {
            files.stale()
        } else {
            files.miss()
        }
        let path = target::relative(req.path());
        let path = path.ok_or_else(|| Fault::status(StatusCode::NOT_FOUND))?;
        let slash = req.route().ends_with('/');
        let wanted = Lookup { path: path.clone(), slash, accepted: key.accepted, known };
        let (place, asked) = (Arc::clone(&self.place), Instant::now());
        let found = tokio::task::spawn_blocking(move || find::find(&place, &wanted))
            .await
            .map_err(|e| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, e))?;
        let file = match &found {
            Ok(Outcome::File(file)) => Some(file),
            Ok(Outcome::Redirect(_)) | Err(_) => None,
        };
        cache::put(key, file, asked);
        match found {
            Ok(Outcome::File(file)) => self.reply(req, &file),
            Ok(Outcome::Redirect(slash)) => redirect(req, [Path::new(&self.prefix), &path], slash),
            Err(error) => Err(fault(error)),
        }
    }
}

/// RFC 9110 section 9.3.7.
fn options() -> Response<Body> {
    let fields = [(header::ALLOW, METHODS), (header::CONTENT_LENGTH, "0")];
    let fields = fields.map(|(name, value)| (name, HeaderValue::from_static(value)));
    reply::empty(StatusCode::OK, HeaderMap::from_iter(fields))
}

/// Redirects to the same path with or without its trailing slash, with the site's path in front.
/// The location starts with exactly one slash, so that it cannot name another host.
fn redirect(req: &Request, path: [&Path; 2], slash: Slash) -> Reply {
    let mut location = String::new();
    for name in path.into_iter().flatten() {
        location.push('/');
        location.extend(percent_encode(name.as_bytes(), IN_PATH));
    }
    if slash == Slash::Add {
        location.push('/');
    }
    if let Some(query) = req.head.uri.query() {
        location.push('?');
        location.push_str(query);
    }
    let location =
        HeaderValue::try_from(location).map_err(|e| Fault::caused(StatusCode::BAD_REQUEST, e))?;
    Ok(reply::empty(
        StatusCode::MOVED_PERMANENTLY,
        HeaderMap::from_iter([(header::LOCATION, location)]),
    ))
}

fn fault(error: io::Error) -> Fault {
    use io::ErrorKind as Kind;
    match error.kind() {
        // An error of our own, with its reason.
        Kind::NotFound if error.get_ref().is_some() => Fault::caused(StatusCode::NOT_FOUND, error),
        // Errors that mean that no such file can exist.
        Kind::NotFound | Kind::NotADirectory | Kind::InvalidFilename => {
            Fault::status(StatusCode::NOT_FOUND)
        }
        Kind::PermissionDenied => Fault::caused(StatusCode::FORBIDDEN, error),
        _ if error.raw_os_error() == Some(nix::errno::Errno::ELOOP as i32) => {
            Fault::caused(StatusCode::NOT_FOUND, error)
        }
        _ => {
            let mut fault = Fault::caused(StatusCode::SERVICE_UNAVAILABLE, error);
            // Randomized, so that clients do not retry at the same time.
            let seconds = HeaderValue::from(fastrand::u16(3..=5));
            fault.headers.insert(header::RETRY_AFTER, seconds);
            fault
        }
    }
}

#[cfg(test)]
mod tests;
