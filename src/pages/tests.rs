//! What templates of pages reach, and what they do not.

use std::fs;

use super::*;
use crate::credentials;
use crate::http::address::Address;
use crate::http::request::tests::request;
use crate::http::sink::tests::NoSinks;
use crate::site::SiteBuilder;

struct Place {
    dir: tempfile::TempDir,
    root: Arc<Root>,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let www = dir.path().join("www");
    fs::create_dir_all(www.join("list/.git")).unwrap();
    for (name, text) in [
        ("../outside.txt", "outside"),
        ("part.html", "[{{index .Args 0}} {{.Header `X-Test`}} {{.Name}}]"),
        ("loop.html", "{{.Include `loop.html`}}"),
        ("bad.html", "\n{{if}}"),
        ("page.md", "# {{.Method}}\n\n| a |\n|---|\n| ~~b~~ |\n"),
        (
            "foreign.md",
            "Hi {{.Header `X-Mark`}}\n\n<b title=\"{{.Header `X-Mark`}}\">{{.Include `inner`}}</b>",
        ),
        ("inner", "{{html (.Header `X-Mark`)}}"),
        ("script.md", "<script>x = '{{js (.Header `X-Mark`)}}'</script>"),
        ("secret", "hidden"),
        ("run.php", "<?php"),
        ("list/.git/config", "token"),
        ("list/b.txt", ""),
        ("list/a.txt", ""),
    ] {
        fs::write(www.join(name), text).unwrap();
    }
    let mut site = SiteBuilder::new(Address::default(), www.clone(), Arc::new(NoSinks));
    site.hidden.push(www.join("secret"));
    site.scripts.end_with(vec![".php".to_owned()]);
    Place { root: Root::of(&site), dir }
}

fn render(place: &Place, template: &str) -> Result<Rendered, String> {
    with_field(place, template, Field { name: "x-test", value: "<x>" })
}

/// A field of the request.
struct Field<'a> {
    name: &'static str,
    value: &'a str,
}

fn with_field(place: &Place, template: &str, field: Field<'_>) -> Result<Rendered, String> {
    let mut req = request("GET", "/a%20b/c.html?x=1&y=a+b%3C&x=2");
    let fields = [(field.name, field.value), ("cookie", "a=1; b=\"two\""), ("user-agent", "curl")];
    for (name, value) in fields {
        req.head.headers.insert(name, value.parse().unwrap());
    }
    let mut set = Set::default();
    set.add("page", template).map_err(|error| error.to_string())?;
    let fields = BTreeMap::from([("Name".to_owned(), Value::own("own"))]);
    let page = Page { root: place.root.clone(), facts: Facts::of(&req), is_html: true, fields };
    page.render(&set, "page").map_err(|error| error.to_string())
}

