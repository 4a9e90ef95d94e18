//! Writes a Caddyfile in its usual form: tabs for each open block, one space between words, at most
//! one empty line. Words, quotes and comments stay as they are, so that it means the same.

use std::iter::Peekable;
use std::str::Chars;

use super::ConfigError;
use super::lexer::scan;

/// The text in its usual form.
///
/// # Errors
/// The text is none of a Caddyfile: a quote is open, or a `{` has no space before it.
pub fn format(name: &str, text: &str) -> Result<String, Vec<ConfigError>> {
    let errors = scan(name, text).errors;
    if errors.is_empty() { Ok(formatted(text)) } else { Err(errors) }
}

fn formatted(text: &str) -> String {
    let mut lines = Lines { chars: text.trim_start_matches('\u{feff}').chars().peekable() };
    let mut out = String::with_capacity(text.len());
    let mut depth = 0usize;
    let mut before = Before::Start;
    let mut is_apart = false;
    while let Some(line) = lines.next() {
        if line.is_empty() {
            is_apart = true;
            continue;
        }
        let closing = line.words.iter().take_while(|word| is_brace(word, "}")).count();
        let wants_gap = match before {
            Before::Start | Before::Open => false,
            Before::Site => is_apart || line.opens(),
            Before::Line => is_apart,
        };
        if wants_gap && closing == 0 {
            out.push('\n');
        }
        depth = depth.saturating_sub(closing);
        line.write(depth, &mut out);
        for word in &line.words[closing..] {
            match () {
                () if is_brace(word, "{") => depth += 1,
                () if is_brace(word, "}") => depth = depth.saturating_sub(1),
                () => {}
            }
        }
        before = match () {
            () if line.opens() => Before::Open,
            () if depth == 0 && closing > 0 => Before::Site,
            () => Before::Line,
        };
        is_apart = false;
    }
    out
}

/// The kind of the line before.
enum Before {
    Start,
    /// It opens a block.
    Open,
    /// It ends a block that is within none.
    Site,
    Line,
}

/// Whether a word as it is written is this brace.
fn is_brace(written: &str, brace: &str) -> bool {
    written.trim_matches('"') == brace && written.len() != 2
}

/// One line; a quoted word may have several.
#[derive(Default)]
struct Line {
    /// As they are written.
    words: Vec<String>,
    comment: Option<String>,
}

impl Line {
    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.comment.is_none()
    }

    /// Whether a block goes on behind the line.
    fn opens(&self) -> bool {
        self.words.last().is_some_and(|word| is_brace(word, "{"))
    }

    fn write(&self, depth: usize, out: &mut String) {
        out.extend(std::iter::repeat_n('\t', depth));
        let words = self.words.iter().chain(&self.comment);
        for (nth, word) in words.enumerate() {
            if nth > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
        out.push('\n');
    }
}

/// The lines of a text, by the rules of the lexer.
struct Lines<'a> {
    chars: Peekable<Chars<'a>>,
}

impl Lines<'_> {
    fn next(&mut self) -> Option<Line> {
        self.chars.peek()?;
        let mut line = Line::default();
        while let Some(c) = self.chars.next() {
            match c {
                '\n' => break,
                c if c.is_whitespace() => {}
                '#' => {
                    let mut comment = String::from('#');
                    while let Some(c) = self.chars.next_if(|c| *c != '\n') {
                        comment.push(c);
                    }
                    line.comment = Some(comment.trim_end().to_owned());
                }
                '"' => line.words.push(self.quoted()),
                c => line.words.push(self.word(c)),
            }
        }
        Some(line)
    }

    fn quoted(&mut self) -> String {
        let mut word = String::from('"');
        while let Some(c) = self.chars.next() {
            word.push(c);
            match c {
                '"' => break,
                '\\' => word.extend(self.chars.next()),
                _ => {}
            }
        }
        word
    }

    /// A carriage return is no part of a word and does not end it.
    fn word(&mut self, first: char) -> String {
        let mut word = String::from(first);
        while let Some(c) = self.chars.next_if(|c| !c.is_whitespace() || *c == '\r') {
            word.extend((c != '\r').then_some(c));
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::format;

    #[test]
    fn writes_the_usual_form() {
        for (text, formatted) in [
            ("", ""),
            ("\n\n", ""),
            ("a{$X}  b\n", "a{$X} b\n"),
            ("h {\nroot   .\n  gzip{ x\n}", "h {\n\troot .\n\tgzip{ x\n}\n"),
            (
                "a,\n  b {\n\n\n  # one\n  proxy / c { # two  \n transparent\n\n\n  except \"/a  b\"\n}\n\n}\n",
                "a,\nb {\n\t# one\n\tproxy / c { # two\n\t\ttransparent\n\n\t\texcept \"/a  b\"\n\t}\n}\n",
            ),
            ("a {\n}\nb {\n}\n", "a {\n}\n\nb {\n}\n"),
            ("a {\n}\n# of b\nb {\n}\n", "a {\n}\n# of b\nb {\n}\n"),
            ("h\nlog { rotate { size 2 } }\ngzip\n", "h\nlog { rotate { size 2 } }\ngzip\n"),
            ("h\r\n{\r\ngzip\r\n}\r\n", "h\n{\n\tgzip\n}\n"),
            ("h\nheader / X \"a\n\t\tb\"   y\n", "h\nheader / X \"a\n\t\tb\" y\n"),
            ("\u{feff}h\na#b c #d\n\"e\"f\n", "h\na#b c #d\n\"e\" f\n"),
            ("\"C:\\\\\" \"\\\"\"", "\"C:\\\\\" \"\\\"\"\n"),
            ("}\n}\nh", "}\n}\nh\n"),
        ] {
            assert_eq!(format("F", text).unwrap(), formatted, "{text:?}");
        }
    }

    #[test]
    fn refuses_what_it_might_change() {
        for text in ["h\nroot \"a", "h{\n}", "h\nx <<A\n  b  c\nA\n"] {
            assert!(format("F", text).is_err(), "{text:?}");
        }
    }
}
