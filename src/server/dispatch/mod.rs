//! The single entry point of all protocols: validates and normalises a request, runs its site's
//! chain, and turns the result into a response.

mod arms;
mod connection_context;
mod host;
mod incoming;
mod refuse;
mod tally;

use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures_util::FutureExt;
use http::header;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;

use self::arms::Offer;
pub(crate) use self::connection_context::ConnectionContext;
use self::host::normalise_host;
use self::incoming::{Answering, Incoming};
pub(crate) use self::refuse::log_refused;
use self::refuse::{Unanswered, page, refuse};
use self::tally::Kind;
pub(crate) use self::tally::{Counted, Tally};
use crate::http::paths::{self, Prefix};
use crate::http::refusal::Refusal;
use crate::http::response::{NeedsHttp1, Removed};
use crate::http::{Body, Fault, Reply, Request, body, fault_page, hop};
use crate::limits::{HEADER_COUNT, URI_BYTES};
use crate::metrics::NO_SITE;
use crate::site::{Listener, Site};
use crate::tls::challenges::http_answer;

/// Answers one request. `verdict` is the status of a request whose head was found invalid before.
pub(super) async fn dispatch(
    context: &ConnectionContext,
    request: Box<Request>,
    verdict: Option<StatusCode>,
) -> Counted {
    let mut request = Unanswered(request);
    let snapshot = context.worker.snapshot();
    let is_head = request.head.method == Method::HEAD;
    let may_switch = request.upgrade.is_some();
    let version = request.head.version;
    let kind = Kind { version, received: request.received };
    let Some(listener) = snapshot.listener(context.addr) else {
        // The address is no longer configured; this connection is about to close.
        let fault = Fault::status(StatusCode::SERVICE_UNAVAILABLE);
        let tally = Tally::begin(context, NO_SITE, kind);
        tally.answered(fault.status);
        return Counted { response: fault_page::render(fault, &request), tally };
    };
    let admitted = match verdict {
        Some(status) => Err(Refusal::Rule(status)),
        None => match aside(context, listener, &request) {
            Some(answer) => Ok(Admitted::Answered(answer)),
            None => {
                let admitted = admit(context, listener, &mut request);
                admitted.map(|(site, answering)| Admitted::To(site, answering))
            }
        },
    };
    let mut offer = Offer::of_no_site(listener);
    let (mut response, mut tally) = match admitted {
        Ok(Admitted::To(site, answering)) => {
            let mut tally = arms::tally(context, site, &request, kind);
            let reply = run(site, &mut request).await;
            let reply = beside(&mut request, answering, reply);
            offer = Offer::of(context, listener, arms::experiment(site, &request));
            offer.settle(&mut tally);
            (reply.unwrap_or_else(|fault| page(site, &mut request, fault)), tally)
        }
        Ok(Admitted::Answered(answer)) => (answer, Tally::begin(context, NO_SITE, kind)),
        Err(refusal) => {
            let owner = refuse::owner(context, listener, &mut request);
            let tally = Tally::begin(context, owner.map_or(NO_SITE, |site| site.number), kind);
            // Boxed because it is rare: it would enlarge the future of every request.
            (Box::pin(refuse(context, owner, &mut request, refusal)).await, tally)
        }
    };
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && !may_switch {
        let uri = &request.original_uri;
        log::error!("500 {} {uri}: 101 without a request to switch protocols", request.head.method);
        response = fault_page::render(Fault::status(StatusCode::INTERNAL_SERVER_ERROR), &request);
    }
    if verdict.is_some() && version < Version::HTTP_2 {
        close_after(response.headers_mut(), is_head);
    }
    finish(&mut response, version, is_head);
    offer.put(response.headers_mut(), listener);
    if version >= Version::HTTP_2
        && let Some(needed) = request.head.extensions.get::<NeedsHttp1>()
    {
        response.extensions_mut().insert(*needed);
    }
    let removed = request.head.extensions.get::<Removed>();
    removed.iter().for_each(|one| take_away(one, response.headers_mut()));
    tally.responds(&response);
    Counted { response, tally }
}

enum Admitted<'a> {
    To(&'a Site, Option<Rc<Answering>>),
    /// The response was made without a site.
    Answered(Response<Body>),
}

