//! Reads a line of `upload` and its block.

use std::path::PathBuf;
use std::sync::Arc;

use super::names::{Form, Rules, range};
use super::quota::Quota;
use super::signature::Keys;
use crate::arguments;
use crate::caddyfile::Repeat::{Accumulates, LastWins};
use crate::caddyfile::{Args, ConfigError, Options, option, parse_size};
use crate::http::paths::Prefix;
use crate::own_files::Withheld;
use crate::site::{SiteBuilder, is_loopback};

/// The tolerance of the plugin, as a power of two.
const TOLERANCE: u32 = 2;

/// More would not fit into a name.
const SUFFIX: usize = 100;

pub(in crate::directives) static OPTIONS: Options<Block> = Options::<Block>::new(&[
    option("to DIRECTORY, such as: to /srv/uploads", LastWins, |block, args| {
        let word = args.required()?;
        if !std::path::Path::new(word).is_dir() {
            return Err(args
                .error_at(word, format!("upload: '{word}' is no directory"))
                .hint("make it, and let the user that the service runs as write to it"));
        }
        block.to = Some(word.into());
        Ok(())
    }),
    option("yes_without_tls", LastWins, |block, _| {
        block.is_plain = true;
        Ok(())
    }),
    option("filenames_form none|NFC|NFD", LastWins, |block, args| {
        let forms =
            [("none", None), ("NFC", Some(Form::Composed)), ("NFD", Some(Form::Decomposed))];
        block.rules.form = args.one_of("form", &forms)?;
        Ok(())
    }),
    option(
        "filenames_in RANGE..., such as: filenames_in u0020-u007E",
        Accumulates,
        |block, args| {
            let ranges = args.each(|args, word| args.parsed(word, range))?;
            block.rules.ranges.extend(ranges);
            Ok(())
        },
    ),
    option("random_suffix_len N, such as: random_suffix_len 6", LastWins, |block, args| {
        args.number(0..=SUFFIX).map(|length| block.suffix = length)
    }),
    option("promise_download_from PATH", LastWins, |block, args| {
        block.promised = Some(args.required()?.trim_end_matches('/').to_owned());
        Ok(())
    }),
    option("max_filesize SIZE, such as: max_filesize 100MB", LastWins, |block, args| {
        size(args).map(|size| block.file = size)
    }),
    option("max_transaction_size SIZE", LastWins, |block, args| {
        size(args).map(|size| block.transaction = size)
    }),
    option("quota SIZE, such as: quota 10GB", LastWins, |block, args| {
        size(args).map(|size| block.most = size)
    }),
    option("hmac_keys_in NAME=KEY..., the keys in Base64", Accumulates, |block, args| {
        for word in args.one_or_more()? {
            args.parsed(word, |word| block.keys.add(word))?;
        }
        Ok(())
    }),
    option("timestamp_tolerance N, a power of two in seconds", LastWins, |block, args| {
        args.number(0..=32).map(|power: u32| block.tolerance = 1 << power)
    }),
    option("silent_auth_errors", LastWins, |block, _| {
        block.is_silent = true;
        Ok(())
    }),
    option("disable_webdav", LastWins, |block, _| {
        block.changes_nothing = true;
        Ok(())
    }),
]);

/// A size; 0: any.
fn size(args: &mut Args<'_>) -> Result<u64, ConfigError> {
    match args.required()? {
        "0" => Ok(u64::MAX),
        word => args.parsed(word, parse_size),
    }
}

/// Where uploads go, from whom, and how large they may be.
#[derive(Debug)]
pub(in crate::directives) struct Block {
    pub(super) paths: Vec<Prefix>,
    pub(super) to: Option<PathBuf>,
    /// What is neither replaced nor removed.
    pub(super) withheld: Arc<Withheld>,
    is_plain: bool,
    pub(super) rules: Rules,
    /// How many random characters a name gets.
    pub(super) suffix: usize,
    /// Where clients find uploads.
    pub(super) promised: Option<String>,
    /// Most bytes of a file, and of all files of a request.
    pub(super) file: u64,
    pub(super) transaction: u64,
    /// Most bytes of all files of the folder.
    most: u64,
    pub(super) quota: Option<Quota>,
    pub(super) keys: Keys,
    /// In seconds.
    pub(super) tolerance: u64,
    pub(super) is_silent: bool,
    /// Whether files are neither moved nor removed.
    pub(super) changes_nothing: bool,
}

impl Block {
    pub(super) fn new(paths: Vec<Prefix>) -> Self {
        Self {
            paths,
            to: None,
            withheld: Arc::default(),
            is_plain: false,
            rules: Rules::default(),
            suffix: 0,
            promised: None,
            file: u64::MAX,
            transaction: u64::MAX,
            most: u64::MAX,
            quota: None,
            keys: Keys::default(),
            tolerance: 1 << TOLERANCE,
            is_silent: false,
            changes_nothing: false,
        }
    }
}

pub(super) fn read(args: &mut Args<'_>, site: &SiteBuilder) -> Result<Block, ConfigError> {
    let mut block = Block::new(args.each(arguments::prefix)?);
    block.withheld = site.withheld.clone();
    OPTIONS.read(&mut block, args)?;
    let Some(to) = &block.to else {
        return Err(args
            .error("upload: no directory is named that uploads go to")
            .hint("write in its block: to DIRECTORY"));
    };
    block.quota = (block.most != u64::MAX).then(|| Quota::new(to, block.most));
    if !site.secure && !block.is_plain && !is_loopback(&site.address.host) {
        return Err(args
            .error("upload: the site is without TLS: who is on the way reads and changes uploads")
            .hint("serve the site over https, or write yes_without_tls if that is meant"));
    }
    let is_open = block.paths.iter().any(|path| !site.is_private(path.as_str()));
    if block.keys.is_empty() && is_open {
        args.warn(
            args.error("upload: anyone may upload files")
                .hint("let users in by basicauth, forward_auth, jwt or hmac_keys_in"),
        );
    }
    Ok(block)
}
