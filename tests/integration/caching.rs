//! `cache` before origins that count what they are asked.

use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Answer, Caddy, Nginx, Origin, Setup, curl, h3_one, wait_for};

const LONG: Duration = Duration::from_secs(30);

/// A cache with these options before an origin.
fn before(origin: &Origin, options: &str) -> Caddy {
    let site = "http://localhost:@PORT@, http://localhost:@PORT2@ {\n proxy / @ORIGIN@\n\
                cache {\n@OPTIONS@\n}\n}\n";
    Setup::new(site).set("ORIGIN", origin.addr).set("OPTIONS", options).start()
}

fn status(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.header("x-cache-status"))
}

/// Asks until the cache has this word for the response.
fn until(caddy: &Caddy, path: &str, word: &str) -> Answer {
    wait_for(word, LONG, || {
        let answer = curl(&[], &caddy.plain(path));
        (answer.header("x-cache-status") == word).then_some(answer)
    })
}

fn together(count: usize, url: &str) -> Vec<Answer> {
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let url = url.to_owned();
            thread::spawn(move || curl(&[], &url))
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

#[test]
fn concurrent_misses_are_one_request() {
    let origin = Origin::start();
    let caddy = before(&origin, "match_path /slow");
    for answer in together(12, &caddy.plain("/slow/700")) {
        assert_eq!((answer.status, answer.text().as_str()), (200, "slow"));
    }
    assert_eq!(origin.requests().len(), 1, "{:?}", origin.requests());
    assert_eq!(status(&curl(&[], &caddy.plain("/slow/700"))), (200, "hit"));
    origin.clear();
    // What cannot be shared is for each, with nobody waiting for the one before.
    for answer in together(6, &caddy.plain("/status/200")) {
        assert_eq!(status(&answer), (200, "skip"));
    }
    assert_eq!(origin.requests().len(), 6);
}

#[test]
fn what_broke_off_is_not_stored_and_a_client_that_leaves_spoils_nothing() {
    let origin = Origin::start();
    let caddy = before(&origin, "match_path /");
    for path in ["/cut", "/chunkcut"] {
        for _ in 0..2 {
            let answer = curl(&[], &caddy.plain(path));
            assert!(!answer.error.is_empty(), "{path}: {answer:?}");
        }
        let asked = origin.requests().iter().filter(|asked| asked.target == path).count();
        assert_eq!(asked, 2, "{path}");
    }
    origin.clear();
    let left = curl(&["--max-time", "2.5"], &caddy.plain("/drip/60"));
    assert!(left.error.contains("timed out"), "{left:?}");
    let whole = curl(&[], &caddy.plain("/drip/60"));
    assert_eq!((status(&whole), whole.len), ((200, "hit"), 60));
    assert_eq!(origin.requests().len(), 1);
}

#[test]
fn a_slow_client_does_not_hold_others_up() {
    let origin = Origin::start();
    let caddy = before(&origin, "match_path /size\n max_size 1MB");
    let slow = ["--limit-rate", "20k", "--max-time", "3"];
    let url = caddy.plain("/size/900000");
    let first = thread::spawn(move || curl(&slow, &url));
    wait_for("the first request", LONG, || (!origin.requests().is_empty()).then_some(()));
    let second = curl(&[], &caddy.plain("/size/900000"));
    assert_eq!((status(&second), second.len), ((200, "hit"), 900_000));
    assert!(first.join().unwrap().len < 900_000, "the first one is still at it");
    for _ in 0..2 {
        let large = curl(&[], &caddy.plain("/size/1100000"));
        assert_eq!((status(&large), large.len), ((200, "skip"), 1_100_000));
    }
    assert_eq!(origin.requests().len(), 3);
}

#[test]
fn a_stale_response_is_used_as_the_options_say() {
    let origin = Origin::start();
    let caddy = before(&origin, "match_path /\n default_max_age 1s\n stale_while_revalidate 1h");
    assert_eq!(status(&curl(&[], &caddy.plain("/a"))), (200, "miss"));
    until(&caddy, "/a", "stale");
    wait_for("another request", LONG, || (origin.requests().len() >= 2).then_some(()));
    until(&caddy, "/a", "hit");

    let origin = Origin::start();
    let caddy = before(&origin, "match_path /\n default_max_age 1s\n stale_if_error 1h");
    assert_eq!(status(&curl(&[], &caddy.plain("/status/200"))), (200, "miss"));
    // The next connection fails.
    curl(&[], &caddy.plain("/reset"));
    origin.set_down(true);
    let answer = until(&caddy, "/status/200", "stale");
    assert_eq!((answer.status, answer.text().as_str()), (200, "told"));
    assert_eq!(answer.header("cache-status"), "Caddy; hit; fwd=stale; fwd-status=502");
}

#[test]
fn nginx_is_asked_whether_a_file_is_still_the_same() {
    let nginx = Nginx::before("add_header X-Id $request_id; add_header Cache-Control max-age=2;");
    nginx.write("a.txt", b"0123456789");
    let site = "https://localhost:@PORT@ {\n tls self_signed\n gzip {\n min_length 1\n}\n\
                proxy / @NGINX@\n cache\n}\n";
    let caddy = Setup::new(site).set("NGINX", &nginx.addr).start();
    let first = curl(&[], &caddy.url("/a.txt"));
    assert_eq!(status(&first), (200, "miss"));
    assert_eq!(first.header("vary"), "Accept-Encoding");
    let (id, etag) = (first.header("x-id"), first.header("etag"));
    let asks = json!({"path": "/a.txt"});
    for answer in [
        curl(&["--http1.1"], &caddy.url("/a.txt")),
        curl(&["--http2"], &caddy.url("/a.txt")),
        h3_one(caddy.port(), asks),
        curl(&["--compressed"], &caddy.url("/a.txt")),
    ] {
        let word = answer.header("x-cache-status");
        assert!(["hit", "revalidated"].contains(&word), "{answer:?}");
        assert_eq!(answer.text(), "0123456789");
        assert!(answer.header("age").parse::<u64>().is_ok(), "{answer:?}");
    }
    let none_match = format!("If-None-Match: {etag}");
    for (options, code, text) in [
        (&["-H", none_match.as_str()][..], 304, ""),
        (&["-r", "2-4"], 206, "234"),
        (&["-r", "20-"], 416, ""),
        (&["--head"], 200, ""),
    ] {
        let answer = curl(options, &caddy.url("/a.txt"));
        assert_eq!(answer.status, code, "{answer:?}");
        if code != 416 {
            assert_eq!(answer.text(), text, "{answer:?}");
        }
    }
    let confirmed = wait_for("a 304 of nginx", LONG, || {
        let answer = curl(&[], &caddy.url("/a.txt"));
        (answer.header("x-cache-status") == "revalidated").then_some(answer)
    });
    assert_ne!(confirmed.header("x-id"), id, "the fields of the 304 hold");
    assert_eq!(confirmed.header("cache-status"), "Caddy; hit; fwd=stale; fwd-status=304");
    nginx.write("a.txt", b"changed, and longer");
    let changed = wait_for("the changed file", LONG, || {
        let answer = curl(&[], &caddy.url("/a.txt"));
        (answer.text() == "changed, and longer").then_some(answer)
    });
    assert_eq!(changed.header("cache-status"), "Caddy; fwd=stale; stored");
}

#[test]
fn clients_may_insist_and_methods_invalidate() {
    let origin = Origin::start();
    let caddy = before(&origin, "match_path /");
    let ask = |options: &[&str]| curl(options, &caddy.plain("/a"));
    let only = ["-H", "Cache-Control: only-if-cached"];
    assert_eq!(ask(&only).status, 504);
    assert_eq!(status(&ask(&[])), (200, "miss"));
    assert_eq!(status(&ask(&only)), (200, "hit"));
    assert_eq!(status(&ask(&["-H", "Cache-Control: no-cache"])), (200, "miss"));
    assert_eq!(status(&ask(&["-H", "Cache-Control: no-store"])), (200, "bypass"));
    assert_eq!(status(&ask(&["-H", "Authorization: Basic x"])), (200, "skip"));
    assert_eq!(status(&ask(&[])), (200, "hit"), "what is stored stays");
    assert_eq!(status(&ask(&["-d", "x"])), (200, "bypass"));
    assert_eq!(status(&ask(&[])), (200, "miss"));
    assert_eq!(status(&ask(&["-X", "PURGE"])), (200, "bypass"), "a method like others");
}

#[test]
fn those_who_may_purge() {
    let origin = Origin::start();
    let caddy = before(&origin, "match_path /\n purge");
    let ask = |options: &[&str], path: &str| curl(options, &caddy.plain(path));
    let purge = ["-X", "PURGE"];
    for path in ["/b/1", "/b/2", "/c"] {
        assert_eq!(status(&ask(&[], path)), (200, "miss"));
    }
    for passed_on in ["X-Forwarded-For: 192.0.2.1", "Forwarded: for=192.0.2.1"] {
        assert_eq!(ask(&["-X", "PURGE", "-H", passed_on], "/b/1").status, 403);
    }
    assert_eq!(status(&ask(&[], "/b/1")), (200, "hit"));
    assert_eq!([204, 404], [(); 2].map(|()| ask(&purge, "/b/1").status));
    assert_eq!(status(&ask(&[], "/b/1")), (200, "miss"));
    assert_eq!(ask(&purge, "/b/*").status, 204);
    for (path, word) in [("/b/1", "miss"), ("/b/2", "miss"), ("/c", "hit")] {
        assert_eq!(status(&ask(&[], path)), (200, word), "{path}");
    }
    assert!(origin.requests().iter().all(|asked| asked.method == "GET"));
    let caddy = before(&origin, "match_path /\n purge 192.0.2.0/24");
    assert_eq!(curl(&purge, &caddy.plain("/c")).status, 403);
}

#[test]
fn a_reload_keeps_what_is_stored_and_a_password_comes_first() {
    let origin = Origin::start();
    let text = "http://localhost:@PORT@, http://localhost:@PORT2@ {\n basicauth /in kim secret\n\
                root www\n proxy / @ORIGIN@ {\n except /file\n}\n\
                cache {\n match_path /\n}\n}\n";
    let caddy = Setup::new(text).set("ORIGIN", origin.addr).file("www/file", "of the root").start();
    for path in ["/a", "/file"] {
        assert_eq!(status(&curl(&[], &caddy.plain(path))), (200, "miss"));
    }
    caddy.reload();
    for path in ["/a", "/file"] {
        assert_eq!(status(&curl(&[], &caddy.plain(path))), (200, "hit"), "{path}");
    }
    for _ in 0..2 {
        let kim = curl(&["-u", "kim:secret"], &caddy.plain("/in/a"));
        assert_eq!(status(&kim), (200, "skip"));
        assert_eq!(curl(&[], &caddy.plain("/in/a")).status, 401);
    }
}

/// The file of the cache that a process has open: its length.
fn on_disk(caddy: &Caddy) -> Option<u64> {
    let open = std::fs::read_dir(format!("/proc/{}/fd", caddy.pid())).unwrap();
    let directory = caddy.path("kept");
    let file = open.flatten().find(|entry| {
        std::fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(&directory))
    });
    file.map(|entry| std::fs::metadata(entry.path()).unwrap().len())
}

