//! The gate with h2 behind it: what passes, what is answered, what ends a stream or the connection.

use std::collections::VecDeque;

use bytes::BytesMut;
use http::StatusCode;
use proptest::prelude::*;

use super::fuzzing::{MOST, Went, by_h2, known, pass};
use crate::http2_frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, WINDOW_UPDATE, put_block, put_head,
};
use crate::server::compression::hpack::{Field, write_literal};

type Lines<'a> = &'a [(&'a str, &'a str)];

const GET: [(&str, &str); 3] = [(":method", "GET"), (":scheme", "https"), (":authority", "a")];
const BAD: StatusCode = StatusCode::BAD_REQUEST;

/// A frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    put_head(&mut out, Frame { length: payload.len(), kind, flags, stream });
    [&out, payload].concat()
}

/// Fields as literals, with characters as bytes.
fn literals(lines: Lines<'_>) -> Vec<u8> {
    let mut out = BytesMut::new();
    for (name, value) in lines {
        let latin = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<_>>();
        write_literal(&mut out, Field { name: &latin(name), value: &latin(value) });
    }
    out.to_vec()
}

/// A header section that ends its stream.
fn head(stream: u32, lines: Lines<'_>) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &literals(lines))
}

fn get(stream: u32, path: &str, more: Lines<'_>) -> Vec<u8> {
    head(stream, &[&GET[..], &[(":path", path)], more].concat())
}

/// What h2 sees of each stream behind the gate: `METHOD URI`, and the status if it is refused.
fn seen(went: &Went) -> Vec<(u32, String, Option<StatusCode>)> {
    let answered = |(stream, seen): (u32, super::fuzzing::Seen)| {
        let mut request = http::Request::new(());
        *request.headers_mut() = seen.fields;
        let refused = known().take(&mut request);
        let words: Vec<_> = seen.head.split(' ').collect();
        (stream, words[..2].join(" "), refused)
    };
    by_h2(&went.passed).into_iter().map(answered).collect()
}

