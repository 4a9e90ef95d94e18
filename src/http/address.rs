//! A site's address: `[scheme://][host][:port][/path]`.

use std::fmt;

/// The parts of an address; what was not written is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Address {
    /// As written in the Caddyfile, for messages.
    pub original: String,
    pub scheme: String,
    /// Lower-case, IPv6 without brackets.
    pub host: String,
    pub port: String,
    pub path: String,
}

impl Address {
    /// Reads one address; the error is the message's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        Ok(Self { original: text.to_owned(), ..Self::default() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}{}", self.scheme, self.host, self.port, self.path)
    }
}
