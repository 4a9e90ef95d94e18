//! The block that says when a log file is rolled, which `log` and `errors` have: its words are
//! `size`, `age` and `keep` since 0.9, and `rotate_size` and so on since 0.10.

use super::{Args, ConfigError, Nature, Options, Usage};

const WORDS: &[Usage] = &[
    ("size MB", Nature::Old),
    ("age DAYS", Nature::Old),
    ("keep N", Nature::Old),
    ("compress", Nature::Adds),
    ("disable", Nature::Adds),
    ("rotate_size MB", Nature::Old),
    ("rotate_age DAYS", Nature::Old),
    ("rotate_keep N", Nature::Old),
    ("rotate_compress", Nature::Adds),
    ("rotate_disable", Nature::Adds),
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
