//! A site's address: `[scheme://][host][:port][/path]`.

use std::fmt;

/// The parts of an address; what was not written is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// As written in the Caddyfile, for messages.
    pub original: String,
    pub scheme: String,
    /// Lower-case, IPv6 without brackets.
    pub host: String,
    pub port: String,
    pub path: String,
}

impl Address {
    /// Reads one address; the error is the message's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| format!("[{text}] {why}");
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => (String::new(), text.strip_prefix("//").unwrap_or(text)),
        };
        if !matches!(scheme.as_str(), "" | "http" | "https") {
            return Err(wrong("unsupported scheme: write http:// or https://"));
        }
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = split_port(authority).ok_or_else(|| {
            wrong("invalid address: write HOST, HOST:PORT or :PORT (IPv6 in brackets)")
        })?;
        let host = host.to_lowercase();
        let valid = |c: char| c.is_alphanumeric() || "-._*:{}$%".contains(c);
        if !host.chars().all(valid) || host.contains('%') {
            return Err(wrong("invalid character in the host"));
        }
        let (scheme, port) = conventional(scheme, port).map_err(wrong)?;
        Ok(Self { original: text.to_owned(), scheme, host, port, path: path.to_owned() })
    }
}

/// Host without brackets, and port.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        host.parse::<std::net::Ipv6Addr>().ok()?;
        return Some((host, if port.is_empty() { "" } else { port.strip_prefix(':')? }));
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => None,
        Some(split) => Some(split),
        None => Some((authority, "")),
    }
}

/// Fills scheme and port from each other where one implies the other.
fn conventional(scheme: String, port: &str) -> Result<(String, String), &'static str> {
    const VIOLATION: &str = "scheme and port violate convention";
    Ok(match (scheme.as_str(), port) {
        ("http", "https" | "443") | ("https", "http" | "80") => return Err(VIOLATION),
        ("http", "http") => return Err("scheme specified twice in address"),
        ("https", "https") => return Err("scheme specified twice in address"),
        ("http", "") => (scheme, "80".to_owned()),
        ("https", "") => (scheme, "443".to_owned()),
        ("", "http") => ("http".to_owned(), "80".to_owned()),
        ("", "https") => ("https".to_owned(), "443".to_owned()),
        (_, "") => (scheme, String::new()),
        (_, number) => match number.parse::<u16>() {
            Ok(1..) => (scheme, number.to_owned()),
            _ => return Err("invalid port: write a number from 1 to 65535, http or https"),
        },
    })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.is_empty() && self.port.is_empty() && self.scheme.is_empty() {
            return Ok(());
        }
        let scheme = match self.scheme.as_str() {
            "" if self.port == "443" => "https",
            "" => "http",
            scheme => scheme,
        };
        write!(f, "{scheme}://")?;
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        let implied =
            matches!((scheme, self.port.as_str()), (_, "") | ("http", "80") | ("https", "443"));
        if !implied {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table "Test facts: address parsing": scheme, host, port, path.
    #[test]
    fn parts() {
        for (text, parts) in [
            ("localhost:1234", ["", "localhost", "1234", ""]),
            ("localhost:", ["", "localhost", "", ""]),
            ("127.0.0.1:1234", ["", "127.0.0.1", "1234", ""]),
            (":1234", ["", "", "1234", ""]),
            ("[::1]:1234", ["", "::1", "1234", ""]),
            (":", ["", "", "", ""]),
            ("localhost:https", ["https", "localhost", "443", ""]),
            (":http", ["http", "", "80", ""]),
            ("http://localhost", ["http", "localhost", "80", ""]),
            ("https://LOCALHOST", ["https", "localhost", "443", ""]),
            ("http://localhost:1234", ["http", "localhost", "1234", ""]),
            ("", ["", "", "", ""]),
            ("http://host/", ["http", "host", "80", "/"]),
            ("//asdf", ["", "asdf", "", ""]),
            ("host:80/path", ["", "host", "80", "/path"]),
            ("host:https/path", ["https", "host", "443", "/path"]),
            ("*.example.com", ["", "*.example.com", "", ""]),
        ] {
            let got = Address::parse(text).unwrap();
            assert_eq!([&*got.scheme, &*got.host, &*got.port, &*got.path], parts, "{text}");
        }
    }

    #[test]
    fn refusals() {
        for text in [
            "http://localhost:http",
            "http://localhost:443",
            "https://localhost:80",
            "localhost::",
            "#$%@",
            "ftp://host",
            "host:0",
            "host:65536",
            "host:80-90",
            "[::1",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        let error = Address::parse("http://localhost:443").unwrap_err();
        assert_eq!(error, "[http://localhost:443] scheme and port violate convention");
    }

    #[test]
    fn printed() {
        for (text, printed) in [
            ("http://host:1234/path", "http://host:1234/path"),
            ("host", "http://host"),
            ("host:443", "https://host"),
            ("http://:1234", "http://:1234"),
            ("", ""),
            ("[::1]:2015", "http://[::1]:2015"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), printed, "{text}");
        }
    }
}