#[test]
fn what_a_template_reaches() {
    let place = place();
    credentials::withhold("CARGO_PKG_NAME");
    for (template, expected) in [
        (
            "{{.Method}} {{.URI}} {{.Host}} {{.Port}}",
            "GET /a%20b/c.html?x=1&amp;y=a+b%3C&amp;x=2 example.com 8080",
        ),
        (
            "{{.IP}} {{.ServerIP}} {{.Hostname}} {{.TLSVersion}} {{.IsMITM}}",
            "127.0.0.1 127.0.0.1 127.0.0.1:1234  false",
        ),
        (
            "{{.Header `x-test`}} {{.Header `none`}} {{.Cookie `a`}} {{.Cookie `b`}} {{.Cookie `c`}}",
            "&lt;x&gt;  1 two ",
        ),
        ("{{.PathMatches `/a b`}} {{.PathMatches `/b`}}", "true false"),
        (
            "{{.URL.Path}} {{.URL.Query.Get `y`}} {{.URL.Query.x}} {{.URL.RawQuery}}",
            "/a b/c.html a b&lt; [1 2] x=1&amp;y=a+b%3C&amp;x=2",
        ),
        (
            "{{.Req.Method}} {{.Req.URL.Path}} {{.Req.Header.Get `user-agent`}} {{.Req.FormValue `x`}} {{.Req.Proto}}",
            "GET /a b/c.html curl 1 HTTP/1.1",
        ),
        (
            "{{.Truncate `abcdef` 2}} {{.Truncate `abcdef` -2}} {{.Truncate `ab` 9}} {{.Truncate `\u{e4}b` 1}}",
            "ab ef ab ",
        ),
        ("{{.StripHTML `a<b class=\">\">c</b> < d`}}", "ac < d"),
        ("{{.StripHTML (.Header `x-test`)}}{{.ToUpper (.Header `x-test`)}}", "&lt;X&gt;"),
        (
            "{{.Ext `a/b.tar.gz`}} {{.StripExt `a.b/c.html`}} {{.StripExt `a.b/c`}}",
            ".gz a.b/c a.b/c",
        ),
        ("{{.Replace `a-b-c` `-` `+`}} {{.ToUpper `a`}} {{.ToLower `A`}}", "a+b+c A a"),
        (
            "{{range .Split `a,b` `,`}}<{{.}}>{{end}} {{.Join (.Split `a,b` `,`) `;`}} {{len (.Split `abc` ``)}}",
            "<a><b> a;b 3",
        ),
        ("{{(.Map `k` 1 `l` (.Slice 1 `x`)).l}}", "[1 x]"),
        ("{{.Files `list`}} {{.Files `/../list/`}}", "[a.txt b.txt] [a.txt b.txt]"),
        ("{{.Include `part.html` 7}} {{.Name}}", "[7 &lt;x&gt; own] own"),
        (
            "{{.Markdown `/page.md`}}",
            "<h1>GET</h1>\n<table><thead><tr><th>a</th></tr></thead><tbody>\n<tr><td><del>b</del></td></tr>\n</tbody></table>\n",
        ),
        ("{{len (.RandomString 20 20)}} {{.RandomString 3 2}}", "20 "),
        (
            "{{eq (.Now `2006`) (printf `%d` .NowDate.Year)}} {{.NowDate.Before (.NowDate.AddDate 1 0 0)}}",
            "true true",
        ),
        ("{{ne .Env.PATH ``}} {{.Env.NO_SUCH_VARIABLE}}", "true "),
        ("{{.Env.CARGO_PKG_NAME}}", ""),
    ] {
        let rendered = render(&place, template).map(|rendered| rendered.text);
        assert_eq!(rendered.as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn what_a_template_does_not_reach() {
    let place = place();
    assert!(place.dir.path().join("outside.txt").exists());
    for (template, expected) in [
        ("{{.Include `../outside.txt`}}", "../outside.txt: No such file or directory (os error 2)"),
        ("{{.Include `list`}}", "list: entity not found"),
        ("{{.Include `secret`}}", "secret: entity not found"),
        ("{{.Include `run.php`}}", "is a script"),
        ("{{.Include `a\x00b`}}", "no such file"),
        ("{{.Include `list/.git/config`}}", "no such file"),
        ("{{.Markdown `/list/.GIT/config`}}", "no such file"),
        ("{{.Files `list/.git`}}", "list/.git: entity not found"),
        (
            "{{.Files `../`}}{{.Files `list/../../..`}}{{.Files `page.md`}}",
            "page.md: Not a directory",
        ),
        ("{{.Include `bad.html`}}", "page:1: bad.html:2: missing value"),
        ("{{.Include `loop.html`}}", "too deeply"),
        ("\n{{.Nope}}", "page:2: can't evaluate field Nope in type Context"),
        ("{{.Cookie}}", "can't evaluate field Cookie in type Context"),
        (
            "{{.Replace `aaaaaaaaaa` `` (printf `%10000d` 1) | len}}{{$x := printf `%10000d` 1}}{{$y := .Replace $x ` ` $x}}",
            "too much text",
        ),
    ] {
        let error = render(&place, template).err().unwrap_or_default();
        assert!(error.contains(expected), "{template}: {error}");
    }
}

#[test]
fn what_a_page_depends_on_and_asks_for() {
    let place = place();
    for (template, expected) in [
        ("{{.Name}} {{.ToUpper `a`}}", false),
        ("{{.Method}}", true),
        ("{{.Now `2006`}}", true),
        ("{{if false}}{{.Method}}{{end}}", false),
        ("{{.Include `part.html` 1}}", true),
    ] {
        assert_eq!(render(&place, template).unwrap().varies, expected, "{template}");
    }
    let links = render(&place, "{{.AddLink `</a.css>; rel=preload`}}{{.Push `/b.js`}}").unwrap();
    assert_eq!((links.text.as_str(), links.links.len()), ("", 2));
    assert_eq!(links.links[1], "</b.js>; rel=preload");
}

#[test]
fn summaries() {
    let text = "# Title\n\nOne *two* [three](/x) `four`\nfive.\n\n- item\n\n> quote\n\n```\ncode\n```\n\nSix ![image](/y).";
    assert_eq!(summary(text, 3), "One two three");
    assert_eq!(summary(text, 100), "One two three `four` five. Six .");
}

#[test]
fn a_file_is_parsed_once_and_anew_when_it_changes() {
    let place = place();
    let file = place.root.place("part.html");
    let marks = ["{{", "}}"];
    let get = |name: &str, marks| place.root.template(&file, name, marks).unwrap().unwrap();
    // One that has just changed may change again without a trace.
    assert!(!Arc::ptr_eq(&get("part", marks), &get("part", marks)));
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let first = get("part", marks);
    let parsed = (0..100).filter(|_| !Arc::ptr_eq(&first, &get("part", marks))).count();
    assert_eq!(parsed, 0, "of 101 requests one parses");
    // Errors name it as its reader does, and other delimiters make another template.
    assert!(!Arc::ptr_eq(&first, &get("other", marks)));
    assert!(!Arc::ptr_eq(&get("other", marks), &get("other", ["[[", "]]"])));
    assert_eq!(render(&place, "{{.Include `part.html` `a`}}").unwrap().text, "[a &lt;x&gt; own]");
    fs::write(&file, "changed").unwrap();
    assert_eq!(render(&place, "{{.Include `part.html`}}").unwrap().text, "changed");
}

/// Neither links nor HTML nor structure come of what a client wrote, nor does text get lost.
#[test]
fn what_clients_wrote_is_text_in_markdown() {
    let place = place();
    let marks = [
        "[x](javascript:alert(1))",
        "<javascript:alert(1)>",
        "![x](/y \"z\")",
        "[x]: javascript:a",
        "<script>\">&amp;&#106;",
        "**a** __b__ ~~c~~ `d` | # 1. - + * > = :\\",
    ];
    for mark in marks {
        let rendered =
            with_field(&place, "{{.Markdown `foreign.md`}}", Field { name: "x-mark", value: mark })
                .unwrap();
        let shown = rendered.text.replace("&quot;", "\"");
        let text = mark.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let reference = |c: char| match c.is_ascii_punctuation() {
            true => format!("&#{};", u32::from(c)),
            false => c.to_string(),
        };
        let title: String = mark.chars().map(reference).collect();
        let expected = format!("<p>Hi {text}</p>\n<p><b title=\"{title}\">{text}</b></p>\n");
        assert_eq!(shown, expected, "{mark}");
        let script =
            with_field(&place, "{{.Markdown `script.md`}}", Field { name: "x-mark", value: mark })
                .unwrap();
        let inner = script.text.trim().strip_prefix("<script>x = '").unwrap();
        let inner = inner.strip_suffix("'</script>").unwrap();
        let literal: String = serde_json::from_str(&format!("\"{inner}\"")).unwrap();
        assert_eq!(literal, mark);
    }
}
