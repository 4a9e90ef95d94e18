//! A request as the chain sees it, independent of the protocol version.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, StatusCode, Uri, header, request::Parts};

use super::connection_values::ConnectionValues;
use super::early_hints::EarlyHints;
use super::placeholders::RequestId;
use super::sink::About;
use super::{Body, Upgrade, paths};

/// A request. `head.uri` is in origin form (path and query), and `head.headers` always has `Host`,
/// also if the client sent `:authority`.
#[derive(Debug)]
pub struct Request {
    pub head: Parts,
    pub body: Body,
    /// Set if the client requests another protocol and that is allowed.
    pub upgrade: Option<Box<Upgrade>>,
    pub peer: Rc<Peer>,
    /// Host without port, in lower case, without a final dot; IPv6 without brackets.
    pub host: String,
    /// The URI before any rewrite and before the site's path was removed, in origin form.
    pub original_uri: Uri,
    /// The user, once authenticated.
    pub user: Option<String>,
    /// The name of the upstream that responded; set by `proxy`.
    pub upstream: Option<Arc<str>>,
    /// Notified if the request ends without a response.
    pub watcher: Option<Arc<dyn Watcher>>,
    /// Set if the client may get interim responses.
    pub early_hints: Option<Box<EarlyHints<Self>>>,
    pub received: Instant,
}

/// Observes requests that end without a response.
pub trait Watcher: std::fmt::Debug + Send + Sync {
    /// The request has ended without a response; `status` is the one to log.
    fn ended(&self, req: &Request, status: u16);
}

/// The connection of a request.
#[derive(Debug)]
pub struct Peer {
    /// The client's address, which trusted proxies may set.
    pub remote: SocketAddr,
    pub local: SocketAddr,
    pub tls: Option<TlsFacts>,
    pub values: ConnectionValues,
}

impl Peer {
    /// The same connection with the address of one of its clients, and without the values kept for
    /// others.
    pub fn named(&self, remote: SocketAddr) -> Self {
        Self { remote, local: self.local, tls: self.tls.clone(), values: self.values.of_another() }
    }

    /// The client's address as a field value.
    pub fn address(&self) -> &HeaderValue {
        self.values.address.get_or_init(|| address_value(self.remote.ip()))
    }

    pub fn local_port(&self) -> &HeaderValue {
        self.values.local_port.get_or_init(|| self.local.port().into())
    }
}

/// The proxy that sent a request, if `peer.remote` is the client that it named; in the request's
/// extensions.
#[derive(Debug, Clone, Copy)]
pub struct Sender(pub IpAddr);

/// In a request's extensions: a handler has let it in by what the client has shown of itself,
/// though it may not know the user's name.
#[derive(Debug, Clone, Copy)]
pub struct Authenticated;

/// The result of the TLS handshake.
#[derive(Debug, Clone, Default)]
pub struct TlsFacts {
    pub server_name: Option<String>,
    /// As in `{tls_protocol}`: `tls1.2`, `tls1.3`.
    pub protocol: &'static str,
    /// IANA name, as in `{tls_cipher}`.
    pub cipher: &'static str,
    /// The client certificate (DER), if presented.
    pub client: Option<Vec<u8>>,
}

