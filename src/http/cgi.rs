//! The CGI variables of a request (RFC 3875 section 4.1), without those about the script.

use http::{HeaderName, Version, header};

use super::{Request, hop};

const FORM: &[u8] = b"application/x-www-form-urlencoded";
const SOFTWARE: &str = concat!("Caddy/", env!("CARGO_PKG_VERSION"));

/// Calls `set` once for each variable; `length` is the content length in bytes.
pub fn variables(req: &Request, length: u64, set: &mut dyn FnMut(&str, &[u8])) {
    request(req, length, set);
    connection(req, set);
    fields(req, set);
}

fn request(req: &Request, length: u64, set: &mut dyn FnMut(&str, &[u8])) {
    let head = &req.head;
    let content_type = head.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes());
    let original = req.original_uri.path_and_query().map_or("/", |target| target.as_str());
    set("SERVER_SOFTWARE", SOFTWARE.as_bytes());
    set("SERVER_PROTOCOL", protocol(head.version));
    set("REQUEST_METHOD", head.method.as_str().as_bytes());
    set("REQUEST_URI", original.as_bytes());
    set("QUERY_STRING", head.uri.query().unwrap_or("").as_bytes());
    set("CONTENT_TYPE", content_type.unwrap_or(if length > 0 { FORM } else { b"" }));
    set("CONTENT_LENGTH", length.to_string().as_bytes());
    set("HTTP_HOST", req.host_field().as_bytes());
    set("SERVER_NAME", req.host.as_bytes());
}

fn connection(req: &Request, set: &mut dyn FnMut(&str, &[u8])) {
    let remote = req.peer.remote.ip().to_canonical().to_string();
    set("REMOTE_ADDR", remote.as_bytes());
    // Names are not looked up.
    set("REMOTE_HOST", remote.as_bytes());
    set("REMOTE_PORT", req.peer.remote.port().to_string().as_bytes());
    set("REMOTE_IDENT", b"");
    set("REMOTE_USER", req.user.as_deref().unwrap_or("").as_bytes());
    set("AUTH_TYPE", if req.user.is_some() { b"Basic" } else { b"" });
    set("SERVER_ADDR", req.peer.local.ip().to_canonical().to_string().as_bytes());
    set("SERVER_PORT", req.peer.local.port().to_string().as_bytes());
    set("REQUEST_SCHEME", req.scheme().as_bytes());
    if let Some(tls) = &req.peer.tls {
        set("HTTPS", b"on");
        set("SSL_PROTOCOL", ssl_protocol(tls.protocol).as_bytes());
        set("SSL_CIPHER", ssl_cipher(tls.cipher).as_bytes());
    }
}

/// The request's fields as `HTTP_…`.
fn fields(req: &Request, set: &mut dyn FnMut(&str, &[u8])) {
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
        set(&variable, &value);
    }
}

/// OpenSSL's name of a version, as in Apache and nginx: `TLSv1.3`.
fn ssl_protocol(name: &str) -> String {
    name.strip_prefix("tls").map_or_else(String::new, |version| format!("TLSv{version}"))
}

/// OpenSSL's name of a cipher suite: the IANA name for TLS 1.3, a shorter one for TLS 1.2.
fn ssl_cipher(iana: &str) -> String {
    let Some(old) = iana.strip_prefix("TLS_").filter(|name| name.contains("_WITH_")) else {
        return iana.to_owned();
    };
    let old = old.replace("_WITH_", "_").replace("AES_", "AES").replace('_', "-");
    old.strip_suffix("POLY1305-SHA256").map_or(old.clone(), |cut| format!("{cut}POLY1305"))
}

/// Whether a field becomes a variable. Excluded are Host, hop-by-hop fields, `Proxy`, which
/// programs would read as a setting (CVE-2016-5385), and names that would collide with another:
/// `X_Real_IP` and `X.Real.IP` would be the same variable as `X-Real-IP`.
fn may_pass(name: &HeaderName) -> bool {
    let told = *name == header::HOST;
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
    use super::*;

    #[test]
    fn openssl_names() {
        for (iana, openssl) in [
            ("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
            ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
            ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"),
            ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"),
            ("", ""),
        ] {
            assert_eq!(ssl_cipher(iana), openssl);
        }
        assert_eq!((&*ssl_protocol("tls1.3"), &*ssl_protocol("")), ("TLSv1.3", ""));
    }
}
