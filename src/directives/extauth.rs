//! `extauth`: a server of one's own decides which requests pass, with 200 or another status.

use std::time::Duration;

use http::header::{
    CONNECTION, COOKIE, DATE, EXPECT, HOST, HeaderMap, HeaderName, SERVER, SET_COOKIE, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Response, StatusCode};

use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::paths::{Prefix, Readings};
use crate::http::request::Authenticated;
use crate::http::{Body, Reply, Request, hop, vouched};
use crate::limits::EXTAUTH;
use crate::site::{SiteBuilder, Task};
use crate::upstream::exchange::one_server::{self, OneServer, Terms};
use crate::upstream::exchange::trust::Trust;
use crate::upstream::keep_resolved;
use crate::upstream::rewrite::header_rules::HeaderRule;

const BOOLEAN: &[(&str, bool)] = &[("true", true), ("false", false)];

pub(super) static OPTIONS: Options<Line> = Options::new(&[
    option("proxy URL, such as: proxy http://localhost:9000", LastWins, |line, args| {
        line.server = Some(args.required()?.to_owned());
        args.no_more()
    }),
    option("router", Accumulates, |line, args| {
        line.router = true;
        args.no_more()
    }),
    option("cookies true|false", LastWins, |line, args| {
        args.one_of("value", BOOLEAN).map(|pass| line.cookies = pass)
    }),
    option("headers true|false", LastWins, |line, args| {
        args.one_of("value", BOOLEAN).map(|pass| line.headers = pass)
    }),
    option("timeout DURATION, such as: timeout 5s", LastWins, |line, args| {
        args.positive_duration().map(|limit| line.limit = limit)
    }),
    option("insecure_skip_verify [true|false]", LastWins, |line, args| {
        line.any_certificate = match args.next_arg() {
            true => args.known("value", BOOLEAN)?,
            false => true,
        };
        args.no_more()
    }),
    option("prefixes PATH..., such as: prefixes /api /private", Accumulates, |line, args| {
        line.prefixes.extend(args.each(|args, word| arguments::prefix(args, word))?);
        Ok(())
    }),
]);

/// The directive as far as it has been read.
pub(super) struct Line {
    server: Option<String>,
    router: bool,
    cookies: bool,
    headers: bool,
    limit: Duration,
    any_certificate: bool,
    prefixes: Vec<Prefix>,
}

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut first = true;
    while args.next() {
        if !std::mem::take(&mut first) {
            let hint = "keep one of them; prefixes says which paths it is asked about";
            return Err(args.error("extauth: a site has one server to ask").hint(hint));
        }
        let words = args.remaining();
        let mut line = Line {
            server: None,
            router: false,
            cookies: true,
            headers: true,
            limit: EXTAUTH,
            any_certificate: false,
            prefixes: Vec::new(),
        };
        match words[..] {
            [] => {}
            [url] if !args.opens_block() => line.server = Some(url.to_owned()),
            _ => return Err(args.arg_error()),
        }
        OPTIONS.read(&mut line, args)?;
        let handler = line.finish(args)?;
        if let Some(name) = handler.server.named() {
            site.tasks.push(Task::new(move || keep_resolved(vec![name])));
        }
        site.push(handler);
    }
    Ok(())
}

impl Line {
    fn finish(self, args: &Args<'_>) -> Result<ExtAuth, ConfigError> {
        let Some(url) = self.server else {
            return Err(args
                .error("extauth: no server to ask is named")
                .hint("write: extauth URL, or in the block: proxy URL"));
        };
        let trust = if self.any_certificate { Trust::Anything } else { Trust::System };
        let fields = if self.headers { vec![HeaderRule::host()] } else { Vec::new() };
        let terms = Terms { trust, limit: self.limit, fields };
        let server = OneServer::new(&url, terms)
            .map_err(|message| args.error(format!("extauth: {message}")))?;
        let prefixes =
            if self.prefixes.is_empty() { vec![Prefix::new("/")] } else { self.prefixes };
        let (router, cookies, headers) = (self.router, self.cookies, self.headers);
        Ok(ExtAuth { server, router, cookies, headers, prefixes })
    }
}

struct ExtAuth {
    server: OneServer,
    /// Whether the server is asked at the path of the request.
    router: bool,
    cookies: bool,
    headers: bool,
    prefixes: Vec<Prefix>,
}

/// The path and query of the request. The client's own would be believed.
const URL: HeaderName = HeaderName::from_static("x-auth-url");

impl ExtAuth {
    fn protects(&self, readings: &Readings<'_>) -> bool {
        self.prefixes.iter().any(|prefix| readings.touch(prefix))
    }

