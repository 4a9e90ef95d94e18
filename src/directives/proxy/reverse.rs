//! `rewrite_location`: an upstream that names itself in its answers is named as the client knows
//! it. What a Location or a cookie says of the upstream's host and base path is turned round.

use http::header::{CONTENT_LOCATION, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::upstream::Upstream;
use crate::http::Request;

/// The two names of one place.
pub(super) struct Places<'a> {
    pub(super) upstream: &'a Upstream,
    /// Cut off the client's paths before they are passed on.
    pub(super) without: &'a str,
    pub(super) req: &'a Request,
}

impl Places<'_> {
    /// Turns the fields of an answer round.
    pub(super) fn reverse(&self, fields: &mut HeaderMap) {
        for name in [LOCATION, CONTENT_LOCATION] {
            each(fields, name, |value| self.location(value));
        }
        each(fields, SET_COOKIE, |value| self.cookie(value));
    }

    /// A URL of the upstream as one of ours; none if it leads elsewhere.
    fn location(&self, value: &str) -> Option<String> {
        if value.starts_with('/') && !value.starts_with("//") {
            return Some(self.path(value));
        }
        let rest = value.strip_prefix("http:").or(value.strip_prefix("https:")).unwrap_or(value);
        let rest = rest.strip_prefix("//")?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if !self.is_upstream(authority) {
            return None;
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (scheme, host) = (self.req.scheme(), self.req.host_field());
        Some(format!("{scheme}://{host}{}", self.path(&path)))
    }

    fn is_upstream(&self, authority: &str) -> bool {
        let own = self.upstream.host_field.as_bytes();
        let bare = |text: &'_ str| {
            let port = text.rsplit_once(':').filter(|(_, port)| matches!(*port, "80" | "443"));
            port.map_or(text, |(host, _)| host).to_ascii_lowercase()
        };
        std::str::from_utf8(own).is_ok_and(|own| bare(own) == bare(authority))
    }

    /// The upstream's base path gives way to what `without` cuts off.
    fn path(&self, path: &str) -> String {
        let base = self.upstream.base_path.trim_end_matches('/');
        let rest = path.strip_prefix(base).filter(|rest| !base.is_empty() && is_below(rest));
        let without = self.without.trim_end_matches('/');
        format!("{without}{}", rest.unwrap_or(path))
    }

    /// A cookie for the upstream's host is one for ours, and so is its path.
    fn cookie(&self, value: &str) -> Option<String> {
        let host = std::str::from_utf8(self.upstream.host_field.as_bytes()).ok()?;
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        let mut parts = Vec::new();
        for (at, part) in value.split(';').enumerate() {
            let (name, of) = part.split_once('=').unwrap_or((part, ""));
            let of = of.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "domain" if at > 0 && of.trim_start_matches('.').eq_ignore_ascii_case(host) => {}
                "path" if at > 0 && of.starts_with('/') => {
                    parts.push(format!("{name}={}", self.path(of)));
                }
                _ => parts.push(part.to_owned()),
            }
        }
        Some(parts.join(";"))
    }
}

fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(['/', '?', '#'])
}

fn each(fields: &mut HeaderMap, name: HeaderName, turn: impl Fn(&str) -> Option<String>) {
    if !fields.contains_key(&name) {
        return;
    }
    let turned = |value: &HeaderValue| {
        let text = value.to_str().ok().and_then(&turn);
        text.and_then(|text| HeaderValue::try_from(text).ok()).unwrap_or_else(|| value.clone())
    };
    let values: Vec<HeaderValue> = fields.get_all(&name).iter().map(turned).collect();
    fields.remove(&name);
    for value in values {
        fields.append(&name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::parse;
    use super::super::testing::request;
    use super::*;

    fn reversed(field: HeaderName, value: &'static str, to: &str, without: &str) -> String {
        let req = request("GET", "/");
        let upstream = &parse(to, "").unwrap()[0];
        let mut fields = HeaderMap::new();
        fields.append(&field, HeaderValue::from_static(value));
        Places { upstream, without, req: &req }.reverse(&mut fields);
        fields[&field].to_str().unwrap().to_owned()
    }

    #[test]
    fn locations_of_the_upstream_become_ours() {
        for (value, to, without, want) in [
            ("http://app:8080/x?y", "app:8080", "", "http://site.test/x?y"),
            ("https://APP:8080", "app:8080", "", "http://site.test/"),
            ("//app:8080/x", "app:8080", "", "http://site.test/x"),
            ("http://app/x", "http://app", "", "http://site.test/x"),
            ("https://app:443/x", "https://app", "", "http://site.test/x"),
            ("http://app:8080/t/x", "app:8080/t", "", "http://site.test/x"),
            ("http://app:8080/tx", "app:8080/t", "", "http://site.test/tx"),
            ("/x", "app:8080", "/api", "/api/x"),
            ("/t/x", "app:8080/t/", "/api/", "/api/x"),
            ("x/y", "app:8080", "/api", "x/y"),
            ("http://other:8080/x", "app:8080", "/api", "http://other:8080/x"),
            ("http://app:8080.evil.test/", "app:8080", "", "http://app:8080.evil.test/"),
        ] {
            assert_eq!(reversed(LOCATION, value, to, without), want, "{value} of {to}");
        }
    }

    #[test]
    fn cookies_are_for_our_host_and_path() {
        for (value, want) in [
            ("a=b; Domain=app; Path=/t/x; Secure", "a=b; Path=/api/x; Secure"),
            ("a=b; domain=.app", "a=b"),
            ("a=b; Domain=other.test; HttpOnly", "a=b; Domain=other.test; HttpOnly"),
            ("path=/t; Path=/", "path=/t; Path=/api/"),
        ] {
            assert_eq!(reversed(SET_COOKIE, value, "http://app:8080/t", "/api"), want, "{value}");
        }
    }
}
