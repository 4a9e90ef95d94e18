//! Escapes values for the query of a URI.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Escapes as in form fields: unreserved characters stay, a space becomes `+`.
pub(super) fn escape(text: &str, out: &mut String) {
    const RESERVED: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');
    for piece in utf8_percent_encode(text, RESERVED) {
        out.extend(piece.chars().map(|c| if c == ' ' { '+' } else { c }));
    }
}
