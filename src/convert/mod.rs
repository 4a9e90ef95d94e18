//! Translates configurations of nginx and Caddyfiles of Caddy 2 into a Caddyfile. Text in, text
//! and warnings out; included files come from the caller. What has no counterpart here
//! becomes a comment and a warning.

mod answers;
mod body;
mod caddy2;
mod files;
mod foreign;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod nginx;
mod page;
mod pattern;

use std::fmt;

pub use files::{Converted, Files, Included, Unreadable};
use page::Page;

/// Whose configuration a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nginx,
    Caddy2,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nginx => "nginx",
            Self::Caddy2 => "Caddy 2",
        })
    }
}

/// Translates the configuration of nginx or the Caddyfile of Caddy 2 in `text`.
///
/// # Errors
/// The text is neither: it is one of Apache, HAProxy or Caddy 1, a quote or a block is open, or
/// one ends that has not begun.
pub fn convert(name: &str, text: &str, files: &dyn Files) -> Result<Converted, Unreadable> {
    let text = text.trim_start_matches('\u{feff}');
    let kind = if nginx::is_nginx(text) { Kind::Nginx } else { Kind::Caddy2 };
    if let (Kind::Caddy2, Some((at, why))) = (kind, foreign::refused(name, text)) {
        return Err(Unreadable::new(at.warning(&why)));
    }
    let mut page = Page::new(format!("Made of {name}, a configuration of {kind}."));
    match kind {
        Kind::Nginx => nginx::translate(name, text, files, &mut page),
        Kind::Caddy2 => caddy2::translate(name, text, files, &mut page),
    }
    .map_err(|(at, message)| Unreadable::new(at.warning(&message)))?;
    for site in &mut page.sites {
        site.body = body::of(site);
    }
    Ok(page.finish())
}

#[cfg(test)]
mod tests;
