//! What holds of the parts of a message, whoever writes them.

use std::path::{Component, Path};

use http::{HeaderMap, HeaderValue};

use super::address::Address;
use super::chunked::Chunked;
use super::coding::Codings;
use super::multipart::promise::{self, FORMS};
use super::paths::Prefix;
use super::placeholders::Template;
use super::priority::Parameters;
use super::trace::{TRACEPARENT, Trace};
use super::{paths, ranges, target};
use crate::fuzzing::{Target, however_it_comes, splits, text, two};

/// The targets of this floor.
pub const TARGETS: &[Target] = &[
    Target { name: "chunked", run: chunked, seeds: CHUNKED },
    Target { name: "chunked_encoded", run: chunked_encoded, seeds: &[b"abc", b"0\r\n\r\n", b""] },
    Target { name: "multipart", run: promise::parts, seeds: FORMS },
    Target { name: "clean_path", run: clean_path, seeds: PATHS },
    Target { name: "path_prefix", run: path_prefix, seeds: PREFIXES },
    Target { name: "file_of_path", run: file_of_path, seeds: PATHS },
    Target { name: "made_target", run: made_target, seeds: PATHS },
    Target { name: "accept_encoding", run: accept_encoding, seeds: CODINGS },
    Target { name: "priority", run: priority, seeds: PRIORITIES },
    Target { name: "traceparent", run: traceparent, seeds: TRACEPARENTS },
    Target { name: "placeholders", run: placeholders, seeds: TEMPLATES },
    Target { name: "site_address", run: site_address, seeds: ADDRESSES },
    Target { name: "address_ranges", run: address_ranges, seeds: RANGES },
];

const CHUNKED: &[&[u8]] = &[
    b"3\r\nabc\r\n0\r\n\r\n",
    b"3;a=\"b\"\r\nabc\r\n00\r\nx: y\r\nz: \r\n\r\nGET",
    b"A  \r\n0123456789\r\n000 \r\n\r\n",
    b"ffffffffffffffff\r\nabc",
    b"1\nabc\r\n0\n\n",
];
const PATHS: &[&[u8]] = &[
    b"/",
    b"//a/./b/../c/",
    b"/../../etc/passwd",
    b"/%2e%2e/%2F%5c..\\x%00",
    b"/a%20b?c=d#e",
    b"/.../..a/.b./",
    b"/\xc3\xa9/%ff",
];
const PREFIXES: &[&[u8]] = &[
    b"/api\n/%61PI%2f/a%2Fb//c",
    b"/a/b\n/x/..//a%2f./b/%ff",
    b"/\xc3\xa9\n/%C3%89/..%2f",
    b"/\n/a/%2e%2e/b",
];
const CODINGS: &[&[u8]] =
    &[b"gzip, br;q=0.5, *;q=0", b"x-gzip ; Q=1.000,identity;q=0.001", b",,;q=1,deflate;level=9"];
const PRIORITIES: &[&[u8]] = &[
    b"u=1, i",
    b"u=7;x=\"y\\\"\", i=?0\t,u=2, a=(1 :YQ==: *t);b=1.5",
    b"i, u=8, u=-1, u=999999999999999",
];
const TRACEPARENTS: &[&[u8]] = &[
    b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b"cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff-more",
    b"ff-00000000000000000000000000000000-0000000000000000-0A",
];
const TEMPLATES: &[&[u8]] = &[
    b"{host}:{port}{uri} {>User-Agent} {~cookie} {?arg} {<Server} {1} {label1}",
    b"\\{host\\} {{x}} {unclosed",
    b"{when} {when_iso} {request} {latency_ms} {tls_client_s_dn}",
];
const ADDRESSES: &[&[u8]] = &[
    b"https://*.Example.com:8443/a/b",
    b"[::1%eth0]:80",
    b"http://",
    b":2015",
    b"host:https",
    b"\xc4\xb015",
];
const RANGES: &[&[u8]] =
    &[b"10.0.0.0/8 2001:db8::/32\n10.1.2.3", b"private cloudflare\n::ffff:10.0.0.1"];

/// A trace that is continued has the ID that was sent, in version 00, and goes on from there.
fn traceparent(data: &[u8]) {
    let Ok(sent) = HeaderValue::from_bytes(data) else { return };
    let mut headers = HeaderMap::from_iter([(TRACEPARENT, sent)]);
    let Some(trace) = Trace::continued(&headers) else { return };
    assert_eq!(data[3..35], *trace.id().as_bytes());
    headers.insert(TRACEPARENT, trace.value());
    let next = Trace::continued(&headers);
    assert_eq!(next.as_ref().map(Trace::id), Some(trace.id()));
    assert_ne!(next.as_ref().map(Trace::span), Some(trace.span()));
}

