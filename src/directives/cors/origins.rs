//! The origins that a rule lets in.

use regex::Regex;

use crate::arguments;
use crate::caddyfile::{Args, ConfigError};

/// All of them, if none is named.
#[derive(Default)]
pub(super) struct Origins {
    any: bool,
    exact: Vec<String>,
    subdomains: Vec<Subdomains>,
    patterns: Vec<Regex>,
}

/// `https://*.example.com:8443`: what stands before the labels, and behind them.
struct Subdomains {
    scheme: String,
    suffix: String,
}

impl Origins {
    /// Adds the members of a list.
    pub(super) fn add(&mut self, word: &str, args: &mut Args<'_>) -> Result<(), ConfigError> {
        for origin in word.split(',').map(str::trim).filter(|origin| !origin.is_empty()) {
            self.add_one(origin, word, args)?;
        }
        Ok(())
    }

    fn add_one(
        &mut self,
        origin: &str,
        word: &str,
        args: &mut Args<'_>,
    ) -> Result<(), ConfigError> {
        if origin == "*" {
            self.any = true;
            return Ok(());
        }
        // As browsers write them.
        let bare = origin.trim_end_matches('/').to_ascii_lowercase();
        let host = bare.split_once("://").map(|(_, host)| host);
        let is_origin = match host {
            Some(host) => !host.is_empty() && !host.contains(['/', '?', '#', '@']),
            None => bare == "null",
        };
        if !is_origin {
            let message = format!("'{origin}' is not an origin: no page has it");
            let hint = "write the scheme and the host, such as https://example.com";
            args.warn(args.error_at(word, message).hint(hint));
        }
        match bare.split_once("*.") {
            Some((scheme, rest)) if scheme.ends_with("://") && !rest.contains('*') => {
                let (scheme, suffix) = (scheme.to_owned(), format!(".{rest}"));
                self.subdomains.push(Subdomains { scheme, suffix });
            }
            _ if bare.contains('*') => {
                let message = format!("'{origin}': the wildcard stands for the first labels");
                let hint = "write https://*.example.com, or use origin_regexp";
                return Err(args.error_at(word, message).hint(hint));
            }
            _ => self.exact.push(bare),
        }
        Ok(())
    }

    pub(super) fn add_pattern(
        &mut self,
        word: &str,
        args: &mut Args<'_>,
    ) -> Result<(), ConfigError> {
        let pattern = arguments::pattern(args, word)?;
        if !word.starts_with('^') || !word.ends_with('$') {
            let message = format!("'{word}' also matches origins that only contain it");
            let hint = format!("write: origin_regexp {}", anchored(word));
            args.warn(args.error_at(word, message).hint(hint));
        }
        self.patterns.push(pattern);
        Ok(())
    }

    /// Whether all origins are let in, some of them perhaps by name.
    pub(super) fn has_any(&self) -> bool {
        self.any || !self.has_names()
    }

    /// Whether the answer is the same for all of them.
    pub(super) fn are_all(&self, has_credentials: bool) -> bool {
        self.has_any() && !(has_credentials && self.has_names())
    }

    fn has_names(&self) -> bool {
        !(self.exact.is_empty() && self.subdomains.is_empty() && self.patterns.is_empty())
    }

    /// Whether an origin is let in by its name.
    pub(super) fn names(&self, origin: &str) -> bool {
        self.exact.iter().any(|exact| exact == origin)
            || self.subdomains.iter().any(|subdomains| subdomains.hold(origin))
            || self.patterns.iter().any(|pattern| pattern.is_match(origin))
    }
}

impl Subdomains {
    fn hold(&self, origin: &str) -> bool {
        let host = origin.strip_prefix(self.scheme.as_str());
        let labels = host.and_then(|host| host.strip_suffix(self.suffix.as_str()));
        labels.is_some_and(|labels| {
            let is_letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
            !labels.is_empty() && labels.bytes().all(is_letter)
        })
    }
}

fn anchored(pattern: &str) -> String {
    let start = if pattern.starts_with('^') { "" } else { "^https?://([^/]+\\.)?" };
    let end = if pattern.ends_with('$') { "" } else { "$" };
    format!("{start}{pattern}{end}")
}
