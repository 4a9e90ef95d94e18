//! A warning about a Caddyfile. It always carries a position, as its only constructor takes one.

use std::fmt;

/// One line for the log: `FILE:LINE:COLUMN - MESSAGE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    line: String,
    /// The line of the file with the word marked, for a terminal.
    source: Option<String>,
}

impl Warning {
    pub fn at(file: &str, line: u32, column: u32, message: &str) -> Self {
        Self { line: format!("{file}:{line}:{column} - {message}"), source: None }
    }

    /// The same with the lines that show its place.
    pub fn showing(self, source: Option<String>) -> Self {
        Self { source, ..self }
    }

    /// The line for the log, and behind it those that show the place.
    pub fn shown(&self) -> String {
        match &self.source {
            Some(source) => format!("{}{source}", self.line),
            None => self.line.clone(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line)
    }
}

/// The place, and its line with the word marked; each begins with a line feed.
pub fn marked(file: &str, line: u32, column: u32, source: &str) -> String {
    let margin = line.to_string();
    let before = column.saturating_sub(1) as usize;
    let tabs_kept: String =
        source.chars().take(before).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let marks = "^".repeat(word_length(source.chars().skip(before)));
    format!(
        "\n  --> {file}:{line}:{column}\n  {margin} | {source}\n  {:width$} | {tabs_kept}{marks}",
        "",
        width = margin.len()
    )
}

/// How many characters the word has that begins here, its quotes among them; at least one.
fn word_length(mut rest: impl Iterator<Item = char>) -> usize {
    let Some(first) = rest.next() else { return 1 };
    let mut length = 1;
    let mut is_escaped = false;
    for c in rest {
        if first != '"' && c.is_whitespace() {
            break;
        }
        length += 1;
        if first == '"' && c == '"' && !is_escaped {
            break;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::word_length;

    #[test]
    fn a_word_is_marked_whole() {
        for (rest, length) in [
            ("proxy / a", 5),
            ("{", 1),
            ("\"a b\" c", 5),
            ("\"a \\\" b\" c", 8),
            ("\"C:\\\\\" c", 6),
            ("\"open to its end", 16),
            ("é\tb", 1),
            ("", 1),
        ] {
            assert_eq!(word_length(rest.chars()), length, "{rest}");
        }
    }
}
