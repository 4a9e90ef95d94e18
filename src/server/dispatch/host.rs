//! The host of a request, from its target and its Host field.

use http::{HeaderValue, Version, header};

/// The host that selects the site, from the target's authority or from Host. Sets Host to the
/// authority (RFC 9112 section 3.2.2, RFC 9114 section 4.3.1).
pub(super) fn normalise_host(head: &mut http::request::Parts) -> Option<String> {
    let target = head.uri.authority().map(|authority| authority.as_str());
    let mut fields = head.headers.get_all(header::HOST).iter();
    let field = match fields.next() {
        Some(value) => Some(value.to_str().ok()?),
        None => None,
    };
    if fields.next().is_some() {
        return None;
    }
    match (target, field) {
        (Some(target), Some(field)) if !is_same_authority(target, field) => None,
        (_, Some(field)) => host_of(field),
        (Some(target), None) => {
            let (host, field) = (host_of(target)?, HeaderValue::from_str(target).ok()?);
            head.headers.insert(header::HOST, field);
            Some(host)
        }
        (None, None) => (head.version <= Version::HTTP_10).then(String::new),
    }
}

/// An empty port equals no port (RFC 3986 section 6.2.3).
fn is_same_authority(one: &str, other: &str) -> bool {
    let bare = |authority| str::strip_suffix(authority, ':').unwrap_or(authority);
    bare(one).eq_ignore_ascii_case(bare(other))
}

/// Lower case, without port, trailing dot and brackets.
fn host_of(authority: &str) -> Option<String> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some(""))?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let plausible = |b: u8| b.is_ascii_alphanumeric() || b"-._~:%".contains(&b) || b >= 0x80;
    let valid = host.bytes().all(plausible) && port.bytes().all(|b| b.is_ascii_digit());
    let host = host.strip_suffix('.').unwrap_or(host);
    (valid && authority.len() <= 255 + 6).then(|| host.to_ascii_lowercase())
}
