//! The addresses of sites, and the global options that they depend on.

use std::net::IpAddr;

use super::syntax::Segment;
use crate::caddyfile;
use crate::convert::page::Page;

/// What the block without an address says.
#[derive(Debug, Default)]
pub(super) struct Global {
    pub(super) email: String,
    http_port: String,
    https_port: String,
    pub(super) local_certs: bool,
    pub(super) bind: Vec<String>,
    pub(super) ca: String,
}

/// Options that need nothing here.
const NEEDLESS: &[&str] = &["admin", "debug", "order", "persist_config", "skip_install_trust"];

impl Global {
    pub(super) fn read(block: &[Segment], page: &mut Page) -> Self {
        let mut global = Self::default();
        for one in block {
            match one.name() {
                "email" => one.arg(0).clone_into(&mut global.email),
                "http_port" => one.arg(0).clone_into(&mut global.http_port),
                "https_port" => one.arg(0).clone_into(&mut global.https_port),
                "local_certs" => global.local_certs = true,
                "default_bind" => global.bind = one.args().to_vec(),
                "acme_ca" => one.arg(0).clone_into(&mut global.ca),
                name if NEEDLESS.contains(&name) => {}
                name => {
                    let here = caddyfile::counterpart_of_caddy2(name);
                    let here = here.map(|here| format!("; {here}")).unwrap_or_default();
                    page.note(&one.at, format!("{}: not carried over{here}", one.shown()));
                }
            }
        }
        global
    }
}

/// How a site is reached.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) text: String,
    pub(super) is_secure: bool,
    /// No public CA issues a certificate for it.
    pub(super) is_local: bool,
}

/// Reads one address; `None`: it has none here.
pub(super) fn read(word: &str, global: &Global) -> Option<Address> {
    let word = word.trim_end_matches(',');
    let (scheme, rest) = match word.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (scheme, rest),
        Some(_) => return None,
        None => ("", word),
    };
    if rest.contains('/') || word.is_empty() {
        return None;
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port))
            if !port.contains(']') && !rest.contains("]:") || rest.contains("]:") =>
        {
            (host, port)
        }
        _ => (rest, ""),
    };
    let is_env = host.contains("{$") || port.contains("{$");
    if !is_env && (host.contains(['{', '}']) || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let (http, https) = (or(&global.http_port, "80"), or(&global.https_port, "443"));
    let is_secure = match (scheme, port) {
        ("http", _) => false,
        ("https", _) => true,
        (_, port) if port == http => false,
        // A port alone is plain HTTP, but for that of HTTPS.
        (_, port) => !host.is_empty() || port == https,
    };
    let port = match (port, is_secure) {
        ("", true) => https,
        ("", false) => http,
        (port, _) => port,
    };
    let shown = match (is_secure, port) {
        (true, "443") | (false, "80") => String::new(),
        (_, port) => format!(":{port}"),
    };
    let scheme = if is_secure { "https" } else { "http" };
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let ends = [".localhost", ".local", ".internal", ".home.arpa"];
    let is_local = bare.is_empty()
        || bare == "localhost"
        || ends.iter().any(|end| bare.ends_with(end))
        || bare.parse::<IpAddr>().is_ok();
    Some(Address { text: format!("{scheme}://{host}{shown}"), is_secure, is_local })
}

fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_sites_are_reached() {
        let global = Global::default();
        for (word, text, is_local) in [
            ("example.com", "https://example.com", false),
            ("example.com:8443", "https://example.com:8443", false),
            ("http://example.com", "http://example.com", false),
            ("example.com:80,", "http://example.com", false),
            (":8080", "http://:8080", true),
            (":443", "https://", true),
            ("localhost", "https://localhost", true),
            ("[::1]:8443", "https://[::1]:8443", true),
            ("*.example.com", "https://*.example.com", false),
        ] {
            let address = read(word, &global).unwrap();
            assert_eq!((&*address.text, address.is_local), (text, is_local), "{word}");
        }
        assert!(read("example.com/path", &global).is_none());
    }
}
