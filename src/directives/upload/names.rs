//! The names of an upload's path: which are accepted, and the random part of them.

use std::ops::RangeInclusive;
use std::path::Path;

use http::StatusCode;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};

use crate::http::Fault;
use crate::limits::UPLOAD_NAMES;

/// Most bytes of a name, as file systems have it.
const NAME_BYTES: usize = 255;

/// A path below the folder that uploads go to: at least one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names(Vec<String>);

/// Why a path is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadName {
    #[error("no name of a file is given")]
    None,
    #[error("a name is one that no file gets")]
    Name,
    #[error("a path has too many names")]
    Many,
    #[error("a name with its random part is too long")]
    Long,
    #[error("a name is not in the Unicode form of `filenames_form`")]
    Form,
    #[error("a name has a character outside `filenames_in`")]
    Range,
}

impl BadName {
    pub(super) fn fault(self) -> Fault {
        let status = match self {
            Self::None => StatusCode::FORBIDDEN,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Fault::caused(status, self)
    }
}

/// A normal form of Unicode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Composed,
    Decomposed,
}

/// What names have to be like.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) form: Option<Form>,
    /// Of code points; none: any.
    pub(super) ranges: Vec<RangeInclusive<u32>>,
}

impl Rules {
    /// The names of a path. As in the plugin, dots and slashes before it do not count.
    pub(super) fn read(&self, path: &str) -> Result<Names, BadName> {
        let path = path.trim_start_matches(['.', '/']);
        if path.is_empty() {
            return Err(BadName::None);
        }
        let names = path.trim_end_matches('/').split('/');
        if names.clone().count() > UPLOAD_NAMES {
            return Err(BadName::Many);
        }
        let names = names.map(|name| self.check(name));
        names.collect::<Result<_, _>>().map(Names)
    }

    fn check(&self, name: &str) -> Result<String, BadName> {
        let is_long = name.len() > NAME_BYTES;
        if name.is_empty() || name.starts_with('.') || is_long || name.chars().any(is_never) {
            return Err(BadName::Name);
        }
        let is_formed = match self.form {
            None => true,
            Some(Form::Composed) => ComposingNormalizer::new_nfc().is_normalized(name),
            Some(Form::Decomposed) => DecomposingNormalizer::new_nfd().is_normalized(name),
        };
        if !is_formed {
            return Err(BadName::Form);
        }
        let is_in = |c: char| self.ranges.iter().any(|range| range.contains(&u32::from(c)));
        if !self.ranges.is_empty() && !name.chars().all(is_in) {
            return Err(BadName::Range);
        }
        Ok(name.to_owned())
    }
}

/// Characters that mean something to other systems, are not seen, or turn the text around.
fn is_never(c: char) -> bool {
    matches!(c, '"' | '*' | ':' | '<' | '>' | '?' | '|' | '\\')
        || c.is_control()
        || c.is_whitespace() && !matches!(c, ' ' | '\u{2009}')
        || matches!(
            u32::from(c),
            0xad | 0x200b..=0x200f | 0x2028..=0x202f | 0x2060..=0x206f | 0xfeff | 0xfff0..=0xffff
        )
}

impl Names {
    pub(super) fn all(&self) -> &[String] {
        &self.0
    }

    /// The path, with slashes.
    pub(super) fn joined(&self) -> String {
        self.0.join("/")
    }

    /// The same with `length` random characters before the extension: `a.png` is `a_x7.png`.
    pub(super) fn with_suffix(mut self, length: usize) -> Result<Self, BadName> {
        let Some(name) = self.0.last_mut().filter(|_| length > 0) else { return Ok(self) };
        let suffix = random(length);
        let path = Path::new(name.as_str());
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let ending = path.extension().map(|ending| format!(".{}", ending.to_string_lossy()));
        let stem = stem.unwrap_or_default();
        *name = format!("{stem}_{suffix}{}", ending.unwrap_or_default());
        if name.len() > NAME_BYTES { Err(BadName::Long) } else { Ok(self) }
    }
}

/// Letters and digits that nobody can guess.
fn random(length: usize) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = vec![0; length];
    // Without random numbers of the system nothing of TLS works either.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        bytes.fill_with(|| fastrand::u8(..));
    }
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

/// Reads a range such as `u0000-u007F`.
pub(super) fn range(word: &str) -> Result<RangeInclusive<u32>, String> {
    let wrong = || format!("must be a range of characters such as u0000-u007F, not '{word}'");
    let (low, high) = word.split_once(['-', '–']).ok_or_else(wrong)?;
    let [low, high] = [low, high].map(|bound| {
        let digits = bound.trim_start_matches(['u', 'U', '+']);
        u32::from_str_radix(digits, 16).ok().filter(|code| *code <= u32::from(char::MAX))
    });
    let (low, high) = low.zip(high).filter(|(low, high)| low <= high).ok_or_else(wrong)?;
    Ok(low..=high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_names_are_accepted() {
        let any = Rules::default();
        for (path, expected) in [
            ("a", Ok("a")),
            ("/a/b c/d.e", Ok("a/b c/d.e")),
            ("../../.profile", Ok("profile")),
            ("a/", Ok("a")),
            ("ä\u{2009}ツ", Ok("ä\u{2009}ツ")),
            ("", Err(BadName::None)),
            ("/../", Err(BadName::None)),
            ("a/../b", Err(BadName::Name)),
            ("a/.b", Err(BadName::Name)),
            ("a//b", Err(BadName::Name)),
            ("a\0b", Err(BadName::Name)),
            ("a\nb", Err(BadName::Name)),
            ("a\\b", Err(BadName::Name)),
            ("a:b", Err(BadName::Name)),
            ("a\u{202e}b", Err(BadName::Name)),
            ("a\u{a0}b", Err(BadName::Name)),
        ] {
            let names = any.read(path).map(|names| names.joined());
            assert_eq!(names.as_deref().map_err(|why| *why), expected, "{path:?}");
        }
        assert!(any.read(&"a".repeat(255)).is_ok() && any.read(&"a".repeat(256)).is_err());
    }

    #[test]
    fn forms_and_ranges() {
        let (composed, decomposed) = ("\u{e4}", "a\u{308}");
        for (form, name, expected) in [
            (None, decomposed, Ok(())),
            (Some(Form::Composed), composed, Ok(())),
            (Some(Form::Composed), decomposed, Err(BadName::Form)),
            (Some(Form::Decomposed), decomposed, Ok(())),
            (Some(Form::Decomposed), composed, Err(BadName::Form)),
        ] {
            let rules = Rules { form, ranges: Vec::new() };
            assert_eq!(rules.read(name).map(drop), expected, "{form:?} {name}");
        }
        let latin = ["u0000-u007F", "u0100–u017f"].map(|word| range(word).unwrap());
        let rules = Rules { form: None, ranges: latin.to_vec() };
        assert!(rules.read("a/ą").is_ok());
        assert_eq!(rules.read("a/ж"), Err(BadName::Range));
        for word in ["", "u0000", "u007F-u0000", "x-y", "u0-u110000"] {
            assert!(range(word).is_err(), "{word}");
        }
    }

    #[test]
    fn suffixes() {
        let rules = Rules::default();
        let name = |path: &str| rules.read(path).unwrap().with_suffix(6).unwrap().joined();
        let image = name("a/b.tar.gz");
        assert!(image.starts_with("a/b.tar_") && image.ends_with(".gz"), "{image}");
        assert_eq!(image.len(), "a/b.tar_123456.gz".len());
        assert_ne!(name("a"), name("a"));
    }
}
