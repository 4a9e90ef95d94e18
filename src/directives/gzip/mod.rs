//! `gzip`: compresses responses. Selects the requests and responses; the body that compresses is in
//! `stream`.

mod encoder;
mod fields;
mod rules;
mod stream;

use http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, Method, Response, StatusCode};
use hyper::body::Body as _;

use crate::caddyfile::{Args, ConfigError};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::coding::Codings;
use crate::http::response::add_vary;
use crate::http::{Body, Request};
use crate::site::SiteBuilder;

use encoder::{Coding, Parameters};
pub(super) use rules::OPTIONS;
use rules::{By, Rule};
use stream::CodedBody;

/// Of several blocks, the first that matches a request is used.
pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let rules = rules::parse(args)?;
    site.push(Gzip { rules });
    Ok(())
}

struct Gzip {
    rules: Vec<Rule>,
}

impl Handler for Gzip {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let meant = self.rules.iter().find_map(|rule| Some((rule, rule.means(&route)?)));
        drop(route);
        let Some((rule, by)) = meant else { return next.run(req) };
        Box::pin(async move {
            // Inner handlers may change the request.
            let is_head = req.head.method == Method::HEAD;
            let coding = rule.choose(&Codings::of(req));
            let response = next.run(req).await?;
            if !rule.may_compress(&response, by, is_head) {
                return Ok(response);
            }
            Ok(rule.compress(response, coding, &req.head.headers, is_head))
        })
    }
}

impl Rule {
    /// The coding with the client's highest preference; of several, the first that is offered.
    fn choose(&self, accepted: &Codings<'_>) -> Option<Coding> {
        accepted.best(self.codings.iter().copied(), Coding::name)
    }

    /// Whether this response is compressed if the client accepts it.
    fn may_compress(&self, response: &Response<Body>, by: By, is_head: bool) -> bool {
        let (status, headers) = (response.status(), response.headers());
        if is_fixed(status, headers) {
            return false;
        }
        if status == StatusCode::NOT_MODIFIED {
            // Without content there is neither a type nor a length.
            return true;
        }
        let is_part = status == StatusCode::PARTIAL_CONTENT;
        let kind = headers.get(CONTENT_TYPE);
        // A multipart response has the type of its container.
        let is_known = !is_part || headers.contains_key(CONTENT_RANGE);
        if by == By::Type && kind.is_some_and(|kind| is_known && !fields::is_compressible(kind)) {
            return false;
        }
        match whole_length(response, is_head) {
            Some(length) => length > 0 && length >= self.min_length,
            None => is_part || self.min_length == 0,
        }
    }

    /// Compresses if the client accepts it, by the given request fields. Otherwise the response
    /// only gets Vary.
    fn compress(
        &self,
        mut response: Response<Body>,
        coding: Option<Coding>,
        request: &HeaderMap,
        is_head: bool,
    ) -> Response<Body> {
        let status = response.status();
        let length = whole_length(&response, is_head);
        let headers = response.headers_mut();
        add_vary(headers, "Accept-Encoding");
        let Some(coding) = coding else { return response };
        match status {
            // Ranges refer to the uncompressed content.
            StatusCode::PARTIAL_CONTENT => response,
            // A 304 describes the response that the client has, so it gets the same fields.
            StatusCode::NOT_MODIFIED => {
                if !fields::has_as_it_was(request, headers) {
                    fields::weaken_etag(headers);
                }
                response
            }
            _ => {
                fields::recode(headers, coding);
                let parameters = Parameters { coding, level: self.level, length };
                response.map(|body| match is_head {
                    true => Body::empty(),
                    false => Body::new(CodedBody::new(body, parameters)),
                })
            }
        }
    }
}

/// The length of the whole content, if the response has it.
fn whole_length(response: &Response<Body>, is_head: bool) -> Option<u64> {
    let headers = response.headers();
    let number = |text: &str| text.parse().ok();
    if response.status() == StatusCode::PARTIAL_CONTENT {
        return headers.get(CONTENT_RANGE)?.to_str().ok()?.rsplit('/').next().and_then(number);
    }
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(number);
    match response.body().size_hint().exact() {
        // A response to HEAD only describes its content, which has a type if it is not empty.
        Some(0) if is_head => announced.or((!headers.contains_key(CONTENT_TYPE)).then_some(0)),
        exact => exact.or(announced),
    }
}

/// Whether the content must not be compressed, regardless of the client.
fn is_fixed(status: StatusCode, headers: &HeaderMap) -> bool {
    let transform_forbidden = || {
        let values = headers.get_all(CACHE_CONTROL).into_iter();
        values
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
    };
    status.is_informational()
        || status == StatusCode::NO_CONTENT
        || (status != StatusCode::PARTIAL_CONTENT && headers.contains_key(CONTENT_RANGE))
        || headers.contains_key(CONTENT_ENCODING)
        || transform_forbidden()
}

#[cfg(test)]
mod tests;
