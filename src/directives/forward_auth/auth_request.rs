//! The question: a request without content that describes the client's request, as Authelia,
//! oauth2-proxy and others expect it.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Uri};

use crate::http::{Fault, Request, vouched};
use crate::upstream::exchange::one_server::{self, OneServer};

/// Names of fields that describe a request to the server that decides. The client's own would be
/// believed.
const OURS: [&str; 4] = ["x-forwarded-", "x-original-", "x-real-ip", "x-auth-request-"];

const METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What the server is asked about a request. `X-Forwarded-For` is added when it is sent.
pub(super) fn auth_request(req: &Request, server: &OneServer) -> Result<Request, Fault> {
    let uri = unambiguous(&req.original_uri).filter(|_| !req.readings().differ());
    let Some(uri) = uri else {
        let cause = "the path has dot segments: the server that decides and the one that responds \
                     may resolve them differently";
        return Err(Fault::caused(StatusCode::BAD_REQUEST, cause));
    };
    let mut headers = one_server::fields_of_the_client(req);
    vouched::remove(&mut headers, |name| {
        OURS.iter().any(|ours| vouched::starts_as(name, ours)) || name == "forwarded"
    });
    set(&mut headers, METHOD, req.head.method.as_str());
    set(&mut headers, PROTO, req.scheme());
    set(&mut headers, HOST, req.host_field());
    set(&mut headers, URI, &uri);
    headers.insert(REAL_IP, req.peer.address().clone());
    Ok(one_server::question(req, server.path(), headers))
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// Path and query as the client sent them, with repeated slashes merged. `None`: there are dot
/// segments.
fn unambiguous(uri: &Uri) -> Option<String> {
    use crate::http::paths::Readings;
    let path = uri.path();
    if Readings::of(path).differ() {
        return None;
    }
    let mut text = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !text.ends_with('/') {
            text.push(letter);
        }
    }
    if let Some(query) = uri.query() {
        text.extend(["?", query]);
    }
    Some(text)
}
