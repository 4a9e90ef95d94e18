//! A request as the chain sees it, whatever protocol brought it.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, StatusCode, Uri, header, request::Parts};

use super::kept::Kept;
use super::sink::About;
use super::{Body, Upgrade, paths};

/// One request. `head.uri` is in origin form (path and query) and `Host` is always a field of
/// `head.headers`, also where the client sent `:authority`.
#[derive(Debug)]
pub struct Request {
    pub head: Parts,
    pub body: Body,
    /// Set where the client asks for another protocol and may have it.
    pub upgrade: Option<Box<Upgrade>>,
    pub peer: Rc<Peer>,
    /// Host without port, lower-case, no trailing dot; IPv6 without brackets.
    pub host: String,
    /// The URI before any rewrite and before a site's path was cut off, in origin form.
    pub original_uri: Uri,
    /// The user that `basicauth` let in.
    pub user: Option<String>,
    /// The upstream that answered, as the Caddyfile names it; set by `proxy`.
    pub upstream: Option<Arc<str>>,
    /// Who is told where the request ends without a response.
    pub watcher: Option<Arc<dyn Watcher>>,
    pub received: Instant,
}

/// Keeps account of requests.
pub trait Watcher: std::fmt::Debug + Send + Sync {
    /// The request has had no response; `status` is what stands for one.
    fn ended(&self, req: &Request, status: u16);
}

/// The connection a request came on.
#[derive(Debug)]
pub struct Peer {
    /// The client, where those in between are trusted to name it.
    pub remote: SocketAddr,
    pub local: SocketAddr,
    pub tls: Option<TlsFacts>,
    pub kept: Kept,
}

impl Peer {
    /// The same connection for one client of several that it may carry: what handlers keep with
    /// the connection is not this client's.
    pub fn named(&self, remote: SocketAddr) -> Self {
        Self { remote, local: self.local, tls: self.tls.clone(), kept: self.kept.of_another() }
    }

    /// The client's address, and the port that it came to, as fields say them.
    pub fn address(&self) -> &HeaderValue {
        self.kept.address.get_or_init(|| address_value(self.remote.ip()))
    }

    pub fn local_port(&self) -> &HeaderValue {
        self.kept.local_port.get_or_init(|| self.local.port().into())
    }
}

/// In a request's extensions: the proxy that sent it, where `peer.remote` is the client that this
/// proxy named.
#[derive(Debug, Clone, Copy)]
pub struct Sender(pub IpAddr);

/// What the handshake settled.
#[derive(Debug, Clone, Default)]
pub struct TlsFacts {
    pub server_name: Option<String>,
    /// As in `{tls_protocol}`: `tls1.2`, `tls1.3`.
    pub protocol: &'static str,
    /// IANA name, as in `{tls_cipher}`.
    pub cipher: &'static str,
    /// The client's own certificate (DER), where it has shown one.
    pub client: Option<Vec<u8>>,
}

impl Request {
    /// `https` on a TLS or QUIC connection, else `http`.
    pub fn scheme(&self) -> &'static str {
        if self.peer.tls.is_some() { "https" } else { "http" }
    }

    /// Who sent the request: the client, or the last proxy before us.
    pub fn sender(&self) -> Cow<'_, HeaderValue> {
        match self.head.extensions.get::<Sender>() {
            Some(proxy) => Cow::Owned(address_value(proxy.0)),
            None => Cow::Borrowed(self.peer.address()),
        }
    }

    /// The path as it stands now, percent-encoded as the client sent it: what is forwarded.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The path in its one normal form, percent-decoded, without `.`, `..` and `//`: what
    /// prefixes are compared with, so that `/%61dmin` and `//admin` cannot pass for others.
    pub fn route(&self) -> Cow<'_, str> {
        paths::normal(self.path())
    }

    /// All readings of the path: what a rule that protects something is compared with.
    pub fn readings(&self) -> paths::Readings<'_> {
        paths::Readings::of(self.path())
    }

    /// Tells who keeps account of the request that it ends without a response.
    pub fn end_unanswered(&mut self, status: u16) {
        if let Some(watcher) = self.watcher.take() {
            watcher.ended(self, status);
        }
    }

    /// What a line of the errors log is about.
    pub fn about(&self, status: StatusCode) -> About<'_> {
        let (method, path) = (self.head.method.as_str(), self.path());
        About { status: status.as_u16(), method, path }
    }

    /// The Host field as sent, with its port.
    pub fn host_field(&self) -> &str {
        self.head.headers.get(header::HOST).map_or("", |v| v.to_str().unwrap_or(""))
    }

    /// A request field's value; several are joined by `,`.
    pub fn field(&self, name: &str) -> Option<String> {
        join(self.head.headers.get_all(name).iter())
    }
}

/// Several values of one field as one line (RFC 9110 section 5.2).
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

/// An address as text, IPv4 where it stands for that. Every proxied request tells its client's,
/// and the standard library's way through a formatter costs ten times as much.
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

/// An address as a field says it.
pub fn address_value(ip: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address_text(ip)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// An IPv4 client of a dual-stack socket as IPv4.
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
                kept: crate::http::kept::Kept::default(),
            }),
            host: "example.com".to_owned(),
            user: None,
            upstream: None,
            watcher: None,
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
