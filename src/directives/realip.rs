//! `realip`: takes the client's address from the fields of trusted proxies, and removes these
//! fields from other requests. It sets the request's peer to the client, so later directives work
//! unchanged.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use http::{HeaderName, StatusCode};

use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, Written, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::ranges::Ranges;
use crate::http::request::Sender;
use crate::http::{Fault, Request};
use crate::limits::REALIP_HOPS;
use crate::site::SiteBuilder;

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Fields with the client's address, which untrusted senders must not set.
const NAMING: [HeaderName; 3] = [FORWARDED, X_FORWARDED_FOR, HeaderName::from_static("x-real-ip")];

/// As in the plugin, the last `header` and `maxhops` are used.
pub(super) static OPTIONS: Options<RealIp> = Options::new(&[
    option("from RANGE..., such as: from 10.0.0.0/8 private", Accumulates, |real, args| {
        args.each(|args, word| arguments::range(args, word, &mut real.from)).map(drop)
    }),
    option("header NAME, such as: header X-Forwarded-For", LastWins, |real, args| {
        let word = args.required()?;
        arguments::field_name(args, word).map(|name| real.header = name)
    }),
    option("strict", Accumulates, |real, _| {
        real.strict = true;
        Ok(())
    }),
    option("maxhops N, such as: maxhops 5", LastWins, |real, args| {
        args.number(1..).map(|hops| real.hops = hops)
    }),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut real = RealIp {
        from: Ranges::default(),
        header: X_FORWARDED_FOR,
        strict: false,
        hops: REALIP_HOPS,
    };
    let mut written = Written::default();
    while args.next() {
        while args.next_arg() {
            arguments::range(args, args.val(), &mut real.from)?;
        }
        OPTIONS.read_more(&mut real, args, &mut written)?;
    }
    if real.from.is_empty() {
        let error = args.error("realip: no trusted addresses: the directive has no effect");
        return Err(error.hint("write: from RANGE"));
    }
    site.push(real);
    Ok(())
}

pub(super) struct RealIp {
    /// The trusted proxies.
    from: Ranges,
    header: HeaderName,
    /// Whether other senders are refused.
    strict: bool,
    hops: usize,
}

impl RealIp {
    /// Finds the client, or returns why the request is refused.
    fn settle(&self, req: &mut Request) -> Result<(), Fault> {
        let sender = req.peer.remote;
        if !self.from.contains(sender.ip()) {
            if self.strict {
                let cause = format!("realip: {} is not a known proxy", sender.ip());
                return Err(Fault::caused(StatusCode::FORBIDDEN, cause));
            }
            for name in NAMING.iter().chain([&self.header]) {
                req.head.headers.remove(name);
            }
            return Ok(());
        }
        let Some(field) = req.field(self.header.as_str()) else { return Ok(()) };
        let client = match self.client(&field) {
            Ok(client) => client,
            Err(entry) if self.strict => {
                let cause = format!("realip: '{entry}' in {} is not an address", self.header);
                return Err(Fault::caused(StatusCode::FORBIDDEN, cause));
            }
            Err(_) => None,
        };
        if let Some((ip, port)) = client {
            let remote = SocketAddr::new(ip, port.unwrap_or(sender.port()));
            req.peer = Rc::new(req.peer.named(remote));
            req.head.extensions.insert(Sender(sender.ip()));
        }
        Ok(())
    }

    /// The rightmost address that is not a trusted proxy's, as the client controls everything to
    /// the left of it. If all are trusted, the leftmost one. An invalid entry on the way is an
    /// error.
    fn client<'f>(&self, field: &'f str) -> Result<Option<(IpAddr, Option<u16>)>, &'f str> {
        let is_forwarded = self.header == FORWARDED;
        let mut found = None;
        for entry in field.rsplit(',').map(str::trim).filter(|e| !e.is_empty()).take(self.hops) {
            let node = if is_forwarded { node(entry) } else { Some(entry) };
            let Some((ip, port)) = node.and_then(address) else {
                // The last known proxy forwarded a request of a sender without an address.
                return if found.is_some() { Ok(found) } else { Err(entry) };
            };
            found = Some((ip, port));
            if !self.from.contains(ip) {
                break;
            }
        }
        Ok(found)
    }
}

/// The node of an element's `for` (RFC 7239 section 4). A comma within quotes would split the
/// element, but addresses contain none.
fn node(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| value.trim().trim_matches('"'))
    })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<(IpAddr, Option<u16>)> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let (ip, port) = match bare.parse::<IpAddr>() {
        Ok(ip) => (ip, None),
        Err(_) => {
            let addr: SocketAddr = text.parse().ok()?;
            (addr.ip(), Some(addr.port()))
        }
    };
    Some((ip.to_canonical(), port))
}

