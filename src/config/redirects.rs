//! The implied sites for plain HTTP, which redirect a host's clients to HTTPS.

use std::collections::HashSet;
use std::future::ready;

use http::{HeaderValue, Response, StatusCode, header};

use super::Settings;
use super::draft::Draft;
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::address::Address;
use crate::http::{Body, Fault, Request};
use crate::site::SiteBuilder;
use crate::tls::Certificates;

/// One redirecting site for each HTTPS site on the HTTPS port whose host has no site on the
/// HTTP port. A site with a certificate from a CA may be on another port, if its host has no
/// site on the HTTPS port (spec sections 5 and 10.6).
pub(super) fn implied(drafts: &[Draft], settings: &Settings) -> Vec<Draft> {
    let mut redirects: Vec<Draft> = Vec::new();
    let mut taken: HashSet<Place<'_>> =
        drafts.iter().map(|draft| place(draft, draft.port)).collect();
    for draft in drafts {
        let is_managed = matches!(draft.site.tls.certificates, Some(Certificates::Managed));
        let has_redirect = draft.port == settings.https_port
            || is_managed && !taken.contains(&place(draft, settings.https_port));
        if !draft.site.secure || !has_redirect || !taken.insert(place(draft, settings.http_port)) {
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
        site.listener.proxy_protocol.clone_from(&draft.site.listener.proxy_protocol);
        let host = draft.site.address.host.clone();
        site.push(ToHttps { host, port: draft.port });
        let (port, place) = (settings.http_port, draft.place.clone());
        redirects.push(Draft { site, port, place, record: None, is_admin: false });
    }
    redirects
}

/// Host, port and addresses bound.
type Place<'a> = (&'a str, u16, &'a [String]);

fn place(draft: &Draft, port: u16) -> Place<'_> {
    (&draft.site.address.host, port, &draft.site.binds)
}

struct ToHttps {
    /// For clients of HTTP/1.0 that name no host.
    host: String,
    port: u16,
}

impl ToHttps {
    /// `None` where nothing names the host, or the target is `*`.
    fn location(&self, req: &Request) -> Option<HeaderValue> {
        let host = if req.host.is_empty() { &self.host } else { &req.host };
        if host.is_empty() || !req.original_uri.path().starts_with('/') {
            return None;
        }
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let port = if self.port == 443 { String::new() } else { format!(":{}", self.port) };
        HeaderValue::try_from(format!("https://{host}{port}{}", req.original_uri)).ok()
    }
}

impl Handler for ToHttps {
    fn handle<'a>(&'a self, req: &'a mut Request, _: Next<'a>) -> ReplyFuture<'a> {
        let Some(location) = self.location(req) else {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::request::tests::request;

    #[test]
    fn where_to() {
        for (site, host, target, port, expected) in [
            ("a.test", "a.test", "/x?y", 443, Some("https://a.test/x?y")),
            ("", "b.test", "/", 8443, Some("https://b.test:8443/")),
            ("::1", "::1", "/", 443, Some("https://[::1]/")),
            ("a.test", "", "/x", 443, Some("https://a.test/x")),
            ("", "", "/x", 443, None),
            ("a.test", "a.test", "*", 443, None),
        ] {
            let mut req = request("GET", target);
            host.clone_into(&mut req.host);
            let location = ToHttps { host: site.to_owned(), port }.location(&req);
            let shown = location.as_ref().map(|value| value.to_str().unwrap());
            assert_eq!(shown, expected, "{site} {host} {target}");
        }
    }
}
