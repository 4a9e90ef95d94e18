//! A format that is a JSON object with placeholders: values are escaped as JSON needs it, and the
//! object is checked when the configuration is loaded.

use serde_json::Value;

use super::object;
use super::plain::{self, special};
use super::segment::{Late, Segment, Unusable, Written};
use crate::http::placeholders::opens_object;
use crate::json_string;

/// The placeholders whose values are numbers, beside those of [`Late`].
const NUMBERS: &[&str] = &[
    "{status}",
    "{port}",
    "{server_port}",
    "{when_unix}",
    "{when_unix_ms}",
    "{tls_client_v_remain}",
];

const HINT: &str = "write {json}, or a whole JSON object: quotes as \\\", braces of a text as \\{ \
                    and \\}";

/// The segments of the object that the text is.
pub(super) fn parse(text: &str) -> Result<Vec<Segment>, Unusable> {
    let read = Reader::read(text);
    if read.json_in_string {
        let message = "{json} is an object, and stands in quotes".to_owned();
        return Err(Unusable { message, hint: "leave out the quotes around it" });
    }
    let Err(error) = serde_json::from_str::<Value>(&read.outline) else { return Ok(read.segments) };
    // Values are as long there as their placeholders.
    let lines = read.outline.split_inclusive('\n').take(error.line().saturating_sub(1));
    let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let place = &text[text.floor_char_boundary(at)..];
    let place = match &place[..place.floor_char_boundary(20)] {
        _ if error.is_eof() => "its end".to_owned(),
        place => format!("'{place}'"),
    };
    let why = error.to_string();
    let why = why.split(" at line ").next().unwrap_or_default();
    let message = format!("the format begins as a JSON object, but at {place}: {why}");
    Err(Unusable { message, hint: HINT })
}

#[derive(Default)]
struct Reader {
    segments: Vec<Segment>,
    /// The text that is no segment yet.
    text: String,
    /// The format with values in place of the placeholders, of the same length.
    outline: String,
    in_string: bool,
    json_in_string: bool,
}

impl Reader {
    fn read(text: &str) -> Self {
        let mut reader = Self::default();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let taken = reader.take(c, rest);
            rest = &rest[taken..];
        }
        reader.end_text();
        reader
    }

    /// Takes a character and what belongs to it; returns how many bytes.
    fn take(&mut self, c: char, rest: &str) -> usize {
        match c {
            '\\' if self.in_string => return self.escaped(rest),
            '{' => {
                if let Some(placeholder) = placeholder(rest, self.in_string) {
                    self.placeholder(placeholder);
                    return placeholder.len();
                }
            }
            '"' => self.in_string = !self.in_string,
            // The object may stand on several lines of the Caddyfile.
            '\n' | '\r' | '\t' if !self.in_string => {
                self.both(" ");
                return 1;
            }
            _ => {}
        }
        self.both(&rest[..c.len_utf8()]);
        c.len_utf8()
    }

    fn escaped(&mut self, rest: &str) -> usize {
        let second = rest[1..].chars().next();
        let len = 1 + second.map_or(0, char::len_utf8);
        match second {
            Some(brace @ ('{' | '}')) => {
                self.text.push(brace);
                self.outline.push_str("xx");
            }
            _ => self.both(&rest[..len]),
        }
        len
    }

    fn both(&mut self, text: &str) {
        self.text.push_str(text);
        self.outline.push_str(text);
    }

    fn end_text(&mut self) {
        if !self.text.is_empty() {
            self.segments.push(Segment::Text(std::mem::take(&mut self.text)));
        }
    }

    fn placeholder(&mut self, placeholder: &str) {
        self.end_text();
        let len = placeholder.len();
        let segments = self.segments_of(placeholder);
        let is_number =
            matches!(segments[..], [Segment::Value(_, Written::Number)] | [Segment::Late(_)]);
        let outline = match (self.in_string, is_number) {
            (true, _) => "x".repeat(len),
            (false, true) => "1".repeat(len),
            (false, false) => format!("\"{}\"", "x".repeat(len - 2)),
        };
        self.outline.push_str(&outline);
        self.segments.extend(segments);
    }

    fn segments_of(&mut self, placeholder: &str) -> Vec<Segment> {
        let within = match placeholder {
            "{json}" => {
                self.json_in_string |= self.in_string;
                return object::segments();
            }
            "{common}" | "{combined}" => {
                plain::parse(placeholder).into_iter().map(line_inside).collect()
            }
            _ => match special(placeholder) {
                Some(Segment::Late(late)) if late != Late::Latency => {
                    return vec![Segment::Late(late)];
                }
                Some(special) => vec![special],
                None => return vec![Segment::value(placeholder, self.written(placeholder))],
            },
        };
        if self.in_string {
            return within;
        }
        let quote = || vec![Segment::Text("\"".to_owned())];
        [quote(), within, quote()].concat()
    }

    fn written(&self, placeholder: &str) -> Written {
        match self.in_string {
            true => Written::Inside,
            false if NUMBERS.contains(&placeholder) => Written::Number,
            false => Written::Quoted,
        }
    }
}

/// A segment of a plain format, within a JSON string.
fn line_inside(segment: Segment) -> Segment {
    match segment {
        Segment::Text(text) => Segment::Text(json_string::escaped(&text)),
        Segment::Value(value, _) => Segment::Value(value, Written::LineInside),
        Segment::Remote | Segment::Late(_) | Segment::Member(_) => segment,
    }
}

/// The placeholder that the text begins with, unless its brace is JSON's or text.
fn placeholder(text: &str, in_string: bool) -> Option<&str> {
    let is_object = opens_object(text) || text[1..].trim_start().starts_with('}');
    if !in_string && is_object {
        return None;
    }
    let placeholder = &text[..=text.find('}')?];
    let name = &placeholder[1..placeholder.len() - 1];
    let is_none = |c: char| c.is_whitespace() || matches!(c, '"' | '{' | '\\');
    (!name.is_empty() && !name.contains(is_none)).then_some(placeholder)
}
