//! What a program that speaks CGI is told about a request (RFC 3875 section 4.1), but for what
//! the program itself is.

use http::{HeaderName, Version, header};

use super::{Request, hop};

const FORM: &[u8] = b"application/x-www-form-urlencoded";
const SOFTWARE: &str = concat!("Caddy/", env!("CARGO_PKG_VERSION"));

/// Hands each variable to `set`, once; `length` is the content's.
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
    set("SERVER_PORT", req.peer.local.port().to_string().as_bytes());
    set("REQUEST_SCHEME", req.scheme().as_bytes());
    if req.peer.tls.is_some() {
        set("HTTPS", b"on");
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
