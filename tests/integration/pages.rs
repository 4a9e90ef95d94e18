//! Pages that are made of files: over all protocols, and what of an upstream's is left as it is.

use crate::harness::{Nginx, Setup, by_all, curl};

const INDEX: &str = "<title>{{.Host}}</title>\n{{- range .Files `/articles`}}\n<a>{{.}}</a>{{end}}\n\
    {{.Include `/part.html` 7}}";

#[test]
fn templates_of_the_site_are_executed_and_those_of_an_upstream_are_not() {
    let nginx = Nginx::start(&[("up.html", b"{{.Method}} {{.Env.PATH}}")]);
    let site = "https://localhost:@PORT@ {\n tls self_signed\n root www\n gzip\n templates\n \
                proxy /up @NGINX@\n}";
    let caddy = Setup::new(site)
        .set("NGINX", nginx.addr.clone())
        .file("www/index.html", INDEX)
        .file("www/part.html", "{{index .Args 0}} {{.URL.Query.Get `q`}}")
        .file("www/articles/<b>.md", "")
        .file("www/wrong.html", "{{.Include `../secret`}}")
        .file("secret", "secret")
        .start();
    for (protocol, answer) in by_all(&caddy, "/?q=%3Cscript%3E") {
        let expected = "<title>localhost</title>\n<a>&lt;b&gt;.md</a>\n7 &lt;script&gt;";
        assert_eq!((answer.status, answer.text().as_str()), (200, expected), "{protocol}");
        assert_eq!(answer.header("etag"), "", "{protocol}");
    }
    for (protocol, answer) in by_all(&caddy, "/up.html") {
        assert_eq!(answer.text(), "{{.Method}} {{.Env.PATH}}", "{protocol}");
    }
    for (protocol, answer) in by_all(&caddy, "/wrong.html") {
        assert_eq!(answer.status, 500, "{protocol}");
    }
    let zipped = curl(&["--compressed"], &caddy.url("/?q=x"));
    assert_eq!(zipped.header("content-encoding"), "gzip");
    assert!(zipped.text().ends_with("7 x"), "{}", zipped.text());
}

#[test]
fn markdown_is_a_page_over_every_protocol() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n root www\n gzip\n \
                markdown /blog {\n css /a.css\n template list list.html\n }\n}";
    let caddy = Setup::new(site)
        .file("www/blog/a.md", "---\ntitle: <A>\n---\n# Head\n\n| a |\n|---|\n| b |\n")
        .file("www/blog/index.md", "{\"template\": \"list\"}")
        .file("www/list.html", "{{range .Files}}{{.Name}} {{end}}")
        .file("www/other.md", "# not here")
        .start();
    for (protocol, answer) in by_all(&caddy, "/blog/a.md") {
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{protocol}");
        let text = answer.text();
        assert!(text.contains("<title>&lt;A&gt;</title>"), "{protocol} {text}");
        assert!(text.contains("<h1>Head</h1>") && text.contains("<td>b</td>"), "{protocol} {text}");
        assert!(answer.header("etag").starts_with("W/\""), "{protocol}");
    }
    let etag = curl(&[], &caddy.url("/blog/a.md")).header("etag").to_owned();
    let same = curl(&["-H", &format!("If-None-Match: {etag}")], &caddy.url("/blog/a.md"));
    assert_eq!(same.status, 304);
    for (protocol, answer) in by_all(&caddy, "/blog/") {
        assert_eq!(answer.text(), "a.md index.md ", "{protocol}");
    }
    assert_eq!(curl(&[], &caddy.url("/other.md")).text(), "# not here");
}
