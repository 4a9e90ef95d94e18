//! Placeholders such as `{host}` in arguments of directives: parsed at load, expanded per request.
//! Placeholders within values are not expanded.

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
pub use names::{known, of_variable, translated};
use parse::Part;
pub use parse::opens_object;
use scope::Scope;
use table::{Read, Value};

/// A parsed text with placeholders.
#[derive(Debug, Clone)]
pub struct Template {
    parts: Vec<Part>,
}

impl Template {
    /// Parses a text. An unknown placeholder expands to nothing, an unpaired `{` is literal, `\{`
    /// and `\}` are braces.
    pub fn parse(text: &str) -> Self {
        Self { parts: parse::parts(text) }
    }

    /// Expands the text; an unknown or empty placeholder becomes `empty`. `{path}`, `{uri}` and
    /// `{query}` are those of the original URI, in the client's encoding.
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

    /// Expands the destination of a rewrite. `{path}`, `{uri}` and `{query}` are the current ones,
    /// without the path of the site.
    pub fn expand_with(&self, req: &Request, captures: &Captures) -> String {
        let scope = Scope { captures: Some(captures), uri: &req.head.uri, ..Scope::of(req) };
        self.target(&scope, true)
    }

    /// Expands the target of a redirect.
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

    /// Expands the text for a comparison: paths are normalized, so that `/%61dmin` equals
    /// `/admin`.
    pub fn expand_decoded(&self, req: &Request) -> String {
        let mut out = String::new();
        self.write(&mut out, &Scope { decoded: true, ..Scope::of(req) }, "");
        out
    }

    /// The text, if it has no placeholders.
    pub fn is_literal(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Unknown names that look like placeholders.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Unknown(name) if names::is_word(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it is a single value that is already escaped.
    pub fn is_escaped(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Value(Value::Word(Read::Head, _))])
    }

    /// Whether it contains `{request_body}`, which requires [`RequestBody::copy`].
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
