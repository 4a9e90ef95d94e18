//! Upstream addresses: `host:port`, `http://`, `https://`, `unix:`, port ranges, base paths and
//! credentials. Pure text work at load.

use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::HeaderValue;

use crate::caddyfile::parse_port;
use crate::upstream::Host;
use crate::upstream::host::upstream::{Target, Upstream, Versions, shared_state};

/// Reads one TO; a port range gives one upstream per port. `identity` is what else a connection
/// depends on (TLS settings).
pub(crate) fn parse(text: &str, identity: &str) -> Result<Vec<Upstream>, String> {
    if text.contains('{') {
        return Err(format!("upstream '{text}': placeholders are not supported here"));
    }
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path, identity).map(|upstream| vec![upstream]);
    }
    let (scheme, tls, versions, rest) = scheme(text)?;
    let (authority, path_and_query) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (credentials, host_port) = match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, authority),
    };
    let (host, port) = match split_port(host_port) {
        // A port alone is one of this machine.
        ("", Some(port)) => ("localhost", Some(port)),
        named => named,
    };
    check_host(text, host, authority.ends_with(':'), path_and_query)?;
    let (base_path, base_query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let authorization = credentials.map(basic).transpose()?;
    ports(port)?
        .into_iter()
        .map(|port| {
            let shown = port.map_or(String::new(), |p| format!(":{p}"));
            let number = port.unwrap_or(if tls { 443 } else { 80 });
            let target = Target::Tcp {
                host: host.trim_matches(['[', ']']).to_owned(),
                at: Host::parse(host),
                port: number,
                tls,
            };
            let state = shared_state(format!("{scheme}://{host}:{number} {identity}"));
            let name = format!("{scheme}://{host}{shown}{base_path}");
            Ok(Upstream {
                versions,
                host_field: field(&format!("{host}{shown}"))?,
                base_path: base_path.to_owned(),
                base_query: base_query.to_owned(),
                authorization: authorization.clone(),
                ..Upstream::new(&name, target, state)
            })
        })
        .collect()
}

/// What looks like an address and is none.
fn check_host(
    text: &str,
    host: &str,
    ends_in_colon: bool,
    path_and_query: &str,
) -> Result<(), String> {
    if host.is_empty() {
        return Err(format!("upstream '{text}' has no host"));
    }
    let is_torn = ends_in_colon || path_and_query.starts_with("//");
    if matches!(host, "http" | "https") && is_torn {
        return Err(format!("upstream '{text}': '{host}' is a scheme and no host"));
    }
    // nginx writes http://unix:/PATH, Caddy 2 unix//PATH.
    if host == "unix" && (ends_in_colon || path_and_query.starts_with("//")) {
        return Err(format!(
            "upstream '{text}': 'unix' is no host; a socket is written unix:/PATH"
        ));
    }
    if host.contains(',') {
        return Err(format!("upstream '{text}': a host has no comma"));
    }
    if host.contains(':') && !host.starts_with('[') {
        return Err(format!("upstream '{text}': an IPv6 address is written in brackets"));
    }
    if host.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("upstream '{text}': '{host}' is no host, but only a number"));
    }
    Ok(())
}

fn unix(path: &str, identity: &str) -> Result<Upstream, String> {
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() {
        return Err("upstream 'unix:' has no socket path".to_owned());
    }
    let state = shared_state(format!("unix:{path} {identity}"));
    Ok(Upstream::new(&format!("unix:{path}"), Target::Unix(PathBuf::from(path)), state))
}

/// Whether DNS is to list the servers.
pub(crate) fn is_service(text: &str) -> bool {
    text.starts_with("srv://") || text.starts_with("srv+https://")
}

/// The service of `srv://NAME` or `srv+https://NAME`, and the upstream that all of its servers
/// are like. `None` where it is no such address.
pub(crate) fn service(text: &str, identity: &str) -> Result<Option<(String, Upstream)>, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some(("srv", rest)) => ("http", rest),
        Some(("srv+https", rest)) => ("https", rest),
        _ => return Ok(None),
    };
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    let service = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if service.contains([':', '[']) {
        return Err(format!("upstream '{text}': a service takes no port, as DNS names the ports"));
    }
    // Whom the servers' certificates must name and what `Host` says: the service, as the rest
    // comes from DNS and may be forged. `_https._tcp.example.com` belongs to `example.com`.
    let mut domain = service;
    while let Some((_, rest)) = domain.split_once('.').filter(|(label, _)| label.starts_with('_')) {
        domain = rest;
    }
    let plain = format!("{scheme}://{}", rest.replacen(service, domain, 1));
    let pattern = parse(&plain, identity)?.swap_remove(0);
    Ok(Some((service.to_owned(), pattern)))
}

