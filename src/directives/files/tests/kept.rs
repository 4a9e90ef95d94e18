//! The handler with cached files that change.

use std::path::Path;
use std::time::Duration;

use super::super::cache;
use super::*;

const PATIENCE: Duration = Duration::from_secs(20);

fn site_of(files: &[(&str, &str)]) -> (tempfile::TempDir, Files) {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let index = vec!["index.html".to_owned()];
    let scripts = Arc::default();
    let place = Place { root: dir.path().into(), index, hidden: Vec::new(), scripts };
    (dir, Files { place: Arc::new(place), prefix: String::new(), are_remade: false })
}

/// Repeats the request until the response is as expected.
async fn until(
    files: &Files,
    target: &str,
    fields: &[(&str, &str)],
    is_met: impl Fn(&Answer) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !is_met(&get(files, target, fields).await) {
        assert!(Instant::now() < deadline, "{target}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Repeats the request until the file is cached, which requires that it has been unchanged for a
/// while.
async fn kept(files: &Files, target: &str) {
    until(files, target, &[], |_| {
        let key = Key { place: &files.place, path: target, accepted: [None; 3] };
        matches!(cache::get(key, Instant::now()), Cached::Fresh(_))
    })
    .await;
}

#[tokio::test]
async fn every_change_is_seen() {
    type Change = fn(&Path);
    let cases: &[(&str, Change, u16, &str)] = &[
        ("/written.txt", |dir| fs::write(dir.join("written.txt"), "new").unwrap(), 200, "new"),
        (
            "/renamed.txt",
            |dir| fs::rename(dir.join("new.txt"), dir.join("renamed.txt")).unwrap(),
            200,
            "new",
        ),
        ("/removed.txt", |dir| fs::remove_file(dir.join("removed.txt")).unwrap(), 404, ""),
        ("/dir/moved.txt", |dir| fs::rename(dir.join("dir"), dir.join("away")).unwrap(), 404, ""),
        (
            "/linked.txt",
            |dir| {
                fs::remove_file(dir.join("linked.txt")).unwrap();
                symlink("target.txt", dir.join("linked.txt")).unwrap();
            },
            200,
            "new",
        ),
        ("/sub/", |dir| fs::write(dir.join("sub/index.html"), "new").unwrap(), 200, "new"),
    ];
    let names = [
        "written.txt",
        "renamed.txt",
        "removed.txt",
        "dir/moved.txt",
        "linked.txt",
        "sub/index.html",
    ];
    let mut content: Vec<_> = names.map(|name| (name, "old")).into();
    content.extend([("new.txt", "new"), ("target.txt", "new")]);
    let (dir, files) = site_of(&content);
    for (target, change, status, text) in cases {
        kept(&files, target).await;
        change(dir.path());
        until(&files, target, &[], |it| (it.status, it.text()) == (*status, *text)).await;
    }
}

/// Content that is read while it is sent never has the header fields of an earlier version.
#[tokio::test]
async fn a_large_file_is_compared_each_time() {
    let (dir, files) = site_of(&[("large.txt", &"a".repeat(200_000))]);
    kept(&files, "/large.txt").await;
    let old = get(&files, "/large.txt", &[]).await;
    for content in ["b".repeat(200_000), "c".repeat(150_000)] {
        fs::write(dir.path().join("large.txt"), &content).unwrap();
        let new = get(&files, "/large.txt", &[]).await;
        assert_eq!(new.text(), content);
        assert_ne!(new.field("etag"), old.field("etag"));
    }
}

#[tokio::test]
async fn siblings_come_and_go() {
    let (dir, files) = site_of(&[("app.js", "original")]);
    let zipped = dir.path().join("app.js.gz");
    let accepted = [("accept-encoding", "gzip")];
    kept(&files, "/app.js").await;
    fs::write(&zipped, "zipped").unwrap();
    until(&files, "/app.js", &accepted, |it| it.text() == "zipped").await;
    fs::remove_file(zipped).unwrap();
    until(&files, "/app.js", &accepted, |it| it.text() == "original").await;
}

#[tokio::test]
async fn what_is_kept_answers_like_what_is_read() {
    let text = "x".repeat(100_000);
    let (_dir, files) = site_of(&[("small.txt", "0123456789"), ("large.txt", &text)]);
    for (target, len) in [("/small.txt", 10), ("/large.txt", 100_000)] {
        let ask = async || {
            let whole = get(&files, target, &[]).await;
            let etag = [("if-none-match", whole.field("etag"))];
            let part = get(&files, target, &[("range", "bytes=2-4")]).await;
            let unchanged = get(&files, target, &etag).await;
            let head = answer(&files, request("HEAD", target, &[])).await;
            assert_eq!((whole.body.len(), unchanged.status, part.status), (len, 304, 206));
            [whole, part, unchanged, head].map(|it| (it.status, it.headers, it.body))
        };
        let read = ask().await;
        kept(&files, target).await;
        assert_eq!(ask().await, read, "{target}");
    }
}
