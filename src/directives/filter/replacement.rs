//! What stands in the place of a match: text with parameters in braces.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::HeaderName;
use http::header::{HeaderMap, LAST_MODIFIED};
use http::response::Parts;

use crate::caddyfile::{Args, ConfigError};
use crate::http::Request;
use crate::http::html::{escape, is_markup};
use crate::http::request::join;
use crate::text_template::Moment;

/// A replacement as it is written.
#[derive(Debug, Default)]
pub(super) struct Replacement(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Bytes),
    Group(usize),
    Request(Fact),
    RequestField(HeaderName),
    ResponseField(HeaderName),
    /// The time, in a layout.
    Now(String),
    /// That of Last-Modified, else the time.
    Modified(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fact {
    Url,
    Path,
    Method,
    Host,
    HostOnly,
    Proto,
    Remote,
}

/// A replacement for one response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(Bytes),
    /// A group of the match.
    Group(usize),
}

impl Replacement {
    /// Reads TEXT or @FILE.
    pub(super) fn read(word: &str, args: &mut Args<'_>) -> Result<Self, ConfigError> {
        let Some(name) = word.strip_prefix('@').filter(|name| !name.is_empty()) else {
            return Ok(Self::parse(word.as_bytes()));
        };
        match std::fs::read(name) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let message =
                    format!("filter: file '{name}' not found: the text '{word}' is inserted");
                let hint = "a path is relative to the working directory of the server";
                args.warn(args.error_at(word, message).hint(hint));
                Ok(Self::parse(word.as_bytes()))
            }
            Err(error) => Err(args
                .error_at(word, format!("filter: cannot read the file '{name}': {error}"))
                .hint("write the path of a file, relative to the working directory")),
        }
    }

    /// What looks like a parameter and is none stays as it is: texts of CSS and JavaScript have
    /// braces too.
    fn parse(text: &[u8]) -> Self {
        let (mut parts, mut literal) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some(open) = rest.iter().position(|byte| *byte == b'{') {
            literal.extend_from_slice(&rest[..open]);
            rest = &rest[open..];
            let close = rest.iter().position(|byte| *byte == b'}');
            let name = close.and_then(|close| std::str::from_utf8(&rest[1..close]).ok());
            match name.and_then(Part::named) {
                Some(Part::Text(text)) => literal.extend_from_slice(&text),
                Some(part) => {
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal).into()));
                    }
                    parts.push(part);
                }
                None => {
                    literal.push(b'{');
                    rest = &rest[1..];
                    continue;
                }
            }
            rest = &rest[close.map_or(1, |close| close + 1)..];
        }
        literal.extend_from_slice(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
        }
        Self(parts)
    }

    /// The pieces for a response. In HTML and XML what a client wrote is text, and no tags.
    pub(super) fn pieces(&self, req: &Request, head: &Parts) -> Vec<Piece> {
        let is_markup = is_markup(&head.headers);
        let pieces = self.0.iter().map(|part| match part {
            Part::Text(text) => Piece::Text(text.clone()),
            Part::Group(at) => Piece::Group(*at),
            part => {
                let value = part.value(req, &head.headers);
                let value = if is_markup { escape(&value) } else { value.into_owned() };
                Piece::Text(value.into())
            }
        });
        pieces.collect()
    }
}

impl Part {
    fn named(name: &str) -> Option<Self> {
        if let Ok(at) = name.parse() {
            return name.bytes().all(|byte| byte.is_ascii_digit()).then_some(Self::Group(at));
        }
        if let Some(name) = name.strip_prefix("request_") {
            return Self::of_request(name);
        }
        if let Some(name) = name.strip_prefix("response_header_") {
            for modified in ["last_modified", "last-modified"] {
                match name.strip_prefix(modified) {
                    Some("") => return Some(Self::Modified(String::new())),
                    Some(rest) if rest.starts_with(':') => {
                        return Some(Self::Modified(rest[1..].to_owned()));
                    }
                    _ => {}
                }
            }
            return name.parse().ok().map(Self::ResponseField);
        }
        if let Some(name) = name.strip_prefix("env_") {
            let value = std::env::var_os(name).unwrap_or_default();
            return Some(Self::Text(std::os::unix::ffi::OsStringExt::into_vec(value).into()));
        }
        match name.strip_prefix("now")? {
            "" => Some(Self::Now(String::new())),
            rest => rest.strip_prefix(':').map(|layout| Self::Now(layout.to_owned())),
        }
    }

