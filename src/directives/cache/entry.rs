//! A stored response, and the responses that are made of it.

use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG,
    HeaderMap, HeaderName, HeaderValue, RANGE, TRAILER,
};
use http::{Response, StatusCode};

use super::disk::Written;
use super::policy::{self, Freshness};
use crate::http::byte_ranges::{self, ByteRanges};
use crate::http::preconditions::{Validators, Verdict};
use crate::http::request::join;
use crate::http::{Body, Fault, Reply, Request, hop};

/// Bytes of an entry besides its content and fields.
const OVERHEAD: usize = 512;
/// Bytes of a field besides its name and value.
const FIELD: usize = 64;

/// A stored response.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) content: Content,
    pub(super) freshness: Freshness,
    pub(super) selector: Selector,
}

/// Where the content of a response is.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Memory(Bytes),
    Disk(Arc<Written>),
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::Disk(written) => written.len(),
        }
    }

    fn body(&self, range: Range<usize>) -> Body {
        match self {
            Self::Memory(bytes) => Body::from(bytes.slice(range)),
            Self::Disk(written) => written.body(range),
        }
    }
}

/// Which requests for a resource a response is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// Where the request was rewritten to.
    pub(super) target: Box<str>,
    /// The fields of the request that it depends on, as they were.
    pub(super) fields: Vec<(HeaderName, String)>,
    /// The fields of the request that some servers read in place of others, as they were.
    pub(super) overrides: Vec<(HeaderName, HeaderValue)>,
    /// Whether a handler before the cache has asked for a file that it makes other content of.
    pub(super) is_raw: bool,
}

/// What selects one of the responses of a resource.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) target: &'a str,
    pub(super) fields: &'a HeaderMap,
    pub(super) is_raw: bool,
}

impl Wanted<'_> {
    /// Which requests get the same response.
    pub(super) fn selector(&self, response: &HeaderMap) -> Selector {
        let names: Vec<_> = policy::varying(response).flatten().collect();
        let fields = varied(names.iter(), self.fields);
        let overrides = overrides(self.fields).into_iter().filter_map(|(name, value)| {
            // A value is a part of the client's whole head.
            Some((name, HeaderValue::from_bytes(value.as_bytes()).ok()?))
        });
        let overrides = overrides.collect();
        Selector { target: self.target.into(), fields, overrides, is_raw: self.is_raw }
    }
}

impl Selector {
    /// Bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let fields = self.fields.iter().map(|(name, value)| (name, value.len()));
        let overrides = self.overrides.iter().map(|(name, value)| (name, value.len()));
        let each = fields.chain(overrides).map(|(name, len)| name.as_str().len() + len + FIELD);
        self.target.len() + each.sum::<usize>()
    }

    pub(super) fn matches(&self, wanted: Wanted<'_>) -> bool {
        let names = self.fields.iter().map(|(name, _)| name);
        (&*self.target, self.is_raw) == (wanted.target, wanted.is_raw)
            && (self.fields.is_empty() || varied(names, wanted.fields) == self.fields)
            && overrides(wanted.fields) == self.overrides
    }
}

/// Whether `Connection` names fields that the origin does not get: `Vary` would select by them.
pub(super) fn hides_fields(request: &HeaderMap) -> bool {
    let is_of_connection = |name: &HeaderName| {
        matches!(name.as_str(), "close" | "keep-alive" | "upgrade" | "te" | "http2-settings")
    };
    hop::named_by_connection(request).any(|name| !is_of_connection(&name))
}

/// The fields by which a client may have a server take a request for another one. Few servers name
/// them in `Vary`, so they always count: else one client decides what others get.
pub(super) fn overrides(request: &HeaderMap) -> Vec<(HeaderName, HeaderValue)> {
    let found = request.iter().filter(|(name, value)| match name.as_str() {
        // These differ from client to client.
        "x-forwarded-for" | "x-forwarded-by" => false,
        "forwarded" => {
            let value = value.as_bytes().to_ascii_lowercase();
            [&b"host="[..], b"proto="]
                .iter()
                .any(|part| value.windows(part.len()).any(|w| w == *part))
        }
        "front-end-https"
        | "x-host"
        | "x-http-host-override"
        | "x-http-method"
        | "x-http-method-override"
        | "x-method-override"
        | "x-original-host"
        | "x-original-url"
        | "x-rewrite-url"
        | "x-script-name"
        | "x-url-scheme" => true,
        name => name.starts_with("x-forwarded-"),
    });
    let mut found: Vec<_> = found.map(|(name, value)| (name.clone(), value.clone())).collect();
    // Clients differ in the order.
    found.sort_by(|(one, _), (other, _)| one.as_str().cmp(other.as_str()));
    found
}

/// The values of the fields that a response depends on, in a form in which requests that mean the
/// same are equal (RFC 9111 section 4.1).
pub(super) fn varied<'a>(
    names: impl Iterator<Item = &'a HeaderName>,
    request: &HeaderMap,
) -> Vec<(HeaderName, String)> {
    names
        .map(|name| {
            let line = join(request.get_all(name).iter()).unwrap_or_default();
            let members = line.split(',').map(str::trim).filter(|member| !member.is_empty());
            (name.clone(), members.collect::<Vec<_>>().join(","))
        })
        .collect()
}

