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
