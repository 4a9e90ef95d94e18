//! The variables of a script (RFC 3875 section 4.1), encoded as name-value pairs of FastCGI.

use std::os::unix::ffi::OsStrExt;

use bytes::BytesMut;

use super::options::Rule;
use super::record::pair;
use super::script::{Script, under};
use crate::http::{Request, cgi};

/// All pairs, in the encoding of the Params stream.
pub(super) fn params(rule: &Rule, req: &Request, script: &Script, length: u64) -> BytesMut {
    let mut out = BytesMut::with_capacity(2048);
    let mut set = |name: &str, value: &[u8]| {
        // Variables of the Caddyfile take precedence.
        if !rule.env.iter().any(|(own, _)| own == name) {
            pair(&mut out, name.as_bytes(), value);
        }
    };
    set("GATEWAY_INTERFACE", b"CGI/1.1");
    cgi::variables(req, length, &mut set);
    let root = &rule.scripts.root;
    let name = [rule.prefix.as_bytes(), &script.name].concat();
    set("DOCUMENT_ROOT", root.as_os_str().as_bytes());
    set("DOCUMENT_URI", &name);
    set("SCRIPT_NAME", &name);
    set("SCRIPT_FILENAME", under(root, &script.name).as_os_str().as_bytes());
    set("PATH_INFO", &script.path_info);
    if !script.path_info.is_empty() {
        set("PATH_TRANSLATED", under(root, &script.path_info).as_os_str().as_bytes());
    }
    for (name, value) in &rule.env {
        pair(&mut out, name.as_bytes(), value.expand(req, None, "").as_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use http::HeaderValue;

    use super::*;
    use crate::http::request::tests::request;

    fn read(mut bytes: &[u8]) -> HashMap<String, String> {
        let mut all = HashMap::new();
        let length = |bytes: &mut &[u8]| {
            let long = bytes[0] & 0x80 != 0;
            let (head, rest) = bytes.split_at(if long { 4 } else { 1 });
            *bytes = rest;
            head.iter().fold(0, |n, b| (n << 8) | usize::from(*b)) & 0x7fff_ffff
        };
        while !bytes.is_empty() {
            let (name, value) = (length(&mut bytes), length(&mut bytes));
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let earlier = all.insert(text(&bytes[..name]), text(&bytes[name..name + value]));
            assert_eq!(earlier, None, "said twice");
            bytes = &bytes[name + value..];
        }
        all
    }

    fn told(fields: &[(&'static str, &'static str)], extra: &str) -> HashMap<String, String> {
        let mut req = request("POST", "/new.php/info?q=1");
        req.original_uri = "/old?q=1".parse().unwrap();
        req.user = Some("ann".to_owned());
        for (name, value) in fields {
            req.head.headers.append(*name, HeaderValue::from_static(value));
        }
        let rule = Rule::of(&format!("fastcgi / php:9000 php {{\nroot /srv\n{extra}\n}}"));
        let script = Script { name: b"/new.php".to_vec(), path_info: b"/info".to_vec() };
        read(&params(&rule, &req, &script, 3))
    }

    #[test]
    fn a_script_is_told_all_that_cgi_knows() {
        let env = told(&[("accept", "a/b"), ("accept", "c/d")], "env APP_ENV {method}");
        for (name, value) in [
            ("AUTH_TYPE", "Basic"),
            ("CONTENT_LENGTH", "3"),
            ("CONTENT_TYPE", "application/x-www-form-urlencoded"),
            ("GATEWAY_INTERFACE", "CGI/1.1"),
            ("PATH_INFO", "/info"),
            ("QUERY_STRING", "q=1"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REMOTE_HOST", "127.0.0.1"),
            ("REMOTE_PORT", "1234"),
            ("REMOTE_IDENT", ""),
            ("REMOTE_USER", "ann"),
            ("REQUEST_METHOD", "POST"),
            ("SERVER_NAME", "example.com"),
            ("SERVER_ADDR", "127.0.0.1"),
            ("SERVER_PORT", "8080"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_SOFTWARE", concat!("Caddy/", env!("CARGO_PKG_VERSION"))),
            ("DOCUMENT_ROOT", "/srv"),
            ("DOCUMENT_URI", "/new.php"),
            ("HTTP_HOST", "example.com:8080"),
            ("REQUEST_URI", "/old?q=1"),
            ("REQUEST_SCHEME", "http"),
            ("SCRIPT_FILENAME", "/srv/new.php"),
            ("SCRIPT_NAME", "/new.php"),
            ("PATH_TRANSLATED", "/srv/info"),
            ("HTTP_ACCEPT", "a/b, c/d"),
            ("APP_ENV", "POST"),
        ] {
            assert_eq!(env.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(env.len(), 27, "{env:?}");
    }

    #[test]
    fn fields_that_deceive_are_not_told() {
        let sent = [
            ("proxy", "http://evil"),
            ("x_real_ip", "6.6.6.6"),
            ("x.real.ip", "6.6.6.6"),
            ("x-real-ip", "1.1.1.1"),
            ("transfer-encoding", "chunked"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("content-type", "text/plain"),
            ("content-length", "3"),
        ];
        let env = told(&sent, "env REMOTE_USER nobody");
        let mut http: Vec<_> = env.keys().filter(|name| name.starts_with("HTTP_")).collect();
        http.sort();
        assert_eq!(
            http,
            [
                "HTTP_CONTENT_LENGTH",
                "HTTP_CONTENT_TYPE",
                "HTTP_COOKIE",
                "HTTP_HOST",
                "HTTP_X_REAL_IP"
            ]
        );
        assert_eq!(
            (&*env["HTTP_CONTENT_TYPE"], &*env["CONTENT_TYPE"]),
            ("text/plain", "text/plain")
        );
        assert_eq!(env["HTTP_X_REAL_IP"], "1.1.1.1");
        assert_eq!(env["HTTP_COOKIE"], "a=1; b=2");
        assert_eq!(env["REMOTE_USER"], "nobody");
    }
}
