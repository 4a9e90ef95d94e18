//! `gzip`: compresses responses on their way out. Which requests and responses are meant is
//! settled here; the compressing body is in `stream`.

mod encoder;
mod rules;
mod stream;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap,
    HeaderValue, VARY,
};
use http::{Method, Response, StatusCode};
use http_body::Body as _;

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::coding::Codings;
use crate::http::{Body, Request};
use crate::site::SiteBuilder;

use rules::Rule;
use stream::GzipBody;

/// `gzip [{ ext … ; not … ; level N ; min_length N }]`, several times; the first that means a
/// request is used.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let rules = rules::parse(args, &mut site.warnings)?;
    site.push(Gzip { rules });
    Ok(())
}

struct Gzip {
    rules: Vec<Rule>,
}

impl Handler for Gzip {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let Some(rule) = self.rules.iter().find(|rule| rule.means(&req.route())) else {
            return next.run(req);
        };
        Box::pin(async move {
            let accepted = req.head.method != Method::HEAD && Codings::of(req).take("gzip");
            let response = next.run(req).await?;
            Ok(rule.work_on(response, accepted))
        })
    }
}

impl Rule {
    fn work_on(&self, mut response: Response<Body>, accepted: bool) -> Response<Body> {
        if response.headers().contains_key(CONTENT_ENCODING) || is_fixed(&response) {
            return response;
        }
        // A 304 describes the response that the client has, hence the same fields.
        let is_described = response.status() == StatusCode::NOT_MODIFIED;
        if !is_described && !self.is_worth(&response) {
            return response;
        }
        let headers = response.headers_mut();
        add_vary(headers);
        if !accepted {
            return response;
        }
        weaken_etag(headers);
        if is_described {
            return response;
        }
        headers.remove(CONTENT_LENGTH);
        headers.remove(ACCEPT_RANGES);
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response.map(|body| Body::new(GzipBody::new(body, self.level)))
    }

    fn is_worth(&self, response: &Response<Body>) -> bool {
        let announced = || response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok();
        let length = response.body().size_hint().exact().or_else(announced);
        match length {
            Some(length) => length > 0 && length >= self.min_length,
            None => self.min_length == 0,
        }
    }
}

/// Whether the bytes must stay as they are.
fn is_fixed(response: &Response<Body>) -> bool {
    let status = response.status();
    let transform_forbidden = || {
        let values = response.headers().get_all(CACHE_CONTROL).into_iter();
        values
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
    };
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::PARTIAL_CONTENT
        || response.headers().contains_key(CONTENT_RANGE)
        || transform_forbidden()
}

fn add_vary(headers: &mut HeaderMap) {
    let mut values = headers.get_all(VARY).into_iter().filter_map(|v| v.to_str().ok());
    let is_named = values.any(|value| {
        value
            .split(',')
            .map(str::trim)
            .any(|n| n == "*" || n.eq_ignore_ascii_case("accept-encoding"))
    });
    if !is_named {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// The compressed bytes are not the ones a strong tag names (RFC 9110 section 8.8.1).
fn weaken_etag(headers: &mut HeaderMap) {
    let Some(strong) = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", strong.as_bytes()].concat()) {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests;
