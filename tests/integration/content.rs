//! What responses say about their content: codings, lengths, variants, methods and names.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use crate::harness::{Answer, Caddy, Fpm, Origin, Setup, by_all, curl, h3_one};

/// A request of any method over each protocol.
/// A request over every protocol.
pub fn each(
    caddy: &Caddy,
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
) -> Vec<(&'static str, Answer)> {
    let lines: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let by_curl = |version| {
        let how = if method == "HEAD" { vec!["--head"] } else { vec!["-X", method] };
        let mut options = [vec![version, "--path-as-is"], how].concat();
        lines.iter().for_each(|line| options.extend(["-H", line]));
        curl(&options, &caddy.url(path))
    };
    let pairs: Vec<_> = fields.iter().map(|(name, value)| json!([name, value])).collect();
    let asked = json!({"method": method, "path": path, "headers": pairs});
    vec![
        ("h1", by_curl("--http1.1")),
        ("h2", by_curl("--http2")),
        ("h3", h3_one(caddy.port(), asked)),
    ]
}

fn site(lines: &str) -> Setup {
    let text =
        format!("https://localhost:@PORT@ {{\n tls self_signed\n root @DIR@/www\n {lines}\n}}\n");
    Setup::new(&text)
        .file("www/page.html", "a page ".repeat(100))
        .file("www/app.js", "original ".repeat(50))
        .file("www/app.js.br", "brotli")
        .file("www/photo", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".repeat(40))
        .file(
            "www/type.php",
            "<?php header('Content-Type: '.$_GET['type']); echo str_repeat('x', 500);",
        )
}

const GZIP: (&str, &str) = ("accept-encoding", "gzip");

/// What a response says of its content, but for the length.
fn said(answer: &Answer) -> [String; 4] {
    ["content-encoding", "vary", "etag", "content-type"].map(|name| answer.header(name).to_owned())
}

#[test]
fn head_of_a_gzip_site_says_what_get_does() {
    let (origin, fpm) = (Origin::start(), Fpm::start());
    let lines = "gzip\n fastcgi / @FPM@ php\n proxy /size @ORIGIN@\n proxy /chunked @ORIGIN@";
    let caddy = site(lines).set("FPM", &fpm.unix).set("ORIGIN", origin.addr).start();
    for path in ["/page.html", "/size/700", "/type.php?type=text/html"] {
        let asked = each(&caddy, "GET", path, &[GZIP]);
        for ((protocol, get), (_, head)) in asked.iter().zip(each(&caddy, "HEAD", path, &[GZIP])) {
            let at = format!("{protocol} {path} {head:?}");
            assert_eq!((head.status, head.header("content-encoding")), (200, "gzip"), "{at}");
            assert_eq!(said(&head), said(get), "{at}");
            assert_eq!((head.header("content-length"), head.len), ("", 0), "{at}");
        }
        // Who does not take it is told the length that GET has.
        for (protocol, head) in each(&caddy, "HEAD", path, &[]) {
            assert_eq!(head.header("vary"), "Accept-Encoding", "{protocol} {path}");
            let length = if path.contains("php") { "" } else { "700" };
            assert_eq!(head.header("content-length"), length, "{protocol} {path}");
        }
    }
}

#[test]
fn codings_beside_gzip_are_offered_where_the_site_says_so() {
    let caddy = site("gzip {\n codings zstd br gzip\n }").start();
    let text = "a page ".repeat(100);
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("br;q=0.2, zstd;q=0.3, gzip", "gzip"),
        ("identity", ""),
    ] {
        let asked = each(&caddy, "GET", "/page.html", &[("accept-encoding", accepted)]);
        let head = each(&caddy, "HEAD", "/page.html", &[("accept-encoding", accepted)]);
        for ((protocol, get), (_, head)) in asked.iter().zip(&head) {
            let at = format!("{protocol} {accepted}");
            assert_eq!((get.status, get.header("content-encoding")), (200, coding), "{at}");
            assert_eq!(get.header("vary"), "Accept-Encoding", "{at}");
            assert!(coding.is_empty() || get.header("etag").starts_with("W/"), "{at}");
            assert_eq!(get.body, asked[0].1.body, "{at}");
            assert_eq!(get.len < 100, !coding.is_empty(), "{at}");
            assert_eq!(said(head), said(get), "{at}");
        }
        let field = format!("accept-encoding: {accepted}");
        let decoded = curl(&["--compressed", "-H", &field], &caddy.url("/page.html"));
        assert_eq!(decoded.text(), text, "{accepted}");
    }
    // v1's directive without a word offers what it always did.
    let plain = site("gzip").start();
    for (protocol, get) in
        each(&plain, "GET", "/page.html", &[("accept-encoding", "br, zstd, gzip;q=0.1")])
    {
        assert_eq!(get.header("content-encoding"), "gzip", "{protocol}");
    }
}