    fn of_request(name: &str) -> Option<Self> {
        if let Some(name) = name.strip_prefix("header_") {
            return name.parse().ok().map(Self::RequestField);
        }
        Some(Self::Request(match name {
            "url" => Fact::Url,
            "path" => Fact::Path,
            "method" => Fact::Method,
            "host" => Fact::Host,
            "hostonly" => Fact::HostOnly,
            "proto" => Fact::Proto,
            "remoteAddress" => Fact::Remote,
            _ => return None,
        }))
    }

    fn value<'a>(&'a self, req: &'a Request, response: &HeaderMap) -> Cow<'a, str> {
        match self {
            Self::Request(fact) => fact.of(req),
            Self::RequestField(name) => req.field(name.as_str()).unwrap_or_default().into(),
            Self::ResponseField(name) => {
                join(response.get_all(name).iter()).unwrap_or_default().into()
            }
            Self::Now(layout) => shown(SystemTime::now(), layout).into(),
            Self::Modified(layout) => {
                let date = response.get(LAST_MODIFIED).and_then(|date| date.to_str().ok());
                let time = date.and_then(|date| httpdate::parse_http_date(date).ok());
                shown(time.unwrap_or_else(SystemTime::now), layout).into()
            }
            Self::Text(_) | Self::Group(_) => Cow::Borrowed(""),
        }
    }
}

impl Fact {
    fn of(self, req: &Request) -> Cow<'_, str> {
        match self {
            Self::Url => req.head.uri.to_string().into(),
            Self::Path => req.route(),
            Self::Method => req.head.method.as_str().into(),
            Self::Host => req.host_field().into(),
            Self::HostOnly => req.host.as_str().into(),
            Self::Proto => format!("{:?}", req.head.version).into(),
            Self::Remote => req.peer.remote.to_string().into(),
        }
    }
}

/// A time in the layout of the parameter: RFC 3339, a number, or a layout of Go.
fn shown(time: SystemTime, layout: &str) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    match layout {
        "" | "RFC" | "RFC3339" => Moment::local(time).format("2006-01-02T15:04:05Z07:00"),
        "unix" => since.as_secs().to_string(),
        "timestamp" => since.as_millis().to_string(),
        layout => Moment::local(time).format(layout),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Part {
        Part::Text(text.to_owned().into())
    }

    #[test]
    fn parameters_and_other_braces() {
        let field = |name| HeaderName::from_static(name);
        for (written, parts) in [
            ("", vec![]),
            ("plain", vec![text("plain")]),
            ("<b>{1}</b>", vec![text("<b>"), Part::Group(1), text("</b>")]),
            ("{0}{12}", vec![Part::Group(0), Part::Group(12)]),
            ("{request_host}", vec![Part::Request(Fact::Host)]),
            ("{request_header_X-A}", vec![Part::RequestField(field("x-a"))]),
            ("{response_header_Server}", vec![Part::ResponseField(field("server"))]),
            ("{response_header_last_modified:unix}", vec![Part::Modified("unix".into())]),
            ("{now}{now:15:04}", vec![Part::Now(String::new()), Part::Now("15:04".into())]),
            ("{env_NONE_OF_THIS_NAME}x", vec![text("x")]),
            ("a{color:red}b", vec![text("a{color:red}b")]),
            ("{request_nothing}", vec![text("{request_nothing}")]),
            ("{request_header_a b}", vec![text("{request_header_a b}")]),
            ("if(a){{1}}", vec![text("if(a){"), Part::Group(1), text("}")]),
            ("{+1}{-1}{}{nowhere}", vec![text("{+1}{-1}{}{nowhere}")]),
            ("end {1", vec![text("end {1")]),
        ] {
            assert_eq!(Replacement::parse(written.as_bytes()).0, parts, "{written}");
        }
    }

    #[test]
    fn times() {
        let time = UNIX_EPOCH + Duration::from_millis(1_000_000_000_500);
        assert_eq!(shown(time, "unix"), "1000000000");
        assert_eq!(shown(time, "timestamp"), "1000000000500");
        assert_eq!(shown(time, "2006"), "2001");
        assert!(shown(time, "").starts_with("2001-09-0"), "{}", shown(time, ""));
    }
}