/// Whether a text begins with a scheme that has not all of its `://`.
fn is_torn(text: &str) -> bool {
    let rest = text.strip_prefix("https").or_else(|| text.strip_prefix("http"));
    rest.is_some_and(|rest| rest.starts_with([':', '/']))
}

/// What to write instead of an address that cannot be used.
pub(crate) fn hint(text: &str) -> String {
    let number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once("://") {
        Some(("ws" | "wss", host)) => {
            let tls = if text.starts_with("wss") { "s" } else { "" };
            format!("write http{tls}://{host}, and `websocket` in the block of `proxy`")
        }
        _ if is_service(text) => "write: proxy FROM srv://NAME".to_owned(),
        _ if text.contains("unix:/") || text.starts_with("unix//") => {
            let at = text.find("unix").unwrap_or(0) + "unix".len();
            format!("write unix:/{}", text[at..].trim_start_matches([':', '/']))
        }
        _ if text.contains("::") && !text.contains('[') => {
            "write [ADDRESS]:PORT, such as [::1]:8080".to_owned()
        }
        _ if number => format!("write HOST:{text}, or :{text} for this machine"),
        _ if text.starts_with('/') => {
            "write a line for each path: proxy PATH ADDRESS; a socket is unix:/PATH".to_owned()
        }
        None if is_torn(text) => {
            let (scheme, rest) = text.split_once([':', '/']).unwrap_or(("http", text));
            format!("write {scheme}://{}", rest.trim_start_matches(['/', ':']))
        }
        _ if text.contains(',') => "write the addresses with spaces between them".to_owned(),
        _ => "write HOST:PORT, http://HOST, https://HOST, h2c://HOST, h2://HOST, srv://NAME or \
              unix:/PATH"
            .to_owned(),
    }
}

/// The scheme, whether it is over TLS, what it speaks, and the rest.
fn scheme(text: &str) -> Result<(&str, bool, Versions, &str), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(("http", false, Versions::Http1, text));
    };
    let (tls, versions) = match scheme {
        "http" => (false, Versions::Http1),
        "https" => (true, Versions::Either),
        "h2c" => (false, Versions::Http2),
        "h2" => (true, Versions::Http2),
        other => {
            return Err(format!(
                "upstream '{text}': scheme '{other}' is not supported; use http, https, h2c, h2, \
                 srv, srv+https or unix:"
            ));
        }
    };
    Ok((scheme, tls, versions, rest))
}

/// Splits off the port; the colons of a bracketed IPv6 address belong to the host.
fn split_port(host_port: &str) -> (&str, Option<&str>) {
    let after_bracket = host_port.rfind(']').map_or(0, |at| at + 1);
    match host_port[after_bracket..].rfind(':') {
        Some(at) => {
            let (host, port) = host_port.split_at(after_bracket + at);
            (host, Some(&port[1..]).filter(|p| !p.is_empty()))
        }
        None => (host_port, None),
    }
}

fn ports(port: Option<&str>) -> Result<Vec<Option<u16>>, String> {
    let Some(text) = port else { return Ok(vec![None]) };
    let number =
        |text: &str| parse_port(text).map_err(|message| format!("upstream port {message}"));
    let Some((first, last)) = text.split_once('-') else {
        return Ok(vec![Some(number(text)?)]);
    };
    let (first, last) = (number(first)?, number(last)?);
    if last <= first {
        return Err(format!("port range [{first}-{last}] is invalid"));
    }
    Ok((first..=last).map(Some).collect())
}

fn field(text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_str(text).map_err(|_| format!("'{text}' cannot be sent as Host"))
}

