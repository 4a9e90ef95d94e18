//! `filter` before a handler that answers text and pictures.

use std::path::Path;

use http::header::CONTENT_TYPE;
use http_body_util::BodyExt as _;

use super::*;
use crate::directives::testing::{self, Answer};
use crate::http::request::tests::request;
use crate::site::Site;

const TEXT: &str = "Hello, you and you";

/// A site that answers TEXT, `/x.png` and others as images.
fn site(lines: &str) -> Site {
    let mut site = testing::site("filter", setup, lines).unwrap();
    site.push(Answer(|req: &mut Request| {
        let is_html = req.path().contains("html");
        let mut response = Response::new(Body::from(TEXT.to_owned()));
        let kind = if is_html { "text/html; charset=utf-8" } else { "image/png" };
        response.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
        response.headers_mut().insert("x-a", "<1>".parse().unwrap());
        Ok(response)
    }));
    site.build()
}

async fn get(site: &Site, target: &str) -> String {
    let mut req = request("GET", target);
    req.head.headers.insert("x-b", "<b>".parse().unwrap());
    let response = site.handle(&mut req).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn rule(lines: &str) -> String {
    format!("filter rule {{\n{lines}\n}}")
}

#[tokio::test]
async fn which_responses_a_rule_is_for() {
    for (lines, html, picture, other) in [
        ("path html$", true, false, false),
        ("content_type ^text/", true, false, true),
        ("path html$\ncontent_type ^image/", false, false, false),
        ("path ^/p\ncontent_type ^text/", true, false, false),
        ("path ^/p\ncontent_type ^text/\npath_content_type_combination or", true, true, true),
        ("path nothing\ncontent_type ^text/\npath_content_type_combination or", true, false, true),
    ] {
        let site = site(&rule(&format!("{lines}\nsearch_pattern you\nreplacement me")));
        for (target, changed) in [("/p.html", html), ("/p.png", picture), ("/html/", other)] {
            let expected = if changed { "Hello, me and me" } else { TEXT };
            assert_eq!(get(&site, target).await, expected, "{lines}: {target}");
        }
    }
}

#[tokio::test]
async fn what_stands_in_the_place_of_a_match() {
    for (search, replacement, made) in [
        ("you", "", "Hello,  and "),
        ("nothing", "x", TEXT),
        ("(H)(e)", "{2}{1}{0}{3}", "eHHello, you and you"),
        ("\\w+ and (?P<who>\\w+)", "{1}", "Hello, you"),
        (
            "^",
            "{request_method} {request_path} {request_host} ",
            "GET /a.html example.com:8080 Hello, you and you",
        ),
        ("Hello.*", "{request_header_X-B}{response_header_X-A}", "&lt;b&gt;&lt;1&gt;"),
        (
            "(?s)^.*$",
            "{request_url}|{request_hostonly}|{request_proto}",
            "/a.html?b=c|example.com|HTTP/1.1",
        ),
        ("$", "{request_remoteAddress} {nothing}", "Hello, you and you127.0.0.1:1234 {nothing}"),
    ] {
        let lines =
            rule(&format!("path .\nsearch_pattern \"{search}\"\nreplacement \"{replacement}\""));
        assert_eq!(get(&site(&lines), "/a.html?b=c").await, made, "{search} {replacement}");
    }
    // In what is no markup nothing is escaped.
    let lines = rule("path .\nsearch_pattern Hello\nreplacement {request_header_X-B}");
    assert_eq!(get(&site(&lines), "/a.png").await, "<b>, you and you");
}

#[tokio::test]
async fn rules_work_on_what_the_ones_before_made() {
    let one = "path .\nsearch_pattern you\nreplacement them";
    let two = "path .\nsearch_pattern \"them and (them)\"\nreplacement {1}";
    let apart = format!("{}\n{}", rule(one), rule(two));
    let block =
        format!("filter {{\nrule {{\n{one}\n}}\nrule {{\n{two}\n}}\nmax_buffer_size 18\n}}");
    for lines in [apart, block] {
        assert_eq!(get(&site(&lines), "/").await, "Hello, them", "{lines}");
    }
}

#[tokio::test]
async fn large_content_passes_unchanged() {
    let lines = rule("path .\nsearch_pattern you\nreplacement me");
    assert_eq!(get(&site(&format!("{lines}\nfilter max_buffer_size 17")), "/").await, TEXT);
    let text = "x".repeat(1 << 20);
    let lines = rule(&format!("path .\nsearch_pattern \"\"\nreplacement {text}"));
    assert_eq!(get(&site(&lines), "/").await.len(), TEXT.len() + (TEXT.len() + 1) * text.len());
    let lines = rule(&format!("path .\nsearch_pattern \"\"\nreplacement {text}{text}{text}{text}"));
    assert_eq!(get(&site(&lines), "/").await, TEXT);
}

#[tokio::test]
async fn a_replacement_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("banner.html");
    std::fs::write(&file, "{1}\n<script>function a(){return {}}</script>\n").unwrap();
    let put = |file: &Path| {
        rule(&format!("path .\nsearch_pattern (Hello).*\nreplacement @{}", file.display()))
    };
    let made = get(&site(&put(&file)), "/").await;
    assert_eq!(made, "Hello\n<script>function a(){return {}}</script>\n");
    let lines = put(Path::new("media"));
    assert_eq!(get(&site(&lines), "/").await, "@media");
    let warned = testing::site("filter", setup, &lines).unwrap().warnings;
    assert_eq!(warned.len(), 1, "{warned:?}");
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("filter", "filter: no rule: the directive has no effect"),
        ("filter rule", "filter: the rule has no block"),
        ("filter rules {\n}", "unknown word 'rules'"),
        ("filter {\nrule\n}", "filter: the rule has no block"),
        ("filter {\nbuffer 1\n}", "unknown word 'buffer'"),
        ("filter rule {\nsearch_pattern a\n}", "filter: the rule matches no response"),
        ("filter rule {\npath a\n}", "filter: the rule has no search pattern"),
        ("filter rule a {\npath a\n}", "Wrong argument count or unexpected line ending after 'a'"),
        (
            "filter max_buffer_size",
            "Wrong argument count or unexpected line ending after 'max_buffer_size'",
        ),
        (
            "filter max_buffer_size 0",
            "filter must be a size such as 10MB, not '0'; the units are B, KB, MB and GB",
        ),
    ] {
        let error = testing::site("filter", setup, lines).err();
        assert_eq!(error.as_deref(), Some(message), "{lines}");
    }
}
