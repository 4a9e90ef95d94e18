//! `rewrite_location`: replaces the upstream's host and base path in Location, Content-Location and
//! Set-Cookie by those that the client uses.

use std::borrow::Cow;

use http::header::{CONTENT_LOCATION, HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::http::Request;
use crate::http::paths::Prefix;
use crate::upstream::host::upstream::{Target, Upstream};
use crate::upstream::rewrite::header_rules::{self, Change, HeaderRule};
use crate::upstream::rewrite::overlay::Fields;

/// The names of the upstream and of the site in URLs.
pub(crate) struct Places<'a> {
    pub(crate) upstream: &'a Upstream,
    /// The prefix that is removed from the paths of requests.
    pub(crate) without: &'a Prefix,
    /// Rules that may change the Host field.
    pub(crate) upstream_headers: &'a [HeaderRule],
    pub(crate) req: &'a Request,
}

impl Places<'_> {
    /// Rewrites the fields of a response.
    pub(crate) fn reverse(&self, fields: &mut HeaderMap) {
        for name in [LOCATION, CONTENT_LOCATION] {
            each(fields, name, |value| self.location(value));
        }
        each(fields, SET_COOKIE, |value| self.cookie(value));
    }

    /// The URL on this site for a URL of the upstream; `None` for other hosts.
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

    /// Whether an authority denotes the upstream: its own name, the Host it received, or that name
    /// with the port it listens on, as servers behind another port do.
    fn is_upstream(&self, authority: &str) -> bool {
        let authority = bare(authority);
        if self.own_host().is_some_and(|own| bare(own) == authority) {
            return true;
        }
        let Some(told) = self.told_host() else { return false };
        let by_port = match &self.upstream.target {
            Target::Tcp { port, .. } => format!("{}:{port}", host_of(&told)),
            Target::Unix(_) => return self.is_not_ours(&told) && told == authority,
        };
        authority == by_port || self.is_not_ours(&told) && told == authority
    }

    /// The site's own name without the upstream's port, as in a redirect from http to https, is
    /// not rewritten.
    fn is_not_ours(&self, told: &str) -> bool {
        host_of(told) != host_of(&bare(self.req.host_field()))
    }

    fn own_host(&self) -> Option<&str> {
        std::str::from_utf8(self.upstream.host_field.as_bytes()).ok()
    }

    /// The Host field of this request after the rules.
    fn told_host(&self) -> Option<String> {
        let mut fields = Fields::new(&self.req.head.headers);
        Change::set(&mut fields, &HOST, Cow::Borrowed(&self.upstream.host_field));
        header_rules::apply(self.upstream_headers, &mut fields, self.req, None);
        fields.get(&HOST)?.to_str().ok().map(bare)
    }

    fn is_own_domain(&self, domain: &str) -> bool {
        let domain = domain.trim_start_matches('.').to_ascii_lowercase();
        self.own_host().is_some_and(|own| host_of(&bare(own)) == domain)
            || self.told_host().is_some_and(|it| self.is_not_ours(&it) && host_of(&it) == domain)
    }

    /// Replaces the upstream's base path by the prefix of `without`.
    fn path(&self, path: &str) -> String {
        let base = self.upstream.base_path.trim_end_matches('/');
        let rest = path.strip_prefix(base).filter(|rest| !base.is_empty() && is_below(rest));
        let without = self.without.as_str().trim_end_matches('/');
        format!("{without}{}", rest.unwrap_or(path))
    }

    /// Rewrites the Domain and Path of a cookie.
    fn cookie(&self, value: &str) -> Option<String> {
        let mut parts = Vec::new();
        for (at, part) in value.split(';').enumerate() {
            let (name, of) = part.split_once('=').unwrap_or((part, ""));
            let of = of.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "domain" if at > 0 && self.is_own_domain(of) => {}
                "path" if at > 0 && of.starts_with('/') => {
                    parts.push(format!("{name}={}", self.path(of)));
                }
                _ => parts.push(part.to_owned()),
            }
        }
        Some(parts.join(";"))
    }
}

