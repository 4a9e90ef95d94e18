//! The plain-HTTP sites that nobody wrote: each sends its host's clients to HTTPS.

use std::future::ready;

use http::{HeaderValue, Response, StatusCode, header};

use super::{Draft, Settings};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::address::Address;
use crate::http::{Body, Fault, Request};
use crate::site::SiteBuilder;

/// One redirecting site for each HTTPS site on the HTTPS port whose host has no site on the
/// HTTP port (spec sections 5 and 10.6).
pub(super) fn implied(drafts: &[Draft], settings: &Settings) -> Vec<Draft> {
    let mut redirects: Vec<Draft> = Vec::new();
    for draft in drafts {
        let same_host = |other: &&Draft| {
            other.site.address.host == draft.site.address.host
                && other.port == settings.http_port
                && other.site.binds == draft.site.binds
        };
        let wanted = draft.site.secure && draft.port == settings.https_port;
        if !wanted || drafts.iter().chain(&redirects).any(|other| same_host(&other)) {
            continue;
        }
        let address = Address {
            scheme: "http".to_owned(),
            path: String::new(),
            ..draft.site.address.clone()
        };
        let root = draft.site.root.clone();
        let mut site = SiteBuilder::new(address, root, settings.sinks.clone());
        site.binds.clone_from(&draft.site.binds);
        site.push(ToHttps { port: settings.https_port });
        redirects.push(Draft { site, port: settings.http_port, place: draft.place.clone() });
    }
    redirects
}

struct ToHttps {
    port: u16,
}

impl Handler for ToHttps {
    fn handle<'a>(&'a self, req: &'a mut Request, _: Next<'a>) -> ReplyFuture<'a> {
        let host =
            if req.host.contains(':') { format!("[{}]", req.host) } else { req.host.clone() };
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        let location = format!("https://{host}{port}{}", req.original_uri);
        let Ok(location) = HeaderValue::try_from(location) else {
            return Box::pin(ready(Err(Fault::status(StatusCode::BAD_REQUEST))));
        };
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        let headers = response.headers_mut();
        headers.insert(header::LOCATION, location);
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        Box::pin(ready(Ok(response)))
    }
}
