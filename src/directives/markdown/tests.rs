//! Pages of Markdown through the handler.

use std::fs;

use http_body_util::BodyExt;

use super::*;
use crate::directives::{setup_static, testing};
use crate::http::request::tests::request;
use crate::site::Site;

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for folder in ["blog", "plain"] {
        fs::create_dir(root.path().join(folder)).unwrap();
    }
    for (name, text) in [
        ("page.md", "---\ntitle: A <b>\nauthor: \"x\\\"><script>\"\n---\n# Hi\n\n<i>own</i>\n"),
        ("bare.markdown", "text"),
        ("named.md", "+++\ntemplate = \"post\"\nkind = \"<x>\"\n+++\ntext"),
        ("none.md", "{\"template\": \"nope\"}text"),
        ("other.txt", "# text"),
        ("blog/index.md", "---\ntemplate: list\n---\n"),
        ("blog/a.md", "# A\n\nOne two three four."),
        ("plain/index.html", "html"),
        ("post.html", "[{{.Doc.kind}}|{{.Doc.body}}|{{.Doc.title}}|{{.Method}}]"),
        (
            "list.html",
            "{{range .Files}}{{if ne .Name `index.md`}}{{.Name}}: {{.Summarize 2}}{{end}}{{end}}",
        ),
    ] {
        fs::write(root.path().join(name), text).unwrap();
    }
    root
}

fn site(root: &Path, lines: &str) -> Site {
    let mut site = testing::site_in(root, "markdown", setup, lines).unwrap();
    setup_static(&mut site);
    site.build()
}

async fn get(site: &Site, target: &str, fields: &[(&str, &HeaderValue)]) -> Response<String> {
    let mut req = request("GET", target);
    for (name, value) in fields {
        let name = http::HeaderName::try_from(*name).unwrap();
        req.head.headers.insert(name, (*value).clone());
    }
    let (head, body) = site.handle(&mut req).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Response::from_parts(head, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn the_default_page_and_front_matter_without_html() {
    let root = root();
    let site = site(root.path(), "markdown {\ncss /a\"b.css\njs /s.js\n}");
    let page = get(&site, "/page.md", &[]).await;
    assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(page.headers()[CONTENT_LENGTH], page.body().len().to_string());
    for expected in [
        "<title>A &lt;b&gt;</title>",
        "<meta name=\"author\" content=\"x&#34;&gt;&lt;script&gt;\">",
        "<link rel=\"stylesheet\" href=\"/a&#34;b.css\">",
        "<script src=\"/s.js\"></script>",
        "<h1>Hi</h1>\n<p><i>own</i></p>\n</body>",
    ] {
        assert!(page.body().contains(expected), "{expected}: {}", page.body());
    }
    let bare = get(&site, "/bare.markdown", &[]).await;
    assert!(bare.body().contains("<title>bare</title>"), "{}", bare.body());
    assert_eq!(get(&site, "/other.txt", &[]).await.body(), "# text");
    assert_eq!(get(&site, "/plain/", &[]).await.body(), "html");
    assert_eq!(site.handle(&mut request("GET", "/no.md")).await.unwrap_err().status, 404);
    assert_eq!(site.handle(&mut request("POST", "/page.md")).await.unwrap_err().status, 405);
}

#[tokio::test]
async fn pages_have_validators_and_follow_their_file() {
    let root = root();
    let site = site(root.path(), "markdown");
    let page = get(&site, "/bare.markdown", &[]).await;
    let (etag, modified) = (page.headers()[ETAG].clone(), page.headers()[LAST_MODIFIED].clone());
    for field in [("if-none-match", &etag), ("if-modified-since", &modified)] {
        let same = get(&site, "/bare.markdown", &[field]).await;
        assert_eq!((same.status(), same.body().len()), (StatusCode::NOT_MODIFIED, 0));
    }
    fs::write(root.path().join("bare.markdown"), "other").unwrap();
    let changed = get(&site, "/bare.markdown", &[("if-none-match", &etag)]).await;
    assert!(changed.body().contains("<p>other</p>"), "{}", changed.body());
}

#[tokio::test]
async fn templates_by_name_and_lists_of_folders() {
    let root = root();
    let pattern = format!("{}/*.html", root.path().display());
    for lines in [
        "markdown {\ntemplate post post.html\ntemplate list list.html\n}".to_owned(),
        format!(
            "markdown {{\ntemplate post post.html\ntemplatedir {pattern}\ntemplate list list.html\n}}"
        ),
    ] {
        let site = site(root.path(), &lines);
        let page = get(&site, "/named.md", &[]).await;
        assert_eq!(page.body(), "[&lt;x&gt;|<p>text</p>\n|named|GET]");
        assert!(!page.headers().contains_key(ETAG), "it shows the request");
        assert_eq!(get(&site, "/blog/", &[]).await.body(), "a.md: One two");
        fs::write(root.path().join("blog/b.md"), "Three").unwrap();
        assert_eq!(get(&site, "/blog/", &[]).await.body(), "a.md: One twob.md: Three");
        fs::remove_file(root.path().join("blog/b.md")).unwrap();
    }
    let site = site(root.path(), "markdown / {\next .txt\ntemplate post.html\n}");
    assert_eq!(get(&site, "/other.txt", &[]).await.body(), "[|<h1>text</h1>\n|other|GET]");
    assert_eq!(get(&site, "/bare.markdown", &[]).await.body(), "text");
}

#[tokio::test]
async fn a_template_that_is_not_there_is_500_with_a_remedy() {
    let root = root();
    let site = site(root.path(), "markdown");
    let fault = site.handle(&mut request("GET", "/none.md")).await.unwrap_err();
    assert_eq!(fault.status, StatusCode::INTERNAL_SERVER_ERROR);
    let cause = fault.cause.unwrap().to_string();
    assert_eq!(cause, "none.md: there is no template 'nope'; write: template nope FILE");
}

#[test]
fn what_is_refused() {
    let root = root();
    fs::write(root.path().join("bad.html"), "a\n{{end}}").unwrap();
    let at = root.path().display();
    for (lines, message) in [
        ("markdown /a /b", "Wrong argument count or unexpected line ending after '/b'".to_owned()),
        ("markdown {\next md\n}", "markdown: 'md' is not an extension".to_owned()),
        (
            "markdown {\ntemplate no.html\n}",
            format!(
                "markdown: cannot read the template {at}/no.html: No such file or directory (os error 2)"
            ),
        ),
        (
            "markdown {\ntemplate bad.html\n}",
            format!("markdown: invalid template {at}/bad.html:2: unexpected {{{{end}}}}"),
        ),
        (
            "markdown {\ntemplatedir /nonexistent/*.html\n}",
            "markdown: no file matches '/nonexistent/*.html'".to_owned(),
        ),
        ("markdown {\nsass a\n}", "unknown property 'sass'".to_owned()),
    ] {
        let error = testing::site_in(root.path(), "markdown", setup, lines).err();
        assert_eq!(error, Some(message), "{lines}");
    }
}
