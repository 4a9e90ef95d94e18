//! `.Req` and `.URL`: the parts of Go's request and URL that templates use.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Version;
use percent_encoding::percent_decode_str;

use super::facts::Facts;
use crate::http::form;
use crate::text_template::{Object, Run, Text, Value, texts};

/// `.Req`
pub(super) struct RequestValue(pub(super) Arc<Facts>);

impl Object for RequestValue {
    fn name(&self) -> &'static str {
        "Request"
    }

    fn get(&self, name: &str, args: &[Value], _: &mut Run) -> Result<Option<Value>, String> {
        let facts = &self.0;
        let foreign = |text: &str| Some(Value::foreign(text));
        Ok(match (name, args) {
            ("Method", []) => foreign(facts.method.as_str()),
            ("Host", []) => foreign(&facts.host_field),
            ("RequestURI", []) => foreign(&facts.original.to_string()),
            ("RemoteAddr", []) => Some(Value::own(facts.remote.to_string())),
            ("Proto", []) => Some(Value::own(protocol(facts.version))),
            ("Referer", []) => foreign(&facts.header("referer")),
            ("UserAgent", []) => foreign(&facts.header("user-agent")),
            ("URL", []) => Some(Value::object(UrlValue(facts.clone()))),
            ("Header", []) => Some(Value::object(Fields(facts.clone()))),
            ("FormValue", args) => {
                let [key] = texts(name, args)?;
                Some(first(&query(facts), &key.text))
            }
            _ => None,
        })
    }
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

/// `.Req.Header`
struct Fields(Arc<Facts>);

impl Object for Fields {
    fn name(&self) -> &'static str {
        "Header"
    }

    fn get(&self, name: &str, args: &[Value], _: &mut Run) -> Result<Option<Value>, String> {
        match name {
            "Get" => {
                let [field] = texts(name, args)?;
                Ok(Some(Value::foreign(self.0.header(&field.text))))
            }
            _ => Ok(None),
        }
    }
}

/// `.URL`
pub(super) struct UrlValue(pub(super) Arc<Facts>);

impl Object for UrlValue {
    fn name(&self) -> &'static str {
        "URL"
    }

    fn get(&self, name: &str, args: &[Value], _: &mut Run) -> Result<Option<Value>, String> {
        let uri = &self.0.uri;
        let value = match (name, args) {
            ("Path", []) => Value::foreign(decoded(uri.path())),
            ("RawPath" | "EscapedPath", []) => Value::foreign(uri.path()),
            ("RawQuery", []) => Value::foreign(uri.query().unwrap_or_default()),
            ("RequestURI" | "String", []) => Value::foreign(uri.to_string()),
            ("Host" | "Scheme" | "Fragment", []) => Value::own(""),
            ("Query", []) => Value::object(Query(query(&self.0))),
            _ => return Ok(None),
        };
        Ok(Some(value))
    }

    fn print(&self) -> Text {
        Text::foreign(self.0.uri.to_string())
    }
}

/// `.URL.Query`
struct Query(BTreeMap<String, Vec<String>>);

impl Object for Query {
    fn name(&self) -> &'static str {
        "Values"
    }

    fn get(&self, name: &str, args: &[Value], _: &mut Run) -> Result<Option<Value>, String> {
        match name {
            "Get" => {
                let [key] = texts(name, args)?;
                Ok(Some(first(&self.0, &key.text)))
            }
            // `{{.URL.Query.name}}` is the list of the values.
            key if args.is_empty() => {
                let values = self.0.get(key).map(Vec::as_slice).unwrap_or_default();
                Ok(Some(Value::list(values.iter().map(|value| Value::foreign(value.as_str())))))
            }
            _ => Ok(None),
        }
    }
}

fn first(query: &BTreeMap<String, Vec<String>>, key: &str) -> Value {
    Value::foreign(query.get(key).and_then(|values| values.first()).map_or("", String::as_str))
}

fn query(facts: &Facts) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (key, value) in form::pairs(facts.uri.query().unwrap_or_default()) {
        found.entry(key).or_default().push(value);
    }
    found
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