/// `Basic` credentials (RFC 7617) from a URL's percent-encoded `user:pass`.
fn basic(user_info: &str) -> Result<HeaderValue, String> {
    let mut plain: Vec<u8> = percent_encoding::percent_decode_str(user_info).collect();
    if !user_info.contains(':') {
        plain.push(b':');
    }
    let mut value = field(&format!("Basic {}", BASE64_STANDARD.encode(&plain)))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, names, host, port, tls, base) in [
            ("localhost", "http://localhost", "localhost", 80, false, ""),
            ("localhost:8080", "http://localhost:8080", "localhost", 8080, false, ""),
            ("httpbin:80", "http://httpbin:80", "httpbin", 80, false, ""),
            ("https://l:2021/t?foo=bar", "https://l:2021/t", "l", 2021, true, "/t"),
            ("https://l", "https://l", "l", 443, true, ""),
            ("http://u:p@h/a--b", "http://h/a--b", "h", 80, false, "/a--b"),
            (":8080", "http://localhost:8080", "localhost", 8080, false, ""),
            ("http://:8080/a", "http://localhost:8080/a", "localhost", 8080, false, "/a"),
            ("https://u:p@:8443", "https://localhost:8443", "localhost", 8443, true, ""),
            ("[::1]:81", "http://[::1]:81", "::1", 81, false, ""),
            ("[::1]", "http://[::1]", "::1", 80, false, ""),
            (
                "localhost:8080-8082",
                "http://localhost:8080 http://localhost:8081 http://localhost:8082",
                "localhost",
                8080,
                false,
                "",
            ),
        ] {
            let parsed = parse(text, "").unwrap();
            let got: Vec<&str> = parsed.iter().map(|u| &*u.name).collect();
            assert_eq!(got.join(" "), names);
            let target = Target::Tcp { host: host.into(), at: Host::parse(host), port, tls };
            assert_eq!(parsed[0].target, target, "{text}");
            assert_eq!(parsed[0].base_path, base, "{text}");
        }
    }

    #[test]
    fn sockets_take_the_whole_remainder() {
        let parsed = parse("unix:/run/a.sock/b", "").unwrap();
        assert_eq!(parsed[0].target, Target::Unix("/run/a.sock/b".into()));
        assert_eq!(parsed[0].host_field, "socket");
    }

    #[test]
    fn services_are_read() {
        for (text, service_name, host, tls) in [
            ("srv://web.service.test", "web.service.test", "web.service.test", false),
            ("srv+https://_https._tcp.a.test/b", "_https._tcp.a.test", "a.test", true),
            ("srv://u:p@a.test", "a.test", "a.test", false),
        ] {
            let (name, pattern) = service(text, "").unwrap().unwrap();
            assert_eq!(
                (&*name, pattern.host_field.to_str().unwrap()),
                (service_name, host),
                "{text}"
            );
            assert!(matches!(pattern.target, Target::Tcp { tls: t, .. } if t == tls));
        }
        assert!(service("http://a", "").unwrap().is_none());
        for text in ["srv://a:80", "srv://", "srv://[::1]"] {
            assert!(service(text, "").is_err(), "{text}");
        }
    }

    #[test]
    fn credentials_become_a_field() {
        for (text, value) in [
            ("http://user:pass@h", "Basic dXNlcjpwYXNz"),
            ("http://a:b%40@h", "Basic YTpiQA=="),
            ("http://user@h", "Basic dXNlcjo="),
        ] {
            assert_eq!(parse(text, "").unwrap()[0].authorization.as_ref().unwrap(), value);
        }
    }

    #[test]
    fn bad_addresses_are_refused() {
        for (text, part) in [
            ("localhost:8090-8080", "port range [8090-8080] is invalid"),
            ("localhost:80-80", "port range [80-80] is invalid"),
            ("localhost:80-A", "must be a whole number from 1 to 65535, not 'A'"),
            ("localhost:99999", "not '99999'"),
            ("quic://a", "scheme 'quic' is not supported"),
            ("srv://a", "scheme 'srv' is not supported"),
            ("http://", "has no host"),
            ("http:/localhost:3000", "'http' is a scheme and no host"),
            ("https//localhost:3000", "'https' is a scheme and no host"),
            (":", "has no host"),
            (":x", "upstream port must be a whole number from 1 to 65535, not 'x'"),
            ("unix:", "no socket path"),
            ("a:1,b:2", "a host has no comma"),
            ("8080", "'8080' is no host, but only a number"),
            ("unix//run/app.sock", "a socket is written unix:/PATH"),
            ("http://unix:/run/app.sock", "a socket is written unix:/PATH"),
            ("::1", "an IPv6 address is written in brackets"),
            ("http://fe80::1/x", "an IPv6 address is written in brackets"),
            ("{host}:80", "placeholders"),
        ] {
            let error = parse(text, "").unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
