//! Expands the values of placeholders.

use super::body::RequestBody;
use super::read::{dump, joined};
use super::scope::Scope;
use super::table::{Read, Value};
use crate::http::{cookies, form};

impl Value {
    /// Appends the value; nothing if it is not known here.
    pub(super) fn write(&self, out: &mut String, scope: &Scope<'_>) {
        let req = scope.req;
        match self {
            Self::Word(read, _) => read.write(out, scope),
            Self::Loaded(text, _) => out.push_str(text),
            Self::RequestField(name) => joined(out, &req.head.headers, name),
            Self::ResponseField(name) => {
                if let Some(facts) = scope.resp {
                    joined(out, facts.headers, name);
                }
            }
            Self::Argument(name) => {
                out.push_str(&form::value(scope.query(), name).unwrap_or_default());
            }
            Self::Cookie(name) => {
                out.push_str(&cookies::first(&req.head.headers, name).unwrap_or_default());
            }
            Self::Label(n) => {
                let label = n.checked_sub(1).and_then(|n| req.host.split('.').nth(n));
                out.push_str(label.unwrap_or(""));
            }
            Self::Capture(n) => {
                let capture = scope.captures.and_then(|all| all.0.get(n.wrapping_sub(1)));
                out.push_str(capture.map_or("", |text| text));
            }
        }
    }
}

impl Read {
    fn write(self, out: &mut String, scope: &Scope<'_>) {
        let req = scope.req;
        match self {
            Self::Connection(read) => read(out, &req.peer),
            Self::Certificate(read) => {
                if let Some(der) = req.peer.tls.as_ref().and_then(|tls| tls.client.as_deref()) {
                    read(out, der);
                }
            }
            Self::Request(read) => read(out, scope),
            Self::Head => dump(out, req),
            Self::Content => {
                if let Some(copy) = req.head.extensions.get::<RequestBody>() {
                    copy.write(out);
                }
            }
            Self::Time(read) => read(out),
            Self::Response(read) => {
                if let Some(facts) = scope.resp {
                    read(out, facts);
                }
            }
        }
    }
}
