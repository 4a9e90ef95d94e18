//! What `gzip` blocks say, and which requests they mean.

use flate2::Compression;

use crate::arguments;
use crate::caddyfile::{Args, ConfigError, Options, Repeat, Usage};
use crate::http::paths::{self, Prefix};
use crate::warning::Warning;

/// Extensions compressed where no `ext` says otherwise; the empty one is a path without any.
const DEFAULT: [&str; 20] = [
    "", ".txt", ".htm", ".html", ".css", ".php", ".js", ".json", ".md", ".mdown", ".xml", ".svg",
    ".go", ".cgi", ".py", ".pl", ".aspx", ".asp", ".m3u8", ".wasm",
];

/// Those that name no type of content: a path without any, and programs.
const UNTOLD: [&str; 7] = ["", ".php", ".cgi", ".py", ".pl", ".aspx", ".asp"];

/// Where no `level` says otherwise: 2 to 3 % larger than at v1's 6, and a third cheaper.
const LEVEL: Compression = Compression::new(4);

/// One `gzip` block.
#[derive(Debug)]
pub(super) struct Rule {
    /// With their dots; `*` is any.
    pub(super) extensions: Vec<String>,
    /// Path prefixes that stay as they are.
    pub(super) not: Vec<Prefix>,
    pub(super) level: Compression,
    /// Bytes; above zero, a response of unknown length is not compressed.
    pub(super) min_length: u64,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            extensions: DEFAULT.map(str::to_owned).to_vec(),
            not: Vec::new(),
            level: LEVEL,
            min_length: 0,
        }
    }
}

/// The options, as they are written.
const OPTIONS: &[Usage] = &[
    ("ext .EXTENSION...", Repeat::Accumulates),
    ("not /PATH...", Repeat::Accumulates),
    ("level N, a number from 1 to 9", Repeat::LastWins),
    ("min_length BYTES", Repeat::LastWins),
];

impl Rule {
    /// Whether a request for this path is this block's, and what is left to decide.
    pub(super) fn means(&self, path: &str) -> Option<By> {
        let extension = paths::extension(path);
        let listed = |wanted: &str| self.extensions.iter().any(|e| e.eq_ignore_ascii_case(wanted));
        let by = if listed("*") {
            By::Path
        } else if !listed(extension) {
            return None;
        } else if UNTOLD.iter().any(|e| e.eq_ignore_ascii_case(extension)) {
            By::Type
        } else {
            By::Path
        };
        (!self.not.iter().any(|prefix| prefix.holds(path))).then_some(by)
    }
}

/// What decides whether content is of a type to compress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The path, and it has.
    Path,
    /// The response's Content-Type: the path tells nothing of the content.
    Type,
}

