//! Reads a `cache` block.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName};

use super::policy::Defaults;
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, Forbidden, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option, templated};
use crate::http::paths::Prefix;
use crate::http::placeholders::Template;
use crate::http::ranges::Ranges;
use crate::limits::{CACHE_BYTES, CACHE_DISK, CACHE_LIFETIME, CACHE_OBJECT, CACHE_WAIT};

pub(in crate::directives) static OPTIONS: Options<Settings> = Options::new(&[
    option("match_path PATH, such as: match_path /assets", Accumulates, |cache, args| {
        let word = args.required()?;
        cache.rules.push(Rule::Path(arguments::prefix(args, word)?));
        cache.text.extend([word, "\n"]);
        Ok(())
    }),
    option(
        "match_header NAME VALUE..., such as: match_header Content-Type image/png image/jpeg",
        Accumulates,
        |cache, args| {
            let word = args.required()?;
            let name = arguments::field_name(args, word)?;
            let values: Vec<_> = args.one_or_more()?.into_iter().map(str::to_owned).collect();
            cache.text.extend([word, ":", &values.join("\t"), "\n"]);
            cache.rules.push(Rule::Field(name, values));
            Ok(())
        },
    ),
    option("default_max_age DURATION, such as: default_max_age 15m", LastWins, |cache, args| {
        args.duration().map(|lifetime| cache.lifetime = lifetime)
    }),
    option("status_header NAME, such as: status_header X-Cache-Status", LastWins, |cache, args| {
        let word = args.required()?;
        cache.status_header = arguments::field_name(args, word)?;
        Ok(())
    }),
    templated(
        "cache_key TEMPLATE, such as: cache_key \"{host}{path}\"",
        LastWins,
        |cache, args| {
            let word = args.required()?;
            cache.key = Some(Template::parse(word));
            cache.text.extend(["key ", word, "\n"]);
            Ok(())
        },
    ),
    option("lock_timeout DURATION, such as: lock_timeout 5s", LastWins, |cache, args| {
        args.duration().map(|wait| cache.wait = wait)
    }),
    option("path DIRECTORY, such as: path /var/lib/caddy/cache", LastWins, |cache, args| {
        let word = args.required()?;
        // The process may change to another directory.
        let path = std::path::absolute(word).unwrap_or_else(|_| word.into());
        if path.metadata().is_ok_and(|about| !about.is_dir()) {
            let message = format!("cache: '{word}' is not a directory");
            return Err(args.error(message).hint("write: path DIRECTORY"));
        }
        cache.directory = Some(path);
        Ok(())
    }),
    option("disk SIZE, such as: disk 10GB", Forbidden, |cache, args| {
        args.size().map(|bytes| cache.disk = bytes)
    }),
    option("memory SIZE, such as: memory 512MB", Forbidden, |cache, args| {
        size(args).map(|bytes| cache.memory = Some(bytes))
    }),
    option("max_size SIZE, such as: max_size 4MB", Forbidden, |cache, args| {
        size(args).map(|bytes| cache.most = bytes)
    }),
    option(
        "stale_while_revalidate DURATION, such as: stale_while_revalidate 30s",
        Forbidden,
        |cache, args| args.duration().map(|time| cache.stale_while_revalidate = time),
    ),
    option("stale_if_error DURATION, such as: stale_if_error 1h", Forbidden, |cache, args| {
        args.duration().map(|time| cache.stale_if_error = time)
    }),
    option("purge [RANGE...], such as: purge 10.0.0.0/8", Forbidden, |cache, args| {
        let words = args.remaining();
        let mut from = Ranges::default();
        for word in &words {
            arguments::range(args, word, &mut from)?;
        }
        cache.purge = Some(if words.is_empty() { Purgers::Loopback } else { Purgers::From(from) });
        Ok(())
    }),
]);

fn size(args: &mut Args<'_>) -> Result<usize, ConfigError> {
    args.size().map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}

/// The settings of a site's cache.
pub(in crate::directives) struct Settings {
    pub(super) rules: Vec<Rule>,
    lifetime: Duration,
    pub(super) status_header: HeaderName,
    pub(super) key: Option<Template>,
    pub(super) wait: Duration,
    /// Bytes of its own.
    pub(super) memory: Option<usize>,
    pub(super) most: usize,
    /// For large content.
    pub(super) directory: Option<PathBuf>,
    pub(super) disk: u64,
    stale_while_revalidate: Duration,
    stale_if_error: Duration,
    pub(super) purge: Option<Purgers>,
    /// What decides about what is stored, as written.
    text: String,
}

/// Responses that have a lifetime without saying one.
pub(super) enum Rule {
    Path(Prefix),
    Field(HeaderName, Vec<String>),
}

/// Who may remove responses.
pub(super) enum Purgers {
    /// This machine, without a proxy.
    Loopback,
    From(Ranges),
}

impl Settings {
    /// Reads the block of a line.
    pub(super) fn read(args: &mut Args<'_>) -> Result<Self, ConfigError> {
        let mut settings = Self {
            rules: Vec::new(),
            lifetime: CACHE_LIFETIME,
            status_header: HeaderName::from_static("x-cache-status"),
            key: None,
            wait: CACHE_WAIT,
            memory: None,
            most: CACHE_OBJECT,
            directory: None,
            disk: CACHE_DISK,
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            purge: None,
            text: String::new(),
        };
        let written = OPTIONS.read(&mut settings, args)?;
        if settings.directory.is_none() {
            let hint = "write: path DIRECTORY";
            written.warn_no_effect(args, "disk", "without a directory for the content", hint)?;
        }
        if settings.rules.is_empty() {
            let hint = "write: match_path PATH, or: match_header NAME VALUE...";
            let why = "without a rule about which responses it is for";
            written.warn_no_effect(args, "default_max_age", why, hint)?;
        }
        let memory = settings.memory.unwrap_or(CACHE_BYTES);
        if settings.most > memory {
            settings.most = memory;
            let hint = format!("write a size of at most {memory} bytes, or raise `memory`");
            written.warn_no_effect(args, "max_size", "above the memory of the cache", &hint)?;
        }
        Ok(settings)
    }

    /// What is the same where stored responses can stay.
    pub(super) fn identity(&self) -> String {
        let Self { lifetime, stale_while_revalidate, stale_if_error, text, .. } = self;
        format!("{lifetime:?} {stale_while_revalidate:?} {stale_if_error:?}\n{text}")
    }

    /// The lifetimes for a response that says none.
    pub(super) fn defaults(&self, path: &str, response: &HeaderMap) -> Defaults {
        let is_meant = self.rules.iter().any(|rule| match rule {
            Rule::Path(prefix) => prefix.holds(path),
            Rule::Field(name, values) => response.get_all(name).iter().any(|value| {
                let value = value.to_str().unwrap_or_default();
                let bare = value.split(';').next().unwrap_or_default().trim_end();
                values.iter().any(|wanted| wanted == value || wanted == bare)
            }),
        });
        Defaults {
            lifetime: is_meant.then_some(self.lifetime.as_secs()),
            no_heuristic: false,
            stale_while_revalidate: self.stale_while_revalidate.as_secs(),
            stale_if_error: self.stale_if_error.as_secs(),
        }
    }
}