    fn question(&self, req: &Request) -> Request {
        let mut headers = HeaderMap::new();
        if self.headers {
            headers = one_server::fields_of_the_client(req);
            vouched::remove(&mut headers, |name| vouched::reads_as(name, URL.as_str()));
            let target = req.head.uri.path_and_query().map_or("/", PathAndQuery::as_str);
            if let Ok(target) = HeaderValue::try_from(target) {
                headers.insert(URL, target);
            }
        } else if self.cookies {
            for cookie in req.head.headers.get_all(COOKIE) {
                headers.append(COOKIE, cookie.clone());
            }
        }
        if !self.cookies {
            headers.remove(COOKIE);
        }
        let own = req.head.uri.path_and_query().filter(|_| self.router);
        one_server::question(req, own.unwrap_or(self.server.path()), headers)
    }

    async fn decide(&self, req: &mut Request, next: Next<'_>) -> Reply {
        let question = self.question(req);
        let mut answer = self.server.ask(&question).await?;
        if answer.status() == StatusCode::OK {
            replace(&mut req.head.headers, &answer);
            req.head.extensions.insert(Authenticated);
            drop(answer);
            return next.run(req).await;
        }
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        if req.head.method == Method::HEAD {
            *answer.body_mut() = Body::empty();
        }
        Ok(answer)
    }
}

/// Replaces the fields of a request by those of the response, but for those that belong to the
/// message itself. Cookies of the response become those of the request.
fn replace(client: &mut HeaderMap, answer: &Response<Body>) {
    // Also their names in `Connection`, by which a client could have the proxy remove them.
    let told: Vec<HeaderName> =
        answer.headers().keys().filter(|name| !is_of_message(name)).cloned().collect();
    vouched::remove(client, |name| told.iter().any(|one| one.as_str().eq_ignore_ascii_case(name)));
    let mut fields = HeaderMap::new();
    for (name, value) in client.iter().filter(|(name, _)| is_of_message(name)) {
        fields.append(name, value.clone());
    }
    let is_told = |name: &HeaderName| {
        !is_of_message(name)
            && !hop::is_hop_by_hop(name)
            && !matches!(*name, DATE | SERVER | SET_COOKIE)
    };
    for (name, value) in answer.headers().iter().filter(|(name, _)| is_told(name)) {
        fields.append(name, value.clone());
    }
    for cookie in answer.headers().get_all(SET_COOKIE) {
        let pair = cookie.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
        if let Ok(pair) = HeaderValue::from_bytes(pair) {
            fields.append(COOKIE, pair);
        }
    }
    hop::join_crumbs(&mut fields);
    *client = fields;
}

/// Whether a field says how the message is framed, or what its content is.
fn is_of_message(name: &HeaderName) -> bool {
    matches!(*name, HOST | EXPECT | CONNECTION | UPGRADE) || {
        let name = name.as_str();
        name.starts_with("content-")
            || name.starts_with("sec-websocket-")
            || name == "transfer-encoding"
            || name == "te"
    }
}

impl Handler for ExtAuth {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        match self.protects(&req.readings()) {
            true => Box::pin(self.decide(req, next)),
            false => next.run(req),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::testing;

    #[test]
    fn what_is_refused() {
        for (lines, message) in [
            ("extauth", "extauth: no server to ask is named"),
            ("extauth {\nrouter\n}", "extauth: no server to ask is named"),
            ("extauth a b", "Wrong argument count or unexpected line ending after 'b'"),
            ("extauth quic://a", "extauth: upstream 'quic://a': scheme 'quic'"),
            ("extauth a:80-82", "extauth: 'a:80-82' names 3 servers, and one is asked"),
            ("extauth a\nextauth b", "extauth: a site has one server to ask"),
            ("extauth {\nproxy a\ncookies maybe\n}", "unknown value 'maybe'"),
            ("extauth {\nproxy a\ntimeout 0s\n}", "timeout must be more than 0"),
            ("extauth {\nproxy a\nprefix /a\n}", "unknown property 'prefix'"),
        ] {
            let error = testing::site("extauth", setup, lines).err().unwrap_or_default();
            assert!(error.starts_with(message), "{lines}: {error}");
        }
    }

    #[test]
    fn the_fields_of_the_response_replace_those_of_the_request() {
        let mut client = HeaderMap::new();
        for (name, value) in [
            ("host", "a"),
            ("content-length", "3"),
            ("content-type", "text/plain"),
            ("authorization", "Bearer x"),
            ("cookie", "old=1"),
            ("x-user", "forged"),
        ] {
            client.insert(name, HeaderValue::from_static(value));
        }
        let answer = Response::builder()
            .header("content-length", "9")
            .header("content-type", "text/html")
            .header("x-user", "kim")
            .header("set-cookie", "new=2; Path=/; HttpOnly")
            .header("set-cookie", "more=3")
            .header("server", "x")
            .body(Body::empty())
            .unwrap();
        replace(&mut client, &answer);
        let told = |name: &str| client.get(name).map_or("", |value| value.to_str().unwrap());
        assert_eq!(
            (told("host"), told("content-length"), told("content-type")),
            ("a", "3", "text/plain")
        );
        assert_eq!((told("x-user"), told("cookie")), ("kim", "new=2; more=3"));
        assert_eq!((told("authorization"), told("server")), ("", ""));
    }
}
