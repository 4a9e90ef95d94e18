//! Builds the response for an open file: 200, 206, 304, 412 or 416.

use std::fmt::Display;

use http::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, LAST_MODIFIED, RANGE, VARY,
};
use http::{Method, Response, StatusCode};

use crate::http::byte_ranges::{self, ByteRange, ByteRanges};
use crate::http::preconditions::Verdict;
use crate::http::{Body, Fault, Reply, Request};
use crate::own_files::OwnFile;
use crate::own_files::body::{FileBody, Piece, Source};

use super::find::Opened;

/// Answers a GET or HEAD for a file.
pub(super) fn file(req: &Request, file: &Opened) -> Reply {
    let validators = &file.validators;
    let mut headers = representation(file);
    match validators.check(&req.head.headers) {
        Verdict::Send => {}
        Verdict::NotModified => {
            headers.remove(CONTENT_ENCODING);
            return Ok(empty(StatusCode::NOT_MODIFIED, headers));
        }
        Verdict::Failed => return Err(Fault::status(StatusCode::PRECONDITION_FAILED)),
    }
    headers.insert(CONTENT_TYPE, file.content_type.clone());
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match wanted_ranges(req, file) {
        ByteRanges::Whole => Ok(whole(req, file, headers)),
        ByteRanges::Spans(spans) => Ok(partial(file, headers, &spans)),
        ByteRanges::Unsatisfiable => {
            let mut fault = Fault::status(StatusCode::RANGE_NOT_SATISFIABLE);
            put(&mut fault.headers, CONTENT_RANGE, &format_args!("bytes */{}", file.size));
            Err(fault)
        }
    }
}

/// The file as it is, for a handler that makes other content of it.
pub(super) fn raw(req: &Request, file: &Opened) -> Response<Body> {
    let mut headers = representation(file);
    headers.insert(CONTENT_TYPE, file.content_type.clone());
    let mut response = whole(req, file, headers);
    response.extensions_mut().insert(OwnFile { path: file.path.clone(), state: file.state() });
    response
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

/// The fields that a 304 includes too.
fn representation(file: &Opened) -> HeaderMap {
    // With room for the fields that every response gets later.
    let mut headers = HeaderMap::with_capacity(12);
    if let Some(etag) = &file.validators.etag {
        headers.insert(ETAG, etag.clone());
    }
    if let Some(modified) = &file.validators.last_modified {
        headers.insert(LAST_MODIFIED, modified.clone());
    }
    if let Some(encoding) = file.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    if file.varies {
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    headers
}

fn wanted_ranges(req: &Request, file: &Opened) -> ByteRanges {
    let headers = &req.head.headers;
    let field = headers.get(RANGE).and_then(|v| v.to_str().ok());
    match field {
        // Range is defined for GET only (RFC 9110 section 14.2).
        Some(field) if req.head.method == Method::GET && file.validators.allow_range(headers) => {
            byte_ranges::parse(field, file.size)
        }
        _ => ByteRanges::Whole,
    }
}

fn whole(req: &Request, file: &Opened, mut headers: HeaderMap) -> Response<Body> {
    headers.insert(CONTENT_LENGTH, file.length.clone());
    let body = match &file.source {
        _ if req.head.method == Method::HEAD => Body::empty(),
        Source::Content(content) => content.clone().into(),
        Source::File(_) => {
            let all = ByteRange { start: 0, len: file.size };
            Body::new(FileBody::new(file.source.clone(), vec![Piece::Span(all)]))
        }
    };
    with(StatusCode::OK, headers, body)
}

fn partial(file: &Opened, mut headers: HeaderMap, spans: &[ByteRange]) -> Response<Body> {
    let pieces = match spans {
        [span] => {
            put(&mut headers, CONTENT_RANGE, &span.content_range(file.size));
            vec![Piece::Span(*span)]
        }
        spans => {
            let boundary = format!("{:032x}", fastrand::u128(..));
            let kind = format_args!("multipart/byteranges; boundary={boundary}").to_string();
            put(&mut headers, CONTENT_TYPE, &kind);
            parts(file, spans, &boundary)
        }
    };
    headers.insert(CONTENT_LENGTH, pieces.iter().map(Piece::size).sum::<u64>().into());
    let body = Body::new(FileBody::new(file.source.clone(), pieces));
    with(StatusCode::PARTIAL_CONTENT, headers, body)
}

/// RFC 9110 section 14.6.
fn parts(file: &Opened, spans: &[ByteRange], boundary: &str) -> Vec<Piece> {
    let content_type = String::from_utf8_lossy(file.content_type.as_bytes());
    let mut pieces = Vec::with_capacity(spans.len() * 2 + 1);
    for span in spans {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {}\r\n\r\n",
            span.content_range(file.size)
        );
        pieces.push(Piece::Text(head.into()));
        pieces.push(Piece::Span(*span));
    }
    pieces.push(Piece::Text(format!("\r\n--{boundary}--\r\n").into()));
    pieces
}

/// The values consist of digits, dates and media types, so the conversion cannot fail.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &impl Display) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        headers.insert(name, value);
    }
}