fn with_files(options: &str) -> Caddy {
    let site = "http://localhost:@PORT@, http://localhost:@PORT2@ {\n root www\n\
                cache {\n match_path /\n@OPTIONS@\n}\n}\n";
    let mut setup = Setup::new(site).set("OPTIONS", options).file("www/small", "small");
    for number in 0..10_u8 {
        setup = setup.file(&format!("www/{number}"), large(number));
    }
    setup.start()
}

/// 300 KB, of which each place is different.
fn large(number: u8) -> Vec<u8> {
    (0..300_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ number).collect()
}

#[test]
fn large_content_is_on_disk_within_its_bound() {
    let caddy = with_files("path kept\ndisk 1MB");
    assert_eq!(on_disk(&caddy), None, "loading opens nothing");
    curl(&[], &caddy.plain("/small"));
    assert_eq!(status(&curl(&[], &caddy.plain("/small"))), (200, "hit"));
    assert_eq!(on_disk(&caddy), None, "small content is in memory");
    // The first one is still being sent when all others have displaced it.
    assert_eq!(curl(&[], &caddy.plain("/0")).body, large(0));
    until(&caddy, "/0", "hit");
    let url = caddy.plain("/0");
    let slow = thread::spawn(move || curl(&["--limit-rate", "60K"], &url));
    thread::sleep(Duration::from_millis(500));
    for number in 1..10 {
        let path = format!("/{number}");
        assert_eq!(curl(&[], &caddy.plain(&path)).body, large(number), "{path}");
        let again = until(&caddy, &path, "hit");
        assert_eq!(again.body, large(number), "{path}");
        let part = curl(&["-r", "123456-223455"], &caddy.plain(&path));
        assert_eq!((part.status, &*part.body), (206, &large(number)[123_456..223_456]));
        assert!(on_disk(&caddy).is_some_and(|bytes| bytes <= 1 << 20));
    }
    assert_eq!(slow.join().unwrap().body, large(0));
    assert_eq!(status(&curl(&[], &caddy.plain("/0"))), (200, "miss"), "displaced");
    assert_eq!(status(&curl(&[], &caddy.plain("/small"))), (200, "hit"), "not by these");
    caddy.reload();
    assert_eq!(status(&curl(&[], &caddy.plain("/9"))), (200, "hit"), "after a reload");
    let names = std::fs::read_dir(caddy.path("kept")).unwrap().count();
    assert_eq!(names, 0, "the file has no name");
}

