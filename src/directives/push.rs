//! `push [PATH [RESOURCE…]]`: tells browsers early which resources a page needs. Browsers have
//! removed HTTP/2 server push; the field `Link` with `rel=preload` has the same effect over every
//! protocol.

use http::{HeaderValue, Method, header};

use crate::arguments;
use crate::caddyfile::Repeat::Accumulates;
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::Request;
use crate::http::paths::{self, Prefix};
use crate::site::SiteBuilder;

/// A preload request of a browser has its own method and fields.
pub(super) static OPTIONS: Options<Rule> = Options::<Rule>::new(&[
    option("method GET|HEAD", Accumulates, |_, args| {
        args.one_of("method", &[("GET", ()), ("HEAD", ())])
    }),
    option("header NAME VALUE", Accumulates, |_, args| {
        args.required().and_then(|_| args.required()).map(drop)
    }),
])
.others(option("RESOURCE, such as: /style.css", Accumulates, |rule, args| {
    let resource = args.val();
    args.no_more()?;
    rule.add(resource, args)
}));

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules: Vec<Rule> = Vec::new();
    while args.next() {
        let words = args.remaining();
        let (path, resources) = words.split_first().map_or(("/", &[][..]), |(p, r)| (*p, r));
        let path = arguments::prefix(args, path)?;
        if rules.iter().any(|rule| rule.path == path) {
            return Err(args
                .error(format!("push: duplicate path '{path}'"))
                .hint("put the resources of one path into one block"));
        }
        let mut rule = Rule { path, links: Vec::new() };
        for resource in resources {
            rule.add(resource, args)?;
        }
        OPTIONS.read(&mut rule, args)?;
        rules.push(rule);
    }
    if rules.iter().all(|rule| rule.links.is_empty()) {
        args.warn(args.error(
            "push: no resource is named, so it does nothing; Link fields of upstreams reach the \
             browser as they are",
        ));
        return Ok(());
    }
    site.push(Push { rules });
    Ok(())
}

pub(super) struct Rule {
    path: Prefix,
    /// The resource and its `Link` value.
    links: Vec<(String, HeaderValue)>,
}

impl Rule {
    fn add(&mut self, resource: &str, args: &Args<'_>) -> Result<(), ConfigError> {
        let is_plain = |b: u8| b.is_ascii_graphic() && b != b'>' && b != b'"';
        if !resource.starts_with('/') || !resource.bytes().all(is_plain) {
            return Err(args
                .error(format!("push: '{resource}' is not a path"))
                .hint("a resource starts with '/'; what is not ASCII is percent-encoded"));
        }
        let text = format!("<{resource}>; rel=preload{}", destination(resource));
        let value = HeaderValue::try_from(text).map_err(|_| args.arg_error())?;
        self.links.push((resource.to_owned(), value));
        Ok(())
    }
}

/// Without `as`, a browser does not use the preloaded resource.
fn destination(resource: &str) -> &'static str {
    let path = resource.split('?').next().unwrap_or_default();
    match paths::extension(path) {
        ".css" => "; as=style",
        ".js" | ".mjs" => "; as=script",
        ".woff" | ".woff2" | ".ttf" | ".otf" => "; as=font; crossorigin",
        ".png" | ".jpg" | ".jpeg" | ".gif" | ".webp" | ".avif" | ".svg" | ".ico" => "; as=image",
        ".json" => "; as=fetch; crossorigin",
        _ => "",
    }
}

struct Push {
    rules: Vec<Rule>,
}

impl Handler for Push {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let route = req.route();
        let rule = self.rules.iter().filter(|rule| rule.path.holds(&route));
        let rule = rule.max_by_key(|rule| rule.path.as_str().len());
        let Some(rule) = rule.filter(|_| req.head.method == Method::GET) else {
            drop(route);
            return next.run(req);
        };
        drop(route);
        Box::pin(async move {
            let mut response = next.run(req).await?;
            let is_page = response.status().is_success()
                && response
                    .headers()
                    .get(header::CONTENT_TYPE)
                    .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
            if is_page {
                let own = req.path();
                for (_, link) in rule.links.iter().filter(|(resource, _)| resource != own) {
                    response.headers_mut().append(header::LINK, link.clone());
                }
            }
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::directives::testing;
    use crate::http::Body;
    use crate::http::request::tests::request;

    async fn links(lines: &str, method: &str, target: &str) -> Vec<String> {
        let mut site = testing::site("push", setup, lines).unwrap();
        site.push(testing::Answer(|req: &mut Request| {
            let kind = if req.path().ends_with(".css") { "text/css" } else { "text/html" };
            let mut response = Response::new(Body::empty());
            response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
            Ok(response)
        }));
        let response = site.build().handle(&mut request(method, target)).await.unwrap();
        let links = response.headers().get_all("link").iter();
        links.map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn pages_name_what_they_need() {
        let lines = "push / /a.css /b\npush /sub {\nmethod HEAD\nheader X y\n/c.woff2?1\n}";
        let [style, plain] = ["</a.css>; rel=preload; as=style", "</b>; rel=preload"];
        for (method, target, expected) in [
            ("GET", "/", vec![style, plain]),
            ("GET", "/b", vec![style]),
            ("GET", "/sub/x", vec!["</c.woff2?1>; rel=preload; as=font; crossorigin"]),
            ("GET", "/Subway", vec!["</c.woff2?1>; rel=preload; as=font; crossorigin"]),
            ("GET", "/a.css", vec![]),
            ("POST", "/", vec![]),
        ] {
            assert_eq!(links(lines, method, target).await, expected, "{method} {target}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (lines, message) in [
            ("push / a", "push: 'a' is not a path"),
            ("push / /a\npush / /b", "push: duplicate path '/'"),
            ("push / {\nmethod POST\n}", "unknown method 'POST'"),
            ("push / {\n\"/a>\"\n}", "push: '/a>' is not a path"),
        ] {
            assert_eq!(testing::site("push", setup, lines).err().as_deref(), Some(message));
        }
        assert_eq!(testing::site("push", setup, "push").unwrap().warnings.len(), 1);
    }
}
