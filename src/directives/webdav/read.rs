//! GET, HEAD, OPTIONS and PROPFIND.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;

use http::header::{
    ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName,
    HeaderValue, LAST_MODIFIED, RANGE,
};
use http::{Method, Response, StatusCode};

use super::answer::{METHODS, Multistatus, Refusal, beside, respond};
use super::preconditions::{Preconditions, content, validators};
use super::properties::{Wanted, describe};
use super::visit::Visit;
use crate::confined::work::empty;
use crate::confined::{self, About};
use crate::http::byte_ranges::{self, ByteRange, ByteRanges};
use crate::http::preconditions::Verdict;
use crate::http::{Body, Fault, Request};
use crate::limits::WEBDAV_ENTRIES;
use crate::own_files::body::{FileBody, Piece, Source};
use crate::own_files::content_type;

/// Which classes of RFC 4918 there are. Clients of Microsoft's look for the second field.
pub(super) fn options() -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert("dav", HeaderValue::from_static("1, 2"));
    headers.insert("ms-author-via", HeaderValue::from_static("DAV"));
    headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    response
}

pub(super) async fn propfind(visit: Visit, req: &mut Request) -> Result<Response<Body>, Refusal> {
    let text = content(req).await?;
    let wanted = Wanted::parse(&text).ok_or(StatusCode::BAD_REQUEST)?;
    let is_deep = match Preconditions::of(req)?.field("depth") {
        Some("0") => false,
        Some("1") => true,
        // Without the field it is infinity, too.
        None => return Err(infinite()),
        Some(depth) if depth.eq_ignore_ascii_case("infinity") => return Err(infinite()),
        Some(_) => return Err(StatusCode::BAD_REQUEST.into()),
    };
    list(visit, wanted, is_deep).await
}

fn infinite() -> Refusal {
    Refusal::Condition(StatusCode::FORBIDDEN, "<D:propfind-finite-depth/>".to_owned())
}

async fn list(visit: Visit, wanted: Wanted, is_deep: bool) -> Result<Response<Body>, Refusal> {
    respond(move || {
        let about = confined::look(visit.scope(), &visit.names)?;
        let mut told = Multistatus::new();
        describe(&mut told, &visit, &visit.names, &about, &wanted)?;
        if is_deep && about.is_folder() {
            for entry in confined::entries(visit.scope(), &visit.names, WEBDAV_ENTRIES)? {
                let names: Vec<_> = visit.names.iter().cloned().chain([entry.name]).collect();
                if !visit.reaches(&names) {
                    continue;
                }
                match describe(&mut told, &visit, &names, &entry.about, &wanted) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::QuotaExceeded => {
                        return Err(error.into());
                    }
                    // It has gone meanwhile, or the service may not read it.
                    Err(error) => log::debug!("webdav: {}: {error}", names.join("/")),
                }
            }
        }
        Ok(told.done())
    })
    .await
}

/// A file; of a folder what PROPFIND says of it, as in the plugin.
pub(super) async fn get(visit: Visit, req: &Request) -> Result<Response<Body>, Refusal> {
    let (scope, names) = (visit.scope().clone(), visit.names.clone());
    let found = beside(move || {
        let about = confined::look(&scope, &names)?;
        let file =
            if about.is_folder() { None } else { Some(confined::open_file(&scope, &names)?) };
        Ok((about, file))
    });
    match found.await? {
        (_, None) => list(visit, Wanted::All(Vec::new()), true).await,
        (about, Some(file)) => send(req, &visit, &about, file),
    }
}

fn send(
    req: &Request,
    visit: &Visit,
    about: &About,
    file: File,
) -> Result<Response<Body>, Refusal> {
    let validators = validators(about);
    let fields = &req.head.headers;
    let mut headers = HeaderMap::new();
    headers.extend(validators.etag.clone().map(|tag| (ETAG, tag)));
    headers.extend(validators.last_modified.clone().map(|date| (LAST_MODIFIED, date)));
    match validators.check(fields) {
        Verdict::Send => {}
        Verdict::NotModified => return Ok(with(StatusCode::NOT_MODIFIED, headers, Body::empty())),
        Verdict::Failed => return Err(StatusCode::PRECONDITION_FAILED.into()),
    }
    let name = visit.names.last().map(String::as_str).unwrap_or_default();
    let kind = content_type::by_name(std::path::Path::new(name));
    put(&mut headers, CONTENT_TYPE, kind.as_deref().unwrap_or("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let is_get = req.head.method == Method::GET;
    let range = fields.get(RANGE).and_then(|value| value.to_str().ok());
    let ranges = match range.filter(|_| is_get && validators.allow_range(fields)) {
        Some(field) => byte_ranges::parse(field, about.size),
        None => ByteRanges::Whole,
    };
    let (status, span) = match ranges {
        ByteRanges::Spans(spans) if spans.len() == 1 => (StatusCode::PARTIAL_CONTENT, spans[0]),
        ByteRanges::Unsatisfiable => {
            let mut fault = Fault::status(StatusCode::RANGE_NOT_SATISFIABLE);
            put(&mut fault.headers, CONTENT_RANGE, &format!("bytes */{}", about.size));
            return Err(fault.into());
        }
        // Several ranges get the whole file.
        _ => (StatusCode::OK, ByteRange { start: 0, len: about.size }),
    };
    if status == StatusCode::PARTIAL_CONTENT {
        put(&mut headers, CONTENT_RANGE, &span.content_range(about.size));
    }
    headers.insert(CONTENT_LENGTH, span.len.into());
    let body = match req.head.method {
        Method::HEAD => Body::empty(),
        _ => Body::new(FileBody::new(Source::File(Arc::new(file)), vec![Piece::Span(span)])),
    };
    Ok(with(status, headers, body))
}

fn with(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// Digits, dates and media types, which fields can always have.
fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
