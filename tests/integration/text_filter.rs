//! `filter` over files and over nginx, which compresses as Debian's does, beside nginx's own
//! `sub_filter`.

use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Caddy, Nginx, Setup, by_all, curl, h3_one, wait_for};

const PAGE: &str = "<title>Old</title>\n<body>\nOld and Old.\n</body>\n";
const NEW: &str = "<title>New</title>\n<body>\nNew and New.\n</body>\n";

/// What a site of `lines` below `www` or before `nginx` does.
fn site(lines: &str) -> Caddy {
    let text = "https://localhost:@PORT@ {\n tls self_signed\n root www\n errors errors.log\n\
                filter rule {\n content_type ^text/html\n search_pattern Old\n replacement New\n}\n\
                @LINES@\n}";
    Setup::new(text)
        .set("LINES", lines)
        .file("www/page.html", PAGE)
        .file("www/page.html.gz", "a sibling that would pass unchanged")
        .file("www/picture.png", "Old")
        .start()
}

/// Debian's nginx, with gzip for all who take it.
fn compressing() -> Nginx {
    let nginx = Nginx::before("gzip on; gzip_min_length 1; gzip_proxied any; etag on;");
    nginx.write("page.html", PAGE.as_bytes());
    nginx
}

fn with(caddy: &Caddy, path: &str, name: &str, value: &str) -> [Answer; 3] {
    let field = format!("{name}: {value}");
    [
        curl(&["--http1.1", "-H", &field], &caddy.url(path)),
        curl(&["--http2", "-H", &field], &caddy.url(path)),
        h3_one(caddy.port(), json!({"path": path, "headers": [[name, value]]})),
    ]
}

#[test]
fn files_and_upstreams_are_filtered_over_every_protocol() {
    let nginx = compressing();
    let own = Nginx::before("sub_filter Old New; sub_filter_once off; sub_filter_types text/html;");
    own.write("page.html", PAGE.as_bytes());
    let filtered = curl(&[], &format!("http://{}/page.html", own.addr));
    for lines in ["", &format!("proxy / {}", nginx.addr)] {
        let caddy = site(lines);
        for (version, answer) in by_all(&caddy, "/page.html") {
            assert_eq!((answer.status, answer.text()), (200, NEW.to_owned()), "{version} {lines}");
            assert_eq!(answer.body, filtered.body, "as nginx's sub_filter");
            assert_eq!(answer.header("content-length"), NEW.len().to_string());
            assert_eq!((answer.header("last-modified"), answer.header("accept-ranges")), ("", ""));
            for again in with(&caddy, "/page.html", "if-none-match", answer.header("etag")) {
                assert_eq!((again.status, again.len), (304, 0), "{version} {lines}");
            }
        }
        for coded in with(&caddy, "/page.html", "accept-encoding", "gzip, br") {
            assert_eq!((coded.text(), coded.header("content-encoding")), (NEW.to_owned(), ""));
        }
        for part in with(&caddy, "/page.html", "range", "bytes=7-9") {
            assert_eq!((part.status, part.text()), (200, NEW.to_owned()), "{lines}");
        }
        let head = curl(&["--http2", "--head"], &caddy.url("/page.html"));
        assert_eq!(
            (head.status, head.header("content-length"), head.header("etag")),
            (200, "", "")
        );
    }
    let caddy = site("");
    for part in with(&caddy, "/picture.png", "range", "bytes=1-1") {
        assert_eq!((part.status, part.text()), (206, "l".to_owned()));
    }
}

#[test]
fn gzip_compresses_what_filter_made() {
    let nginx = compressing();
    let caddy = site(&format!("gzip\n proxy / {}", nginx.addr));
    for version in ["--http1.1", "--http2"] {
        let answer = curl(&[version, "-H", "Accept-Encoding: gzip"], &caddy.url("/page.html"));
        assert_eq!(answer.header("content-encoding"), "gzip", "{answer:?}");
        let plain = curl(&[version, "--compressed"], &caddy.url("/page.html"));
        assert_eq!(plain.text(), NEW);
    }
}

#[test]
fn content_that_is_always_coded() {
    // A store of compressed files: the coding does not depend on the request.
    let nginx = Nginx::before("add_header Content-Encoding gzip; types {} default_type text/html;");
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("page.html");
    std::fs::write(&plain, PAGE).unwrap();
    let coded = std::process::Command::new("gzip").arg("-c").arg(&plain).output().unwrap().stdout;
    nginx.write("page.html", &coded);
    nginx.write("broken.html", b"no gzip at all");
    let caddy = site(&format!("proxy / {}", nginx.addr));
    for (version, answer) in by_all(&caddy, "/page.html") {
        assert_eq!(
            (answer.text(), answer.header("content-encoding")),
            (NEW.to_owned(), ""),
            "{version}"
        );
    }
    for (version, answer) in by_all(&caddy, "/broken.html") {
        assert_eq!(answer.text(), "no gzip at all", "{version}");
        assert_eq!(answer.header("content-encoding"), "gzip", "{version}");
    }
    let said = || Some(caddy.read("errors.log")).filter(|log| log.contains("content coding"));
    let log = wait_for("the line", Duration::from_secs(20), said);
    assert_eq!(log.matches("content coding").count(), 1, "{log}");
}

#[test]
fn large_content_passes_and_the_log_says_so_once() {
    let nginx = Nginx::start(&[]);
    let large = PAGE.repeat(40_000);
    nginx.write("large.html", large.as_bytes());
    let caddy = site(&format!("proxy / {}\n filter max_buffer_size 1MB", nginx.addr));
    for (version, answer) in by_all(&caddy, "/large.html") {
        assert_eq!(answer.len, large.len(), "{version}");
        assert_eq!(answer.crc, crate::harness::crc(large.as_bytes()), "{version}");
        assert!(!answer.header("etag").starts_with("W/\""), "{version}: nginx's own tag");
    }
    let said = || Some(caddy.read("errors.log")).filter(|log| log.contains("max_buffer_size"));
    let log = wait_for("the line", Duration::from_secs(20), said);
    assert_eq!(log.matches("max_buffer_size").count(), 1, "{log}");
    // An upstream that breaks off is an error and no short page.
    let origin = crate::harness::Origin::start();
    let rule = "filter rule {\n path ^/cut\n search_pattern a\n}";
    let caddy = site(&format!("proxy / {}\n{rule}", origin.addr));
    assert_eq!(curl(&[], &caddy.url("/cut")).status, 502);
}
