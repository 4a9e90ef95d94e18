//! Style sheets without comments and superfluous white space.

/// `None` for what has an end missing.
pub(super) fn minified(text: &str) -> Option<String> {
    let mut sheet =
        Sheet { text, at: 0, made: String::with_capacity(text.len()), held: Held::None };
    while let Some(byte) = text.as_bytes().get(sheet.at) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0xc => {
                sheet.at += 1;
                sheet.held = Held::Space;
            }
            b'/' if sheet.rest().starts_with("/*") => sheet.comment()?,
            b'"' | b'\'' => sheet.put(string(sheet.rest())?),
            b'\\' => sheet.put(escape(sheet.rest())?),
            b'u' | b'U' if sheet.begins_url() => sheet.put(url(sheet.rest())?),
            b'}' => {
                sheet.drop_semicolon();
                sheet.put(1);
            }
            _ => {
                let length = sheet.rest().chars().next().map_or(1, char::len_utf8);
                sheet.put(length);
            }
        }
    }
    Some(sheet.made)
}

/// What stood before the place, and is not yet put.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    None,
    Space,
    /// A comment alone: it keeps two words apart and is no white space.
    Comment,
}

struct Sheet<'a> {
    text: &'a str,
    at: usize,
    made: String,
    held: Held,
}

impl<'a> Sheet<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Leaves a comment out, but for that of a licence.
    fn comment(&mut self) -> Option<()> {
        let length = self.rest()[2..].find("*/")? + 4;
        if self.rest().starts_with("/*!") {
            self.put(length);
        } else {
            self.at += length;
            if self.held == Held::None {
                self.held = Held::Comment;
            }
        }
        Some(())
    }

    /// Puts the next bytes as they are, behind what is held if it is needed there.
    fn put(&mut self, length: usize) {
        let next = &self.rest()[..length];
        let last = self.made.as_bytes().last().copied();
        // An escape may end with a space of its own.
        let opens = last.is_none_or(|last| b"{};,(:".contains(&last)) && !self.ends_with_escape();
        // `--x: ;` is a value, `--x:;` is none for older browsers.
        let is_empty_value = last == Some(b':') && matches!(next, ";" | "}");
        let closes = matches!(next, "{" | "}" | ";" | "," | ")");
        match self.held {
            Held::Space if is_empty_value || !(opens || closes) => self.made.push(' '),
            Held::Comment if !(opens || closes) => self.made.push_str("/**/"),
            _ => {}
        }
        self.held = Held::None;
        self.made.push_str(next);
        self.at += length;
    }

    fn ends_with_escape(&self) -> bool {
        self.made.len() > 1 && self.made.as_bytes()[self.made.len() - 2] == b'\\'
    }

    /// The last semicolon of a block.
    fn drop_semicolon(&mut self) {
        if self.made.ends_with(';') && !self.ends_with_escape() {
            self.made.pop();
            // It may have ended an empty value.
            if self.made.ends_with(": ") || self.made.ends_with(':') {
                self.made.push(';');
            }
        }
    }

    /// Whether `url(` begins here whose content is no string.
    fn begins_url(&self) -> bool {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_\\".contains(&byte);
        let is_within = self.at.checked_sub(1).is_some_and(|at| is_name(self.text.as_bytes()[at]));
        let rest = self.rest();
        let is_url = rest.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("url("));
        !is_within && is_url && !rest[4..].trim_start().starts_with(['"', '\''])
    }
}

fn string(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 1 + text.get(at + 1..)?.chars().next()?.len_utf8(),
            b'\n' => return None,
            end if *end == bytes[0] => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// A backslash with what belongs to it: one character, or hexadecimal digits and a white space.
fn escape(text: &str) -> Option<usize> {
    let digits = text[1..].bytes().take(6).take_while(u8::is_ascii_hexdigit).count();
    if digits == 0 {
        return Some(1 + text[1..].chars().next()?.len_utf8());
    }
    let ends = text.as_bytes().get(1 + digits).is_some_and(|byte| b" \t\n\r\x0c".contains(byte));
    Some(1 + digits + usize::from(ends))
}

fn url(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 4;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 1 + text.get(at + 1..)?.chars().next()?.len_utf8(),
            b')' => return Some(at + 1),
            _ => at += 1,
        }
    }
}
