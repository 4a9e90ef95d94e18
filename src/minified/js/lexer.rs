//! Tokens of JavaScript (ECMA-262, section 12). The one thing that needs more than characters,
//! whether `/` divides or begins a regular expression, is told by the tokens before it.

use super::punctuator;

/// A token as it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    Number,
    String,
    Regex,
    /// A template, or a part of one up to `${` or from `}`.
    Template,
    Punctuator,
}

/// What stood between two tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    None,
    Space,
    Line,
}

pub(super) struct Between<'a> {
    pub(super) gap: Gap,
    /// Comments that stay: those of licences.
    pub(super) kept: Vec<&'a str>,
}

/// What a `/` is, by what stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slash {
    Regex,
    Division,
    /// Only a parser would know.
    Unknown,
}

/// What is open.
enum Open {
    /// `is_head`: of `if (…)`, `while (…)`, which a statement follows.
    Paren {
        is_head: bool,
    },
    Bracket,
    Brace,
    Template,
}

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    slash: Slash,
    open: Vec<Open>,
    /// The last two tokens, the latest one first.
    before: [&'a str; 2],
    is_line_start: bool,
}

/// Words that an operand follows.
const BEFORE_OPERAND: [&str; 12] = [
    "return",
    "typeof",
    "instanceof",
    "in",
    "new",
    "delete",
    "void",
    "throw",
    "case",
    "do",
    "else",
    "default",
];

/// Words that are names or operators, which only a parser would know.
const UNTOLD: [&str; 3] = ["of", "await", "yield"];

pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '$') || !c.is_ascii()
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}')
}

fn is_space(c: char) -> bool {
    match c {
        '\t' | '\u{b}' | '\u{c}' | ' ' | '\u{a0}' | '\u{feff}' => true,
        c => !c.is_ascii() && c.is_whitespace() && !is_line_end(c) && c != '\u{85}',
    }
}

