//! Placeholders in targets: a value from the client is encoded so that it stays one piece of the
//! path or one value of the query.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::scope::Scope;
use super::table::{Text, Value};
use crate::http::paths::IN_PATH;

/// Characters of a path that are encoded in a query: they would separate parameters or mean a
/// space.
const OF_PATH_IN_QUERY: &AsciiSet = &CONTROLS.add(b'&').add(b'+').add(b';').add(b'#');

/// The same for text without escapes.
const PLAIN_IN_QUERY: &AsciiSet = &IN_PATH.add(b'&').add(b'+').add(b';');

impl Value {
    /// Appends the value to the target that begins with `out`. It is encoded for a path only with
    /// `in_path`, as the target of a redirect may begin with a whole URI.
    pub(super) fn write_in_target(&self, out: &mut String, scope: &Scope<'_>, in_path: bool) {
        let in_query = out.contains('?');
        let mut text = String::new();
        self.write(&mut text, scope);
        let (path, query) = text.split_at(text.find('?').unwrap_or(text.len()));
        match self.text() {
            Text::Path if in_query => out.extend(utf8_percent_encode(&text, OF_PATH_IN_QUERY)),
            Text::Uri if in_query => {
                out.extend(utf8_percent_encode(path, OF_PATH_IN_QUERY));
                out.push_str(query);
            }
            Text::Plain if in_query => out.extend(utf8_percent_encode(&text, PLAIN_IN_QUERY)),
            Text::Plain if in_path => out.extend(utf8_percent_encode(&text, IN_PATH)),
            Text::Path | Text::Uri | Text::Plain | Text::Ready => out.push_str(&text),
        }
    }

    fn text(&self) -> Text {
        match self {
            Self::Word(_, text) | Self::Loaded(_, text) => *text,
            Self::Capture(_) => Text::Path,
            Self::Label(_)
            | Self::Argument(_)
            | Self::Cookie(_)
            | Self::RequestField(_)
            | Self::ResponseField(_) => Text::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::http::placeholders::{Captures, Template};
    use crate::http::request::tests::request;

    #[test]
    fn no_client_adds_a_parameter() {
        let captures = Captures(vec!["a&action=delete".to_owned(), "b%20c+d".to_owned()]);
        for (template, target, expected) in [
            ("/i?title={1}&x={2}", "/", "/i?title=a%26action=delete&x=b%20c%2Bd"),
            ("/{1}/{2}", "/", "/a&action=delete/b%20c+d"),
            ("/i?p={path}&{query}", "/a&b=c?d=e&f", "/i?p=/a%26b=c&d=e&f"),
            ("/i?p={path}", "/a%26b", "/i?p=/a%26b"),
            ("/i?u={uri}", "/a&b?c=d&e", "/i?u=/a%26b?c=d&e"),
            ("{uri}&x={1}", "/a&b?c=d&e", "/a&b?c=d&e&x=a%26action=delete"),
            ("/i?p={?p}", "/?p=a%26b%3Dc+d%25", "/i?p=a%26b=c%20d%25"),
            ("/i/{?p}", "/?p=a%3Fb%26c%25", "/i/a%3Fb&c%25"),
            ("/i?h={>Host}", "/", "/i?h=example.com:8080"),
            ("/i?{path_escaped}", "/a&b", "/i?%2Fa%26b"),
        ] {
            let req = request("GET", target);
            let made = Template::parse(template).expand_with(&req, &captures);
            assert_eq!(made, expected, "{template} {target}");
        }
    }
}
