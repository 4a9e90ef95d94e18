//! `{name}` in a directive's arguments: parsed once at load, written out per request. A value
//! is never looked at again for placeholders of its own.

mod body;
mod client;
mod clock;
mod escape;
mod facts;
mod names;
mod parse;
mod read;
mod scope;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod value;

use super::Request;
pub use body::RequestBody;
pub use facts::{Captures, RequestId, ResponseFacts};
pub use names::{known, translated};
use parse::Part;
use scope::Scope;
use table::{Read, Value};

/// Text with placeholders, parsed.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Parses; it cannot fail: an unknown placeholder is empty, an unpaired `{` stays, `\{` and
    /// `\}` are plain braces.
    pub fn parse(text: &str) -> Self {
        Self { parts: parse::parts(text) }
    }

    /// The text for this request; an unknown or empty placeholder becomes `empty`. `{path}`,
    /// `{uri}` and `{query}` are those of the original URI, in the client's own encoding.
    pub fn expand(&self, req: &Request, resp: Option<&ResponseFacts<'_>>, empty: &str) -> String {
        let mut out = String::new();
        self.expand_into(&mut out, req, resp, empty);
        out
    }

    /// [`Self::expand`] at the end of `out`.
    pub fn expand_into(
        &self,
        out: &mut String,
        req: &Request,
        resp: Option<&ResponseFacts<'_>>,
        empty: &str,
    ) {
        self.write(out, &Scope { resp, ..Scope::of(req) }, empty);
    }

    /// The destination of a rewrite with its captures. `{path}`, `{uri}` and `{query}` are the
    /// current ones: a destination is as short as what the site's directives see.
    pub fn expand_with(&self, req: &Request, captures: &Captures) -> String {
        let scope = Scope { captures: Some(captures), uri: &req.head.uri, ..Scope::of(req) };
        self.target(&scope, true)
    }

    /// The target of a redirect.
    pub fn expand_location(&self, req: &Request) -> String {
        self.target(&Scope::of(req), false)
    }

    fn target(&self, scope: &Scope<'_>, in_path: bool) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Value(value) => value.write_in_target(&mut out, scope, in_path),
                Part::Unknown(_) => {}
            }
        }
        out
    }

    /// The text for a comparison: paths are decoded and cleaned, so that `/%61dmin` cannot pass
    /// for another path than `/admin`.
    pub fn expand_decoded(&self, req: &Request) -> String {
        let mut out = String::new();
        self.write(&mut out, &Scope { decoded: true, ..Scope::of(req) }, "");
        out
    }

    /// The text if it is the same for every request.
    pub fn is_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Names in it that stand for nothing, and look as if somebody meant them to.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Unknown(name) if names::is_word(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it is one value that has neither quotes nor control characters of its own.
    pub fn is_escaped(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Value(Value::Word(Read::Head, _))])
    }

    /// Whether `{request_body}` is in it, for which [`RequestBody::copy`] is needed.
    pub fn wants_body(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Value(Value::Word(Read::Content, _))))
    }

    fn write(&self, out: &mut String, scope: &Scope<'_>, empty: &str) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Unknown(_) => out.push_str(empty),
                Part::Value(value) => {
                    let before = out.len();
                    value.write(out, scope);
                    if out.len() == before {
                        out.push_str(empty);
                    }
                }
            }
        }
    }
}
