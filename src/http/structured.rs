//! Dictionaries of structured fields (RFC 8941 section 3.2). Only integers and booleans have a
//! value here; all other items are checked and skipped.

/// The value of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Integer(i64),
    Boolean(bool),
    Other,
}

/// Calls `member` for each member in order; `None` if the field is invalid, which may show after
/// some of the members.
pub(super) fn read_dictionary(field: &[u8], mut member: impl FnMut(&[u8], Item)) -> Option<()> {
    let mut rest = Rest(field);
    rest.skip(b" ");
    while let Some((b' ', before)) = rest.0.split_last() {
        rest.0 = before;
    }
    if rest.0.is_empty() {
        return Some(());
    }
    loop {
        let key = rest.key()?;
        let value = if rest.take(b'=') { rest.member()? } else { Item::Boolean(true) };
        rest.parameters()?;
        member(key, value);
        rest.skip(b" \t");
        if rest.0.is_empty() {
            return Some(());
        }
        rest.expect(b',')?;
        rest.skip(b" \t");
    }
}

/// The unread part of a field.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_here = self.peek() == Some(byte);
        self.0 = &self.0[usize::from(is_here)..];
        is_here
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// The longest prefix of bytes that pass.
    fn prefix(&mut self, passes: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.0.iter().position(|byte| !passes(*byte)).unwrap_or(self.0.len());
        let (prefix, rest) = self.0.split_at(end);
        self.0 = rest;
        prefix
    }

    fn skip(&mut self, bytes: &[u8]) {
        self.prefix(|byte| bytes.contains(&byte));
    }

    fn key(&mut self) -> Option<&'a [u8]> {
        self.peek().filter(|first| first.is_ascii_lowercase() || *first == b'*')?;
        Some(self.prefix(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)
        }))
    }

    /// An item or an inner list.
    fn member(&mut self) -> Option<Item> {
        if !self.take(b'(') {
            return self.item();
        }
        loop {
            self.skip(b" ");
            if self.take(b')') {
                return Some(Item::Other);
            }
            self.item()?;
            self.parameters()?;
            self.peek().filter(|next| b" )".contains(next))?;
        }
    }

    fn parameters(&mut self) -> Option<()> {
        while self.take(b';') {
            self.skip(b" ");
            self.key()?;
            if self.take(b'=') {
                self.item()?;
            }
        }
        Some(())
    }

    fn item(&mut self) -> Option<Item> {
        match self.peek()? {
            b'-' | b'0'..=b'9' => self.number(),
            b'?' => {
                self.0 = &self.0[1..];
                let value = self.take(b'1');
                (value || self.take(b'0')).then_some(Item::Boolean(value))
            }
            b'"' => self.string(),
            b':' => {
                self.0 = &self.0[1..];
                self.prefix(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
                self.expect(b':')?;
                Some(Item::Other)
            }
            first if first.is_ascii_alphabetic() || first == b'*' => {
                self.prefix(|byte| {
                    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte)
                });
                Some(Item::Other)
            }
            _ => None,
        }
    }

    /// An integer of up to 15 digits, or a decimal of up to 12 and 3.
    fn number(&mut self) -> Option<Item> {
        let is_negative = self.take(b'-');
        let whole = self.prefix(|byte| byte.is_ascii_digit());
        if self.take(b'.') {
            let fraction = self.prefix(|byte| byte.is_ascii_digit());
            let fits = (1..=12).contains(&whole.len()) && (1..=3).contains(&fraction.len());
            return fits.then_some(Item::Other);
        }
        if !(1..=15).contains(&whole.len()) {
            return None;
        }
        let value = whole.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit & 0x0f));
        Some(Item::Integer(if is_negative { -value } else { value }))
    }

    fn string(&mut self) -> Option<Item> {
        self.0 = &self.0[1..];
        loop {
            self.prefix(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\');
            if self.take(b'"') {
                return Some(Item::Other);
            }
            self.expect(b'\\')?;
            self.peek().filter(|escaped| b"\"\\".contains(escaped))?;
            self.0 = &self.0[1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> Option<Vec<(String, Item)>> {
        let mut members = vec![];
        read_dictionary(field.as_bytes(), |key, value| {
            members.push((String::from_utf8_lossy(key).into_owned(), value));
        })?;
        Some(members)
    }

    #[test]
    fn the_dictionaries_of_rfc_8941() {
        use Item::{Boolean, Integer, Other};
        let cases: &[(&str, &[(&str, Item)])] = &[
            ("", &[]),
            ("  ", &[]),
            ("u=1", &[("u", Integer(1))]),
            ("u=1, i", &[("u", Integer(1)), ("i", Boolean(true))]),
            ("  a=?0\t,\t b=-15  ", &[("a", Boolean(false)), ("b", Integer(-15))]),
            ("a;x;y=2;z=\"q\", *b.-_9=:YQ==:", &[("a", Boolean(true)), ("*b.-_9", Other)]),
            ("a=(1 \"x\\\"\\\\\" tok;p=1.5);q, b=()", &[("a", Other), ("b", Other)]),
            (
                "a=1.125, b=*tok:/x, c=000000000000007",
                &[("a", Other), ("b", Other), ("c", Integer(7))],
            ),
            ("u=1,u=2", &[("u", Integer(1)), ("u", Integer(2))]),
        ];
        for (field, want) in cases {
            let want: Vec<_> = want.iter().map(|(key, value)| ((*key).into(), *value)).collect();
            assert_eq!(read(field), Some(want), "{field}");
        }
    }

    #[test]
    fn whatever_is_not_a_dictionary_is_invalid() {
        for field in [
            ",",
            "u=1,",
            "u=1 i",
            "u=",
            "u =1",
            "U=1",
            "1",
            "u=1;",
            "u=1;X",
            "u=-",
            "u=1.",
            "u=1.1234",
            "u=1234567890123.1",
            "u=1234567890123456",
            "u=?",
            "u=?2",
            "a=\"x",
            "a=\"\\n\"",
            "a=\"\u{e9}\"",
            "a=:YQ",
            "a=(1",
            "a=(1 2",
            "a=(\"x\"\"y\")",
            "a=(\t1)",
            "a=@1",
            "\tu=1",
            "u=1\u{0}",
        ] {
            assert_eq!(read(field), None, "{field:?}");
        }
    }
}
