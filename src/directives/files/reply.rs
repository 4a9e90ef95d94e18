//! From an open file to the response: 200, 206, 304, 412 or 416.

use std::fmt::Display;

use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, LAST_MODIFIED, RANGE, VARY,
};
use http::{Method, Response, StatusCode};

use crate::http::{Body, Fault, Reply, Request};

use super::body::{FileBody, Piece};
use super::find::Opened;
use super::preconditions::{Validators, Verdict};
use super::ranges::{self, Ranges, Span};

/// Answers a GET or HEAD with what was found.
pub(super) fn file(req: &Request, file: Opened) -> Reply {
    let validators = Validators::new(file.modified, file.size);
    let mut headers = representation(&file, &validators);
    match validators.check(&req.head.headers) {
        Verdict::Send => {}
        Verdict::NotModified => {
            headers.remove(CONTENT_ENCODING);
            return Ok(empty(StatusCode::NOT_MODIFIED, headers));
        }
        Verdict::Failed => return Err(Fault::status(StatusCode::PRECONDITION_FAILED)),
    }
    put(&mut headers, CONTENT_TYPE, &file.content_type);
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match wanted_ranges(req, &validators, file.size) {
        Ranges::Whole => Ok(whole(req, file, headers)),
        Ranges::Spans(spans) => Ok(partial(file, headers, &spans)),
        Ranges::Unsatisfiable => {
            let mut fault = Fault::status(StatusCode::RANGE_NOT_SATISFIABLE);
            put(&mut fault.headers, CONTENT_RANGE, &format_args!("bytes */{}", file.size));
            Err(fault)
        }
    }
}

/// A response without content.
pub(super) fn empty(status: StatusCode, headers: HeaderMap) -> Response<Body> {
    with(status, headers, Body::empty())
}

fn with(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The fields that a 304 has too.
fn representation(file: &Opened, validators: &Validators) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    if let Some(etag) = &validators.etag {
        put(&mut headers, ETAG, etag);
    }
    if let Some(modified) = validators.modified {
        put(&mut headers, LAST_MODIFIED, &httpdate::HttpDate::from(modified));
    }
    if let Some(encoding) = file.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    headers
}

fn wanted_ranges(req: &Request, validators: &Validators, size: u64) -> Ranges {
    // Range is for GET alone (RFC 9110 section 14.2).
    if req.head.method != Method::GET || !validators.allow_range(&req.head.headers) {
        return Ranges::Whole;
    }
    let field = req.head.headers.get(RANGE).and_then(|v| v.to_str().ok());
    field.map_or(Ranges::Whole, |field| ranges::parse(field, size))
}

fn whole(req: &Request, file: Opened, mut headers: HeaderMap) -> Response<Body> {
    headers.insert(CONTENT_LENGTH, file.size.into());
    let body = match file.content {
        _ if req.head.method == Method::HEAD => Body::empty(),
        Some(content) => content.into(),
        None => {
            let all = Span { start: 0, len: file.size };
            Body::new(FileBody::new(file.file, vec![Piece::Span(all)]))
        }
    };
    with(StatusCode::OK, headers, body)
}

fn partial(file: Opened, mut headers: HeaderMap, spans: &[Span]) -> Response<Body> {
    let pieces = match spans {
        [span] => {
            put(&mut headers, CONTENT_RANGE, &span.content_range(file.size));
            vec![Piece::Span(*span)]
        }
        spans => {
            let boundary = format!("{:032x}", fastrand::u128(..));
            let kind = format_args!("multipart/byteranges; boundary={boundary}").to_string();
            put(&mut headers, CONTENT_TYPE, &kind);
            parts(&file, spans, &boundary)
        }
    };
    headers.insert(CONTENT_LENGTH, pieces.iter().map(Piece::len).sum::<u64>().into());
    let body = Body::new(FileBody::new(file.file, pieces));
    with(StatusCode::PARTIAL_CONTENT, headers, body)
}

/// RFC 9110 section 14.6.
fn parts(file: &Opened, spans: &[Span], boundary: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(spans.len() * 2 + 1);
    for span in spans {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Range: {}\r\n\r\n",
            file.content_type,
            span.content_range(file.size)
        );
        pieces.push(Piece::Text(head.into()));
        pieces.push(Piece::Span(*span));
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    pieces
}

/// All values are made of digits, dates and media types, hence none is refused.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &impl Display) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        headers.insert(name, value);
    }
}
