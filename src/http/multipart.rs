//! Reads content of type multipart/form-data as it comes (RFC 7578, RFC 2046 section 5.1). It holds
//! no more than the head of a part, or what may be the beginning of a boundary.

#[cfg(any(test, fuzzing))]
pub(super) mod promise;

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use crate::limits::{UPLOAD_PART_FIELDS, UPLOAD_PART_HEAD};

/// What comes next in the content.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More of the content is needed.
    Wanting,
    Part(Part),
    /// A piece of the last part.
    Data(Bytes),
    PartEnd,
    /// All parts have been read; what follows means nothing.
    End,
}

/// The head of a part.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Only files have one.
    pub file_name: Option<String>,
}

/// The content is not as its type says.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("multipart content: {0}")]
pub struct Malformed(&'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before the first boundary.
    Preamble,
    /// Behind a boundary.
    Boundary,
    Head,
    Data,
    End,
}

/// A reader, which is given the content piece by piece.
#[derive(Debug)]
pub struct Multipart {
    held: BytesMut,
    /// The line end before a boundary, its dashes and itself.
    boundary: Vec<u8>,
    state: Stage,
    passed: usize,
}

impl Multipart {
    /// By the field Content-Type; `None` if it is of another type, or names no boundary.
    pub fn new(content_type: &str) -> Option<Self> {
        let (essence, parameters) = content_type.split_once(';')?;
        let is_form = essence.trim().eq_ignore_ascii_case("multipart/form-data");
        let boundary = parameter(parameters, "boundary")?;
        let is_boundary = (1..=70).contains(&boundary.len()) && boundary.is_ascii();
        // A line end before the first boundary may be missing.
        let held = BytesMut::from(&b"\r\n"[..]);
        let boundary = [b"\r\n--", boundary.as_bytes()].concat();
        (is_form && is_boundary).then_some(Self {
            held,
            boundary,
            state: Stage::Preamble,
            passed: 0,
        })
    }

    pub fn give(&mut self, data: &[u8]) {
        self.held.extend_from_slice(data);
    }

    /// What comes next; an error is the last.
    pub fn step(&mut self) -> Result<Step, Malformed> {
        loop {
            match self.state {
                Stage::Preamble => match self.until_boundary() {
                    Ok(at) => self.behind_boundary(at),
                    Err(safe) => {
                        self.passed += safe;
                        let _ = self.held.split_to(safe);
                        let is_long = self.passed > UPLOAD_PART_HEAD;
                        return self.wanting(is_long, "its first part does not begin");
                    }
                },
                Stage::Boundary => {
                    if self.held.starts_with(b"--") {
                        self.state = Stage::End;
                        continue;
                    }
                    let blank = self.held.iter().take_while(|b| b" \t".contains(b)).count();
                    match (self.held.get(blank), self.held.get(blank + 1)) {
                        (Some(b'\r'), Some(b'\n')) => {
                            // The line end may be that of an empty head, too.
                            let _ = self.held.split_to(blank);
                            self.state = Stage::Head;
                        }
                        (None, _) | (Some(b'\r' | b'-'), None) if blank < UPLOAD_PART_HEAD => {
                            return Ok(Step::Wanting);
                        }
                        _ => return Err(Malformed("a boundary's line goes on")),
                    }
                }
                Stage::Head => {
                    let Some(at) = find(&self.held, b"\r\n\r\n") else {
                        let is_long = self.held.len() > UPLOAD_PART_HEAD;
                        return self.wanting(is_long, "the head of a part is too long");
                    };
                    let head = self.held.split_to(at + 4);
                    self.state = Stage::Data;
                    // Content may begin with a boundary: its line end is that of the head.
                    self.held = [&b"\r\n"[..], &self.held].concat().as_slice().into();
                    self.passed = 0;
                    return part(&head[2..]).map(Step::Part);
                }
                Stage::Data => return Ok(self.data()),
                Stage::End => return Ok(Step::End),
            }
        }
    }

    fn wanting(&self, is_long: bool, why: &'static str) -> Result<Step, Malformed> {
        if is_long { Err(Malformed(why)) } else { Ok(Step::Wanting) }
    }

    fn data(&mut self) -> Step {
        // The line end that was put before the content is none of it.
        let ahead = if self.passed == 0 { 2 } else { 0 };
        match self.until_boundary() {
            Ok(at) if at <= ahead => {
                self.behind_boundary(at);
                Step::PartEnd
            }
            Ok(at) | Err(at) if at > ahead => {
                let data = self.held.split_to(at).split_off(ahead);
                self.passed = at;
                Step::Data(data.freeze())
            }
            _ => Step::Wanting,
        }
    }

    fn behind_boundary(&mut self, at: usize) {
        let _ = self.held.split_to(at + self.boundary.len());
        self.state = Stage::Boundary;
    }