/// Ends the connection with the response to a head that was invalid.
fn close_after(headers: &mut HeaderMap, is_head: bool) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if is_head {
        // The codec sees a replacement for the HEAD request and would announce content.
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// The default fields that the site's rules remove.
fn take_away(removed: &Removed, headers: &mut HeaderMap) {
    if removed.server {
        headers.remove(header::SERVER);
    }
    if removed.alt_svc {
        headers.remove(header::ALT_SVC);
    }
}

/// Responses that require no site: plain HTTP on a TLS port, OPTIONS for the whole server, and the
/// validation of a name by HTTP-01.
fn aside(
    context: &ConnectionContext,
    listener: &Listener,
    request: &Request,
) -> Option<Response<Body>> {
    if listener.tls.is_some() && context.peer.tls.is_none() {
        return Some(not_https(context, request));
    }
    if request.head.method == Method::OPTIONS && request.path() == "*" {
        // The request is about the server and not a resource (RFC 9110 section 9.3.7).
        return Some(Response::new(Body::empty()));
    }
    if listener.tls.is_some() {
        return None;
    }
    let answer = http_answer(request.path())?;
    let mut response = Response::new(Body::from(answer.to_string()));
    let plain = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    Some(response)
}

/// Tells a client that the port requires TLS, with the correct address.
fn not_https(context: &ConnectionContext, request: &Request) -> Response<Body> {
    let host = request.host_field();
    let local = context.peer.local.to_string();
    let authority = if host.is_empty() { &local } else { host };
    log::info!(
        "plain HTTP request to https://{authority} from {}: responded with 400",
        context.peer.remote
    );
    let mut response = fault_page::wants_https(authority, request);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Runs the chain. A panic becomes a 500 of this request alone.
async fn run(site: &Site, request: &mut Request) -> Reply {
    settle_empty(request).await?;
    match AssertUnwindSafe(site.handle(request)).catch_unwind().await {
        Ok(reply) => reply,
        Err(panic) => {
            let text = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            log::error!("{}: panic at {}: {text}", site.name, request.original_uri);
            request.end_unanswered(StatusCode::INTERNAL_SERVER_ERROR.as_u16());
            Err(Fault::status(StatusCode::INTERNAL_SERVER_ERROR))
        }
    }
}

/// Progress of the response counts for a request that is still being received.
fn beside(request: &mut Request, answering: Option<Rc<Answering>>, reply: Reply) -> Reply {
    let Some(answering) = answering else { return reply };
    // No handler has taken the body, so nothing reads the rest.
    request.body = Body::empty();
    reply.map(|response| answering.watch(response))
}

/// For a request that announces no content but does not end its stream: waits for the end, as
/// content is an error (RFC 9113 section 8.1.1) that must be known before a handler acts.
async fn settle_empty(request: &mut Request) -> Result<(), Fault> {
    let promises_none = hyper::body::Body::size_hint(&request.body).exact() == Some(0);
    if !promises_none || hyper::body::Body::is_end_stream(&request.body) {
        return Ok(());
    }
    match request.body.frame().await {
        Some(Ok(frame)) if frame.data_ref().is_some_and(|data| !data.is_empty()) => {
            Err(Fault::status(StatusCode::BAD_REQUEST))
        }
        Some(Err(error)) => Err(Fault::caused(body::refusal(&*error), error)),
        _ => Ok(()),
    }
}

/// Selects the site and normalizes the request for the chain, or refuses it.
fn admit<'a>(
    context: &ConnectionContext,
    listener: &'a Listener,
    request: &mut Request,
) -> Result<(&'a Site, Option<Rc<Answering>>), Refusal> {
    let head = &mut request.head;
    let refuse = Refusal::Rule;
    bounded(head, listener).map_err(refuse)?;
    if matches!(head.method, Method::CONNECT | Method::TRACE) {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED));
    }
    if head.version >= Version::HTTP_2 {
        hop::join_crumbs(&mut head.headers);
    }
    if let Some(upgrade) = &request.upgrade {
        // The form of HTTP/1.1, for all protocols.
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers.insert(header::UPGRADE, upgrade.protocol.clone());
    }
    request.host = normalise_host(head).ok_or_else(|| refuse(StatusCode::BAD_REQUEST))?;
    let tls = listener.tls.as_ref().zip(context.peer.tls.as_ref());
    if tls.is_some_and(|(tls, facts)| !tls.may_serve(facts.server_name.as_deref(), &request.host)) {
        // The handshake applied another policy for client certificates (RFC 9110 section 15.5.20).
        return Err(refuse(StatusCode::MISDIRECTED_REQUEST));
    }
    let target = origin_form(head).ok_or_else(|| refuse(StatusCode::BAD_REQUEST))?;
    head.uri = Uri::from(target);
    request.original_uri = head.uri.clone();
    let route = request.route();
    let Some(site) = listener.sites.find(&request.host, &route) else {
        let addr = context.addr;
        log::info!("{} - No such site at {addr} (Remote: {})", request.host, context.peer.remote);
        return Err(Refusal::NoSuchSite);
    };
    drop(route);
    strip_site_path(request, &site.path);
    let limit = site.limits.body_of(&request.route());
    let declared = hyper::body::Body::size_hint(&request.body).lower();
    if limit.is_some_and(|limit| declared > limit) {
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let (body, bounds) = (std::mem::take(&mut request.body), context.bounds(limit));
    let (body, answering) = Incoming::bound(body, &request.head.headers, bounds);
    request.body = body;
    Ok((site, answering))
}

