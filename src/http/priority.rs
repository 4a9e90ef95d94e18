//! Priorities of responses (RFC 9218 sections 4, 5 and 8).

use http::{HeaderMap, HeaderName};

use super::structured::{Item, read_dictionary};

pub static PRIORITY: HeaderName = HeaderName::from_static("priority");

/// The urgency of a request that states none.
const URGENCY: u8 = 3;
/// The lowest one.
const LEAST_URGENT: i64 = 7;

/// What a field or a PRIORITY_UPDATE frame states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parameters {
    urgency: Option<u8>,
    incremental: Option<bool>,
}

impl Parameters {
    /// Parses a field value. Parameters that are unknown, of another type or out of range are
    /// ignored, and so is an invalid value as a whole.
    pub fn parse(field: &[u8]) -> Self {
        let mut stated = Self::default();
        let read = read_dictionary(field, |key, value| match (key, value) {
            (b"u", Item::Integer(urgency)) if (0..=LEAST_URGENT).contains(&urgency) => {
                stated.urgency = Some(urgency as u8);
            }
            (b"i", Item::Boolean(incremental)) => stated.incremental = Some(incremental),
            _ => {}
        });
        read.map(|()| stated).unwrap_or_default()
    }

    /// Whether a configured field value says what it is meant to: at least one of the parameters of
    /// section 4, each of its type and within its range.
    pub fn is_valid(field: &[u8]) -> bool {
        let (mut stated, mut is_right) = (false, true);
        let read = read_dictionary(field, |key, value| match (key, value) {
            (b"u", Item::Integer(urgency)) if (0..=LEAST_URGENT).contains(&urgency) => {
                stated = true;
            }
            (b"i", Item::Boolean(_)) => stated = true,
            (b"u" | b"i", _) => is_right = false,
            _ => {}
        });
        read.is_some() && stated && is_right
    }

    /// Those of a message; `None` if it has no Priority field.
    pub fn of(fields: &HeaderMap) -> Option<Self> {
        let mut lines = fields.get_all(&PRIORITY).iter().map(|line| Self::parse(line.as_bytes()));
        let first = lines.next()?;
        Some(lines.fold(first, |stated, line| line.over(stated)))
    }

    /// These where they are stated, else those below: a response's over its request's.
    #[must_use]
    pub fn over(self, below: Self) -> Self {
        Self {
            urgency: self.urgency.or(below.urgency),
            incremental: self.incremental.or(below.incremental),
        }
    }

    /// From 0, the most urgent, to 7.
    pub fn urgency(self) -> u8 {
        self.urgency.unwrap_or(URGENCY)
    }

    /// Whether the client can use a part of the response.
    pub fn incremental(self) -> Option<bool> {
        self.incremental
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn parsed(field: &str) -> (Option<u8>, Option<bool>) {
        let Parameters { urgency, incremental } = Parameters::parse(field.as_bytes());
        (urgency, incremental)
    }

    #[test]
    fn what_is_not_understood_is_ignored() {
        for (field, want) in [
            ("", (None, None)),
            ("u=0, i", (Some(0), Some(true))),
            ("i=?0,u=7", (Some(7), Some(false))),
            ("u=1, u=5;x=1", (Some(5), None)),
            ("u=8, i=1, x=y", (None, None)),
            ("u=-1, i", (None, Some(true))),
            ("u=2.0, i=\"1\"", (None, None)),
            ("u=2, u=9", (Some(2), None)),
            ("u", (None, None)),
            ("u=1, i, ", (None, None)),
            ("u=1; i", (Some(1), None)),
        ] {
            assert_eq!(parsed(field), want, "{field:?}");
        }
    }

    #[test]
    fn what_is_configured_is_understood() {
        for field in ["u=0", "u=7, i", "i=?0,u=3", "i", "u=1, x=2"] {
            assert!(Parameters::is_valid(field.as_bytes()), "{field:?}");
        }
        for field in ["", "u=8", "u=-1, i", "u=2.0", "u", "i=1", "u=1, i=yes", "u=9, u=2", "high"] {
            assert!(!Parameters::is_valid(field.as_bytes()), "{field:?}");
        }
        for field in ["u=1 i", "u=1,", "U=1", "Priority"] {
            assert!(!Parameters::is_valid(field.as_bytes()), "{field:?}");
        }
    }

    #[test]
    fn a_response_states_more_than_its_request() {
        let merged = |response: &str, request: &str| {
            let [above, below] =
                [response, request].map(|field| Parameters::parse(field.as_bytes()));
            let merged = above.over(below);
            (merged.urgency(), merged.incremental())
        };
        assert_eq!(merged("u=1", "u=5, i"), (1, Some(true)));
        assert_eq!(merged("i=?0", "u=5, i"), (5, Some(false)));
        assert_eq!(merged("u=9", ""), (3, None));
    }

    #[test]
    fn the_lines_of_a_field_are_one_dictionary() {
        let mut fields = HeaderMap::new();
        assert_eq!(Parameters::of(&fields), None);
        for line in ["u=1", "i", "u=4"] {
            fields.append(&PRIORITY, HeaderValue::from_static(line));
        }
        assert_eq!(Parameters::of(&fields), Some(Parameters::parse(b"u=4, i")));
    }
}
