//! `templates [PATH [EXT…]]`: executes files of the site's root as templates of Go's text/template.
//!
//! The row stands before `proxy`, as in Caddy 1.0, but what an upstream answers or a client wrote
//! is never executed: only a response with the mark of an own file is, and only outside the folders
//! of `upload` and `webdav`.

use http::header::{ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, ETAG, LAST_MODIFIED, LINK};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use crate::arguments;
use crate::caddyfile::Repeat::LastWins;
use crate::caddyfile::{Args, ConfigError, Options, option};
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::html::is_markup;
use crate::http::paths::{Prefix, extension};
use crate::http::{Body, Fault, Request};
use crate::own_files::{OwnFile, Raw};
use crate::pages::{Facts, Page, Rendered, Root};
use crate::site::{Executed, SiteBuilder};

const EXTENSIONS: [&str; 5] = [".html", ".htm", ".tmpl", ".tpl", ".txt"];

pub(super) static OPTIONS: Options<Rule> = Options::new(&[
    option("path PATH", LastWins, |rule, args| {
        let path = args.required()?;
        rule.path = arguments::prefix(args, path)?;
        args.no_more()
    }),
    option("ext .EXTENSION..., such as: ext .html .txt", LastWins, |rule, args| {
        rule.extensions = args.one_or_more().and_then(|words| extensions(args, &words))?;
        Ok(())
    }),
    option("between LEFT RIGHT, such as: between [[ ]]", LastWins, |rule, args| {
        let delimiters = [args.required()?, args.required()?];
        args.no_more()?;
        if delimiters.iter().any(|delimiter| delimiter.is_empty()) {
            return Err(args.error("a delimiter is empty").hint("write: between [[ ]]"));
        }
        rule.delimiters = delimiters.map(str::to_owned);
        Ok(())
    }),
]);

pub(super) fn setup(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    let mut rules = Vec::new();
    while args.next() {
        let mut rule = Rule::default();
        let words = args.remaining();
        if let Some((path, rest)) = words.split_first() {
            rule.path = arguments::prefix(args, path)?;
            if !rest.is_empty() {
                rule.extensions = extensions(args, rest)?;
            }
        }
        OPTIONS.read(&mut rule, args)?;
        site.executed.push(rule.executed(args, &site.root));
        rules.push(Arc::new(rule));
    }
    site.remakes_files = true;
    site.push(Templates { rules, root: Root::of(site) });
    Ok(())
}

fn extensions(args: &Args<'_>, words: &[&str]) -> Result<Vec<String>, ConfigError> {
    for word in words {
        if !word.starts_with('.') {
            return Err(args
                .error_at(word, format!("templates: '{word}' is not an extension"))
                .hint(format!("an extension starts with a dot: .{word}")));
        }
    }
    Ok(words.iter().map(|word| (*word).to_owned()).collect())
}

pub(super) struct Rule {
    path: Prefix,
    extensions: Vec<String>,
    delimiters: [String; 2],
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            path: Prefix::new("/"),
            extensions: EXTENSIONS.map(str::to_owned).to_vec(),
            delimiters: ["{{", "}}"].map(str::to_owned),
        }
    }
}

impl Rule {
    /// What is said if clients may write below its path.
    fn executed(&self, args: &Args<'_>, root: &Path) -> Executed {
        let error = args.error("templates: files that clients may write are sent as they are");
        let hint = "name by: templates PATH a folder that neither upload nor webdav writes to";
        let path = root.join(self.path.as_str().trim_start_matches('/'));
        Executed { path, warning: error.hint(hint).warning() }
    }

    /// Whether a request may be for one of its files; the index of a folder has any extension.
    fn may_mean(&self, route: &str) -> bool {
        let extension = extension(route);
        self.path.holds(route) && (extension.is_empty() || self.has(extension))
    }

    fn has(&self, extension: &str) -> bool {
        self.extensions.iter().any(|known| known == extension)
    }

    fn means(&self, file: &Path) -> bool {
        let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
        self.has(extension(name))
    }
}

/// The first rule that holds a path is used.
struct Templates {
    rules: Vec<Arc<Rule>>,
    root: Arc<Root>,
}

impl Handler for Templates {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        let is_read = matches!(req.head.method, Method::GET | Method::HEAD);
        let route = req.route();
        let rule = self.rules.iter().find(|rule| rule.path.holds(&route));
        let rule = rule.filter(|rule| is_read && rule.may_mean(&route));
        drop(route);
        let Some(rule) = rule else { return next.run(req) };
        Box::pin(async move {
            let outer = req.head.extensions.insert(Raw);
            let response = next.run(&mut *req).await;
            if outer.is_none() {
                req.head.extensions.remove::<Raw>();
            }
            let response = response?;
            let file = response.extensions().get::<OwnFile>();
            let Some(file) = file.filter(|file| rule.means(&file.path)) else {
                return Ok(response);
            };
            let (file, headers) = (file.path.clone(), response.headers().clone());
            match self.render(req, rule.clone(), file, headers).await? {
                Some(page) => Ok(page),
                None => next.run(req).await,
            }
        })
    }
}

