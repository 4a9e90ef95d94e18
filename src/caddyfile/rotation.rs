//! The block that says when a log file is rolled, which `log` and `errors` have: its words are
//! `size`, `age` and `keep` since 0.9, and `rotate_size` and so on since 0.10.

use super::{Args, ConfigError, Options, Repeat, Usage};

const WORDS: &[Usage] = &[
    ("size MB", Repeat::LastWins),
    ("age DAYS", Repeat::LastWins),
    ("keep N", Repeat::LastWins),
    ("compress", Repeat::Accumulates),
    ("disable", Repeat::Accumulates),
    ("rotate_size MB", Repeat::LastWins),
    ("rotate_age DAYS", Repeat::LastWins),
    ("rotate_keep N", Repeat::LastWins),
    ("rotate_compress", Repeat::Accumulates),
    ("rotate_disable", Repeat::Accumulates),
];

/// Reads such a block; `set` gets each word by its newer name, with what follows it.
pub fn rotation(
    args: &mut Args<'_>,
    mut set: impl FnMut(&str, &[&str]) -> Result<(), String>,
) -> Result<(), ConfigError> {
    let mut options = Options::new(WORDS);
    while args.next_block()? {
        let word = args.val();
        let bare = word.strip_prefix("rotate_").unwrap_or(word);
        options.entry(args, |args| {
            let values = args.remaining();
            set(&format!("rotate_{bare}"), &values).map_err(|error| args.error(error))
        })?;
    }
    Ok(())
}