#[test]
fn good_requests_pass_as_they_came() {
    let post = [&[(":method", "POST"), (":path", "/")], &GET[1..]].concat();
    let trailers = literals(&[("x-a", "b")]);
    let stream = [
        get(1, "/a?b", &[("x-a", "b"), ("cookie", "c")]),
        frame(HEADERS, END_HEADERS, 3, &literals(&post)),
        frame(DATA, 0, 3, &[b'x'; 1000]),
        frame(HEADERS, END_STREAM, 3, &trailers[..2]),
        frame(CONTINUATION, END_HEADERS, 3, &trailers[2..]),
        frame(WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff"),
        frame(77, 0xff, 9, b"of another kind"),
        get(5, "*", &[]),
    ];
    for size in [1, 2, 9, 100, 100_000] {
        let stream = stream.concat();
        let pieces: Vec<_> = stream.chunks(size).collect();
        let want = Went { passed: stream.clone(), unanswered: vec![] };
        assert_eq!(pass(&pieces), want, "by {size}");
    }
}

#[test]
fn a_head_that_never_ends_is_told_of() {
    let block = literals(&[&GET[..], &[(":path", "/a")]].concat());
    let begun = frame(HEADERS, END_STREAM, 1, &block);
    for (bytes, told) in [
        (begun.clone(), Some("GET /a Some(\"a\")")),
        ([&begun[..], &frame(CONTINUATION, 0, 1, b"")].concat(), Some("GET /a Some(\"a\")")),
        (begun[..20].to_vec(), Some("- / None")),
        (begun[..4].to_vec(), None),
        ([get(1, "/a", &[]), frame(HEADERS, END_STREAM, 1, b"")].concat(), None),
        (get(1, "/a", &[]), None),
    ] {
        let told = told.map(|line| (line.to_owned(), StatusCode::REQUEST_TIMEOUT));
        assert_eq!(pass(&[&bytes]).unanswered, Vec::from_iter(told), "{bytes:x?}");
    }
}

#[test]
fn what_breaks_the_rules_of_http_is_answered() {
    let fields = "x".repeat(MOST);
    for (bad, path, status) in [
        (get(1, "/a#b", &[]), "/a%23b", BAD),
        (get(1, "/", &[("x-\u{e9}", "b")]), "/", BAD),
        (get(1, "/x", &[("x-a", &fields)]), "/x", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
    ] {
        let went = pass(&[&bad, &get(3, "/next", &[])]);
        let want =
            [(1, format!("GET {path}"), Some(status)), (3, "GET https://a/next".to_owned(), None)];
        assert_eq!((seen(&went), went.unanswered), (want.to_vec(), vec![]), "{status}");
    }
}

#[test]
fn what_is_malformed_ends_its_stream_and_is_told() {
    let itself = [&b"\0\0\0\x01\x10"[..], &literals(&GET), &literals(&[(":path", "/")])].concat();
    for bad in [
        get(1, "/", &[("X-A", "b")]),
        get(1, "/", &[(":x", "b")]),
        get(1, "/", &[("connection", "close")]),
        frame(HEADERS, END_HEADERS | END_STREAM | 0x20, 1, &itself),
    ] {
        let went = pass(&[&bad, &get(3, "/next", &[])]);
        assert_eq!(seen(&went), [(3, "GET https://a/next".to_owned(), None)]);
        assert_eq!(went.passed[..11], *b"\0\0\x02\x01\x05\0\0\0\x01\x82\x82");
        assert_eq!(went.unanswered, [("GET / Some(\"a\")".to_owned(), BAD)]);
    }
}

#[test]
fn trailers_that_are_malformed_end_their_stream() {
    let post = [&[(":method", "POST"), (":path", "/")], &GET[1..]].concat();
    let open = frame(HEADERS, END_HEADERS, 1, &literals(&post));
    for bad in [(":path", "/"), (":status", "200"), ("x-\u{e9}", "b"), ("te", "gzip")] {
        let went = pass(&[&open, &head(1, &[("x-a", "b"), bad])]);
        let passed = [&open[..], b"\0\0\x02\x01\x05\0\0\0\x01\x82\x82"].concat();
        assert_eq!(went, Went { passed, unanswered: vec![] }, "{bad:?}");
    }
    // A stream that has ended has no content: h2 refuses it.
    let went = pass(&[&get(1, "/", &[]), &head(1, &[(":path", "/")])]);
    assert_eq!(went.passed, [get(1, "/", &[]), head(1, &[(":path", "/")])].concat());
}

/// Frames for which h2 closes the connection come last.
#[test]
fn what_ends_the_connection() {
    let protocol = frame(CONTINUATION, 0, 1, b"");
    let calm = [frame(HEADERS, 0, 1, b""), frame(CONTINUATION, 0, 1, b"").repeat(6)].concat();
    let flow = frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff").repeat(2);
    let window = frame(WINDOW_UPDATE, 0, 1, b"\x40\0\0\0");
    let many = frame(CONTINUATION, 0, 1, b"\x82").repeat(6);
    let bomb = get(1, "/b", &[("x-a", &"a".repeat(4 * MOST))]);
    for (bad, want, told) in [
        (frame(HEADERS, 5, 2, b"\x82"), &protocol, None),
        (frame(HEADERS, 5, 1, b"\xff"), &protocol, None),
        (frame(HEADERS, 13, 1, b"\xff\x82"), &protocol, None),
        ([frame(HEADERS, 1, 1, b"\x82"), frame(DATA, 0, 1, b"")].concat(), &protocol, None),
        (frame(5, 4, 1, b"\0\0\0\x02\x82"), &protocol, None),
        (window.repeat(2), &flow, None),
        ([frame(HEADERS, 1, 1, b"\x82"), many].concat(), &calm, Some("GET / None")),
        (bomb, &calm, Some("GET /b Some(\"a\")")),
    ] {
        let went = pass(&[&bad, &get(3, "/", &[])]);
        let before = if want == &flow { &window[..] } else { b"" };
        assert_eq!(went.passed, [before, want].concat(), "{bad:x?}");
        let over = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let told: Vec<_> = told.into_iter().map(|line| (line.to_owned(), over)).collect();
        assert_eq!(went.unanswered, told);
    }
    // h2 has to see a frame that is too long.
    let long = [&b"\0\x40\x01\x01\x05\0\0\0\x01"[..], &[0; 50]].concat();
    assert_eq!(pass(&[&long]).passed, long);
}

/// A small dynamic table, and the fields that fill it.
const TABLE: usize = 256;
const SMALL_TABLE: &[u8] = b"\x3f\xe1\x01";

/// Encodes blocks as clients do, with its own dynamic table.
#[derive(Default)]
struct Encoder(VecDeque<(String, String)>);

/// The representation of a field that is not in the table.
#[derive(Debug, Clone, Copy)]
enum How {
    Kept,
    Plain,
    Never,
}

impl Encoder {
    fn put(&mut self, out: &mut Vec<u8>, field: (&str, &str), how: How) {
        let own = (field.0.to_owned(), field.1.to_owned());
        if let Some(at) = self.0.iter().position(|known| *known == own) {
            return out.push(0x80 | (62 + at as u8));
        }
        let mut literal = literals(&[field]);
        let named = self.0.iter().position(|known| known.0 == field.0).map(|at| 62 + at);
        literal[0] = match how {
            How::Kept => 0x40,
            How::Plain => 0,
            How::Never => 0x10,
        };
        match named.filter(|_| matches!(how, How::Kept)) {
            // The name by reference.
            Some(index) => {
                out.push(0x40 | index.min(0x3f) as u8);
                out.extend(index.checked_sub(0x3f).map(|rest| rest as u8));
                out.extend_from_slice(&literal[2 + field.0.chars().count()..]);
            }
            None => out.extend(literal),
        }
        if matches!(how, How::Kept) {
            self.0.push_front(own);
        }
        while self.0.iter().map(|(name, value)| size_of(name, value)).sum::<usize>() > TABLE {
            self.0.pop_back();
        }
    }
}

fn size_of(name: &str, value: &str) -> usize {
    name.chars().count() + value.chars().count() + 32
}

fn paths() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("/"), 2 => Just("/a?b"), 1 => Just("/a#b"), 1 => Just("")]
}

