//! What holds of the parts of a form, whoever writes them.

use super::{Multipart, Step};
use crate::fuzzing::however_it_comes;

pub(in crate::http) const FORMS: &[&[u8]] = &[
    b"--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"a\"\r\n\r\ntext\r\n--b--",
    b"before\r\n--b \t\r\n\r\n\r\n--b\r\n\r\n\r\r\n--\r\n--b--behind",
    b"--b\r\n\r\n\r\n--bc\r\n--b-\r\n--b",
    b"--b\r\nContent-Disposition: form-data; filename=\"a\\\"b\\c\xff\"\r\n\r\n--b--",
];

/// As a reader that has all of it finds the parts.
pub(in crate::http) fn parts(data: &[u8]) {
    let read = however_it_comes(data, parts_of);
    let naive = naive_parts(&[b"\r\n", data].concat());
    match read {
        Some((parts, true)) => assert_eq!(naive, Some(parts)),
        Some((_, false)) => assert_eq!(naive, None),
        // A head may be malformed or too long.
        None => {}
    }
}

fn naive_parts(mut rest: &[u8]) -> Option<Vec<Vec<u8>>> {
    let find =
        |text: &[u8], wanted: &[u8]| text.windows(wanted.len()).position(|window| window == wanted);
    let mut parts = Vec::new();
    loop {
        let at = find(rest, b"\r\n--b")?;
        if let Some(part) = parts.last_mut() {
            *part = rest[2.min(at)..at].to_vec();
        }
        rest = &rest[at + 5..];
        if rest.starts_with(b"--") {
            return Some(parts);
        }
        let blank = rest.iter().take_while(|byte| b" \t".contains(byte)).count();
        rest = rest[blank..].starts_with(b"\r\n").then_some(&rest[blank..])?;
        // The line end of the head is that before a boundary, too.
        rest = &rest[find(rest, b"\r\n\r\n")? + 2..];
        parts.push(Vec::new());
    }
}

/// The contents of whole parts, and whether the end was reached; none if they are malformed.
fn parts_of(pieces: &[&[u8]]) -> Option<(Vec<Vec<u8>>, bool)> {
    let mut form = Multipart::new("multipart/form-data; boundary=b")?;
    let (mut parts, mut whole) = (Vec::new(), 0);
    let mut pieces = pieces.iter();
    loop {
        match form.step().ok()? {
            Step::Wanting => match pieces.next() {
                Some(piece) => form.give(piece),
                None => {
                    parts.truncate(whole);
                    return Some((parts, false));
                }
            },
            Step::Part(_) => parts.push(Vec::new()),
            Step::Data(data) => {
                assert!(!data.is_empty() && parts.len() == whole + 1);
                parts[whole].extend_from_slice(&data);
            }
            Step::PartEnd => whole += 1,
            Step::End => {
                assert_eq!(parts.len(), whole, "each part has its end");
                return Some((parts, true));
            }
        }
    }
}