/// Limits size and number of fields for protocols whose codec does not apply our limits.
fn bounded(head: &http::request::Parts, listener: &Listener) -> Result<(), StatusCode> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > URI_BYTES {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let sizes = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32);
    let bytes: usize = sizes.sum();
    // Over HTTP/1 the guard has counted the bytes, without 32 bytes per field.
    let counted = if head.version >= Version::HTTP_2 { 0 } else { 32 * HEADER_COUNT };
    if head.headers.len() > HEADER_COUNT || bytes > listener.settings.header_bytes() + counted {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    if head.method == "PRI" {
        // The first word of the HTTP/2 preface is not a method (RFC 9113 section 11.6).
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(())
}

/// Path and query: valid escapes, no NUL, and unambiguous.
fn origin_form(head: &http::request::Parts) -> Option<PathAndQuery> {
    let target = head.uri.path_and_query()?;
    if !target.path().starts_with('/') {
        return None;
    }
    if paths::is_normal(target.path()) {
        return Some(target.clone());
    }
    let path = target.path().as_bytes();
    for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'%') {
        let escape = path.get(at + 1..at + 3)?;
        if !escape.iter().all(u8::is_ascii_hexdigit) || escape == b"00" {
            return None;
        }
    }
    (!paths::is_ambiguous(target.path())).then(|| target.clone())
}

/// Removes the site's own path, which directives do not see.
fn strip_site_path(request: &mut Request, prefix: &Prefix) {
    if prefix.is_root() {
        return;
    }
    let uri = &request.head.uri;
    let Some(rest) = prefix.cut(uri.path()) else { return };
    let mut rest = if rest.is_empty() { "/".to_owned() } else { rest.into_owned() };
    if let Some(query) = uri.query() {
        rest.extend(["?", query]);
    }
    if let Ok(target) = PathAndQuery::try_from(rest) {
        request.head.uri = Uri::from(target);
    }
}

/// Adds the fields of every response, and removes those that none may have.
fn finish(response: &mut Response<Body>, version: Version, is_head: bool) {
    let length = hyper::body::Body::size_hint(response.body()).exact();
    let is_http3 = version == Version::HTTP_3;
    let bodiless = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if bodiless {
        // A 204 must not have a Content-Length (RFC 9110 section 8.6). A 304 could have that of the
        // 200, but hyper omits it over HTTP/1.1, so all protocols omit it.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = Body::empty();
    }
    if version == Version::HTTP_10 {
        close_http_1_0(response, if bodiless || is_head { Some(0) } else { length });
    }
    let headers = response.headers_mut();
    if !headers.contains_key(header::SERVER) {
        headers.insert(header::SERVER, HeaderValue::from_static("Caddy"));
    }
    // For the other versions hyper does the following.
    if is_http3 {
        headers.remove(header::CONNECTION);
        headers.remove(header::TRANSFER_ENCODING);
        if !headers.contains_key(header::DATE) {
            let now = httpdate::fmt_http_date(std::time::SystemTime::now());
            if let Ok(date) = HeaderValue::from_str(&now) {
                headers.insert(header::DATE, date);
            }
        }
    }
    if (is_head || is_http3)
        && let Some(length) = length.filter(|length| *length > 0)
        && !headers.contains_key(header::CONTENT_LENGTH)
    {
        headers.insert(header::CONTENT_LENGTH, length.into());
    }
    if is_head {
        *response.body_mut() = Body::empty();
    }
}

/// HTTP/1.0 has no chunked coding: content of unknown length ends with the connection.
fn close_http_1_0(response: &mut Response<Body>, length: Option<u64>) {
    let headers = response.headers_mut();
    if length.is_none() && !headers.contains_key(header::CONTENT_LENGTH) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if headers.get(header::CONNECTION).is_some_and(|said| said == "close") {
        // hyper adds keep-alive to a response that it considers to be HTTP/1.1.
        *response.version_mut() = Version::HTTP_10;
    }
}