fn fields() -> impl Strategy<Value = (&'static str, &'static str)> {
    prop_oneof![
        4 => Just(("x-a", "b")),
        3 => Just(("x-b", "")),
        3 => Just(("cookie", "a=b; c=d")),
        2 => Just(("x-a", "c")),
        1 => Just(("x-\u{e9}", "b")),
        1 => Just(("X-A", "b")),
        1 => Just(("te", "gzip")),
        1 => Just(("x-long", LONG)),
    ]
}

const LONG: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn how() -> impl Strategy<Value = How> {
    prop_oneof![3 => Just(How::Kept), 1 => Just(How::Plain), 1 => Just(How::Never)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Valid and invalid requests on one connection, with a client's table: h2 receives each valid
    /// one unchanged, whatever preceded it, and each invalid one is refused correctly.
    #[test]
    fn a_table_survives_what_is_replaced(
        requests in prop::collection::vec(
            (paths(), how(), prop::collection::vec((fields(), how()), 0..4)), 1..12
        ),
        size in 1_usize..200,
    ) {
        let mut encoder = Encoder::default();
        let (mut stream, mut want, mut malformed) = (vec![], vec![], 0);
        for (at, (path, path_how, fields)) in requests.iter().enumerate() {
            let mut block = if at == 0 { SMALL_TABLE.to_vec() } else { vec![] };
            for line in GET {
                encoder.put(&mut block, line, How::Kept);
            }
            encoder.put(&mut block, (":path", path), *path_how);
            for (field, how) in fields {
                encoder.put(&mut block, *field, *how);
            }
            let id = 2 * at as u32 + 1;
            stream.extend(frame(HEADERS, END_HEADERS | END_STREAM, id, &block));
            let own = GET.iter().copied().chain([(":path", *path)]);
            let all = own.chain(fields.iter().map(|(field, _)| *field));
            let is_large = all.map(|(name, value)| size_of(name, value)).sum::<usize>() >= MOST;
            let has = |bad: &[&str]| fields.iter().any(|(field, _)| bad.contains(&field.0));
            if path.is_empty() || has(&["X-A", "te"]) {
                malformed += 1;
            } else if is_large || path.contains('#') || has(&["x-\u{e9}"]) {
                want.push((id, None));
            } else {
                let lines = fields.iter().map(|(field, _)| *field).collect::<Vec<_>>();
                want.push((id, Some((*path, lines))));
            }
        }
        let pieces: Vec<_> = stream.chunks(size).collect();
        let went = pass(&pieces);
        prop_assert_eq!(went.unanswered.len(), malformed);
        let seen = by_h2(&went.passed);
        prop_assert_eq!(seen.len(), want.len(), "{:?}", seen);
        for ((id, want), (stream, seen)) in want.into_iter().zip(seen) {
            prop_assert_eq!(id, stream);
            let Some((path, lines)) = want else {
                prop_assert!(seen.fields.contains_key("caddy-refused"));
                continue;
            };
            prop_assert_eq!(seen.head, format!("GET https://a{} None", path));
            let mut expected = http::HeaderMap::new();
            for (name, value) in lines {
                expected.append(name, value.parse().unwrap());
            }
            prop_assert_eq!(seen.fields, expected);
        }
    }

    /// Blocks that are split anywhere, and re-encoded into several frames.
    #[test]
    fn blocks_in_parts(fields in 0_usize..400, at in 0_usize..2000) {
        let lines: Vec<_> = (0..fields / 100).map(|_| ("x-a", "b")).collect();
        let block = literals(&[&GET[..], &[(":path", "/")], &lines[..]].concat());
        let at = at.min(block.len());
        let parts = [
            frame(HEADERS, END_STREAM, 3, &block[..at]),
            frame(CONTINUATION, END_HEADERS, 3, &block[at..]),
        ];
        let went = pass(&[&get(1, "/#", &[]), &parts.concat()]);
        let mut again = BytesMut::new();
        put_block(&mut again, 3, true, &block);
        prop_assert!(went.passed.ends_with(&again));
    }
}
