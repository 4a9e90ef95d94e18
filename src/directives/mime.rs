//! `mime .EXT TYPE`: sets the media type for an extension.

use std::collections::HashMap;

use http::{HeaderValue, header};

use crate::caddyfile::Repeat::Accumulates;
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::{Request, paths};
use crate::site::SiteBuilder;

pub(super) static OPTIONS: Options<Types> = Options::<Types>::new(&[]).others(option(
    ".EXT TYPE, such as: .wasm application/wasm",
    Accumulates,
    |types, args| {
        let (ext, kind) = (args.val(), args.required()?);
        types.add(ext, kind, args)
    },
));

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut types = Types { types: HashMap::new() };
    while args.next() {
        if !args.opens_block() {
            let (ext, kind) = (args.required()?, args.required()?);
            types.add(ext, kind, args)?;
            args.no_more()?;
        }
        OPTIONS.read(&mut types, args)?;
    }
    site.push(types);
    Ok(())
}

pub(super) struct Types {
    /// By extension with its dot, in lower case.
    types: HashMap<String, HeaderValue>,
}

impl Types {
    fn add(&mut self, ext: &str, kind: &str, args: &Args<'_>) -> Result<(), ConfigError> {
        if !ext.starts_with('.') {
            return Err(args
                .error_at(ext, format!("mime: '{ext}' must start with a dot"))
                .hint(format!("write: mime .{ext} TYPE")));
        }
        let value = HeaderValue::from_str(kind)
            .map_err(|_| args.error(format!("mime: '{kind}' is not a media type")))?;
        if self.types.insert(ext.to_ascii_lowercase(), value).is_some() {
            return Err(args
                .error_at(ext, format!("mime: duplicate extension '{ext}'"))
                .hint("give each extension one type"));
        }
        Ok(())
    }

    fn of(&self, path: &str) -> Option<&HeaderValue> {
        let ext = paths::extension(path);
        self.types.get(ext).or_else(|| self.types.get(&ext.to_ascii_lowercase()))
    }
}

impl Handler for Types {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let Some(kind) = self.of(req.path()) else { return next.run(req) };
        Box::pin(async move {
            let mut response = next.run(req).await?;
            let headers = response.headers_mut();
            // A multipart response has a type of its own.
            let is_multipart = headers
                .get(header::CONTENT_TYPE)
                .is_some_and(|now| now.as_bytes().starts_with(b"multipart/byteranges"));
            if !is_multipart && response.status().is_success() {
                response.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
            }
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::{Response, StatusCode};

    use super::*;
    use crate::directives::testing;
    use crate::http::Body;
    use crate::http::request::tests::request;

    async fn kind_of(target: &str, inner: &'static str, status: u16) -> String {
        let lines = "mime .foo text/foo\nmime {\n.BAR application/bar\n}";
        let mut site = testing::site("mime", setup, lines).unwrap();
        site.push(testing::Answer(move |_: &mut Request| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response.headers_mut().insert("content-type", HeaderValue::from_static(inner));
            Ok(response)
        }));
        let response = site.build().handle(&mut request("GET", target)).await.unwrap();
        response.headers()["content-type"].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn types_by_extension() {
        for (target, inner, status, expected) in [
            ("/a.foo", "text/html", 200, "text/foo"),
            ("/a.FOO?x=.bar", "text/html", 200, "text/foo"),
            ("/a.b/c.bar", "text/html", 206, "application/bar"),
            ("/a.foo", "multipart/byteranges; boundary=x", 206, "multipart/byteranges; boundary=x"),
            ("/a.foo", "text/html", 404, "text/html"),
            ("/a.foo/b", "text/html", 200, "text/html"),
            ("/foo", "text/html", 200, "text/html"),
        ] {
            assert_eq!(kind_of(target, inner, status).await, expected, "{target} {status}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (lines, message) in [
            ("mime", "Wrong argument count or unexpected line ending after 'mime'"),
            ("mime .a", "Wrong argument count or unexpected line ending after '.a'"),
            ("mime a text/a", "mime: 'a' must start with a dot"),
            ("mime .a text/a\nmime .A text/b", "mime: duplicate extension '.A'"),
            ("mime .a \"text/a\u{7}\"", "mime: 'text/a\u{7}' is not a media type"),
        ] {
            assert_eq!(testing::site("mime", setup, lines).err().as_deref(), Some(message));
        }
    }
}
