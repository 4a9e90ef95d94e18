//! Encodes QPACK field sections of responses (RFC 9204) with the static table and literals. Without
//! a dynamic table a section depends on no other stream, so a lost packet blocks none. Values are
//! not Huffman-coded: the saved bytes are not worth the CPU time.

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::primitives::{write_integer, write_string};

/// `:status` values of the static table (RFC 9204 appendix A).
const STATUSES: &[(u16, u8)] = &[
    (100, 63),
    (103, 24),
    (200, 25),
    (204, 64),
    (206, 65),
    (302, 66),
    (304, 26),
    (400, 67),
    (403, 68),
    (404, 27),
    (421, 69),
    (425, 70),
    (500, 71),
    (503, 28),
];
/// The first entry named `:status`.
const STATUS: u8 = 24;

/// Encodes the header section of a response.
pub(crate) fn write_head(out: &mut BytesMut, status: StatusCode, fields: &HeaderMap) {
    write_prefix(out);
    let code = status.as_u16();
    match STATUSES.iter().find(|(known, _)| *known == code) {
        Some((_, index)) => write_integer(out, 0xc0, 6, usize::from(*index)),
        None => {
            write_integer(out, 0x50, 4, usize::from(STATUS));
            write_string(out, 0, 7, status.as_str().as_bytes());
        }
    }
    write_fields(out, fields);
}

/// Encodes a trailer section.
pub(crate) fn write_trailers(out: &mut BytesMut, fields: &HeaderMap) {
    write_prefix(out);
    write_fields(out, fields);
}

/// No dynamic table: Required Insert Count and Base are 0.
fn write_prefix(out: &mut BytesMut) {
    out.put_u16(0);
}

fn write_fields(out: &mut BytesMut, fields: &HeaderMap) {
    for (name, value) in fields {
        write_field(out, name, value);
    }
}

fn write_field(out: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    // A sensitive value must remain a literal at intermediaries.
    let never = u8::from(value.is_sensitive());
    let bytes = value.as_bytes();
    match known(name.as_str()) {
        Some((_, values)) if never == 0 && values.iter().any(|(v, _)| v.as_bytes() == bytes) => {
            let index = values.iter().find(|(v, _)| v.as_bytes() == bytes).map_or(0, |(_, i)| *i);
            return write_integer(out, 0xc0, 6, usize::from(index));
        }
        Some((index, _)) => write_integer(out, 0x50 | never << 5, 4, usize::from(index)),
        None => write_string(out, 0x20 | never << 4, 3, name.as_str().as_bytes()),
    }
    write_string(out, 0, 7, bytes);
}

type Known = (u8, &'static [(&'static str, u8)]);

/// The static entries for a field name: the one of the name, and those with values.
fn known(name: &str) -> Option<Known> {
    Some(match name {
        "age" => (2, &[("0", 2)]),
        "content-disposition" => (3, &[]),
        "content-length" => (4, &[("0", 4)]),
        "date" => (6, &[]),
        "etag" => (7, &[]),
        "last-modified" => (10, &[]),
        "link" => (11, &[]),
        "location" => (12, &[]),
        "set-cookie" => (14, &[]),
        "accept-ranges" => (32, &[("bytes", 32)]),
        "access-control-allow-headers" => (33, &[("cache-control", 33), ("content-type", 34)]),
        "access-control-allow-origin" => (35, &[("*", 35)]),
        "cache-control" => (
            36,
            &[
                ("max-age=0", 36),
                ("max-age=2592000", 37),
                ("max-age=604800", 38),
                ("no-cache", 39),
                ("no-store", 40),
                ("public, max-age=31536000", 41),
            ],
        ),
        "content-encoding" => (42, &[("br", 42), ("gzip", 43)]),
        "content-type" => (
            44,
            &[
                ("application/dns-message", 44),
                ("application/javascript", 45),
                ("application/json", 46),
                ("application/x-www-form-urlencoded", 47),
                ("image/gif", 48),
                ("image/jpeg", 49),
                ("image/png", 50),
                ("text/css", 51),
                ("text/html; charset=utf-8", 52),
                ("text/plain", 53),
                ("text/plain;charset=utf-8", 54),
            ],
        ),
        "strict-transport-security" => (
            56,
            &[
                ("max-age=31536000", 56),
                ("max-age=31536000; includesubdomains", 57),
                ("max-age=31536000; includesubdomains; preload", 58),
            ],
        ),
        "vary" => (59, &[("accept-encoding", 59), ("origin", 60)]),
        "x-content-type-options" => (61, &[("nosniff", 61)]),
        "x-xss-protection" => (62, &[("1; mode=block", 62)]),
        "alt-svc" => (83, &[("clear", 83)]),
        "content-security-policy" => (85, &[]),
        "server" => (92, &[]),
        "x-frame-options" => (97, &[("deny", 97), ("sameorigin", 98)]),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(status: u16, fields: &[(&'static str, &'static str)]) -> Vec<u8> {
        let map = fields
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut out = BytesMut::new();
        write_head(&mut out, StatusCode::from_u16(status).unwrap(), &map.collect());
        out.to_vec()
    }

    #[test]
    fn sections_are_as_the_rfc_says() {
        for (status, field, want) in [
            (200, None, &b"\0\0\xd9"[..]),
            (418, None, b"\0\0\x5f\x09\x03418"),
            (404, Some(("content-type", "text/plain")), b"\0\0\xdb\xf5"),
            (204, Some(("x-frame-options", "deny")), b"\0\0\xff\x01\xff\x22"),
            (200, Some(("server", "Caddy")), b"\0\0\xd9\x5f\x4d\x05Caddy"),
            (200, Some(("x-a", "b")), b"\0\0\xd9\x23x-a\x01b"),
            (200, Some(("x-longer", "")), b"\0\0\xd9\x27\x01x-longer\0"),
        ] {
            assert_eq!(head(status, field.as_slice()), want, "{status} {field:?}");
        }
    }

    #[test]
    fn secrets() {
        let mut secret = HeaderValue::from_static("bytes");
        secret.set_sensitive(true);
        let mut out = BytesMut::new();
        write_field(&mut out, &http::header::ACCEPT_RANGES, &secret);
        assert_eq!(&out[..], b"\x7f\x11\x05bytes");
    }
}
