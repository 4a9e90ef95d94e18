//! Which paths have programs, and what lines are read as.

use glob::Pattern;

use super::rule::part;
use super::*;
use crate::directives::testing;

#[test]
fn patterns_match_a_path_or_a_folder_above_it() {
    for (pattern, path, expected) in [
        ("/report", "/report", Some("/report")),
        ("/report", "/report/weekly", Some("/report")),
        ("/report", "/reports", None),
        ("/report/*.lua", "/report/weekly.lua/summary", Some("/report/weekly.lua")),
        ("/report/*.lua", "/report.lua", None),
        ("/*", "/a/b", Some("/a")),
        ("/", "/a/b", Some("/")),
        ("/a/*/c", "/a/b/c/d", Some("/a/b/c")),
    ] {
        assert_eq!(part(&Pattern::new(pattern).unwrap(), path), expected, "{pattern} {path}");
    }
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("cgi /a", "Wrong argument count"),
        ("cgi a /bin/true", "cgi: 'a' is not a pattern of paths"),
        ("cgi /[ /bin/true", "cgi: '/[' is not a pattern: "),
        ("cgi {\nexec /bin/true\n}", "cgi: no path has a program"),
        ("cgi {\nmatch /a\n}", "cgi: no program is named"),
        ("cgi {\nmatch /a\nexec a\nexec b\n}", "exec is written twice"),
        ("cgi {\nmatch /a\nexec a\nenv B\n}", "cgi: 'B' is not NAME=VALUE"),
        ("cgi {\nmatch /a\nexec a\ntimeout 0s\n}", "timeout must be more than 0"),
        ("cgi /a /bin/true {\nenv A=B\n}", "cgi: PATTERN and PROGRAM are in the line or"),
    ] {
        let error = testing::site("cgi", setup, lines).err().unwrap_or_default();
        assert!(error.starts_with(message), "{lines}: {error}");
    }
}