impl Templates {
    /// The page; none if clients may have written the file.
    async fn render(
        &self,
        req: &Request,
        rule: Arc<Rule>,
        file: Arc<Path>,
        mut headers: HeaderMap,
    ) -> Result<Option<Response<Body>>, Fault> {
        let page = Page {
            root: self.root.clone(),
            facts: Facts::of(req),
            is_html: is_markup(&headers),
            fields: BTreeMap::new(),
        };
        let done = tokio::task::spawn_blocking(move || execute(page, &rule, &file)).await;
        let failed = |error| Fault::caused(StatusCode::INTERNAL_SERVER_ERROR, error);
        let done = done.map_err(|error| failed(error.to_string()))?.map_err(failed)?;
        let Some(Rendered { text, links, .. }) = done else { return Ok(None) };
        for name in [ETAG, LAST_MODIFIED, ACCEPT_RANGES, CONTENT_ENCODING] {
            headers.remove(name);
        }
        for link in links {
            let value = HeaderValue::try_from(link).map_err(|error| failed(error.to_string()))?;
            headers.append(LINK, value);
        }
        headers.insert(CONTENT_LENGTH, text.len().into());
        let is_head = req.head.method == Method::HEAD;
        let body = if is_head { Body::empty() } else { Body::from(text) };
        let mut response = Response::new(body);
        *response.headers_mut() = headers;
        Ok(Some(response))
    }
}

