//! What a script is told about its request (RFC 3875 section 4.1), as FastCGI's pairs.

use bytes::BytesMut;
use http::{HeaderName, Version, header};
use std::os::unix::ffi::OsStrExt;

use super::options::Rule;
use super::record::pair;
use super::script::{Script, under};
use crate::http::{Request, hop};

const FORM: &[u8] = b"application/x-www-form-urlencoded";
const SOFTWARE: &str = concat!("Caddy/", env!("CARGO_PKG_VERSION"));

/// All pairs, in the encoding of the Params stream.
pub(super) fn params(rule: &Rule, req: &Request, script: &Script, length: u64) -> BytesMut {
    let mut env = Env { out: BytesMut::with_capacity(2048), rule };
    env.request(req, length);
    env.connection(req);
    env.script(req, script);
    env.fields(req);
    for (name, value) in &rule.env {
        pair(&mut env.out, name.as_bytes(), value.expand(req, None, "").as_bytes());
    }
    env.out
}

struct Env<'a> {
    out: BytesMut,
    rule: &'a Rule,
}

impl Env<'_> {
    /// One variable, unless the Caddyfile says what it is.
    fn set(&mut self, name: &str, value: &[u8]) {
        if !self.rule.env.iter().any(|(own, _)| own == name) {
            pair(&mut self.out, name.as_bytes(), value);
        }
    }

    fn request(&mut self, req: &Request, length: u64) {
        let head = &req.head;
        let content_type = head.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
        let content_type = content_type.unwrap_or(if length > 0 { FORM } else { b"" });
        let original = req.original_uri.path_and_query().map_or("/", |target| target.as_str());
        self.set("GATEWAY_INTERFACE", b"CGI/1.1");
        self.set("SERVER_SOFTWARE", SOFTWARE.as_bytes());
        self.set("SERVER_PROTOCOL", protocol(head.version));
        self.set("REQUEST_METHOD", head.method.as_str().as_bytes());
        self.set("REQUEST_URI", original.as_bytes());
        self.set("QUERY_STRING", head.uri.query().unwrap_or("").as_bytes());
        self.set("CONTENT_TYPE", content_type);
        self.set("CONTENT_LENGTH", length.to_string().as_bytes());
        self.set("HTTP_HOST", req.host_field().as_bytes());
        self.set("SERVER_NAME", req.host.as_bytes());
    }

    fn connection(&mut self, req: &Request) {
        let remote = req.peer.remote.ip().to_canonical().to_string();
        self.set("REMOTE_ADDR", remote.as_bytes());
        // Names are not looked up.
        self.set("REMOTE_HOST", remote.as_bytes());
        self.set("REMOTE_PORT", req.peer.remote.port().to_string().as_bytes());
        self.set("REMOTE_IDENT", b"");
        self.set("REMOTE_USER", req.user.as_deref().unwrap_or("").as_bytes());
        self.set("AUTH_TYPE", if req.user.is_some() { b"Basic" } else { b"" });
        self.set("SERVER_PORT", req.peer.local.port().to_string().as_bytes());
        self.set("REQUEST_SCHEME", req.scheme().as_bytes());
        if req.peer.tls.is_some() {
            self.set("HTTPS", b"on");
        }
    }

    fn script(&mut self, _req: &Request, script: &Script) {
        let root = &self.rule.scripts.root;
        let name = [self.rule.prefix.as_bytes(), &script.name].concat();
        self.set("DOCUMENT_ROOT", root.as_os_str().as_bytes());
        self.set("DOCUMENT_URI", &name);
        self.set("SCRIPT_NAME", &name);
        self.set("SCRIPT_FILENAME", under(root, &script.name).as_os_str().as_bytes());
        self.set("PATH_INFO", &script.path_info);
        if !script.path_info.is_empty() {
            self.set("PATH_TRANSLATED", under(root, &script.path_info).as_os_str().as_bytes());
        }
    }

    /// The request's fields as `HTTP_…`.
    fn fields(&mut self, req: &Request) {
        let headers = &req.head.headers;
        let (mut variable, mut value) = (String::new(), Vec::new());
        for name in headers.keys().filter(|name| may_pass(name)) {
            variable.clear();
            variable.push_str("HTTP_");
            let upper = |c: char| if c == '-' { '_' } else { c.to_ascii_uppercase() };
            variable.extend(name.as_str().chars().map(upper));
            value.clear();
            let separator: &[u8] = if *name == header::COOKIE { b"; " } else { b", " };
            for (at, line) in headers.get_all(name).iter().enumerate() {
                value.extend_from_slice(if at > 0 { separator } else { b"" });
                value.extend_from_slice(line.as_bytes());
            }
            self.set(&variable, &value);
        }
    }
}

/// Not what is told otherwise; not what belongs to one connection; not `Proxy`, which programs
/// take for a setting of theirs (CVE-2016-5385); and no name that could pass for another's:
/// `X_Real_IP` and `X.Real.IP` would be the same variable as `X-Real-IP`.
fn may_pass(name: &HeaderName) -> bool {
    let told = [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE].contains(name);
    let plain = name.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    plain && !told && name.as_str() != "proxy" && !hop::is_hop_by_hop(name)
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        Version::HTTP_3 => b"HTTP/3.0",
        _ => b"HTTP/1.1",
    }
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
            ("SERVER_PORT", "8080"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_SOFTWARE", SOFTWARE),
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
        assert_eq!(env.len(), 26, "{env:?}");
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
        ];
        let env = told(&sent, "env REMOTE_USER nobody");
        let mut http: Vec<_> = env.keys().filter(|name| name.starts_with("HTTP_")).collect();
        http.sort();
        assert_eq!(http, ["HTTP_COOKIE", "HTTP_HOST", "HTTP_X_REAL_IP"]);
        assert_eq!(env["HTTP_X_REAL_IP"], "1.1.1.1");
        assert_eq!(env["HTTP_COOKIE"], "a=1; b=2");
        assert_eq!(env["REMOTE_USER"], "nobody");
    }
}
