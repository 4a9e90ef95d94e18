//! One line of `minify`.

use http::header::{CONTENT_TYPE, HeaderMap};

use crate::arguments::{self, Conditional};
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Kind, Options, option, suggestion};
use crate::http::condition::Conditions;
use crate::http::paths::Prefix;
use crate::minified::{Language, Space};

pub(in crate::directives) static OPTIONS: Options<Rule> = Options::<Rule>::new(&[
    option("disable LANGUAGES, such as: disable js xml", Accumulates, |rule, args| {
        args.each(language).map(|languages| rule.disabled.extend(languages))
    }),
    option("css decimals N", LastWins, |_, args| decimals(args)),
    option("svg decimals N", LastWins, |_, args| decimals(args)),
    option("xml keep_whitespace [true|false]", LastWins, |rule, args| {
        args.one_of("option", &[("keep_whitespace", ())])?;
        rule.xml = keeps(args)?;
        Ok(())
    }),
    option("html OPTION [true|false], such as: html keep_whitespace", Accumulates, |rule, args| {
        html(rule, args)
    }),
])
.and(Rule::CONDITIONS);

fn language(args: &mut Args<'_>, word: &str) -> Result<Language, ConfigError> {
    let found = Language::ALL.into_iter().find(|language| language.name() == word);
    found.ok_or_else(|| {
        args.error_at(word, format!("unknown language '{word}'"))
            .hint(suggestion(word, &Language::ALL.map(Language::name)))
    })
}

/// Numbers stay as they are.
fn decimals(args: &mut Args<'_>) -> Result<(), ConfigError> {
    args.one_of("option", &[("decimals", ())])?;
    let error = args.error("minify: decimals has no effect: numbers stay as they are");
    args.number::<i32>(..)?;
    args.warn(error.hint("leave it out"));
    Ok(())
}

/// Whether white space stays.
fn keeps(args: &mut Args<'_>) -> Result<Space, ConfigError> {
    let keeps = !args.next_arg() || args.known("value", &[("true", true), ("false", false)])?;
    Ok(if keeps { Space::Kept } else { Space::Less })
}

fn html(rule: &mut Rule, args: &mut Args<'_>) -> Result<(), ConfigError> {
    let tags = Some("tags and attributes");
    let known = [
        ("keep_whitespace", None),
        ("keep_end_tags", tags),
        ("keep_document_tags", tags),
        ("keep_default_attr_vals", tags),
        ("keep_conditional_comments", Some("conditional comments")),
    ];
    let stays = args.one_of("option", &known)?;
    let what = stays.unwrap_or_default();
    let error = args.error(format!("minify: {} is always true: {what} stay", args.val()));
    let space = keeps(args)?;
    if stays.is_none() {
        rule.html = space;
    } else if space == Space::Less {
        args.warn(error.hint("leave it out"));
    }
    Ok(())
}

/// Which responses are minified, and how.
#[derive(Default)]
pub(in crate::directives) struct Rule {
    /// None: all.
    paths: Vec<Prefix>,
    pub(super) conditions: Conditions,
    disabled: Vec<Language>,
    html: Space,
    xml: Space,
}

impl Conditional for Rule {
    fn conditions(&mut self) -> &mut Conditions {
        &mut self.conditions
    }
}

pub(super) fn read(args: &mut Args<'_>) -> Result<Rule, ConfigError> {
    let mut rule = Rule::default();
    for word in args.remaining() {
        rule.paths.push(arguments::prefix(args, word)?);
    }
    let written = OPTIONS.read(&mut rule, args)?;
    let is_nothing = Language::ALL.iter().all(|language| rule.disabled.contains(language));
    if let Some(disable) = written.token("disable").filter(|_| is_nothing) {
        let message = "minify: all languages are disabled: the directive has no effect";
        return Err(ConfigError::at(disable, Kind::Parse, message)
            .hint("leave one of css, html, js, json, svg and xml, or leave the directive out"));
    }
    Ok(rule)
}

impl Rule {
    pub(super) fn holds(&self, route: &str) -> bool {
        self.paths.is_empty() || self.paths.iter().any(|path| path.holds(route))
    }

    /// The language of a response, if it is minified.
    pub(super) fn language(&self, headers: &HeaderMap) -> Option<Language> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        kind.and_then(Language::of).filter(|language| !self.disabled.contains(language))
    }

    pub(super) fn space(&self, language: Language) -> Space {
        match language {
            Language::Html => self.html,
            Language::Xml | Language::Svg => self.xml,
            Language::Css | Language::Js | Language::Json => Space::Less,
        }
    }
}
