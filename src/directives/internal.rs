//! `internal PATH`: paths that clients cannot request. An inner handler can answer with them by the
//! field `X-Accel-Redirect`.

use std::future::ready;

use http::header::{self, HeaderMap, HeaderName};
use http::{Method, Response, StatusCode};

use crate::arguments;
use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::{Body, Fault, Reply, Request, target};
use crate::limits::INTERNAL_REDIRECTS;
use crate::site::SiteBuilder;

const REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut paths = Vec::new();
    while args.next() {
        match args.remaining().as_slice() {
            [path] => paths.push(arguments::prefix(args, path)?),
            _ => return Err(args.arg_error()),
        }
    }
    site.push(Internal { paths });
    Ok(())
}

struct Internal {
    paths: Vec<Prefix>,
}

impl Handler for Internal {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let readings = req.readings();
        if self.paths.iter().any(|path| readings.touch(path)) {
            return Box::pin(ready(Err(Fault::status(StatusCode::NOT_FOUND))));
        }
        drop(readings);
        Box::pin(follow(req, next))
    }
}

/// Runs the inner handlers until one responds without an internal redirect.
async fn follow(req: &mut Request, next: Next<'_>) -> Reply {
    let mut kept = HeaderMap::new();
    for _ in 0..=INTERNAL_REDIRECTS {
        let mut response = next.run(&mut *req).await?;
        let Some(to) = response.headers_mut().remove(&REDIRECT) else {
            return Ok(with(response, kept));
        };
        let to = to.to_str().ok().filter(|to| to.starts_with('/'));
        let Some(uri) = to.and_then(|to| target::parse(to).ok()) else {
            return Err(Fault::caused(
                StatusCode::BAD_GATEWAY,
                "X-Accel-Redirect is not a path: it must start with '/'",
            ));
        };
        keep(&mut kept, response.headers());
        drop(response);
        redirect(req);
        req.head.uri = uri;
    }
    let cause =
        format!("more than {INTERNAL_REDIRECTS} internal redirects for {}", req.original_uri);
    Err(Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, cause))
}

/// Fields of the redirecting response that apply to the final one.
static KEPT: [HeaderName; 4] =
    [header::SET_COOKIE, header::CONTENT_DISPOSITION, header::CACHE_CONTROL, header::EXPIRES];

fn keep(kept: &mut HeaderMap, headers: &HeaderMap) {
    for name in &KEPT {
        let mut values = headers.get_all(name).iter();
        if name == header::SET_COOKIE {
            values.for_each(|value| {
                kept.append(name, value.clone());
            });
        } else if let Some(value) = values.next() {
            kept.insert(name, value.clone());
        }
    }
}

fn with(mut response: Response<Body>, kept: HeaderMap) -> Response<Body> {
    let headers = response.headers_mut();
    for (name, value) in &kept {
        if name == header::SET_COOKIE {
            headers.append(name, value.clone());
        } else {
            headers.insert(name, value.clone());
        }
    }
    response
}

/// The redirecting handler has consumed the content of the request.
fn redirect(req: &mut Request) {
    if req.head.method != Method::HEAD {
        req.head.method = Method::GET;
    }
    req.body = Body::empty();
    for name in [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::EXPECT] {
        req.head.headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::directives::testing;
    use crate::http::request::tests::request;
    use crate::site::Site;

    /// Answers `/to/PATH` with an internal redirect to `/PATH`, `/loop` with one to itself,
    /// everything else with the method and URI.
    fn inner(req: &mut Request) -> Reply {
        let asked = format!("{} {}", req.head.method, req.head.uri);
        let mut response = Response::new(Body::from(asked));
        let to = match req.path() {
            "/loop" => Some("/loop".to_owned()),
            "/away" => Some("https://evil.example/".to_owned()),
            path => path.strip_prefix("/to").map(str::to_owned),
        };
        if let Some(to) = to {
            response.headers_mut().insert(REDIRECT, to.parse().unwrap());
            for (name, value) in [("set-cookie", "a=1"), ("cache-control", "private")] {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
        }
        Ok(response)
    }

    fn site() -> Site {
        let mut site = testing::site("internal", setup, "internal /hidden\ninternal /x").unwrap();
        site.push(testing::Answer(inner));
        site.build()
    }

    #[tokio::test]
    async fn only_an_inner_handler_leads_there() {
        for (method, path, expected) in [
            ("GET", "/hidden/a", "404"),
            ("GET", "/%68idden", "404"),
            ("GET", "/hidden.bak", "404"),
            ("GET", "/Hidden/a", "404"),
            ("GET", "/hidden/../y", "404"),
            ("GET", "/hid", "GET /hid"),
            ("GET", "/to/hidden/a%20b", "GET /hidden/a%20b"),
            ("POST", "/to/to/x", "GET /x"),
            ("GET", "/loop", "500"),
            ("GET", "/away", "502"),
        ] {
            let reply = site().handle(&mut request(method, path)).await;
            let shown = match reply {
                Ok(response) => {
                    assert!(!response.headers().contains_key(REDIRECT));
                    let bytes = response.into_body().collect().await.unwrap().to_bytes();
                    String::from_utf8(bytes.to_vec()).unwrap()
                }
                Err(fault) => fault.status.as_str().to_owned(),
            };
            assert_eq!(shown, expected, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn what_the_redirecting_one_says_is_kept() {
        let response = site().handle(&mut request("GET", "/to/to/x")).await.unwrap();
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "a=1"]);
        assert_eq!(response.headers()["cache-control"], "private");
    }

    #[test]
    fn a_path_is_needed() {
        for lines in ["internal", "internal /a /b"] {
            assert!(testing::site("internal", setup, lines).is_err(), "{lines}");
        }
    }
}