#[test]
fn content_stays_in_memory_where_the_disk_takes_none() {
    let caddy = with_files("path /proc/kept");
    for number in 0..3 {
        let path = format!("/{number}");
        curl(&[], &caddy.plain(&path));
        assert_eq!(until(&caddy, &path, "hit").body, large(number), "{path}");
    }
    let log = caddy.log_with("cache: cannot keep content");
    assert_eq!(log.matches("cache: cannot keep content in /proc/kept").count(), 1, "{log}");
}

#[test]
fn the_source_of_a_template_is_never_sent() {
    let origin = Origin::start();
    let text = "http://localhost:@PORT@, http://localhost:@PORT2@ {\n root www\n import lines\n\
                proxy / @ORIGIN@ {\n except /page.html /plain.txt\n}\n\
                cache {\n match_path /\n}\n}\n";
    let page = "{{.Method}} {{.Header `x`}}";
    let caddy = Setup::new(text)
        .set("ORIGIN", origin.addr)
        .file("www/page.html", page)
        .file("www/plain.txt", page)
        .file("lines", "")
        .start();
    let ask = |path: &str, x: &str| curl(&["-H", &format!("X: {x}")], &caddy.plain(path));
    // Without templates it is a file like others.
    for word in ["miss", "hit"] {
        let answer = ask("/page.html", "1");
        assert_eq!((status(&answer), answer.text().as_str()), ((200, word), page));
    }
    std::fs::write(caddy.path("lines"), "templates / .html\n").unwrap();
    caddy.reload();
    for x in ["2", "3"] {
        let answer = ask("/page.html", x);
        assert_eq!((status(&answer), answer.text()), ((200, "skip"), format!("GET {x}")));
    }
    for word in ["miss", "hit"] {
        assert_eq!(status(&ask("/plain.txt", "1")), (200, word), "no template");
        assert_eq!(status(&ask("/other.html", "1")), (200, word), "of the upstream");
    }
}

#[test]
fn a_changed_file_is_not_hidden_by_a_guess() {
    let site = "http://localhost:@PORT@, http://localhost:@PORT2@ {\n root www\n cache\n}\n";
    let caddy = Setup::new(site).file("www/page.html", "one").start();
    let day = Duration::from_secs(24 * 3600);
    let file = std::fs::File::options().append(true).open(caddy.path("www/page.html")).unwrap();
    file.set_modified(std::time::SystemTime::now() - 100 * day).unwrap();
    for _ in 0..2 {
        let answer = curl(&[], &caddy.plain("/page.html"));
        assert_eq!((status(&answer), answer.text().as_str()), ((200, "skip"), "one"));
    }
    std::fs::write(caddy.path("www/page.html"), "two, longer").unwrap();
    wait_for("the changed file", LONG, || {
        (curl(&[], &caddy.plain("/page.html")).text() == "two, longer").then_some(())
    });
}
