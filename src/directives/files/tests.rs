//! The handler over a real directory.

mod kept;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, Request as Head};
use http_body_util::BodyExt;
use tempfile::TempDir;

use super::*;
use crate::http::{Body, Peer};
use crate::site::Scripts;

const BIG: usize = 200_000;

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

fn site() -> (TempDir, Files) {
    let dir = TempDir::new().unwrap();
    let root = dir.path().join("www");
    fs::create_dir_all(root.join("sub/index.html")).unwrap();
    fs::create_dir(root.join("bare")).unwrap();
    for (name, content) in [
        ("index.html", "<p>home"),
        ("sub/index.txt", "sub"),
        ("a b.txt", "0123456789"),
        ("empty.txt", ""),
        ("Caddyfile", "secret"),
        ("app.js", "original"),
        ("app.js.br", "brotli"),
        ("app.js.gz", "zipped"),
        ("app.js.zst", "zstd"),
        ("locked.txt", "locked"),
        ("run.php", "source"),
        ("Run.PHP", "source"),
        ("run.php.gz", "source"),
        ("run.php.zst", "source"),
        ("run.php.bak", "a copy"),
        ("README", "words"),
        ("../outside.txt", "outside"),
    ] {
        fs::write(root.join(name), content).unwrap();
    }
    fs::write(root.join("big.bin"), (0..BIG).map(|i| i as u8).collect::<Vec<_>>()).unwrap();
    symlink(root.join("Caddyfile"), root.join("alias.txt")).unwrap();
    symlink("../outside.txt", root.join("link.txt")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    fs::set_permissions(root.join("locked.txt"), fs::Permissions::from_mode(0o0)).unwrap();
    let hidden: Vec<PathBuf> = vec![root.join("./Caddyfile")];
    let index = crate::site::INDEX.map(str::to_owned).to_vec();
    let scripts = Arc::new(Scripts::default());
    scripts.end_with(vec![".php".to_owned()]);
    let place = Arc::new(Place { root, index, hidden, scripts });
    (dir, Files { place, prefix: String::new(), are_remade: false })
}

fn request(method: &str, target: &str, fields: &[(&str, &str)]) -> Request {
    let mut head = Head::builder().method(method).uri(target);
    for (name, value) in fields {
        head = head.header(*name, *value);
    }
    let (head, ()) = head.body(()).unwrap().into_parts();
    let address = ([127, 0, 0, 1], 80).into();
    Request {
        original_uri: head.uri.clone(),
        head,
        body: Body::empty(),
        upgrade: None,
        peer: Rc::new(Peer {
            remote: address,
            local: address,
            tls: None,
            values: crate::http::connection_values::ConnectionValues::default(),
        }),
        host: "localhost".to_owned(),
        user: None,
        upstream: None,
        watcher: None,
        early_hints: None,
        received: Instant::now(),
    }
}

async fn answer(files: &Files, mut req: Request) -> Answer {
    match files.handle(&mut req, Next::new(&[])).await {
        Ok(response) => {
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes().to_vec();
            Answer { status: head.status.as_u16(), headers: head.headers, body }
        }
        Err(fault) => {
            Answer { status: fault.status.as_u16(), headers: fault.headers, body: vec![] }
        }
    }
}

async fn get(files: &Files, target: &str, fields: &[(&str, &str)]) -> Answer {
    answer(files, request("GET", target, fields)).await
}

#[tokio::test]
async fn statuses_and_contents() {
    let (_dir, files) = site();
    for (target, status, content) in [
        ("/", 200, "<p>home"),
        ("/index.html", 200, "<p>home"),
        ("/sub/", 200, "sub"),
        ("//sub//index.txt", 200, "sub"),
        ("/a%20b.txt", 200, "0123456789"),
        ("/empty.txt", 200, ""),
        ("/link.txt", 200, "outside"),
        ("/bare/", 404, ""),
        ("/nothing", 404, ""),
        ("/index.html/x", 404, ""),
        ("/loop", 404, ""),
        ("/Caddyfile", 404, ""),
        ("/Caddyfile/", 404, ""),
        ("/alias.txt", 404, ""),
        ("/%2e%2e/outside.txt", 404, ""),
        ("/../sub/../../outside.txt", 404, ""),
        ("/..%2foutside.txt", 404, ""),
        ("/..\\outside.txt", 404, ""),
        ("/sub%2findex.txt", 200, "sub"),
        ("/./index.html", 200, "<p>home"),
        ("/x/../sub/index.txt", 200, "sub"),
        ("/sub/.", 200, "sub"),
        ("/index.html%00.php", 404, ""),
        ("/%zz", 404, ""),
        ("/run.php", 404, ""),
        ("/run.php/", 404, ""),
        ("/Run.PHP", 404, ""),
        ("/run.php.gz", 404, ""),
        ("/run.php.bak", 200, "a copy"),
    ] {
        let answer = get(&files, target, &[]).await;
        assert_eq!((answer.status, answer.text()), (status, content), "{target}");
    }
    let long = format!("/{}", "x".repeat(300));
    assert_eq!(get(&files, &long, &[]).await.status, 404);
    // The superuser may read everything.
    let locked = if nix::unistd::geteuid().is_root() { 200 } else { 403 };
    assert_eq!(get(&files, "/locked.txt", &[]).await.status, locked);
}

#[tokio::test]
async fn redirects_stay_on_this_host() {
    let (_dir, mut files) = site();
    for (prefix, target, location) in [
        ("", "/sub", "/sub/"),
        ("", "/sub?q=1", "/sub/?q=1"),
        ("", "//sub", "/sub/"),
        ("", "/index.html/", "/index.html"),
        ("base", "/sub", "/base/sub/"),
        ("a b/c", "/%73ub", "/a%20b/c/sub/"),
        ("", "//evil.example/%2e%2e/sub", "/sub/"),
        ("", "/./sub", "/sub/"),
    ] {
        files.prefix = prefix.to_owned();
        let answer = get(&files, target, &[]).await;
        assert_eq!((answer.status, answer.field("location")), (301, location), "{target}");
    }
}

#[tokio::test]
async fn fields_of_a_file() {
    let (_dir, files) = site();
    let answer = get(&files, "/a%20b.txt", &[]).await;
    assert_eq!(answer.field("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.field("content-length"), "10");
    assert_eq!(answer.field("accept-ranges"), "bytes");
    assert!(answer.field("etag").starts_with("W/\"") && answer.field("etag").ends_with("-a\""));
    assert!(answer.field("last-modified").ends_with("GMT"));
    assert_eq!(
        get(&files, "/README", &[]).await.field("content-type"),
        answer.field("content-type")
    );

    let head = self::answer(&files, request("HEAD", "/a%20b.txt", &[])).await;
    assert_eq!((head.text(), &head.headers), ("", &answer.headers));

    let post = self::answer(&files, request("POST", "/", &[])).await;
    assert_eq!((post.status, post.field("allow")), (405, "GET, HEAD, OPTIONS"));
    let options = self::answer(&files, request("OPTIONS", "/", &[])).await;
    assert_eq!((options.status, options.field("allow")), (200, "GET, HEAD, OPTIONS"));
    assert_eq!((options.text(), options.field("content-length")), ("", "0"));
}

#[tokio::test]
async fn conditions_hold() {
    let (_dir, files) = site();
    let first = get(&files, "/a%20b.txt", &[]).await;
    let (etag, modified) = (first.field("etag"), first.field("last-modified"));
    for (field, value, status) in [
        ("if-none-match", etag, 304),
        ("if-modified-since", modified, 304),
        ("if-none-match", "\"x\"", 200),
        ("if-match", "\"x\"", 412),
        ("if-unmodified-since", modified, 200),
        ("if-unmodified-since", "Sun, 09 Sep 2001 01:46:40 GMT", 412),
    ] {
        let answer = get(&files, "/a%20b.txt", &[(field, value)]).await;
        assert_eq!(answer.status, status, "{field}: {value}");
        if status == 304 {
            assert_eq!((answer.text(), answer.field("etag")), ("", etag));
            assert_eq!(answer.field("content-length"), "");
        }
    }
}

#[tokio::test]
async fn ranges_of_a_file() {
    let (_dir, files) = site();
    for (range, status, content_range, content) in [
        ("bytes=2-4", 206, "bytes 2-4/10", "234"),
        ("bytes=-1", 206, "bytes 9-9/10", "9"),
        ("bytes=20-", 416, "bytes */10", ""),
        ("bytes=0-,0-", 200, "", "0123456789"),
    ] {
        let answer = get(&files, "/a%20b.txt", &[("range", range)]).await;
        let seen = (answer.status, answer.field("content-range"), answer.text());
        assert_eq!(seen, (status, content_range, content), "{range}");
    }
    let stale = [("range", "bytes=0-1"), ("if-range", "\"x\"")];
    assert_eq!(get(&files, "/a%20b.txt", &stale).await.status, 200);

    let parts = get(&files, "/a%20b.txt", &[("range", "bytes=0-1,8-")]).await;
    let boundary = parts.field("content-type").split_once("boundary=").unwrap().1.to_owned();
    assert_eq!(parts.status, 206);
    assert_eq!(parts.field("content-length"), parts.body.len().to_string());
    let part = |range: &str, content: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Range: bytes {range}/10\r\n\r\n{content}"
        )
    };
    let whole = format!("{}{}\r\n--{boundary}--\r\n", part("0-1", "01"), part("8-9", "89"));
    assert_eq!(parts.text(), whole);
}

#[tokio::test]
async fn compressed_siblings() {
    let (dir, files) = site();
    for (accepted, encoding, content) in [
        ("", "", "original"),
        ("gzip", "gzip", "zipped"),
        ("gzip, br, zstd", "br", "brotli"),
        ("gzip, br;q=0.9, zstd", "zstd", "zstd"),
        ("gzip, zstd", "zstd", "zstd"),
        ("br;q=0, gzip;q=0.5", "gzip", "zipped"),
        ("br; q=0.000", "", "original"),
    ] {
        let answer = get(&files, "/app.js", &[("accept-encoding", accepted)]).await;
        assert_eq!((answer.field("content-encoding"), answer.text()), (encoding, content));
        assert_eq!(answer.field("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(answer.field("vary"), "Accept-Encoding", "{accepted}");
    }
    let etag = get(&files, "/app.js", &[]).await.field("etag").to_owned();
    for (method, field, value, status) in [
        ("HEAD", "accept", "*/*", 200),
        ("GET", "range", "bytes=0-1", 206),
        ("GET", "if-none-match", etag.as_str(), 304),
    ] {
        let answer = answer(&files, request(method, "/app.js", &[(field, value)])).await;
        assert_eq!((answer.status, answer.field("vary")), (status, "Accept-Encoding"), "{field}");
    }
    // A directory, and a hidden file, are no precompressed versions.
    for path in ["index.html.gz", "README.br"] {
        fs::create_dir(dir.path().join("www").join(path)).unwrap();
    }
    symlink("Caddyfile", dir.path().join("www/a b.txt.gz")).unwrap();
    for path in ["/", "/README", "/a%20b.txt", "/big.bin"] {
        assert_eq!(get(&files, path, &[]).await.field("vary"), "", "{path}");
    }
}

#[tokio::test]
async fn a_name_with_a_backslash_is_a_name() {
    let (dir, files) = site();
    let root = dir.path().join("www");
    fs::write(root.join("a\\b.txt"), "backslash").unwrap();
    fs::create_dir(format!("{}/\\evil.example", root.display())).unwrap();
    for target in ["/a%5Cb.txt", "/a%5cb.txt"] {
        assert_eq!(get(&files, target, &[]).await.text(), "backslash", "{target}");
    }
    for target in ["/..%5c..%5coutside.txt", "/sub%5cindex.txt", "/..%5coutside.txt"] {
        assert_eq!(get(&files, target, &[]).await.status, 404, "{target}");
    }
    for target in ["/%5Cevil.example", "/\\evil.example"] {
        let answer = get(&files, target, &[]).await;
        assert_eq!((answer.status, answer.field("location")), (301, "/%5Cevil.example/"));
    }
}

#[tokio::test]
async fn big_files_come_in_pieces() {
    let (_dir, files) = site();
    let mut req = request("GET", "/big.bin", &[]);
    let mut body = files.handle(&mut req, Next::new(&[])).await.unwrap().into_body();
    let mut sizes = Vec::new();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        sizes.push(data.len());
        all.extend_from_slice(&data);
    }
    assert_eq!(sizes, [65536, 65536, 65536, BIG - 3 * 65536]);
    assert!(all.iter().enumerate().all(|(i, byte)| *byte == i as u8));
}

#[tokio::test]
async fn a_file_cut_short_breaks_the_body_off() {
    let (dir, files) = site();
    let mut req = request("GET", "/big.bin", &[]);
    let body = files.handle(&mut req, Next::new(&[])).await.unwrap().into_body();
    fs::write(dir.path().join("www/big.bin"), "short").unwrap();
    assert!(body.collect().await.is_err());
}
