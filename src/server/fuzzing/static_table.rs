//! The static table of QPACK (RFC 9204 appendix A) and a reader of field sections that use no
//! other. It shares no code with the writer that it tests.

/// What a section says: names and values.
pub(super) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Reads a section without Huffman codes.
pub(super) fn read(section: &[u8]) -> Fields {
    let Some(mut rest) = section.strip_prefix(&[0, 0]) else { panic!("a dynamic table is used") };
    let mut fields = Fields::new();
    while let Some(first) = rest.first() {
        fields.push(match first {
            0xc0.. => entry(integer(&mut rest, 6)),
            0x50..=0x5f | 0x70..=0x7f => {
                let (name, _) = entry(integer(&mut rest, 4));
                (name, string(&mut rest, 7))
            }
            0x20..=0x27 | 0x30..=0x37 => {
                let name = string(&mut rest, 3);
                (name, string(&mut rest, 7))
            }
            other => panic!("{other:#x} needs a dynamic table or a Huffman code"),
        });
    }
    fields
}

fn entry(index: usize) -> (Vec<u8>, Vec<u8>) {
    let Some((name, value)) = TABLE.get(index) else { panic!("no entry {index}") };
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

fn string(rest: &mut &[u8], bits: u32) -> Vec<u8> {
    let length = integer(rest, bits);
    let Some((text, after)) = rest.split_at_checked(length) else { panic!("a string is cut") };
    *rest = after;
    text.to_vec()
}

/// RFC 7541 section 5.1.
fn integer(rest: &mut &[u8], bits: u32) -> usize {
    let mut byte = || {
        let Some((first, after)) = rest.split_first() else { panic!("an integer is cut") };
        *rest = after;
        usize::from(*first)
    };
    let most = (1 << bits) - 1;
    let mut value = byte() & most;
    if value == most {
        let mut shift = 0;
        loop {
            let more = byte();
            value += (more & 0x7f) << shift;
            shift += 7;
            if more < 0x80 {
                break;
            }
        }
    }
    value
}

#[rustfmt::skip]
static TABLE: &[(&str, &str)] = &[
    (":authority", ""),
    (":path", "/"),
    ("age", "0"),
    ("content-disposition", ""),
    ("content-length", "0"),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("referer", ""),
    ("set-cookie", ""),
    (":method", "CONNECT"),
    (":method", "DELETE"),
    (":method", "GET"),
    (":method", "HEAD"),
    (":method", "OPTIONS"),
    (":method", "POST"),
    (":method", "PUT"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "103"),
    (":status", "200"),
    (":status", "304"),
    (":status", "404"),
    (":status", "503"),
    ("accept", "*/*"),
    ("accept", "application/dns-message"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-ranges", "bytes"),
    ("access-control-allow-headers", "cache-control"),
    ("access-control-allow-headers", "content-type"),
    ("access-control-allow-origin", "*"),
    ("cache-control", "max-age=0"),
    ("cache-control", "max-age=2592000"),
    ("cache-control", "max-age=604800"),
    ("cache-control", "no-cache"),
    ("cache-control", "no-store"),
    ("cache-control", "public, max-age=31536000"),
    ("content-encoding", "br"),
    ("content-encoding", "gzip"),
    ("content-type", "application/dns-message"),
    ("content-type", "application/javascript"),
    ("content-type", "application/json"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("content-type", "image/gif"),
    ("content-type", "image/jpeg"),
    ("content-type", "image/png"),
    ("content-type", "text/css"),
    ("content-type", "text/html; charset=utf-8"),
    ("content-type", "text/plain"),
    ("content-type", "text/plain;charset=utf-8"),
    ("range", "bytes=0-"),
    ("strict-transport-security", "max-age=31536000"),
    ("strict-transport-security", "max-age=31536000; includesubdomains"),
    ("strict-transport-security", "max-age=31536000; includesubdomains; preload"),
    ("vary", "accept-encoding"),
    ("vary", "origin"),
    ("x-content-type-options", "nosniff"),
    ("x-xss-protection", "1; mode=block"),
    (":status", "100"),
    (":status", "204"),
    (":status", "206"),
    (":status", "302"),
    (":status", "400"),
    (":status", "403"),
    (":status", "421"),
    (":status", "425"),
    (":status", "500"),
    ("accept-language", ""),
    ("access-control-allow-credentials", "FALSE"),
    ("access-control-allow-credentials", "TRUE"),
    ("access-control-allow-headers", "*"),
    ("access-control-allow-methods", "get"),
    ("access-control-allow-methods", "get, post, options"),
    ("access-control-allow-methods", "options"),
    ("access-control-expose-headers", "content-length"),
    ("access-control-request-headers", "content-type"),
    ("access-control-request-method", "get"),
    ("access-control-request-method", "post"),
    ("alt-svc", "clear"),
    ("authorization", ""),
    ("content-security-policy", "script-src 'none'; object-src 'none'; base-uri 'none'"),
    ("early-data", "1"),
    ("expect-ct", ""),
    ("forwarded", ""),
    ("if-range", ""),
    ("origin", ""),
    ("purpose", "prefetch"),
    ("server", ""),
    ("timing-allow-origin", "*"),
    ("upgrade-insecure-requests", "1"),
    ("user-agent", ""),
    ("x-forwarded-for", ""),
    ("x-frame-options", "deny"),
    ("x-frame-options", "sameorigin"),
];