/// The head of a response as it is stored.
pub(super) fn stored_head(headers: &HeaderMap, received: SystemTime) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [AGE, TRAILER] {
        headers.remove(name);
    }
    if !headers.contains_key(DATE)
        && let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(received))
    {
        headers.insert(DATE, date);
    }
    headers
}

/// Bytes that a head takes in memory.
pub(super) fn head_bytes(headers: &HeaderMap) -> usize {
    let fields = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD);
    fields.sum::<usize>() + OVERHEAD
}

impl Entry {
    /// Whether its origin can be asked if it is still the same.
    pub(super) fn validators(&self) -> Validators {
        Validators::of(&self.headers)
    }

    /// Whether a 304 is about this entry (RFC 9111 section 4.3.4).
    pub(super) fn is_confirmed_by(&self, fields: &HeaderMap) -> bool {
        let bare = |headers: &HeaderMap| {
            let tag = headers.get(ETAG).map(|tag| tag.as_bytes().to_vec());
            tag.map(|tag| tag.strip_prefix(b"W/").map_or(tag.clone(), <[u8]>::to_vec))
        };
        match (bare(fields), bare(&self.headers)) {
            (Some(new), Some(old)) => new == old,
            (None, _) => true,
            (Some(_), None) => false,
        }
    }

    /// Its head with the fields of a 304 (RFC 9111 section 3.2).
    pub(super) fn confirmed_head(&self, fields: &HeaderMap, received: SystemTime) -> HeaderMap {
        let mut headers = self.headers.clone();
        let fields = stored_head(fields, received);
        for name in fields.keys() {
            // They are about the content, which stays.
            let is_of_content = [CONTENT_LENGTH, CONTENT_ENCODING, CONTENT_RANGE].contains(name)
                || name == "content-md5";
            if is_of_content {
                continue;
            }
            headers.remove(name);
            for value in fields.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        headers
    }

    /// The response to a request: this one, a range of it, or that the client has it.
    pub(super) fn respond(&self, req: &Request, now: SystemTime) -> Reply {
        let mut headers = self.headers.clone();
        headers.insert(AGE, self.freshness.age(now).into());
        respond(req, self.status, headers, &self.content)
    }
}

/// What a client gets of a whole response to a GET.
fn respond(req: &Request, status: StatusCode, mut headers: HeaderMap, content: &Content) -> Reply {
    let whole = 0..content.len();
    if status != StatusCode::OK {
        return Ok(with(status, headers, content.body(whole)));
    }
    match check(req, &headers) {
        Verdict::Send => {}
        Verdict::NotModified => return Ok(not_modified(headers)),
        Verdict::Failed => return Err(Fault::status(StatusCode::PRECONDITION_FAILED)),
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let size = content.len() as u64;
    match ranges(req, &headers, size) {
        ByteRanges::Spans(spans) if spans.len() == 1 => {
            let span = spans[0];
            let start = usize::try_from(span.start).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(span.len).unwrap_or(usize::MAX));
            if let Ok(value) = HeaderValue::try_from(span.content_range(size)) {
                headers.insert(CONTENT_RANGE, value);
            }
            headers.insert(CONTENT_LENGTH, span.len.into());
            let part = content.body(start..end.min(content.len()));
            Ok(with(StatusCode::PARTIAL_CONTENT, headers, part))
        }
        ByteRanges::Unsatisfiable => {
            let mut fault = Fault::status(StatusCode::RANGE_NOT_SATISFIABLE);
            if let Ok(value) = HeaderValue::try_from(format!("bytes */{size}")) {
                fault.headers.insert(CONTENT_RANGE, value);
            }
            Err(fault)
        }
        // A client must be ready for the whole (RFC 9110 section 14.2).
        _ => Ok(with(status, headers, content.body(whole))),
    }
}

/// The client's preconditions.
pub(super) fn check(req: &Request, response: &HeaderMap) -> Verdict {
    Validators::of(response).check(&req.head.headers)
}

/// The response for a client that has the content.
pub(super) fn not_modified(mut headers: HeaderMap) -> Response<Body> {
    for name in [CONTENT_LENGTH, CONTENT_TYPE, CONTENT_ENCODING] {
        headers.remove(name);
    }
    with(StatusCode::NOT_MODIFIED, headers, Body::empty())
}

fn ranges(req: &Request, headers: &HeaderMap, size: u64) -> ByteRanges {
    let field = req.head.headers.get(RANGE).and_then(|value| value.to_str().ok());
    match field {
        Some(field)
            if req.head.method == http::Method::GET
                && Validators::of(headers).allow_range(&req.head.headers) =>
        {
            byte_ranges::parse(field, size)
        }
        _ => ByteRanges::Whole,
    }
}

fn with(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