/// Reads all `gzip` blocks of a site.
pub(super) fn parse(
    args: &mut Args<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Rule>, ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        if args.next_arg() {
            return Err(args.arg_error());
        }
        let mut rule = Rule::default();
        let mut extensions = Vec::new();
        let mut options = Options::new(OPTIONS);
        while args.next_block()? {
            let word = args.val();
            options.entry(args, |args| {
                match word {
                    "ext" => extensions.extend(self::extensions(args)?),
                    "not" => rule.not.extend(excluded(args, warnings)?),
                    "level" => rule.level = level(args, warnings)?,
                    _ => rule.min_length = number(args)?,
                }
                Ok(())
            })?;
        }
        warnings.append(&mut options.warnings);
        if !extensions.is_empty() {
            rule.extensions = extensions;
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn extensions(args: &mut Args<'_>) -> Result<Vec<String>, ConfigError> {
    let words = args.one_or_more()?;
    for word in &words {
        if *word != "*" && !word.is_empty() && !word.starts_with('.') {
            return Err(args
                .error(format!("gzip: invalid extension \"{word}\" (must start with dot)"))
                .hint(format!("write .{word}")));
        }
    }
    Ok(words.into_iter().map(str::to_owned).collect())
}

fn excluded(args: &mut Args<'_>, warnings: &mut Vec<Warning>) -> Result<Vec<Prefix>, ConfigError> {
    let words = args.one_or_more()?;
    for word in &words {
        if *word == "/" {
            return Err(args
                .error("gzip: `not /` would exclude every path")
                .hint("remove the gzip directive instead"));
        }
    }
    arguments::prefixes(args, &words, warnings)
}

/// v1 took any number and compressed at its default where zlib has no such level.
fn level(args: &mut Args<'_>, warnings: &mut Vec<Warning>) -> Result<Compression, ConfigError> {
    let text = args.required()?;
    let Ok(level) = text.parse::<i64>() else {
        return Err(args.error(format!("gzip: level '{text}' is not a number from 1 to 9")));
    };
    match u32::try_from(level) {
        Ok(level @ 1..=9) => Ok(Compression::new(level)),
        _ => {
            let used = LEVEL.level();
            let message = format!("gzip: level {level} is not from 1 to 9; {used} is used");
            warnings.push(args.warning(message));
            Ok(LEVEL)
        }
    }
}

fn number(args: &mut Args<'_>) -> Result<u64, ConfigError> {
    let text = args.required()?;
    text.parse().map_err(|_| args.error(format!("gzip: '{text}' is not a number of bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meant_requests() {
        let only_css = Rule { extensions: vec![".css".to_owned()], ..Rule::default() };
        let all = Rule { extensions: vec!["*".to_owned()], ..Rule::default() };
        for (rule, path, expected) in [
            (&Rule::default(), "/", Some(By::Type)),
            (&Rule::default(), "/thumb.PHP", Some(By::Type)),
            (&Rule::default(), "/a.HTML", Some(By::Path)),
            (&Rule::default(), "/a.png", None),
            (&only_css, "/a.css", Some(By::Path)),
            (&only_css, "/a.html", None),
            (&only_css, "/", None),
            (&all, "/a.png", Some(By::Path)),
            (&all, "/", Some(By::Path)),
        ] {
            assert_eq!(rule.means(path), expected, "{path}");
        }
    }

    fn read(text: &str) -> Result<(Vec<Rule>, Vec<Warning>), String> {
        let text = format!("localhost {{\n{text}\n}}\n");
        let dir = std::path::Path::new(".");
        let parsed = crate::caddyfile::parse("Caddyfile", &text, dir, &["gzip"]).unwrap();
        let mut warnings = Vec::new();
        let rules = parse(&mut Args::new(&parsed.blocks[0].directives[0]), &mut warnings);
        rules.map(|rules| (rules, warnings)).map_err(|e| e.message)
    }

    #[test]
    fn blocks_are_read() {
        let (rules, warnings) = read(
            "gzip\n gzip {\n ext .a *\n not /x /y\n level 9\n min_length 7\n}\n\
             gzip {\n level 12\n}",
        )
        .unwrap();
        let [first, second, third] = &rules[..] else { panic!("{rules:?}") };
        assert_eq!((first.extensions.len(), first.min_length), (DEFAULT.len(), 0));
        assert_eq!(second.extensions, [".a", "*"]);
        assert_eq!(second.not, ["/x", "/y"].map(Prefix::new));
        assert_eq!((second.level.level(), second.min_length), (9, 7));
        assert_eq!((third.level, warnings.len()), (LEVEL, 1));
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("gzip on", "Wrong argument count"),
            ("gzip {\n ext html\n}", "invalid extension \"html\""),
            ("gzip {\n ext\n}", "Wrong argument count"),
            ("gzip {\n not /\n}", "every path"),
            ("gzip {\n level high\n}", "'high' is not a number"),
            ("gzip {\n min_length -1\n}", "'-1' is not a number"),
            ("gzip {\n speed 1\n}", "'speed'"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
