//! Arguments that are values: durations, sizes, whole numbers, words of a list. Each kind has one
//! parser. Its error completes a sentence: `NAME must be EXPECTED, not 'TEXT'`.

use std::fmt::Display;
use std::ops::{Bound, RangeBounds};
use std::str::FromStr;
use std::time::Duration;

use super::duration::parse_duration;
use super::{Args, ConfigError};

/// A duration that is a limit or an interval, and so not 0.
pub fn parse_positive_duration(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("must be more than 0".to_owned()),
        duration => Ok(duration),
    }
}

/// A whole number within bounds, both of which are its own or absent.
pub fn parse_number<N>(text: &str, bounds: impl RangeBounds<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    let number = text.parse::<N>().ok();
    let expected = match (bounds.start_bound(), bounds.end_bound()) {
        (Bound::Included(least), Bound::Included(most)) => {
            format!("a whole number from {least} to {most}")
        }
        (Bound::Included(least), _) if number.is_some() => format!("at least {least}"),
        (Bound::Included(least), _) => format!("a whole number of at least {least}"),
        _ => "a whole number".to_owned(),
    };
    number.filter(|number| bounds.contains(number)).ok_or_else(|| {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
        let has_unit = digits.len() < text.len() && digits.parse::<N>().is_ok();
        let unit = if has_unit { ", which has a unit: leave it out" } else { "" };
        format!("must be {expected}, not '{text}'{unit}")
    })
}

/// One of so many, 1/N.
pub fn parse_one_in(text: &str) -> Result<u32, String> {
    let number = text.strip_prefix("1/").and_then(|number| parse_number(number, 1..).ok());
    number.ok_or_else(|| format!("must be 1/N, such as 1/100, not '{text}'"))
}

/// A port.
pub fn parse_port(text: &str) -> Result<u16, String> {
    parse_number(text, 1..=u16::MAX)
}

/// Bytes, at least one; the units are powers of 1024, whatever their case.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.find(|c: char| !c.is_ascii_digit()).unwrap_or(upper.len());
    let unit = match &upper[digits..] {
        "" | "B" => Some(1),
        "KB" => Some(1 << 10),
        "MB" => Some(1 << 20),
        "GB" => Some(1 << 30),
        _ => None,
    };
    let number = upper[..digits].parse::<u64>().ok().filter(|number| *number > 0);
    let bytes = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    bytes.ok_or_else(|| {
        format!("must be a size such as 10MB, not '{text}'; the units are B, KB, MB and GB")
    })
}

impl<'a> Args<'a> {
    /// Reads a word that is there by one of the parsers of this file. The error is where the word
    /// is.
    pub fn parsed<V>(
        &self,
        word: &str,
        parse: impl FnOnce(&str) -> Result<V, String>,
    ) -> Result<V, ConfigError> {
        parse(word).map_err(|message| {
            let error = self.error_at(word, format!("{} {message}", self.name()));
            match self.reading.usage {
                Some(usage) => error.hint(format!("write: {usage}")),
                None => error,
            }
        })
    }

    /// The one argument there must be, a duration.
    pub fn duration(&mut self) -> Result<Duration, ConfigError> {
        self.required().and_then(|word| self.parsed(word, parse_duration))
    }

    /// The one argument there must be, a duration of more than 0.
    pub fn positive_duration(&mut self) -> Result<Duration, ConfigError> {
        self.required().and_then(|word| self.parsed(word, parse_positive_duration))
    }

    /// The one argument there must be, a whole number within bounds.
    pub fn number<N>(&mut self, bounds: impl RangeBounds<N>) -> Result<N, ConfigError>
    where
        N: FromStr + PartialOrd + Display,
    {
        self.required().and_then(|word| self.parsed(word, |text| parse_number(text, bounds)))
    }

    /// The one argument there must be, in bytes.
    pub fn size(&mut self) -> Result<u64, ConfigError> {
        self.required().and_then(|word| self.parsed(word, parse_size))
    }

    /// The one argument there must be, one of the `known` words; `what` they are called.
    pub fn one_of<V: Copy>(&mut self, what: &str, known: &[(&str, V)]) -> Result<V, ConfigError> {
        self.required()?;
        self.known(what, known)
    }

    /// The current word, one of the `known` ones.
    pub fn known<V: Copy>(&self, what: &str, known: &[(&str, V)]) -> Result<V, ConfigError> {
        let found = known.iter().find(|(name, _)| *name == self.val()).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            self.unknown(what, &names)
        })
    }

    /// All arguments of the line, of which there must be at least one, each as what `read` makes
    /// of it.
    pub fn each<V>(
        &mut self,
        mut read: impl FnMut(&mut Self, &'a str) -> Result<V, ConfigError>,
    ) -> Result<Vec<V>, ConfigError> {
        let words = self.one_or_more()?;
        words.into_iter().map(|word| read(self, word)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("100", Some(100)),
            ("1b", Some(1)),
            ("2KB", Some(2048)),
            ("3mb", Some(3 << 20)),
            ("1GB", Some(1 << 30)),
            ("0", None),
            ("-1", None),
            ("1TB", None),
            ("MB", None),
            ("99999999999GB", None),
        ] {
            assert_eq!(parse_size(text).ok(), bytes, "{text}");
        }
        let error = "must be a size such as 10MB, not '1TB'; the units are B, KB, MB and GB";
        assert_eq!(parse_size("1TB").unwrap_err(), error);
    }

    #[test]
    fn numbers_within_bounds() {
        assert_eq!(parse_number("7", 1..=9), Ok(7));
        assert_eq!(parse_number("0", 0..), Ok(0_usize));
        assert_eq!(parse_number("-3", ..), Ok(-3_i64));
        assert_eq!(parse_port("65535"), Ok(65535));
        for (read, message) in [
            (parse_number::<u8>("10", 1..=9), "must be a whole number from 1 to 9, not '10'"),
            (parse_number("x", 1..=9), "must be a whole number from 1 to 9, not 'x'"),
            (parse_number("0", 1..), "must be at least 1, not '0'"),
            (parse_number("-1", 0..), "must be a whole number of at least 0, not '-1'"),
            (parse_number("1.5", ..), "must be a whole number, not '1.5'"),
            (
                parse_number("10MB", 0..),
                "must be a whole number of at least 0, not '10MB', which has a unit: leave it out",
            ),
        ] {
            assert_eq!(read.unwrap_err(), message);
        }
        let port = parse_port("0").unwrap_err();
        assert_eq!(port, "must be a whole number from 1 to 65535, not '0'");
        assert_eq!(parse_positive_duration("0s").unwrap_err(), "must be more than 0");
        assert_eq!(parse_positive_duration("2s"), Ok(Duration::from_secs(2)));
    }
}