/// An authority in lower case, without a default port.
fn bare(authority: &str) -> String {
    let port = authority.rsplit_once(':').filter(|(_, port)| matches!(*port, "80" | "443"));
    port.map_or(authority, |(host, _)| host).to_ascii_lowercase()
}

/// The host of an authority; the colons of a bracketed IPv6 address belong to it.
fn host_of(authority: &str) -> &str {
    let port = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
    port.map_or(authority, |(host, _)| host)
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

    use super::*;
    use crate::directives::proxy::rule::Rule;
    use crate::directives::proxy::testing::request;
    use crate::http::paths::Prefix;
    use crate::http::request::TlsFacts;

    fn reversed(field: HeaderName, value: &'static str, to: &str, without: &str) -> String {
        let mut rule = Rule::of("/", &[to.to_owned()]);
        rule.exchange.without = Prefix::new(without);
        reversed_by(&rule, &request("GET", "/"), field, value)
    }

    fn reversed_by(rule: &Rule, req: &Request, field: HeaderName, value: &'static str) -> String {
        let mut fields = HeaderMap::new();
        fields.append(&field, HeaderValue::from_static(value));
        let (without, upstream_headers) = (&rule.exchange.without, &rule.exchange.upstream_headers);
        Places { upstream: &rule.hosts[0], without, upstream_headers, req }.reverse(&mut fields);
        fields[&field].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_name_that_the_upstream_was_told_is_one_of_its_own() {
        let transparent = HeaderRule::transparent().to_vec();
        let other = vec![HeaderRule::parse(&["Host", "app.internal"]).unwrap().unwrap()];
        for (rules, to, host, value, want) in [
            (&transparent, "b:8081", "site", "http://site:8081/a/", "https://site/a/"),
            (&transparent, "b:8081", "site:8443", "http://SITE:8081/a/", "https://site:8443/a/"),
            (&transparent, "https://b:8443", "site", "https://site:8443/a", "https://site/a"),
            (&transparent, "b:8081", "[::1]:2015", "http://[::1]:8081/a", "https://[::1]:2015/a"),
            // Somebody else's port; the site's own, which may be meant.
            (&transparent, "b:8081", "site", "http://site:8082/a", "http://site:8082/a"),
            (&transparent, "b:8081", "site", "http://site/a", "http://site/a"),
            (&transparent, "b", "site", "http://site:80/a", "http://site:80/a"),
            (&transparent, "https://b", "site", "https://site/a", "https://site/a"),
            (&transparent, "b:8081", "site", "http://site:8081.evil/a", "http://site:8081.evil/a"),
            (&other, "b:8081", "site", "http://app.internal/a", "https://site/a"),
            (&other, "b:8081", "site", "http://app.internal:8081/a", "https://site/a"),
            (&other, "b:8081", "site", "http://site:8081/a", "http://site:8081/a"),
            (&vec![], "b:8081", "site", "http://site:8081/a", "http://site:8081/a"),
        ] {
            let mut rule = Rule::of("/", &[to.to_owned()]);
            rule.exchange.upstream_headers = rules.clone();
            let mut req = request("GET", "/");
            req.head.headers.insert("host", host.parse().unwrap());
            req.host = host_of(host).trim_matches(['[', ']']).to_owned();
            std::rc::Rc::get_mut(&mut req.peer).unwrap().tls = Some(TlsFacts::default());
            assert_eq!(reversed_by(&rule, &req, LOCATION, value), want, "{value} of {to}");
        }
        let mut rule = Rule::of("/", &["b".to_owned()]);
        rule.exchange.upstream_headers = other;
        let cookie =
            reversed_by(&rule, &request("GET", "/"), SET_COOKIE, "a=b; Domain=app.internal");
        assert_eq!(cookie, "a=b");
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