fn execute(page: Page, rule: &Rule, file: &Path) -> Result<Option<Rendered>, String> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let [left, right] = &rule.delimiters;
    let Some(template) = page.root.template(file, &name, [left, right])? else { return Ok(None) };
    let rendered = page.render(&template.set, &template.name);
    rendered.map(Some).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use http_body_util::BodyExt;

    use super::*;
    use crate::directives::{setup_static, testing};
    use crate::http::request::tests::request;
    use crate::site::Site;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("sub")).unwrap();
        for (name, text) in [
            ("index.html", "<p>{{.Method}} {{.URL.Query.Get `x`}}</p>"),
            ("page.html", "{{.Include `/part.inc`}}{{.AddLink `</a.css>; rel=preload`}}"),
            ("part.inc", "part of {{.URI}}"),
            ("plain.txt", "{{.URL.Query.Get `x`}}"),
            ("style.css", "{{.Method}}"),
            ("wrong.html", "a\n{{nope}}"),
            ("sub/other.html", "{{.Method}} [[.Method]]"),
        ] {
            fs::write(root.path().join(name), text).unwrap();
        }
        root
    }

    fn site(root: &Path, lines: &str) -> Site {
        let mut site = testing::site_in(root, "templates", setup, lines).unwrap();
        site.push(testing::Upstream);
        setup_static(&mut site);
        site.build()
    }

    async fn get(
        site: &Site,
        method: &str,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Response<String> {
        let mut req = request(method, target);
        for (name, value) in fields {
            let name = http::HeaderName::try_from(*name).unwrap();
            req.head.headers.insert(name, value.parse().unwrap());
        }
        let (head, body) = site.handle(&mut req).await.unwrap().into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Response::from_parts(head, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn files_are_executed() {
        let root = root();
        let site = site(root.path(), "templates");
        for (target, expected) in [
            ("/?x=%3Cb%3E", "<p>GET &lt;b&gt;</p>"),
            ("/page.html", "part of /page.html"),
            ("/plain.txt?x=%3Cb%3E", "<b>"),
            ("/style.css", "{{.Method}}"),
            ("/part.inc", "part of {{.URI}}"),
            ("/sub/other.html", "GET [[.Method]]"),
        ] {
            let response = get(&site, "GET", target, &[]).await;
            assert_eq!(response.body(), expected, "{target}");
            assert_eq!(response.headers()[CONTENT_LENGTH], expected.len().to_string(), "{target}");
        }
        let response = get(&site, "GET", "/page.html", &[]).await;
        assert_eq!(response.headers()["link"], "</a.css>; rel=preload");
        assert_eq!(response.headers()["content-type"], "text/html; charset=utf-8");
        let response = get(&site, "HEAD", "/page.html", &[]).await;
        assert_eq!(response.headers()[CONTENT_LENGTH], "18");
        assert_eq!(response.body(), "");
    }

    #[tokio::test]
    async fn a_page_is_whole_and_has_no_validators() {
        let root = root();
        let site = site(root.path(), "templates");
        let fields = [
            ("range", "bytes=0-1"),
            ("if-none-match", "*"),
            ("if-modified-since", "Sun, 09 Sep 2101 01:46:40 GMT"),
        ];
        let response = get(&site, "GET", "/", &fields).await;
        assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "<p>GET </p>"));
        for name in [ETAG, LAST_MODIFIED, ACCEPT_RANGES] {
            assert!(!response.headers().contains_key(&name), "{name}");
        }
        // A file that is no template has them, and its conditions hold.
        let response = get(&site, "GET", "/style.css", &fields).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    }

    #[tokio::test]
    async fn what_an_upstream_answers_is_not_executed() {
        let root = root();
        let site = site(root.path(), "templates");
        for target in ["/up/page.html", "/up/"] {
            assert_eq!(get(&site, "GET", target, &[]).await.body(), "{{.Method}}", "{target}");
        }
    }

    /// As an upload: it is a file with all that a file has.
    #[tokio::test]
    async fn what_clients_may_write_is_sent_as_it_is() {
        let root = root();
        let text = "{{.Env.PATH}}{{.Include `/plain.txt`}}";
        fs::create_dir(root.path().join("in")).unwrap();
        fs::write(root.path().join("in/x.html"), text).unwrap();
        fs::write(root.path().join("in/large.txt"), "x".repeat(20 << 20)).unwrap();
        std::os::unix::fs::symlink("in/x.html", root.path().join("link.html")).unwrap();
        fs::write(root.path().join("own.html"), "{{.Include `in/x.html`}} {{.Method}}").unwrap();
        fs::write(root.path().join("md.html"), "{{.Markdown `in/m`}}").unwrap();
        fs::write(root.path().join("in/m"), "[a](javascript:b) <script> {{.Method}}").unwrap();
        let mut draft = testing::site_in(root.path(), "templates", setup, "templates").unwrap();
        draft.foreign.add(&root.path().join("in"));
        setup_static(&mut draft);
        let site = draft.build();
        for (target, expected) in [
            ("/in/x.html", text),
            ("/link.html", text),
            ("/own.html", &format!("{text} GET")),
            ("/md.html", "[a](javascript:b) &lt;script&gt; {{.Method}}"),
        ] {
            assert_eq!(get(&site, "GET", target, &[]).await.body(), expected, "{target}");
        }
        let part = get(&site, "GET", "/in/x.html", &[("range", "bytes=2-5")]).await;
        assert_eq!((part.status().as_u16(), part.body().as_str()), (206, ".Env"));
        let known = get(&site, "GET", "/in/x.html", &[("if-none-match", "*")]).await;
        assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(get(&site, "HEAD", "/in/large.txt", &[]).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn rules_by_path_extension_and_delimiters() {
        let root = root();
        let lines = "templates {\npath /sub\next .html\nbetween [[ ]]\n}\ntemplates / .css";
        let site = site(root.path(), lines);
        for (target, expected) in [
            ("/sub/other.html", "{{.Method}} GET"),
            ("/style.css", "GET"),
            ("/plain.txt", "{{.URL.Query.Get `x`}}"),
        ] {
            assert_eq!(get(&site, "GET", target, &[]).await.body(), expected, "{target}");
        }
    }

    #[tokio::test]
    async fn a_wrong_template_is_500_with_its_place() {
        let root = root();
        let site = site(root.path(), "templates");
        let fault = site.handle(&mut request("GET", "/wrong.html")).await.unwrap_err();
        assert_eq!(fault.status, StatusCode::INTERNAL_SERVER_ERROR);
        let cause = fault.cause.unwrap().to_string();
        assert_eq!(cause, "wrong.html:2: function \"nope\" not defined");
        assert_eq!(site.handle(&mut request("GET", "/none.html")).await.unwrap_err().status, 404);
    }

    #[test]
    fn what_is_refused() {
        for (lines, message) in [
            ("templates / html", "templates: 'html' is not an extension"),
            ("templates {\next\n}", "Wrong argument count or unexpected line ending after 'ext'"),
            (
                "templates {\nbetween [[\n}",
                "Wrong argument count or unexpected line ending after '[['",
            ),
            ("templates {\nbetween \"\" ]]\n}", "a delimiter is empty"),
            ("templates {\nextension .html\n}", "unknown property 'extension'"),
        ] {
            let error = testing::site("templates", setup, lines).err();
            assert_eq!(error.as_deref(), Some(message), "{lines}");
        }
    }
}
