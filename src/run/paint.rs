//! Colours of messages on a terminal.

use std::io::{self, IsTerminal as _};

const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const CYAN: &str = "\x1b[1;36m";
const PLAIN: &str = "\x1b[0m";

/// Whether standard error is a terminal that shows colours, and nobody has asked for none
/// (no-color.org).
pub(super) fn is_wanted() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    io::stderr().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

/// The text of a message with the words in colour that say what its parts are.
pub(super) fn painted(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    let shown = line.trim_end_matches('\n').trim_start();
    if shown.starts_with("| ") && shown.ends_with('^') {
        let marks = line.find('^').unwrap_or(line.len());
        return colour(line, marks, line.trim_end().len(), RED);
    }
    for (word, code) in [
        (" Parse error:", RED),
        (" Syntax error:", RED),
        ("[ERROR]", RED),
        ("[WARNING]", YELLOW),
        ("  hint:", CYAN),
    ] {
        if let Some(at) = line.find(word) {
            return colour(line, at, at + word.len(), code);
        }
    }
    line.to_owned()
}

fn colour(line: &str, from: usize, to: usize, code: &str) -> String {
    format!("{}{code}{}{PLAIN}{}", &line[..from], &line[from..to], &line[to..])
}

#[cfg(test)]
mod tests {
    use super::painted;

    #[test]
    fn only_colours_are_added() {
        let text = "F:3 - Parse error: Unknown directive 'x'\n  --> F:3:2\n  3 | \tx # ^\n    | \t^\n  \
                    hint: did you mean `y`?\n[WARNING] F:1:1 - no [ERROR]";
        let shown = painted(text);
        assert!(shown.contains("F:3 -\x1b[1;31m Parse error:\x1b[0m Unknown"), "{shown:?}");
        assert!(shown.contains("\n  3 | \tx # ^\n    | \t\x1b[1;31m^\x1b[0m\n"), "{shown:?}");
        assert!(shown.contains("\x1b[1;36m  hint:\x1b[0m did"), "{shown:?}");
        let mut plain = shown;
        for code in ["\x1b[1;31m", "\x1b[1;33m", "\x1b[1;36m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, text);
    }
}