    /// Where the next boundary begins, else how many bytes are before anything that may be one.
    fn until_boundary(&self) -> Result<usize, usize> {
        let mut from = 0;
        while let Some(at) = self.held[from..].iter().position(|byte| *byte == b'\r') {
            let at = from + at;
            let rest = &self.held[at..];
            if rest.starts_with(&self.boundary) {
                return Ok(at);
            }
            if self.boundary.starts_with(rest) {
                return Err(at);
            }
            from = at + 1;
        }
        Err(self.held.len())
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn part(head: &[u8]) -> Result<Part, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; UPLOAD_PART_FIELDS];
    let wrong = |_| Malformed("the head of a part is none");
    let httparse::Status::Complete((_, fields)) =
        httparse::parse_headers(head, &mut fields).map_err(wrong)?
    else {
        return Err(Malformed("the head of a part has no end"));
    };
    let named = fields.iter().find(|field| field.name.eq_ignore_ascii_case("content-disposition"));
    let disposition = named.map(|field| String::from_utf8_lossy(field.value));
    let parameters = disposition.as_deref().and_then(|text| text.split_once(';'));
    let file_name = parameters.and_then(|(_, rest)| parameter(rest, "filename"));
    Ok(Part { file_name: file_name.map(Cow::into_owned) })
}

/// A parameter of a field value, which may be quoted.
fn parameter<'a>(mut text: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    loop {
        let (name, rest) = text.split_once('=')?;
        let name = name.trim_start_matches([';', ' ', '\t']).trim_end();
        let (value, rest) = value(rest.trim_start())?;
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        text = rest;
    }
}

/// The value that a text begins with, and what is behind it.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return Some((Cow::Borrowed(text[..end].trim_end()), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(value), &quoted[at + 1..])),
            // Only these are escaped; browsers send a backslash of a name as it is.
            '\\' if quoted[at + 1..].starts_with(['"', '\\']) => {
                value.extend(chars.next().map(|(_, c)| c));
            }
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::splits;

    const TYPE: &str = "multipart/form-data; boundary=ab";

    /// The name of a part's file, and its content.
    type Whole = (Option<String>, Vec<u8>);

    fn read(pieces: &[&[u8]]) -> Result<Vec<Whole>, Malformed> {
        let mut form = Multipart::new(TYPE).unwrap();
        let mut parts = Vec::new();
        let mut pieces = pieces.iter();
        loop {
            match form.step()? {
                Step::Wanting => match pieces.next() {
                    Some(piece) => form.give(piece),
                    None => return Err(Malformed("cut")),
                },
                Step::Part(part) => parts.push((part.file_name, Vec::new())),
                Step::Data(data) => parts.last_mut().unwrap().1.extend_from_slice(&data),
                Step::PartEnd => {}
                Step::End => return Ok(parts),
            }
        }
    }

    fn check(text: &str, expected: Result<&[(Option<&str>, &str)], &'static str>) {
        let expected = expected.map_err(Malformed).map(|parts| {
            let owned = |(name, text): &(Option<&str>, &str)| {
                (name.map(str::to_owned), text.as_bytes().to_vec())
            };
            parts.iter().map(owned).collect::<Vec<_>>()
        });
        for pieces in splits(text.as_bytes()) {
            assert_eq!(read(&pieces), expected, "{text}");
        }
    }

    #[test]
    fn parts_are_read_however_they_come() {
        const FILE: &str = "Content-Disposition: form-data; name=\"x\"; filename=\"a\"\r\n\r\n";
        check(&format!("--ab\r\n{FILE}text\r\n--ab--"), Ok(&[(Some("a"), "text")]));
        check(&format!("--ab\r\n{FILE}\r\n--ab--\r\n"), Ok(&[(Some("a"), "")]));
        check(&format!("--ab \t\r\n{FILE}x--ab\r\n--ab--"), Ok(&[(Some("a"), "x--ab")]));
        check(
            &format!("before\r\n--ab\r\n{FILE}\r\r\n--a\r\n\r\n--ab\r\n\r\nb\r\n--ab--behind"),
            Ok(&[(Some("a"), "\r\r\n--a\r\n"), (None, "b")]),
        );
        check(&format!("--ab\r\n{FILE}\r\n--abc\r\n--ab--"), Err("a boundary's line goes on"));
        check(&format!("--ab\r\n{FILE}text\r\n--a"), Err("cut"));
        check(&format!("--ab\r\n{FILE}text\r\n--ab\r"), Err("cut"));
        check("--ab\r\nno field\r\n\r\n", Err("the head of a part is none"));
    }

    #[test]
    fn what_is_too_long_is_not_kept() {
        for text in ["x".repeat(9000), format!("--ab\r\nA: {}", "x".repeat(9000))] {
            let mut form = Multipart::new(TYPE).unwrap();
            form.give(text.as_bytes());
            assert!(form.step().is_err());
        }
    }

    #[test]
    fn parameters() {
        for (text, name) in [
            ("form-data; filename=a", Some("a")),
            ("form-data; name=\"x; filename=no\"; FileName = \"a b.c\"", Some("a b.c")),
            ("form-data; filename=\"a\\\"b\\\\c\"", Some("a\"b\\c")),
            ("form-data; filename=\"C:\\dir\\a\"", Some("C:\\dir\\a")),
            ("form-data; filename=\"ä\"", Some("ä")),
            ("form-data; filename=\"a", None),
            ("form-data; name=x", None),
            ("form-data", None),
        ] {
            let head = format!("Content-Disposition: {text}\r\n\r\n");
            assert_eq!(part(head.as_bytes()).unwrap().file_name.as_deref(), name, "{text}");
        }
        for (kind, is_form) in [
            ("multipart/form-data; boundary=a", true),
            ("Multipart/Form-Data; charset=x; boundary=\"a b\"", true),
            ("multipart/form-data", false),
            ("multipart/form-data; boundary=", false),
            ("multipart/mixed; boundary=a", false),
        ] {
            assert_eq!(Multipart::new(kind).is_some(), is_form, "{kind}");
        }
    }
}