#[test]
fn every_variant_names_what_it_depends_on() {
    let caddy = site("gzip").start();
    let bare = site("").start();
    for (caddy, path) in [(&caddy, "/page.html"), (&caddy, "/app.js"), (&bare, "/app.js")] {
        let etag = curl(&[], &caddy.url(path)).header("etag").to_owned();
        for (method, field, status) in [
            ("GET", ("accept", "*/*"), 200),
            ("HEAD", ("accept", "*/*"), 200),
            ("GET", ("accept-encoding", "br, gzip"), 200),
            ("GET", ("accept-encoding", "identity"), 200),
            ("GET", ("range", "bytes=0-9"), 206),
            ("GET", ("if-none-match", etag.as_str()), 304),
        ] {
            for (protocol, answer) in each(caddy, method, path, &[field]) {
                let at = format!("{protocol} {method} {path} {field:?}");
                assert_eq!(
                    (answer.status, answer.header("vary")),
                    (status, "Accept-Encoding"),
                    "{at}"
                );
            }
        }
    }
    // Nothing else there: the answer is the same for everyone.
    assert_eq!(curl(&[], &bare.url("/page.html")).header("vary"), "");
}

#[test]
fn sums_and_strong_tags_are_those_of_the_content_that_is_sent() {
    let origin = Origin::start();
    let lines = "gzip\n proxy /sums @ORIGIN@";
    let caddy = site(lines).set("ORIGIN", origin.addr).start();
    let names = ["content-digest", "repr-digest", "digest", "content-md5"];
    for (method, path) in [("GET", "/sums"), ("HEAD", "/sums"), ("GET", "/sums/trailing")] {
        for (protocol, answer) in each(&caddy, method, path, &[GZIP]) {
            let at = format!("{protocol} {method} {path} {answer:?}");
            assert_eq!(answer.header("content-encoding"), "gzip", "{at}");
            assert!(answer.header("etag").starts_with("W/\""), "{at}");
            assert_eq!(names.map(|name| answer.header(name)), [""; 4], "{at}");
            assert!(!answer.header("trailer").to_lowercase().contains("digest"), "{at}");
        }
        for (protocol, answer) in each(&caddy, method, path, &[]) {
            let at = format!("{protocol} {method} {path}");
            assert!(answer.header("etag").starts_with('"'), "{at}");
            assert!(names.iter().all(|name| !answer.header(name).is_empty()), "{at} {answer:?}");
        }
    }
}

