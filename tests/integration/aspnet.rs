//! The site that started it all: ASP.NET pages, which know nothing of HTTP/3, behind `proxy` and
//! behind `fastcgi`.

use serde_json::json;

use crate::harness::{Answer, AspNet, Caddy, Setup, by_all, h3_one};

const PAGE: &str = "/Default.aspx?a=%2F&b=%5C";

fn site(directives: &str) -> Caddy {
    Setup::new(&format!("https://localhost:@PORT@ {{\n tls self_signed\n {directives}\n}}\n"))
        .start()
}

/// What the page says in the paragraph of a name.
fn says(answer: &Answer, name: &str) -> String {
    let text = answer.text();
    let from = text.split_once(&format!("<p id=\"{name}\">")).map_or("", |(_, rest)| rest);
    from.split_once("</p>").map_or("", |(said, _)| said).to_owned()
}

/// A session and a form over HTTP/3.
fn posts_back(caddy: &Caddy) {
    let first = h3_one(caddy.port(), json!({"path": PAGE}));
    let cookie = first.header("set-cookie").split(';').next().unwrap_or_default().to_owned();
    assert!(cookie.starts_with("ASP.NET_SessionId="), "{:?}", first.headers);
    let form = [["cookie", &cookie], ["content-type", "application/x-www-form-urlencoded"]];
    let post = json!({"path": PAGE, "method": "POST", "headers": form, "body": "name=miki+%26+co"});
    let second = h3_one(caddy.port(), post);
    assert_eq!(
        (second.status, says(&second, "visits")),
        (200, "2".to_owned()),
        "{}",
        second.text()
    );
    assert_eq!(says(&second, "name"), "miki &amp; co");
}

#[test]
fn a_page_behind_proxy() {
    let aspnet = AspNet::start();
    let caddy = site(&format!("proxy / {} {{\n transparent\n }}", aspnet.addr));
    for (protocol, answer) in by_all(&caddy, PAGE) {
        // Mono's FastCGI server takes the port off Host.
        let place = format!("https localhost {} {}", caddy.port(), PAGE.replace('&', "&amp;"));
        assert_eq!((answer.status, says(&answer, "place")), (200, place), "{protocol}");
        assert!(!answer.header("x-aspnet-version").is_empty(), "{protocol}");
    }
    posts_back(&caddy);
}

#[test]
fn a_page_behind_fastcgi() {
    let aspnet = AspNet::start();
    let pages = aspnet.pages.path().display();
    let to = &aspnet.fastcgi;
    let caddy = site(&format!("root {pages}\n fastcgi / {to} {{\n ext .aspx\n split .aspx\n }}"));
    for (protocol, answer) in by_all(&caddy, PAGE) {
        assert_eq!((answer.status, says(&answer, "visits")), (200, "1".to_owned()), "{protocol}");
    }
    posts_back(&caddy);
}