/// Content and length of a chunked body that is all there, as a plain reader has them: lines and
/// what they say, and no care for what else stands in them.
pub(crate) fn naive_chunked(body: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut content = Vec::new();
    let mut rest = body;
    loop {
        let line = naive_line(&mut rest)?;
        let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let digits = std::str::from_utf8(&line[..digits]).ok()?;
        let size = usize::try_from(u64::from_str_radix(digits, 16).ok()?).ok()?;
        if size == 0 {
            break;
        }
        content.extend_from_slice(rest.get(..size)?);
        rest = rest[size..].strip_prefix(b"\r\n")?;
    }
    while !naive_line(&mut rest)?.is_empty() {}
    Some((content, body.len() - rest.len()))
}

fn naive_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Some(line)
}

/// However a body comes, it ends at the same byte, where a plain reader sees it end too.
fn chunked(data: &[u8]) {
    for new in [Chunked::of_request, Chunked::of_response] {
        let ended = however_it_comes(data, |pieces| passed(new(100), pieces));
        let content = however_it_comes(data, |pieces| content_of(new(100), pieces));
        match ended {
            Ok((length, true)) => {
                let naive = naive_chunked(data);
                assert_eq!(naive.as_ref().map(|(_, length)| *length), Some(length));
                let (read, at_trailers) = content;
                assert_eq!(naive.map(|(content, _)| content), Some(read));
                assert!(at_trailers);
            }
            Ok((length, false)) => assert_eq!(length, data.len()),
            Err(good) => assert!(good < data.len()),
        }
    }
}

/// As the guard of requests reads it.
fn passed(mut chunked: Chunked, pieces: &[&[u8]]) -> Result<(usize, bool), usize> {
    let mut before = 0;
    for piece in pieces {
        match chunked.advance(piece) {
            Ok((count, true)) => return Ok((before + count, true)),
            Ok((count, false)) => assert_eq!(count, piece.len()),
            Err(good) => return Err(before + good),
        }
        before += piece.len();
    }
    Ok((before, false))
}

/// As `proxy` reads an answer: its content, and whether the trailer section was reached.
fn content_of(mut chunked: Chunked, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut content = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        while !rest.is_empty() && !chunked.is_at_trailers() {
            let here = usize::try_from(chunked.content()).unwrap_or(usize::MAX).min(rest.len());
            if here > 0 {
                assert_eq!(chunked.advance(&rest[..here]), Ok((here, false)));
                content.extend_from_slice(&rest[..here]);
                rest = &rest[here..];
                continue;
            }
            match chunked.framing(rest) {
                Some(count) => rest = &rest[count..],
                None => return (content, false),
            }
        }
    }
    (content, chunked.is_at_trailers())
}

/// What is put into chunks comes out of them.
fn chunked_encoded(data: &[u8]) {
    for pieces in splits(data) {
        let mut body = Vec::new();
        for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
            body.extend(format!("{:X}\r\n", piece.len()).bytes());
            body.extend_from_slice(piece);
            body.extend(b"\r\n");
        }
        body.extend(b"0\r\n\r\n");
        let read = content_of(Chunked::of_response(0), &[&body[..]]);
        assert_eq!(read, (data.to_vec(), true));
        assert_eq!(passed(Chunked::of_request(0), &[&body[..]]), Ok((body.len(), true)));
    }
}

/// A cleaned path starts at the root, never leaves it, and has nothing left to clean.
fn clean_path(data: &[u8]) {
    let path = text(data);
    let clean = paths::clean(&path);
    assert!(clean.starts_with('/') && clean.len() <= path.len() + 1, "{clean}");
    assert_eq!(paths::clean(&clean), clean);
    let mut segments = clean[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        assert!(!matches!(segment, "." | "..") && (is_last || !segment.is_empty()), "{clean}");
    }
    assert!(Prefix::default().holds(&clean));
    assert!(paths::extension(&clean).is_empty() || paths::extension(&clean).starts_with('.'));
}

/// What is left of a path behind a prefix reads as what is left of its route, whatever the
/// spelling; and a path that has one meaning is protected in each reading.
fn path_prefix(data: &[u8]) {
    let (prefix, path) = two(data);
    let (prefix, path) = (Prefix::new(&text(prefix)), format!("/{}", text(path)));
    let route = paths::normal(&path);
    let (cut, rest) = (prefix.cut(&path), prefix.rest(&route));
    assert_eq!(cut.is_some(), prefix.holds(&route), "{path} {prefix}");
    if let (Some(cut), Some(rest)) = (cut, rest)
        && !prefix.as_str().ends_with('/')
    {
        let slash = if rest.is_empty() || rest.starts_with('/') { "" } else { "/" };
        assert_eq!(cut.is_empty(), rest.is_empty(), "{path} {prefix}");
        assert!(cut.is_empty() || paths::normal(&cut) == format!("{slash}{rest}"), "{cut} {rest}");
    }
    if prefix.holds(&route) {
        assert!(paths::Readings::of(&path).touch(&prefix), "{path} {prefix}");
    }
    assert!(!paths::is_ambiguous(&path) || !paths::is_normal(&path), "{path}");
}

