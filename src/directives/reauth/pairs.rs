//! `NAME=VALUE,NAME=VALUE`: how the backends' options are written.

use crate::caddyfile::{Args, ConfigError};

/// The pairs of an argument. A piece without `=` belongs to the value before it, and a value in
/// quotes may hold commas.
#[derive(Debug, Default)]
pub(super) struct Pairs(Vec<Pair>);

#[derive(Debug)]
struct Pair {
    name: String,
    value: String,
}

impl Pairs {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pairs: Vec<Pair> = Vec::new();
        let mut is_quoted = false;
        for piece in text.split(',') {
            match (piece.split_once('='), pairs.last_mut()) {
                (Some((name, value)), _) if !is_quoted => {
                    pairs.push(Pair { name: name.to_owned(), value: value.to_owned() });
                    is_quoted = value.starts_with('"') && !ends_quote(value);
                }
                (_, Some(last)) => {
                    last.value.extend([",", piece]);
                    is_quoted &= !piece.ends_with('"');
                }
                (_, None) => return Err(format!("'{piece}' is not NAME=VALUE")),
            }
        }
        for Pair { value, .. } in &mut pairs {
            let bare = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            if let Some(bare) = bare {
                *value = bare.replace("\\\"", "\"");
            }
        }
        Ok(Self(pairs))
    }

    /// All pairs, as names and values.
    pub(super) fn into_all(self) -> Vec<(String, String)> {
        self.0.into_iter().map(|pair| (pair.name, pair.value)).collect()
    }

    /// Takes the last value of a name.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let found = self.0.iter().rposition(|pair| pair.name == name)?;
        let value = self.0.swap_remove(found).value;
        self.0.retain(|pair| pair.name != name);
        Some(value)
    }

    /// Takes `true` or `false`, as Go reads them; `false` by default.
    pub(super) fn take_bool(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name).as_deref() {
            None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Ok(false),
            Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Ok(true),
            Some(other) => Err(format!("{name} must be true or false, not '{other}'")),
        }
    }

    /// Refuses what was not taken.
    pub(super) fn finish(self, known: &str) -> Result<(), String> {
        match self.0.first() {
            None => Ok(()),
            Some(pair) => Err(format!("unknown option '{}'; the options are {known}", pair.name)),
        }
    }
}

fn ends_quote(value: &str) -> bool {
    value.len() > 1 && value.ends_with('"')
}

/// The one argument of an option, as pairs.
pub(super) fn read(args: &mut Args<'_>) -> Result<Pairs, ConfigError> {
    let word = args.required()?;
    args.no_more()?;
    Pairs::parse(word).map_err(|message| args.error_at(word, format!("reauth: {message}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read() {
        for (text, expected) in [
            ("a=b", "a=b"),
            ("a=b,c=d=e", "a=b|c=d=e"),
            ("a=b,c,d=e", "a=b,c|d=e"),
            ("a=\"b,c=d\",e=f", "a=b,c=d|e=f"),
            ("a=\"\",b=", "a=|b="),
        ] {
            let all = Pairs::parse(text).unwrap().into_all();
            let all: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(all.join("|"), expected, "{text}");
        }
        assert_eq!(Pairs::parse("a").unwrap_err(), "'a' is not NAME=VALUE");
        let mut pairs = Pairs::parse("a=1,b=x,a=false").unwrap();
        assert_eq!(pairs.take_bool("a"), Ok(false));
        assert!(pairs.take_bool("b").is_err());
        assert!(Pairs::parse("c=d").unwrap().finish("a, b").is_err());
    }
}
