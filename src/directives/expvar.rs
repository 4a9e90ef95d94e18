//! `expvar [PATH]`: the resource usage of the process as JSON.

use std::sync::LazyLock;
use std::time::Instant;

use http::{HeaderValue, Response, header};
use serde_json::{Value, json};

use crate::arguments;
use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::{Body, Request};
use crate::report::Usage;
use crate::site::SiteBuilder;
use crate::site::local_hosts::Hosts;

const DEFAULT_PATH: &str = "/debug/vars";

/// About the start of the process: the first configuration is read then.
static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    LazyLock::force(&STARTED);
    let mut path = None;
    while args.next() {
        let given = match args.remaining().as_slice() {
            [] => DEFAULT_PATH,
            [path] => path,
            _ => return Err(args.arg_error()),
        };
        let given = arguments::prefix(args, given)?;
        if path.replace(given).is_some() {
            return Err(args.error("expvar may be written only once").hint("keep one path"));
        }
    }
    let path = path.unwrap_or_else(|| Prefix::new(DEFAULT_PATH));
    let hosts = site.hosts(path.as_str());
    site.push(Vars { path, hosts });
    Ok(())
}

struct Vars {
    path: Prefix,
    hosts: Hosts,
}

impl Handler for Vars {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        if !self.path.holds(&req.route()) {
            return next.run(req);
        }
        Box::pin(async {
            self.hosts.check(req)?;
            let mut response = Response::new(Body::from(format!("{:#}\n", vars().await)));
            let headers = response.headers_mut();
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            headers.insert(header::CONTENT_TYPE, json);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        })
    }
}

/// A value that cannot be read is null.
async fn vars() -> Value {
    let usage = tokio::task::spawn_blocking(Usage::read).await.unwrap_or_default();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_seconds": STARTED.elapsed().as_secs(),
        "threads": usage.threads,
        "descriptors": usage.descriptors,
        "memory": {
            "resident_bytes": usage.resident_bytes,
            "peak_resident_bytes": usage.peak_resident_bytes,
        },
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::directives::testing;
    use crate::http::request::tests::request;

    #[tokio::test]
    async fn tells_of_the_process() {
        let site = testing::site("expvar", setup, "expvar").unwrap().build();
        let response = site.handle(&mut request("GET", "/debug/vars")).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let vars: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(vars["pid"], std::process::id());
        for pointer in ["/threads", "/descriptors", "/memory/resident_bytes"] {
            assert!(vars.pointer(pointer).and_then(Value::as_u64).unwrap() > 0, "{pointer}");
        }
        assert!(site.handle(&mut request("GET", "/debug")).await.is_err());
    }

    #[tokio::test]
    async fn names_of_others_do_not_lead_to_it() {
        let bound: crate::directives::Setup = |args, site| {
            site.binds.push("127.0.0.1".to_owned());
            setup(args, site)
        };
        for (setup, host, status) in [
            (bound, "localhost", 200),
            (bound, "rebound.example", 421),
            (setup, "shop.example", 200),
        ] {
            let site = testing::site("expvar", setup, "expvar").unwrap().build();
            let mut asked = request("GET", "/debug/vars");
            asked.host = host.to_owned();
            let found = site.handle(&mut asked).await;
            let found = found.map_or_else(|fault| fault.status, |response| response.status());
            assert_eq!(found, status, "{host}");
        }
    }

    #[test]
    fn what_is_refused() {
        for lines in ["expvar /a /b", "expvar\nexpvar"] {
            assert!(testing::site("expvar", setup, lines).is_err(), "{lines}");
        }
    }
}
