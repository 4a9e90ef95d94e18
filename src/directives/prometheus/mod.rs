//! `prometheus`: serves what the process counts in the formats that Prometheus reads. Knows nothing
//! of how it is counted.

mod accept;
mod export;
mod families;
mod fleet;
mod labels;
mod network;
mod quic_report;
mod requests;
#[cfg(test)]
mod tests;
mod upstreams;

use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};

use http::{HeaderValue, Method, Response, StatusCode, header};

use self::accept::Format;
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::Prefix;
use crate::http::ranges::Ranges;
use crate::http::{Body, Fault, Reply, Request};
use crate::report::{Process, Series};
use crate::site::local_hosts::Hosts;
use crate::site::{AdminSite, SiteBuilder};

const DEFAULT_PATH: &str = "/metrics";
const DEFAULT_ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9180);

/// As in the plugin, the last `path`, `address` and `hostname` are used.
pub(super) static OPTIONS: Options<Block> = Options::new(&[
    option("path PATH, such as: path /metrics", LastWins, |block, args| {
        let word = args.required()?;
        arguments::prefix(args, word).map(|path| block.path = path)
    }),
    option("address HOST:PORT, such as: address localhost:9180", LastWins, |block, args| {
        let word = args.required()?;
        block.listen(args, word)
    }),
    option("use_caddy_addr", Accumulates, |block, _| {
        block.use_caddy_addr = true;
        Ok(())
    }),
    option("hostname NAME, such as: hostname example.com", LastWins, |block, args| {
        args.required().map(|name| block.hostname = Some(name.to_owned()))
    }),
    option("label NAME VALUE, such as: label tier frontend", Accumulates, |block, args| {
        labels::read(&mut block.labels, args)
    }),
    option("allow RANGE..., such as: allow 10.0.0.0/8", Accumulates, |block, args| {
        args.each(|args, word| arguments::range(args, word, &mut block.allowed)).map(drop)
    }),
]);

pub(super) struct Block {
    path: Prefix,
    address: Option<SocketAddr>,
    use_caddy_addr: bool,
    hostname: Option<String>,
    labels: Vec<(String, String)>,
    allowed: Ranges,
}

impl Block {
    fn listen(&mut self, args: &Args<'_>, word: &str) -> Result<(), ConfigError> {
        self.address = Some(arguments::admin_address(args, word)?);
        Ok(())
    }
}

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    while args.next() {
        if site.series.is_some() {
            return Err(args
                .error("prometheus may be written only once in a site")
                .hint("keep one of the lines; its options go into its block"));
        }
        let word = args.token();
        let mut block = Block {
            path: Prefix::new(DEFAULT_PATH),
            address: None,
            use_caddy_addr: false,
            hostname: None,
            labels: Vec::new(),
            allowed: Ranges::default(),
        };
        match args.remaining()[..] {
            [] => {}
            [address] => block.listen(args, address)?,
            _ => return Err(args.arg_error()),
        }
        OPTIONS.read(&mut block, args)?;
        let place = word.map(|word| format!("{}:{}", word.file, word.line)).unwrap_or_default();
        let error = |message: String| match word {
            Some(word) => args.error_at(&word.text, message),
            None => args.error(message),
        };
        publish(block, &place, site)
            .map_err(|Exposed { message, hint }| error(message).hint(hint))?;
    }
    Ok(())
}

/// Why the metrics are not served as the block says, and what to write instead.
struct Exposed {
    message: String,
    hint: String,
}

/// Serves the metrics at the block's address or at a path of the site, if not everyone can read
/// them there.
fn publish(block: Block, place: &str, site: &mut SiteBuilder) -> Result<(), Exposed> {
    let Block { path, address, use_caddy_addr, hostname, labels, allowed } = block;
    let process = site.process.clone();
    if use_caddy_addr {
        if address.is_some() {
            return Err(Exposed {
                message: "prometheus: address and use_caddy_addr exclude one another".to_owned(),
                hint: "keep the address, or keep use_caddy_addr to serve the metrics at a path of \
                       the site"
                    .to_owned(),
            });
        }
        if allowed.is_empty() && !site.is_private(path.as_str()) {
            return Err(Exposed {
                message: format!(
                    "prometheus: everyone could read the metrics at {path} of the site"
                ),
                hint: format!(
                    "protect them by basicauth {path} USER PASSWORD in the site or by allow RANGE \
                     in this block, or leave use_caddy_addr out: then they are at \
                     {DEFAULT_ADDRESS}"
                ),
            });
        }
        let hosts = if allowed.are_loopback() { Hosts::Local } else { site.hosts(path.as_str()) };
        let path = Some(path.as_str().to_owned());
        site.push(Metrics { path, allowed, hosts, process });
    } else {
        let addr = address.unwrap_or(DEFAULT_ADDRESS);
        if allowed.is_empty() && !addr.ip().is_loopback() {
            return Err(Exposed {
                message: format!("prometheus: everyone could read the metrics at {addr}"),
                hint: format!(
                    "write localhost:{}, or allow RANGE in a block for those who may read them",
                    addr.port()
                ),
            });
        }
        // The site that serves them checks both.
        let (allow_all, hosts) = (Ranges::default(), Hosts::Any);
        let handler = Box::new(Metrics { path: None, allowed: allow_all, hosts, process });
        let (path, place) = (path.as_str().to_owned(), place.to_owned());
        site.admin.push(AdminSite { name: "metrics", addr, path, allowed, place, handler });
    }
    let host = hostname.unwrap_or_else(|| match site.address.host.as_str() {
        "" => site.name().to_string(),
        host => host.to_owned(),
    });
    site.series = Some(Series { site: site.name(), host, labels });
    Ok(())
}

struct Metrics {
    /// The path of the site that it is; `None`: the site has no other one.
    path: Option<String>,
    allowed: Ranges,
    hosts: Hosts,
    process: Process,
}

impl Handler for Metrics {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        if req.route() != self.path.as_deref().unwrap_or("/") {
            return next.run(req);
        }
        let is_reader = self.allowed.is_empty() || self.allowed.contains(req.peer.remote.ip());
        if !is_reader {
            let cause = format!("{} may not read the metrics", req.peer.remote.ip());
            return Box::pin(ready(Err(Fault::caused(StatusCode::FORBIDDEN, cause))));
        }
        if let Err(fault) = self.hosts.check(req) {
            return Box::pin(ready(Err(fault)));
        }
        if !matches!(req.head.method, Method::GET | Method::HEAD) {
            return Box::pin(ready(Err(Fault::not_allowed("GET, HEAD"))));
        }
        let format = Format::wanted(&req.head.headers);
        Box::pin(answer(self.process.clone(), format))
    }
}

async fn answer(process: Process, format: Format) -> Reply {
    // With thousands of sites the sums take milliseconds, in which a worker would serve nobody.
    let written =
        tokio::task::spawn_blocking(move || Some(export::write(process.report()?, format)));
    let text = written.await.map_err(|e| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, e))?;
    let text = text.ok_or_else(|| Fault::status(StatusCode::SERVICE_UNAVAILABLE))?;
    let text = text.map_err(|e| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, e))?;
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
