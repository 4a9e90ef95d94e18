//! A site's address: `[scheme://][host][:port][/path]`.

use std::fmt;
use std::net::Ipv6Addr;

/// The parts of an address; missing parts are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// As written in the Caddyfile, for messages.
    pub original: String,
    pub scheme: String,
    /// In lower case, as in a request: an international name is an A-label (RFC 5891), an IPv6
    /// address has no brackets.
    pub host: String,
    pub port: String,
    pub path: String,
}

impl Address {
    /// Parses an address; the error is a message.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
            None => (String::new(), text.strip_prefix("//").unwrap_or(text)),
        };
        if !matches!(scheme.as_str(), "" | "http" | "https") {
            return Err(format!("[{text}] unsupported scheme '{scheme}': use http or https"));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = split_port(authority).ok_or_else(|| {
            format!("[{text}] too many colons in address: an IPv6 host is written [::1]:port")
        })?;
        let host = read_host(host).ok_or_else(|| format!("[{text}] invalid host '{host}'"))?;
        if matches!(&*host, "http" | "https") && port.is_empty() && !path.is_empty() {
            return Err(format!("[{text}] '{host}' is a scheme, and stands where the host is due"));
        }
        if path.contains(['?', '#']) || path.contains(char::is_whitespace) {
            return Err(format!("[{text}] a site address cannot have a query, fragment or space"));
        }
        let (scheme, port) = settle(text, scheme, port)?;
        Ok(Self { original: text.to_owned(), scheme, host, port, path: path.to_owned() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if [&self.scheme, &self.host, &self.port, &self.path].iter().all(|part| part.is_empty()) {
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
        if !self.port.is_empty() && port_of(scheme) != self.port {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

/// Splits `host[:port]`; `None` if a colon is misplaced.
fn split_port(authority: &str) -> Option<(&str, &str)> {
    if authority.starts_with('[') {
        let end = authority.find(']')? + 1;
        let (host, rest) = authority.split_at(end);
        return if rest.is_empty() {
            Some((host, ""))
        } else {
            Some((host, rest.strip_prefix(':')?))
        };
    }
    match authority.split_once(':') {
        None => Some((authority, "")),
        Some((_, port)) if port.contains(':') => None,
        Some(parts) => Some(parts),
    }
}

fn read_host(host: &str) -> Option<String> {
    if let Some(inside) = host.strip_prefix('[') {
        let inside = inside.strip_suffix(']')?;
        let (literal, zone) = inside.split_once('%').unwrap_or((inside, "-"));
        literal.parse::<Ipv6Addr>().ok()?;
        // In a zone, only characters that need no escape (RFC 6874 section 2).
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let fits = !zone.is_empty() && zone.bytes().all(plain);
        return fits.then(|| inside.to_ascii_lowercase());
    }
    let host = idna::domain_to_ascii(host).ok()?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*".contains(&byte);
    // Digits alone are a port whose colon is missing: no name and no IPv4 address is written so.
    let is_number = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_digit());
    let has_gap = host.contains("..");
    (host.bytes().all(fits) && !is_number && !has_gap).then_some(host)
}

/// Derives scheme and port from each other; contradictory pairs are errors.
fn settle(text: &str, scheme: String, port: &str) -> Result<(String, String), String> {
    if matches!(port, "http" | "https") {
        if !scheme.is_empty() {
            return Err(format!("[{text}] scheme specified twice in address"));
        }
        return Ok((port.to_owned(), port_of(port).to_owned()));
    }
    if matches!((scheme.as_str(), port), ("http", "443") | ("https", "80")) {
        return Err(format!("[{text}] scheme and port violate convention"));
    }
    if port.is_empty() {
        let port = port_of(&scheme).to_owned();
        return Ok((scheme, port));
    }
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    match port.parse::<u16>() {
        Ok(number) if digits && number > 0 => Ok((scheme, number.to_string())),
        _ => Err(format!("[{text}] invalid port '{port}': must be a number from 1 to 65535")),
    }
}

fn port_of(scheme: &str) -> &'static str {
    match scheme {
        "http" => "80",
        "https" => "443",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn reads_the_parts() {
        let cases = [
            ("localhost", ["", "localhost", "", ""]),
            ("localhost:1234", ["", "localhost", "1234", ""]),
            ("localhost:", ["", "localhost", "", ""]),
            ("127.0.0.1:1234", ["", "127.0.0.1", "1234", ""]),
            (":1234", ["", "", "1234", ""]),
            ("[::1]:1234", ["", "::1", "1234", ""]),
            ("[::1]", ["", "::1", "", ""]),
            ("[FE80::1%eth0.1]", ["", "fe80::1%eth0.1", "", ""]),
            (":", ["", "", "", ""]),
            ("localhost:https", ["https", "localhost", "443", ""]),
            (":http", ["http", "", "80", ""]),
            (":https", ["https", "", "443", ""]),
            ("http://localhost", ["http", "localhost", "80", ""]),
            ("https://localhost", ["https", "localhost", "443", ""]),
            ("HTTPS://Example.JP", ["https", "example.jp", "443", ""]),
            ("http://localhost:1234", ["http", "localhost", "1234", ""]),
            ("", ["", "", "", ""]),
            ("http://host/", ["http", "host", "80", "/"]),
            ("//asdf", ["", "asdf", "", ""]),
            ("host:80/path", ["", "host", "80", "/path"]),
            ("host:https/path", ["https", "host", "443", "/path"]),
            ("*.example.com/foo", ["", "*.example.com", "", "/foo"]),
            ("/foo", ["", "", "", "/foo"]),
            ("Bücher.example:80", ["", "xn--bcher-kva.example", "80", ""]),
            ("日本語.jp", ["", "xn--wgv71a119e.jp", "", ""]),
            ("हिन्दी.example", ["", "xn--j2bd4cyah0f.example", "", ""]),
            ("*.bücher.example", ["", "*.xn--bcher-kva.example", "", ""]),
        ];
        for (text, [scheme, host, port, path]) in cases {
            let got = Address::parse(text).unwrap();
            assert_eq!(
                [&*got.scheme, &*got.host, &*got.port, &*got.path],
                [scheme, host, port, path],
                "{text}"
            );
            assert_eq!(got.original, text);
        }
    }

    #[test]
    fn refuses_what_contradicts() {
        let cases = [
            ("http://localhost:http", "scheme specified twice"),
            ("http://localhost:443", "scheme and port violate convention"),
            ("https://localhost:80", "scheme and port violate convention"),
            ("localhost::", "too many colons"),
            ("::1", "too many colons"),
            ("#$%@", "invalid host"),
            ("a..b", "invalid host"),
            ("https//a.b", "'https' is a scheme"),
            ("https:/a.b", "'https' is a scheme"),
            ("http://http://a.b", "'http' is a scheme"),
            ("[::g]:80", "invalid host"),
            ("[::1%[::1%eth0]:80", "invalid host"),
            ("[fe80::1%a@b]", "invalid host"),
            ("[fe80::1%]", "invalid host"),
            ("a\u{fffd}b", "invalid host"),
            ("xn--a.example", "invalid host"),
            ("a:0", "must be a number from 1 to 65535"),
            ("a:65536", "must be a number from 1 to 65535"),
            ("a:8080-8085", "must be a number from 1 to 65535"),
            ("a:+80", "must be a number from 1 to 65535"),
            ("ftp://a", "unsupported scheme"),
            ("a/b?c", "cannot have a query"),
        ];
        for (text, part) in cases {
            let error = Address::parse(text).unwrap_err();
            assert!(error.starts_with(&format!("[{text}] ")) && error.contains(part), "{error}");
        }
    }

    #[test]
    fn prints_as_a_url() {
        let cases = [
            (["http", "host", "1234", "/path"], "http://host:1234/path"),
            (["", "host", "", ""], "http://host"),
            (["", "host", "80", ""], "http://host"),
            (["", "host", "443", ""], "https://host"),
            (["https", "host", "443", ""], "https://host"),
            (["http", "", "1234", ""], "http://:1234"),
            (["", "::1", "2015", ""], "http://[::1]:2015"),
            (["", "", "", ""], ""),
        ];
        for (parts, expected) in cases {
            let [scheme, host, port, path] = parts.map(str::to_owned);
            let address = Address { original: String::new(), scheme, host, port, path };
            assert_eq!(address.to_string(), expected);
        }
    }
}