impl Handler for RealIp {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        match self.settle(req) {
            Ok(()) => next.run(req),
            Err(fault) => Box::pin(std::future::ready(Err(fault))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directives::testing::site;
    use crate::http::hop::{FORWARDED_FOR, forwarded_for};
    use crate::http::request::tests::request;

    fn real(from: &str, header: &'static str) -> RealIp {
        let mut ranges = Ranges::default();
        assert!(from.split(' ').all(|word| ranges.add(word)));
        let header = HeaderName::from_static(header);
        RealIp { from: ranges, header, strict: false, hops: 3 }
    }

    fn from(sender: &str, fields: &[(&'static str, &str)]) -> Request {
        let mut req = request("GET", "/");
        Rc::get_mut(&mut req.peer).unwrap().remote = sender.parse().unwrap();
        for (name, value) in fields {
            req.head.headers.append(*name, value.parse().unwrap());
        }
        req
    }

    #[test]
    fn who_the_client_is() {
        for (header, value, client) in [
            ("x-forwarded-for", "192.0.2.1", "192.0.2.1:7"),
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1", "192.0.2.1:7"),
            ("x-forwarded-for", "6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1:7"),
            ("x-forwarded-for", "192.0.2.1, 10.0.0.4, 10.0.0.3, 10.0.0.2", "10.0.0.4:7"),
            ("x-forwarded-for", "10.0.0.9,,10.0.0.2,", "10.0.0.9:7"),
            ("x-forwarded-for", "unknown, 10.0.0.2", "10.0.0.2:7"),
            ("x-forwarded-for", "192.0.2.1, unknown", "10.0.0.1:7"),
            ("x-forwarded-for", "", "10.0.0.1:7"),
            ("x-forwarded-for", "::ffff:192.0.2.1", "192.0.2.1:7"),
            ("x-forwarded-for", "192.0.2.1:99", "192.0.2.1:99"),
            ("x-client", "2001:db8::1", "[2001:db8::1]:7"),
            ("forwarded", "for=192.0.2.1;proto=http", "192.0.2.1:7"),
            ("forwarded", "for=6.6.6.6, by=x; For=\"[2001:db8::1]:99\"", "[2001:db8::1]:99"),
            ("forwarded", "for=192.0.2.1, for=\"[::1]\"", "[::1]:7"),
            ("forwarded", "for=_hidden", "10.0.0.1:7"),
            ("forwarded", "proto=http", "10.0.0.1:7"),
        ] {
            let mut req = from("10.0.0.1:7", &[(header, value)]);
            real("10.0.0.0/8", header).settle(&mut req).unwrap();
            assert_eq!(req.peer.remote.to_string(), client, "{header}: {value}");
        }
    }

    #[test]
    fn upstreams_learn_the_way() {
        for (sender, expected) in [("10.0.0.1:7", "6.6.6.6, 10.0.0.1"), ("9.9.9.9:7", "9.9.9.9")] {
            let mut req = from(sender, &[("x-forwarded-for", "6.6.6.6"), ("x-real-ip", "6.6.6.6")]);
            real("10.0.0.0/8", "x-forwarded-for").settle(&mut req).unwrap();
            let is_known = sender.starts_with("10.");
            assert_eq!(req.head.headers.contains_key("x-real-ip"), is_known);
            let earlier = req.head.headers.get_all(FORWARDED_FOR).iter();
            assert_eq!(forwarded_for(earlier, &req.sender()), expected);
        }
    }

    #[test]
    fn strict_refuses_whom_it_does_not_know() {
        let real = RealIp { strict: true, ..real("10.0.0.0/8", "x-forwarded-for") };
        for (sender, value, is_let_in) in [
            ("10.0.0.1:7", "192.0.2.1", true),
            ("10.0.0.1:7", "nonsense", false),
            ("192.0.2.1:7", "192.0.2.1", false),
        ] {
            let settled = real.settle(&mut from(sender, &[("x-forwarded-for", value)]));
            let status = settled.map_err(|fault| fault.status);
            assert_eq!(status.is_ok(), is_let_in, "{sender} {value}: {status:?}");
        }
    }

    #[test]
    fn blocks_are_read() {
        for (text, mistake) in [
            ("realip cloudflare", None),
            ("realip 10.0.0.0/8 192.0.2.1", None),
            ("realip {\n from private\n from ::1\n header Forwarded\n strict\n maxhops 2\n}", None),
            ("realip", Some("no trusted addresses")),
            ("realip {\n strict\n}", Some("no trusted addresses")),
            ("realip everybody", Some("'everybody' is not a range")),
            ("realip {\n from 10.0.0.0/40\n}", Some("'10.0.0.0/40' is not a range")),
            ("realip private {\n header \"a b\"\n}", Some("'a b' is not a header field name")),
            ("realip private {\n maxhops 0\n}", Some("maxhops must be at least 1, not '0'")),
            ("realip private {\n strict yes\n}", Some("Wrong argument count")),
            ("realip private {\n colour\n}", Some("unknown property 'colour'")),
        ] {
            let message = site("realip", setup, text).map(|_| ()).err();
            let is_named = match mistake {
                Some(part) => message.as_ref().is_some_and(|text| text.contains(part)),
                None => message.is_none(),
            };
            assert!(is_named, "{text}: {message:?}");
        }
    }
}
