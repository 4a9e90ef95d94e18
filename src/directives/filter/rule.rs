//! One rule of `filter`: which responses it is for, what it looks for, and what it puts there.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::response::Parts;
use regex::Regex;
use regex::bytes::Regex as BytesRegex;

use super::replacement::{Piece, Replacement};
use crate::arguments;
use crate::caddyfile::Repeat::LastWins;
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::limits::FILTER_MADE;
use crate::remake::Known;

pub(in crate::directives) static OPTIONS: Options<Block> = Options::new(&[
    option("path PATTERN, such as: path \\.html$", LastWins, |block, args| {
        pattern(args).map(|pattern| block.path = Some(pattern))
    }),
    option("content_type PATTERN, such as: content_type ^text/html", LastWins, |block, args| {
        pattern(args).map(|pattern| block.content_type = Some(pattern))
    }),
    option("path_content_type_combination and|or", LastWins, |block, args| {
        block.either = args.one_of("combination", &[("and", false), ("or", true)])?;
        Ok(())
    }),
    option("search_pattern PATTERN, such as: search_pattern </title>", LastWins, |block, args| {
        let word = args.required()?;
        // The same expression over bytes: content may be in any encoding.
        arguments::pattern(args, word)?;
        let pattern = BytesRegex::new(word);
        block.search = Some(pattern.map_err(|error| args.error_at(word, error.to_string()))?);
        Ok(())
    }),
    option("replacement TEXT|@FILE, such as: replacement @banner.html", LastWins, |block, args| {
        let word = args.required()?;
        block.replacement = Replacement::read(word, args)?;
        Ok(())
    }),
]);

fn pattern(args: &mut Args<'_>) -> Result<Regex, ConfigError> {
    let word = args.required()?;
    arguments::pattern(args, word)
}

/// The block of a rule as far as it has been read.
#[derive(Default)]
pub(in crate::directives) struct Block {
    path: Option<Regex>,
    content_type: Option<Regex>,
    either: bool,
    search: Option<BytesRegex>,
    replacement: Replacement,
}

impl Block {
    pub(super) fn rule(self, args: &Args<'_>) -> Result<Rule, ConfigError> {
        let Self { path, content_type, either, search, replacement } = self;
        if path.is_none() && content_type.is_none() {
            return Err(args
                .error("filter: the rule matches no response")
                .hint("write: path PATTERN or content_type PATTERN"));
        }
        let Some(search) = search else {
            return Err(args
                .error("filter: the rule has no search pattern")
                .hint("write: search_pattern PATTERN"));
        };
        Ok(Rule { path, content_type, either, search, replacement })
    }
}

pub(super) struct Rule {
    path: Option<Regex>,
    content_type: Option<Regex>,
    /// Whether one of both is enough.
    either: bool,
    search: BytesRegex,
    pub(super) replacement: Replacement,
}

impl Rule {
    /// Whether `path` matches; without one it does not.
    pub(super) fn holds(&self, route: &str) -> bool {
        self.path.as_ref().is_some_and(|path| path.is_match(route))
    }

    /// How it is known that a request with such a path is for the rule, if it may be.
    pub(super) fn known(&self, held: bool) -> Option<Known> {
        if held {
            return Some(Known::ByPath);
        }
        let by_type = self.path.is_none() || self.either;
        (by_type && self.content_type.is_some()).then_some(Known::ByHead)
    }

    /// Whether it is for a response.
    pub(super) fn means(&self, held: bool, head: &Parts) -> bool {
        let has_type = || {
            let kind = head.headers.get(CONTENT_TYPE).map(|kind| kind.as_bytes());
            let kind = String::from_utf8_lossy(kind.unwrap_or_default());
            self.content_type.as_ref().is_some_and(|pattern| pattern.is_match(&kind))
        };
        match (&self.path, &self.content_type) {
            (Some(_), None) => held,
            (None, _) => has_type(),
            (Some(_), Some(_)) if self.either => held || has_type(),
            (Some(_), Some(_)) => held && has_type(),
        }
    }

    /// The content with replacements; `Some(None)` if there is nothing to replace, `None` if it
    /// grows too large.
    pub(super) fn apply(&self, content: &[u8], pieces: &[Piece]) -> Option<Option<Bytes>> {
        let mut found = self.search.captures_iter(content).peekable();
        if found.peek().is_none() {
            return Some(None);
        }
        let (mut made, mut done) = (Vec::with_capacity(content.len()), 0);
        for captures in found {
            let Some(all) = captures.get(0) else { continue };
            made.extend_from_slice(&content[done..all.start()]);
            for piece in pieces {
                match piece {
                    Piece::Text(text) => made.extend_from_slice(text),
                    Piece::Group(at) => {
                        let group = captures.get(*at).map(|group| group.as_bytes());
                        made.extend_from_slice(group.unwrap_or_default());
                    }
                }
            }
            done = all.end();
            if made.len() > FILTER_MADE {
                return None;
            }
        }
        made.extend_from_slice(&content[done..]);
        (made.len() <= FILTER_MADE).then(|| Some(made.into()))
    }
}