#[test]
fn the_type_decides_where_the_path_says_nothing() {
    let fpm = Fpm::start();
    let caddy = site("gzip\n fastcgi / @FPM@ php\n mime .jpg image/jpeg").set("FPM", &fpm.unix);
    let caddy = caddy.start();
    for (path, coding) in [
        ("/photo", ""),
        ("/type.php?type=image/png", ""),
        ("/type.php?type=application/json", "gzip"),
        ("/page.html", "gzip"),
    ] {
        for (protocol, answer) in each(&caddy, "GET", path, &[GZIP]) {
            assert_eq!(
                (answer.status, answer.header("content-encoding")),
                (200, coding),
                "{protocol} {path}"
            );
        }
    }
    // Whoever writes any extension means any type.
    let all = site("gzip {\n ext *\n }").start();
    assert_eq!(
        curl(&["-H", "Accept-Encoding: gzip"], &all.url("/photo")).header("content-encoding"),
        "gzip"
    );
}

#[test]
fn a_405_says_what_is_allowed() {
    let origin = Origin::start();
    let lines = "status 405 /closed\n proxy /api @ORIGIN@\n browse /list";
    let caddy = site(lines).set("ORIGIN", origin.addr).file("www/list/a", "").start();
    let files = "GET, HEAD, OPTIONS";
    let others = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    for (method, path, status, allow) in [
        ("POST", "/page.html", 405, files),
        ("PUT", "/none", 405, files),
        ("DELETE", "/list/", 405, files),
        ("TRACE", "/api/x", 405, others),
        ("GET", "/closed", 405, ""),
        ("OPTIONS", "/page.html", 200, files),
        ("OPTIONS", "/list/", 200, files),
    ] {
        for (protocol, answer) in each(&caddy, method, path, &[]) {
            let at = format!("{protocol} {method} {path} {answer:?}");
            assert_eq!(answer.status, status, "{at}");
            let given = answer.headers.iter().find(|(name, _)| name == "allow");
            assert_eq!(given.map(|(_, value)| value.as_str()), Some(allow), "{at}");
        }
    }
    assert!(origin.requests().is_empty(), "TRACE passed");
}

#[test]
fn a_status_sends_its_text() {
    let lines = "status 503 /shop {\n text \"Closed, {method}: \\{\"\n }\n \
                 status 200 {\n /hello\n /hi\n text \"<p>{>X-Name}\"\n type text/html\n }\n \
                 status 405 /none {\n text no\n }\n status 204 /empty";
    let caddy = site(lines).start();
    for (method, path, status, kind, text) in [
        ("GET", "/shop/a", 503, "text/plain; charset=utf-8", "Closed, GET: {"),
        ("POST", "/shop", 503, "text/plain; charset=utf-8", "Closed, POST: {"),
        ("GET", "/hi", 200, "text/html", "<p>kim"),
        ("GET", "/hello/x", 200, "text/html", "<p>kim"),
        ("GET", "/none", 405, "text/plain; charset=utf-8", "no"),
        ("GET", "/empty", 204, "", ""),
    ] {
        for (protocol, answer) in each(&caddy, method, path, &[("x-name", "kim")]) {
            let at = format!("{protocol} {method} {path} {answer:?}");
            assert_eq!(answer.status, status, "{at}");
            assert_eq!((answer.header("content-type"), &*answer.text()), (kind, text), "{at}");
            if !text.is_empty() {
                assert_eq!(answer.header("content-length"), text.len().to_string(), "{at}");
            }
        }
    }
    let head = curl(&["-I"], &caddy.url("/hi"));
    assert_eq!((head.status, head.header("content-length")), (200, "3"));
}

#[test]
fn a_challenge_names_the_charset() {
    let caddy = site("basicauth / \"zoë\" \"grün\"").start();
    for (protocol, answer) in by_all(&caddy, "/page.html") {
        let challenge = "Basic realm=\"Restricted\", charset=\"UTF-8\"";
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (401, challenge),
            "{protocol}"
        );
    }
    assert_eq!(curl(&["-u", "zoë:grün"], &caddy.url("/page.html")).status, 200);
}