fn is_kept(comment: &str) -> bool {
    comment.starts_with("/*!")
        || ["@license", "@preserve", "@cc_on"].iter().any(|mark| comment.contains(mark))
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let (slash, before) = (Slash::Regex, [""; 2]);
        Self { text, at: 0, slash, open: Vec::new(), before, is_line_start: true }
    }

    /// The line for the system that a script may begin with.
    pub(super) fn hashbang(&mut self) -> &'a str {
        if self.text.starts_with("#!") {
            self.at = self.text.find('\n').map_or(self.text.len(), |end| end + 1);
        }
        &self.text[..self.at]
    }

    /// Whether everything that was opened has been closed.
    pub(super) fn is_closed(&self) -> bool {
        self.open.is_empty()
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, length: usize) -> &'a str {
        let taken = &self.rest()[..length];
        self.at += length;
        taken
    }

    /// White space and comments.
    pub(super) fn gap(&mut self) -> Option<Between<'a>> {
        let mut between = Between { gap: Gap::None, kept: Vec::new() };
        while let Some(c) = self.rest().chars().next() {
            let rest = self.rest();
            let gap = if is_line_end(c) {
                self.at += c.len_utf8();
                Gap::Line
            } else if is_space(c) {
                self.at += c.len_utf8();
                Gap::Space
            } else if rest.starts_with("//") {
                let comment = self.take(rest.find(is_line_end).unwrap_or(rest.len()));
                between.kept.extend(Some(comment).filter(|comment| is_kept(comment)));
                // Its line end follows, or nothing at all.
                Gap::Line
            } else if let Some(within) = rest.strip_prefix("/*") {
                let comment = self.take(within.find("*/")? + 4);
                between.kept.extend(Some(comment).filter(|comment| is_kept(comment)));
                if comment.contains(is_line_end) { Gap::Line } else { Gap::Space }
            } else {
                break;
            };
            between.gap = between.gap.max(gap);
        }
        self.is_line_start = between.gap == Gap::Line || self.before[0].is_empty();
        Some(between)
    }

    /// The next token, `None` within at the end.
    pub(super) fn token(&mut self) -> Option<Option<Token<'a>>> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Some(None) };
        let in_template = matches!(self.open.last(), Some(Open::Template));
        let second = rest.as_bytes().get(1).copied().unwrap_or_default();
        let (kind, length) = match first {
            '"' | '\'' => (Kind::String, string(rest)?),
            '`' => (Kind::Template, self.template()?),
            '}' if in_template => {
                self.open.pop();
                (Kind::Template, self.template()?)
            }
            '0'..='9' => (Kind::Number, number(rest)),
            '.' if second.is_ascii_digit() => (Kind::Number, number(rest)),
            '/' if self.slash == Slash::Unknown => return None,
            '/' if self.slash == Slash::Regex => (Kind::Regex, regex(rest)?),
            '#' | '\\' => (Kind::Word, word(rest)),
            first if is_word(first) => (Kind::Word, word(rest)),
            _ => (Kind::Punctuator, self.punctuator()?),
        };
        let text = self.take(length);
        self.slash = match kind {
            Kind::Word => self.slash_after_word(text),
            Kind::Punctuator => self.slash_after(text)?,
            Kind::Template if text.ends_with("${") => Slash::Regex,
            _ => Slash::Division,
        };
        self.before = [text, self.before[0]];
        Some(Some(Token { kind, text }))
    }

    /// The length of a part of a template, which begins with a back quote or the brace of `${…}`.
    fn template(&mut self) -> Option<usize> {
        let bytes = self.rest().as_bytes();
        let mut at = 1;
        loop {
            match bytes.get(at)? {
                b'\\' => at += 2,
                b'`' => return Some(at + 1),
                b'$' if bytes.get(at + 1) == Some(&b'{') => {
                    self.open.push(Open::Template);
                    return Some(at + 2);
                }
                _ => at += 1,
            }
        }
    }

    fn punctuator(&self) -> Option<usize> {
        let rest = self.rest();
        let found = punctuator::at(rest)?;
        // Comments of HTML, which a script may have; and tags of JSX, where an operand belongs.
        let is_html = rest.starts_with("<!--") || self.is_line_start && rest.starts_with("-->");
        let is_tag = found == "<" && self.slash == Slash::Regex;
        (!is_html && !is_tag).then_some(found.len())
    }

    fn slash_after_word(&self, word: &str) -> Slash {
        if matches!(self.before[0], "." | "?.") {
            return Slash::Division;
        }
        match word {
            word if BEFORE_OPERAND.contains(&word) => Slash::Regex,
            word if UNTOLD.contains(&word) => Slash::Unknown,
            _ => Slash::Division,
        }
    }

    /// After a punctuator, which may open or close something.
    fn slash_after(&mut self, text: &str) -> Option<Slash> {
        match text {
            "(" => self.open.push(Open::Paren { is_head: self.is_head() }),
            "[" => self.open.push(Open::Bracket),
            "{" => self.open.push(Open::Brace),
            ")" => {
                let Some(Open::Paren { is_head }) = self.open.pop() else { return None };
                return Some(if is_head { Slash::Regex } else { Slash::Division });
            }
            "]" => {
                matches!(self.open.pop(), Some(Open::Bracket)).then_some(())?;
                return Some(Slash::Division);
            }
            "}" => {
                matches!(self.open.pop(), Some(Open::Brace)).then_some(())?;
                return Some(Slash::Unknown);
            }
            "++" | "--" => return Some(Slash::Division),
            _ => {}
        }
        Some(Slash::Regex)
    }

    /// Whether a parenthesis after the last tokens is the head of a statement.
    fn is_head(&self) -> bool {
        match self.before {
            [_, "." | "?."] => false,
            ["if" | "while" | "for" | "with", _] => true,
            ["await", before] => before == "for",
            _ => false,
        }
    }
}

fn string(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'\n' | b'\r' => return None,
            end if *end == bytes[0] => return Some(at + 1),
            _ => at += 1,
        }
    }
}

fn number(text: &str) -> usize {
    let bytes = text.as_bytes();
    let has_base = bytes[0] == b'0' && bytes.get(1).is_some_and(|b| b"xXbBoO".contains(b));
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        let is_sign = !has_base && b"eE".contains(&bytes[at - 1]) && b"+-".contains(byte);
        if !(byte.is_ascii_alphanumeric() || b"_.".contains(byte) || is_sign) {
            break;
        }
        at += 1;
    }
    at
}

fn word(text: &str) -> usize {
    let mut at = 0;
    for c in text.chars() {
        let is_begun = at == 0 && c == '#';
        // `\u{61}` is a letter.
        let is_escape = c == '\\' || c == '{' && text[..at].ends_with("\\u");
        let is_escaped = c == '}'
            && text[..at].rfind("\\u{").is_some_and(|open| {
                text[open + 3..at].bytes().all(|byte| byte.is_ascii_hexdigit())
            });
        if !(is_word(c) && !is_space(c) && !is_line_end(c) || is_begun || is_escape || is_escaped) {
            break;
        }
        at += c.len_utf8();
    }
    at
}

fn regex(text: &str) -> Option<usize> {
    let mut in_class = false;
    let mut chars = text.char_indices().skip(1);
    loop {
        let (at, c) = chars.next()?;
        match c {
            c if is_line_end(c) => return None,
            '\\' => {
                chars.next().filter(|(_, escaped)| !is_line_end(*escaped))?;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '/' if !in_class => {
                let flags = &text[at + 1..];
                let flags = flags.find(|c| !is_word(c) || is_space(c)).unwrap_or(flags.len());
                return Some(at + 1 + flags);
            }
            _ => {}
        }
    }
}
