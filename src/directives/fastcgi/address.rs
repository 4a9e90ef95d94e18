//! Where a responder listens: `HOST:PORT`, `tcp://…`, `fastcgi://…`, `unix:/path`, `/path`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::caddyfile::parse_port;
use crate::upstream::{Host, Name};

/// One responder of a rule.
#[derive(Debug)]
pub(super) struct Upstream {
    /// The name in logs, in `{upstream}` and in the pool.
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    /// See [`super::turn`].
    pub(super) avoided: AtomicU64,
}

impl Upstream {
    fn new(name: &str, target: Target) -> Self {
        Self { name: name.into(), target, avoided: AtomicU64::new(0) }
    }

    /// The host name to resolve, if any.
    pub(super) fn named(&self) -> Option<&Arc<Name>> {
        match &self.target {
            Target::Tcp(Host::Name(name), _) => Some(name),
            _ => None,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    Tcp(Host, u16),
    Unix(PathBuf),
}

/// Parses one address. The error is the remedy.
pub(super) fn parse(text: &str) -> Result<Upstream, String> {
    let path = match text.strip_prefix("unix:") {
        Some(rest) => Some(rest.strip_prefix("//").unwrap_or(rest)),
        None => Some(text).filter(|text| text.starts_with('/')),
    };
    if let Some(path) = path {
        if path.is_empty() {
            return Err(format!("'{text}' has no path of a socket: write unix:/path/to/socket"));
        }
        return Ok(Upstream::new(&format!("unix:{path}"), Target::Unix(PathBuf::from(path))));
    }
    let rest = text.strip_prefix("tcp://").or(text.strip_prefix("fastcgi://")).unwrap_or(text);
    let address = rest.strip_suffix('/').unwrap_or(rest);
    let wrong = || {
        format!("'{text}' is not the address of a FastCGI server: write HOST:PORT or unix:/path")
    };
    let (host, port) = match address.rsplit_once(':').ok_or_else(wrong)? {
        // A port without a host means this machine.
        ("", port) => ("localhost", port),
        named => named,
    };
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let plausible = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let bare = match inner {
        Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => inner,
        None if !host.is_empty() && host.chars().all(plausible) => host,
        _ => return Err(wrong()),
    };
    let port = parse_port(port).map_err(|_| wrong())?;
    let name = format!("{host}:{port}");
    Ok(Upstream::new(&name, Target::Tcp(Host::parse(bare), port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let tcp = |host: &str, port| Target::Tcp(Host::parse(host), port);
        for (text, name, target) in [
            ("127.0.0.1:9000", "127.0.0.1:9000", tcp("127.0.0.1", 9000)),
            ("tcp://php:9000", "php:9000", tcp("php", 9000)),
            ("fastcgi://php_1.local:9000/", "php_1.local:9000", tcp("php_1.local", 9000)),
            ("[::1]:9000", "[::1]:9000", tcp("::1", 9000)),
            (":9000", "localhost:9000", tcp("localhost", 9000)),
            ("fastcgi://:9000", "localhost:9000", tcp("localhost", 9000)),
            ("unix:/run/php.sock", "unix:/run/php.sock", Target::Unix("/run/php.sock".into())),
            ("unix:///run/php.sock", "unix:/run/php.sock", Target::Unix("/run/php.sock".into())),
            ("/run/php.sock", "unix:/run/php.sock", Target::Unix("/run/php.sock".into())),
        ] {
            let upstream = parse(text).unwrap();
            assert_eq!((&*upstream.name, upstream.target), (name, target), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "php",
            ":",
            "tcp://",
            "php:",
            "php:0",
            "php:99999",
            "unix:",
            "http://a:1",
            "{host}:1",
            "::1:9",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
