//! One tag, and its attributes with one space between them.

pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    /// Of all of it as it stands in the text.
    pub(super) length: usize,
    pub(super) is_end: bool,
    /// Whether it ends with `/>`.
    pub(super) is_empty: bool,
    attributes: Vec<Attribute<'a>>,
}

struct Attribute<'a> {
    name: &'a str,
    /// With its quotes.
    value: Option<&'a str>,
}

impl<'a> Tag<'a> {
    /// Reads the tag that a text begins with; `None` if it has no end.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_end = text.starts_with("</");
        let begin = if is_end { 2 } else { 1 };
        let mut at = begin + part(&text[begin..], b"/>");
        let mut tag =
            Self { name: &text[begin..at], length: 0, is_end, is_empty: false, attributes: vec![] };
        loop {
            at += white(&text[at..]);
            match bytes.get(at)? {
                b'>' => {
                    tag.length = at + 1;
                    return Some(tag);
                }
                b'/' => {
                    tag.is_empty = bytes.get(at + 1) == Some(&b'>');
                    at += 1;
                    continue;
                }
                _ => {}
            }
            // An equals sign may begin a name.
            let first = text[at..].chars().next().map_or(1, char::len_utf8);
            let name = &text[at..at + first + part(&text[at + first..], b"=/>")];
            let behind = at + name.len();
            at = behind + white(&text[behind..]);
            if bytes.get(at) != Some(&b'=') {
                tag.attributes.push(Attribute { name, value: None });
                continue;
            }
            at += 1;
            at += white(&text[at..]);
            let length = match bytes.get(at)? {
                quote @ (b'"' | b'\'') => {
                    text[at + 1..].find(char::from(*quote)).map(|end| end + 2)?
                }
                _ => part(&text[at..], b">"),
            };
            tag.attributes.push(Attribute { name, value: Some(&text[at..at + length]) });
            at += length;
        }
    }

    /// Whether its attributes name something.
    pub(super) fn has(&self, word: &str) -> bool {
        self.attributes.iter().any(|attribute| {
            attribute.name.eq_ignore_ascii_case(word)
                || attribute.value.is_some_and(|value| value.contains(word))
        })
    }

    pub(super) fn write(&self, out: &mut String) {
        out.push_str(if self.is_end { "</" } else { "<" });
        out.push_str(self.name);
        for Attribute { name, value } in &self.attributes {
            out.push(' ');
            out.push_str(name);
            if let Some(value) = value {
                out.push('=');
                out.push_str(value);
            }
        }
        if self.is_empty {
            let is_bare = |value: &str| !value.ends_with(['"', '\'']);
            // A slash behind a value without quotes would belong to it.
            let last = self.attributes.last().and_then(|attribute| attribute.value);
            out.push_str(if last.is_some_and(is_bare) { " /" } else { "/" });
        }
        out.push('>');
    }
}

/// How many bytes of a text are none of white space and `ends`. Their first is that of a character
/// where the text's is.
fn part(text: &str, ends: &[u8]) -> usize {
    let is_end = |byte: u8| is_space(byte) || ends.contains(&byte);
    text.bytes().position(is_end).unwrap_or(text.len())
}

fn white(text: &str) -> usize {
    text.bytes().take_while(|byte| is_space(*byte)).count()
}

pub(super) fn is_space(byte: u8) -> bool {
    b" \t\n\r\x0c".contains(&byte)
}
