//! Failed attempts to obtain a certificate, classified for the backoff.

use std::fmt;

use instant_acme::Error;

use crate::error_chain::display_chain;

/// A failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub(super) kind: Kind,
    pub(super) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The CA has refused; a retry will probably fail too.
    Refused,
    /// The CA could not be reached, or had an internal error.
    Trouble,
    /// The CA is busy, until this Unix second if it sends one.
    Busy(Option<i64>),
}

impl Failure {
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, text: text.into() }
    }

    pub(super) fn trouble(text: impl Into<String>) -> Self {
        Self { kind: Kind::Trouble, text: text.into() }
    }

    /// Whether the CA has rejected more nonces than the library retries.
    pub(super) fn is_bad_nonce(&self) -> bool {
        self.text.contains("urn:ietf:params:acme:error:badNonce")
    }

    /// Whether the CA does not know this account.
    pub(super) fn is_unknown_account(&self) -> bool {
        self.text.contains("urn:ietf:params:acme:error:accountDoesNotExist")
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { kind: kind_of(&error), text: display_chain(&error) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::trouble(display_chain(&error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The kind of an error.
pub(super) fn kind_of(error: &Error) -> Kind {
    let Error::Api(problem) = error else { return Kind::Trouble };
    let kind = problem.r#type.as_deref().unwrap_or_default();
    match (kind.rsplit(':').next().unwrap_or_default(), problem.status.unwrap_or(0)) {
        ("rateLimited", _) | (_, 429 | 503) => Kind::Busy(None),
        ("badNonce" | "serverInternal", _) | (_, 500..) => Kind::Trouble,
        _ => Kind::Refused,
    }
}
