//! What a template may know of a request, apart from it: templates run on another thread.

use std::net::SocketAddr;

use http::{HeaderMap, Method, Uri, Version};

use crate::http::Request;
use crate::http::cookies;

/// A copy of a request's head.
#[derive(Debug, Clone)]
pub struct Facts {
    pub(super) method: Method,
    /// As the client sent it.
    pub(super) original: Uri,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    /// The path in its normal form.
    pub(super) route: String,
    pub(super) host_field: String,
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
    /// As in `{tls_protocol}`; `None` without TLS.
    pub(super) tls: Option<&'static str>,
}

impl Facts {
    pub fn of(req: &Request) -> Self {
        Self {
            method: req.head.method.clone(),
            original: req.original_uri.clone(),
            uri: req.head.uri.clone(),
            version: req.head.version,
            headers: req.head.headers.clone(),
            route: req.route().into_owned(),
            host_field: req.host_field().to_owned(),
            remote: req.peer.remote,
            local: req.peer.local,
            tls: req.peer.tls.as_ref().map(|tls| tls.protocol),
        }
    }

    /// A cookie's value; empty without it.
    pub(super) fn cookie(&self, name: &str) -> String {
        cookies::first(&self.headers, name).unwrap_or_default().into_owned()
    }

    /// The first field of a name; empty without it.
    pub(super) fn header(&self, name: &str) -> String {
        if name.eq_ignore_ascii_case("host") {
            return self.host_field.clone();
        }
        let value = self.headers.get(name);
        value
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .unwrap_or_default()
    }

    /// The Host field without its port.
    pub(super) fn host(&self) -> &str {
        self.host_and_port().0
    }

    /// The port of the Host field, else the default one.
    pub(super) fn port(&self) -> &str {
        let default = if self.tls.is_some() { "443" } else { "80" };
        self.host_and_port().1.unwrap_or(default)
    }

    fn host_and_port(&self) -> (&str, Option<&str>) {
        let field = self.host_field.as_str();
        let (host, port) = match field.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (field, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        (bare.unwrap_or(host), port)
    }
}