impl Request {
    /// `https` on a TLS or QUIC connection, else `http`.
    pub fn scheme(&self) -> &'static str {
        if self.peer.tls.is_some() { "https" } else { "http" }
    }

    /// Whether the client has shown who it is, as far as this server knows.
    pub fn is_authenticated(&self) -> bool {
        self.user.is_some()
            || self.head.headers.contains_key(header::AUTHORIZATION)
            || self.peer.tls.as_ref().is_some_and(|tls| tls.client.is_some())
            || self.head.extensions.get::<Authenticated>().is_some()
    }

    /// The sender of the request: the client, or the last proxy.
    pub fn sender(&self) -> Cow<'_, HeaderValue> {
        match self.head.extensions.get::<Sender>() {
            Some(proxy) => Cow::Owned(address_value(proxy.0)),
            None => Cow::Borrowed(self.peer.address()),
        }
    }

    /// The current path, percent-encoded as the client sent it: this is forwarded.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The path in its normal form, percent-decoded, without `.`, `..` and `//`. Prefixes are
    /// compared with this, so that `/%61dmin` and `//admin` equal `/admin`.
    pub fn route(&self) -> Cow<'_, str> {
        paths::normal(self.path())
    }

    /// All interpretations of the path, which rules that protect something are compared with.
    pub fn readings(&self) -> paths::Readings<'_> {
        paths::Readings::of(self.path())
    }

    /// Notifies the watcher that the request ends without a response.
    pub fn end_unanswered(&mut self, status: u16) {
        if let Some(watcher) = self.watcher.take() {
            watcher.ended(self, status);
        }
    }

    /// The prefix of a line in the error log.
    pub fn about(&self, status: StatusCode) -> About<'_> {
        let (method, path) = (self.head.method.as_str(), self.path());
        let request_id = self.head.extensions.get().map(|RequestId(id)| id.as_str());
        About { status: status.as_u16(), method, path, request_id }
    }

    /// The Host field as sent, with its port.
    pub fn host_field(&self) -> &str {
        self.head.headers.get(header::HOST).map_or("", |v| v.to_str().unwrap_or(""))
    }

    /// The value of a request field; several are joined by `,`.
    pub fn field(&self, name: &str) -> Option<String> {
        join(self.head.headers.get_all(name).iter())
    }
}

/// Joins the values of a field into one line (RFC 9110 section 5.2).
pub fn join<'a>(values: impl Iterator<Item = &'a HeaderValue>) -> Option<String> {
    let mut joined: Option<String> = None;
    for value in values {
        let text = String::from_utf8_lossy(value.as_bytes());
        match &mut joined {
            None => joined = Some(text.into_owned()),
            Some(line) => {
                line.push(',');
                line.push_str(&text);
            }
        }
    }
    joined
}

/// An address as text, with IPv4-mapped addresses as IPv4. Ten times as fast as the formatter of
/// the standard library; used for every proxied request.
pub fn address_text(ip: IpAddr) -> String {
    let IpAddr::V4(ip) = ip.to_canonical() else { return ip.to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (at, octet) in ip.octets().into_iter().enumerate() {
        if at > 0 {
            text.push('.');
        }
        for (least, unit) in [(100, 100), (10, 10), (0, 1)] {
            if octet >= least {
                text.push(char::from(b'0' + octet / unit % 10));
            }
        }
    }
    text
}

/// An address as a field value.
pub fn address_value(ip: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address_text(ip)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Converts an IPv4-mapped address to IPv4.
pub fn unmapped(addr: SocketAddr) -> SocketAddr {
    SocketAddr::new(addr.ip().to_canonical(), addr.port())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A request as dispatch would hand it on, from 127.0.0.1:1234 to example.com:8080.
    pub(crate) fn request(method: &str, target: &str) -> Request {
        let built = http::Request::builder().method(method).uri(target);
        let built = built.header("host", "example.com:8080").body(()).unwrap();
        let head = built.into_parts().0;
        Request {
            original_uri: head.uri.clone(),
            head,
            body: Body::empty(),
            upgrade: None,
            peer: Rc::new(Peer {
                remote: ([127, 0, 0, 1], 1234).into(),
                local: ([127, 0, 0, 1], 8080).into(),
                tls: None,
                values: crate::http::connection_values::ConnectionValues::default(),
            }),
            host: "example.com".to_owned(),
            user: None,
            upstream: None,
            watcher: None,
            early_hints: None,
            received: Instant::now(),
        }
    }

    #[test]
    fn the_route_is_the_same_for_all_spellings() {
        for target in
            ["/admin/x", "/%61dmin/x", "//admin/x", "/y/../admin/x", "/admin/./x", "/admin%2Fx"]
        {
            assert_eq!(request("GET", target).route(), "/admin/x", "{target}");
        }
    }

    #[test]
    fn addresses_are_told_as_ever() {
        for text in ["0.0.0.0", "127.0.0.1", "10.9.99.100", "255.255.255.255", "::1", "2001:db8::a"]
        {
            assert_eq!(address_text(text.parse().unwrap()), text);
        }
        assert_eq!(address_text("::ffff:192.0.2.7".parse().unwrap()), "192.0.2.7");
    }
}
