//! Reads `gzip` blocks, and finds the one that applies to a request.

use flate2::Compression;

use super::encoder::Coding;
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, Forbidden, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::http::paths::{self, Prefix};

/// Extensions that are compressed without an `ext`; the empty one means a path without an
/// extension.
const DEFAULT: [&str; 20] = [
    "", ".txt", ".htm", ".html", ".css", ".php", ".js", ".json", ".md", ".mdown", ".xml", ".svg",
    ".go", ".cgi", ".py", ".pl", ".aspx", ".asp", ".m3u8", ".wasm",
];

/// Extensions that do not determine the content type: none, and those of programs.
const UNTOLD: [&str; 7] = ["", ".php", ".cgi", ".py", ".pl", ".aspx", ".asp"];

/// The default `level`: 2 to 3 % larger than with 6, the level of Caddy v1, at two thirds of the
/// cost.
const LEVEL: Compression = Compression::new(4);

/// One `gzip` block.
#[derive(Debug)]
pub(in super::super) struct Rule {
    /// With their dots; `*` matches any.
    pub(super) extensions: Vec<String>,
    /// Path prefixes that are not compressed.
    pub(super) not: Vec<Prefix>,
    /// The codings that are offered, the preferred one first.
    pub(super) codings: Vec<Coding>,
    /// Applies to gzip.
    pub(super) level: Compression,
    /// In bytes; above 0, a response of unknown length is not compressed.
    pub(super) min_length: u64,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            extensions: DEFAULT.map(str::to_owned).to_vec(),
            not: Vec::new(),
            codings: vec![Coding::Gzip],
            level: LEVEL,
            min_length: 0,
        }
    }
}

pub(in super::super) static OPTIONS: Options<Rule> = Options::new(&[
    option("ext .EXTENSION..., such as: ext .html .css", Accumulates, |rule, args| {
        args.each(extension).map(|extensions| rule.extensions.extend(extensions))
    }),
    option("not PATH..., such as: not /video", Accumulates, |rule, args| {
        args.each(excluded).map(|paths| rule.not.extend(paths))
    }),
    option("codings CODING..., such as: codings zstd gzip", Forbidden, |rule, args| {
        codings(args).map(|codings| rule.codings = codings)
    }),
    option("level N, a number from 1 to 9", LastWins, |rule, args| {
        level(args).map(|level| rule.level = level)
    }),
    option("min_length BYTES, such as: min_length 512", LastWins, |rule, args| {
        args.number(0..).map(|bytes| rule.min_length = bytes)
    }),
]);

impl Rule {
    /// Whether the block applies to a request for this path, and by what its type is decided.
    pub(super) fn means(&self, path: &str) -> Option<By> {
        let extension = paths::extension(path);
        let listed =
            |extension: &str| self.extensions.iter().any(|e| e.eq_ignore_ascii_case(extension));
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

/// How to decide whether the content is compressible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// By the path: it is compressible.
    Path,
    /// By Content-Type, as the path does not determine the type.
    Type,
}

/// Reads all `gzip` blocks of a site.
pub(super) fn parse(args: &mut Args<'_>) -> Result<Vec<Rule>, ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        args.no_more()?;
        let mut rule = Rule { extensions: Vec::new(), ..Rule::default() };
        let options = OPTIONS.read(&mut rule, args)?;
        if !rule.codings.contains(&Coding::Gzip) {
            let why = "without gzip among `codings`";
            options.warn_no_effect(args, "level", why, "leave it out")?;
        }
        if rule.extensions.is_empty() {
            rule.extensions = Rule::default().extensions;
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn extension(args: &mut Args<'_>, word: &str) -> Result<String, ConfigError> {
    if word != "*" && !word.is_empty() && !word.starts_with('.') {
        let message = format!("gzip: invalid extension \"{word}\" (must start with dot)");
        return Err(args.error_at(word, message).hint(format!("write .{word}")));
    }
    Ok(word.to_owned())
}

fn excluded(args: &mut Args<'_>, word: &str) -> Result<Prefix, ConfigError> {
    if word == "/" {
        return Err(args
            .error_at(word, "gzip: `not /` would exclude every path")
            .hint("remove the gzip directive instead"));
    }
    arguments::prefix(args, word)
}

/// The codings in order of preference.
fn codings(args: &mut Args<'_>) -> Result<Vec<Coding>, ConfigError> {
    let known = Coding::ALL.map(|coding| (coding.name(), coding));
    let mut codings = vec![args.one_of("coding", &known)?];
    while args.next_arg() {
        let coding = args.known("coding", &known)?;
        if codings.contains(&coding) {
            let message = format!("gzip: {} is written twice", coding.name());
            return Err(args.error(message).hint("leave one of them out"));
        }
        codings.push(coding);
    }
    Ok(codings)
}

/// Caddy v1 accepted any number, and used its default for levels that zlib does not have.
fn level(args: &mut Args<'_>) -> Result<Compression, ConfigError> {
    let level: i64 = args.number(..)?;
    match u32::try_from(level) {
        Ok(level @ 1..=9) => Ok(Compression::new(level)),
        _ => {
            let used = LEVEL.level();
            let message = format!("gzip: level {level} is not from 1 to 9; {used} is used");
            args.warn(args.error(message));
            Ok(LEVEL)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warning::Warning;

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
        let mut args = Args::new(&parsed.blocks[0].directives[0]);
        let rules = parse(&mut args).map_err(|e| e.message)?;
        Ok((rules, args.finish().unwrap()))
    }

    #[test]
    fn blocks_are_read() {
        let (rules, warnings) = read(
            "gzip\n gzip {\n ext .a *\n not /x /y\n level 9\n min_length 7\n}\n\
             gzip {\n level 12\n codings zstd gzip\n}\ngzip {\n codings br\n level 3\n}",
        )
        .unwrap();
        let [first, second, third, fourth] = &rules[..] else { panic!("{rules:?}") };
        assert_eq!((first.extensions.len(), first.min_length), (DEFAULT.len(), 0));
        assert_eq!(second.extensions, [".a", "*"]);
        assert_eq!(second.not, ["/x", "/y"].map(Prefix::new));
        assert_eq!((second.level.level(), second.min_length), (9, 7));
        assert_eq!(third.level, LEVEL);
        let codings = [first, third, fourth].map(|rule| &rule.codings[..]);
        let (zstd, br, gzip) = (Coding::Zstd, Coding::Brotli, Coding::Gzip);
        assert_eq!(codings, [&[gzip][..], &[zstd, gzip], &[br]]);
        let warnings: Vec<_> = warnings.iter().map(|warning| warning.to_string()).collect();
        assert_eq!(warnings.len(), 2, "{warnings:?}");
        assert!(warnings[1].contains("level has no effect"), "{warnings:?}");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("gzip on", "Wrong argument count"),
            ("gzip {\n ext html\n}", "invalid extension \"html\""),
            ("gzip {\n ext\n}", "Wrong argument count"),
            ("gzip {\n not /\n}", "every path"),
            ("gzip {\n level high\n}", "level must be a whole number, not 'high'"),
            (
                "gzip {\n min_length -1\n}",
                "min_length must be a whole number of at least 0, not '-1'",
            ),
            ("gzip {\n codings\n}", "Wrong argument count"),
            ("gzip {\n codings gzip brotli\n}", "'brotli'"),
            ("gzip {\n codings br gzip br\n}", "br is written twice"),
            ("gzip {\n codings br\n codings gzip\n}", "written twice"),
            ("gzip {\n speed 1\n}", "'speed'"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