/// Where a path leads is below the root, and it is what the path's normal form names.
fn file_of_path(data: &[u8]) {
    let path = format!("/{}", text(data));
    let Some(file) = target::file(Path::new("/root"), &path) else { return };
    if let Some(name) = file.to_str() {
        let route = paths::normal(&path);
        assert_eq!(name.trim_matches('/'), format!("root{route}").trim_matches('/'), "{path}");
    }
    let Ok(below) = file.strip_prefix("/root") else { panic!("outside: {file:?}") };
    assert!(below.components().all(|part| matches!(part, Component::Normal(_))), "{below:?}");
}

/// A target that the server makes has one slash in front, and nothing that ends a line or names
/// another host.
fn made_target(data: &[u8]) {
    let Ok(uri) = target::parse(&text(data)) else { return };
    let made = uri.to_string();
    assert!(made.starts_with('/') && !made.starts_with("//"), "{made}");
    assert!(made.bytes().all(|byte| byte > b' ' && byte != 0x7f), "{made}");
    assert!(!made.contains(['\\', '#']) && uri.host().is_none(), "{made}");
    assert_eq!(target::parse(&made).ok(), Some(uri));
}

/// Codings are taken or not whatever else is in the field, and chosen by their weights.
fn accept_encoding(data: &[u8]) {
    let field = text(data);
    let codings = Codings(field.clone());
    let chosen = codings.choose(["br", "gzip"]);
    for coding in ["br", "gzip"] {
        assert_eq!(chosen.contains(&Some(coding)), codings.take(coding), "{coding}");
        let refused = Codings(format!("{coding};q=0, {field}").into());
        assert!(!refused.take(coding), "{coding};q=0 was written first");
        let more = Codings(format!("{field}, other;q=0.5").into());
        assert_eq!(more.take(coding), codings.take(coding), "{coding}");
        let upper = Codings(field.to_ascii_uppercase().into());
        assert_eq!(upper.take(coding), codings.take(coding), "{coding} in capitals");
    }
    assert!(chosen[0].is_some() || chosen[1].is_none(), "{chosen:?}");
}

/// Later members replace earlier ones, and an invalid field states nothing.
fn priority(data: &[u8]) {
    let stated = Parameters::parse(data);
    assert!(stated.urgency() <= 7);
    let with = |more: &[u8]| Parameters::parse(&[data, more].concat());
    if stated != Parameters::default() {
        assert_eq!(with(b",u=6"), Parameters::parse(b"u=6").over(stated));
        assert_eq!(with(b", i=?0"), Parameters::parse(b"i=?0").over(stated));
        assert_eq!(with(b", x=(\"u=0\" i)"), stated);
    }
    for end in [&b","[..], b",U=1", b",u=", b"\0"] {
        assert_eq!(with(end), Parameters::default(), "{end:?}");
    }
}

/// Text without placeholders is itself, and braces that are escaped are braces.
fn placeholders(data: &[u8]) {
    let written = text(data);
    let template = Template::parse(&written);
    if !written.contains(['{', '}']) {
        assert_eq!(template.is_literal(), Some(&*written));
    }
    let plain = written.replace('\\', "/");
    let escaped = plain.replace('{', "\\{").replace('}', "\\}");
    assert_eq!(Template::parse(&escaped).is_literal(), Some(&*plain));
    assert!(!Template::parse(&escaped).wants_body());
}

/// What an address shows as is the same address.
fn site_address(data: &[u8]) {
    let Ok(address) = Address::parse(&text(data)) else { return };
    assert!(address.path.is_empty() || address.path.starts_with('/'), "{address:?}");
    assert!(address.port.is_empty() || address.port.parse::<u16>().is_ok_and(|port| port > 0));
    assert!(!address.host.contains(['/', '[', ']', '@', '?', '#']), "{address:?}");
    let shown = address.to_string();
    let again = Address::parse(&shown);
    let again = again.unwrap_or_else(|error| panic!("{shown} of {address:?}: {error}"));
    assert_eq!((&again.host, &again.path), (&address.host, &address.path), "{shown}");
    assert_eq!(again.to_string(), shown);
}

/// An address is in a set as soon as one of its ranges has it, in either form of IPv4.
fn address_ranges(data: &[u8]) {
    let (words, ip) = two(data);
    let (words, ip) = (text(words), text(ip));
    let mut all = ranges::Ranges::default();
    let mut each = Vec::new();
    for word in words.split(' ') {
        let mut one = ranges::Ranges::default();
        let mut merged = all.clone();
        if one.add(word) && merged.add(word) {
            all = merged;
            each.push(one);
        }
    }
    let Ok(ip) = ip.parse::<std::net::IpAddr>() else { return };
    assert_eq!(all.contains(ip), each.iter().any(|one| one.contains(ip)));
    if let std::net::IpAddr::V4(v4) = ip {
        assert_eq!(all.contains(v4.to_ipv6_mapped().into()), all.contains(ip));
    }
    assert!(!all.is_empty() || !all.contains(ip));
}

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(TARGETS, 1000);
}