#[test]
fn what_browse_links_to_is_there() {
    let caddy = site("browse").start();
    let names = ["a\\b.txt", "..\\up.txt", "q?#&%2f.txt", "é ü.txt"];
    let folder = caddy.path("www/odd");
    let within = PathBuf::from(format!("{}/\\in\\", folder.display()));
    for folder in [&folder, &within, &folder.join("sp ace")] {
        fs::create_dir(folder).unwrap();
        names.iter().for_each(|name| fs::write(folder.join(name), name).unwrap());
    }
    fs::write(caddy.path("www/up.txt"), "above").unwrap();
    let mut seen = 0;
    let mut folders = vec!["/odd/".to_owned()];
    while let Some(folder) = folders.pop() {
        let list = curl(&["-H", "Accept: application/json"], &caddy.url(&folder));
        let list: Vec<serde_json::Value> = serde_json::from_slice(&list.body).unwrap();
        for entry in list {
            let (name, url) = (entry["Name"].as_str().unwrap(), entry["URL"].as_str().unwrap());
            let path = format!("{folder}{}", url.strip_prefix("./").unwrap());
            if entry["IsDir"] == true {
                folders.push(path);
                continue;
            }
            seen += 1;
            for (protocol, answer) in by_all(&caddy, &path) {
                assert_eq!(
                    (answer.status, answer.text().as_str()),
                    (200, name),
                    "{protocol} {path}"
                );
            }
        }
    }
    assert_eq!(seen, 3 * names.len());
    for path in ["/odd/..%5cup2.txt", "/odd%5c..%5cup.txt", "/..%5c..%5cCaddyfile"] {
        assert_eq!(curl(&["--path-as-is"], &caddy.url(path)).status, 404, "{path}");
    }
    let answer = curl(&[], &caddy.url("/odd/%5Cin%5C"));
    assert_eq!((answer.status, answer.header("location")), (301, "/odd/%5Cin%5C/"));
}

#[test]
fn an_upstream_by_its_own_port_is_named_as_the_site() {
    let origin = Origin::start();
    let lines = "proxy / @ORIGIN@ {\n transparent\n rewrite_location\n }";
    let caddy = site(lines).set("ORIGIN", origin.addr).start();
    let port = origin.addr.port();
    for (to, path) in [
        (format!("http://localhost:{port}/wp-admin/"), Some("/wp-admin/")),
        (format!("http://{}/x?y", origin.addr), Some("/x?y")),
        (format!("http://localhost:{}/other", caddy.port2()), None),
        ("https://localhost/elsewhere".to_owned(), None),
    ] {
        let want = path.map_or(to.clone(), |path| caddy.url(path));
        for (protocol, answer) in by_all(&caddy, &format!("/moved?{to}")) {
            assert_eq!(
                (answer.status, answer.header("location")),
                (302, want.as_str()),
                "{protocol}"
            );
            assert_eq!(answer.header("content-location"), want, "{protocol}");
        }
    }
}

#[test]
fn pages_made_here_tell_their_length_over_every_protocol() {
    let caddy = site("redir /moved /page.html\n browse /").start();
    for path in ["/moved", "/", "/missing"] {
        for (protocol, seen) in by_all(&caddy, path) {
            let told = seen.header("content-length").to_owned();
            assert_eq!(told, seen.len.to_string(), "{protocol} {path}: {seen:?}");
        }
    }
}

#[test]
fn the_level_of_gzip_decides_the_size() {
    let text = include_str!("../../Cargo.lock");
    let size = |level: u8| {
        let site = format!("http://:@PORT@ {{\nroot www\ngzip {{\nlevel {level}\n}}\n}}");
        let caddy = Setup::new(&site).file("www/text.txt", text).start();
        let url = format!("http://localhost:{}/text.txt", caddy.port());
        let got = curl(&["-H", "Accept-Encoding: gzip"], &url);
        assert_eq!(got.header("content-encoding"), "gzip");
        got.body.len()
    };
    let sizes = [1, 6].map(size);
    assert!(sizes[0] > sizes[1] && sizes[0] < text.len() / 2, "{sizes:?}");
}
