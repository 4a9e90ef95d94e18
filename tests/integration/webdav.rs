//! `webdav` with litmus, the test suite of the protocol, with cadaver, and over every protocol.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::harness::{Answer, Caddy, Setup, curl, h3_one, pattern};

fn site(options: &str) -> Caddy {
    let text = "http://localhost:@PORT@ {\n basicauth /dav kim geheim\n webdav /dav {\n\
                scope @DIR@/files\n@OPTIONS@\n}\n}";
    Setup::new(text).set("OPTIONS", options).file("files/there", "before").start()
}

/// A URL without TLS.
fn plain(caddy: &Caddy, path: &str) -> String {
    format!("http://localhost:{}{path}", caddy.port())
}

#[test]
fn litmus_finds_nothing() {
    let caddy = site("");
    let folder = caddy.path("litmus");
    fs::create_dir(&folder).unwrap();
    let done = Command::new("litmus")
        .args(["-k", &plain(&caddy, "/dav/"), "kim", "geheim"])
        .current_dir(&folder)
        .env("TESTS", "basic copymove props locks http")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    let lines: Vec<_> = told.lines().filter(|line| line.contains("summary for")).collect();
    let expected = [
        "`basic': of 16 tests run: 16 passed, 0 failed. 100.0%",
        "`copymove': of 13 tests run: 13 passed, 0 failed. 100.0%",
        "`props': of 30 tests run: 30 passed, 0 failed. 100.0%",
        "`locks': of 41 tests run: 41 passed, 0 failed. 100.0%",
        "`http': of 4 tests run: 4 passed, 0 failed. 100.0%",
    ];
    let expected = expected.map(|line| format!("<- summary for {line}"));
    assert_eq!(lines, expected, "{told}\n{}", caddy.log());
}

#[test]
fn cadaver_puts_gets_locks_and_moves() {
    let caddy = site("");
    let content = pattern(300_000);
    fs::write(caddy.path("local"), &content).unwrap();
    let script = "put local new\nmkcol folder\nlock new\nunlock new\nmove new folder/moved\n\
                  copy folder/moved copied\npropset copied colour blue\npropget copied colour\n\
                  get copied back\nls\ndelete there\nquit\n";
    fs::write(caddy.path("script"), script).unwrap();
    // cadaver takes user and password from here.
    let host = "machine localhost\nlogin kim\npassword geheim\n";
    fs::write(caddy.path(".netrc"), host).unwrap();
    let done = Command::new("cadaver")
        .arg(plain(&caddy, "/dav/"))
        .current_dir(caddy.path(""))
        .env("HOME", caddy.path(""))
        .stdin(fs::File::open(caddy.path("script")).unwrap())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(!told.contains("fail"), "{told}");
    assert!(told.contains("blue") && told.contains("Coll:   folder"), "{told}");
    assert!(fs::read(caddy.path("files/folder/moved")).unwrap() == content);
    assert!(fs::read(caddy.path("back")).unwrap() == content);
    assert!(!caddy.path("files/there").exists() && !caddy.path("files/new").exists());
}

#[test]
fn what_goes_to_another_file_system_is_whole_or_nothing_changes() {
    let text = "http://localhost:@PORT@ {\n webdav {\n scope @DIR@/files\n}\n}";
    let setup = Setup::new(text)
        .file("files/a/b/c", "moved")
        .file("files/d", "moved")
        .file("files/linked/e", "stays")
        .file("files/big/f", pattern(200_000))
        .file("files/other/mounted", "over");
    std::os::unix::fs::symlink("e", setup.dir().join("files/linked/g")).unwrap();
    let caddy = setup.world("mount -t tmpfs -o size=64k none @DIR@/files/other").start();
    let ask = |method: &str, path: &str, to: &str| {
        let to = format!("Destination: {}", plain(&caddy, to));
        curl(&["-X", method, "-H", &to, "-H", "Depth: infinity"], &plain(&caddy, path))
    };
    assert_eq!(ask("MKCOL", "/other/old", "").status, 201);
    let kept =
        curl(&["-T", &caddy.path("files/d").display().to_string()], &plain(&caddy, "/other/old/d"));
    assert_eq!(kept.status, 201);
    for (method, from, to, status) in [
        ("MOVE", "/a", "/other/a", 201),
        ("MOVE", "/d", "/other/a/d", 201),
        ("MOVE", "/linked", "/other/linked", 409),
        ("COPY", "/big", "/other/old", 507),
        ("MOVE", "/big", "/other/old", 507),
        ("MOVE", "/big", "/other/new", 507),
    ] {
        let answer = ask(method, from, to);
        assert_eq!(answer.status, status, "{method} {from} {to}: {}", caddy.log());
    }
    for (path, status) in [
        ("/other/a/b/c", 200),
        ("/other/a/d", 200),
        ("/a", 404),
        ("/d", 404),
        ("/linked/e", 200),
        ("/big/f", 200),
        ("/other/old/d", 200),
        ("/other/new", 404),
    ] {
        assert_eq!(curl(&[], &plain(&caddy, path)).status, status, "{path}");
    }
    let list = curl(&["-X", "PROPFIND", "-H", "Depth: 1"], &plain(&caddy, "/other/")).text();
    assert_eq!(list.matches("<D:response>").count(), 3, "the folder, a and old: {list}");
    assert_eq!(ask("MOVE", "/other/a", "/linked").status, 204, "it replaces the folder");
    assert_eq!(curl(&[], &plain(&caddy, "/linked/b/c")).text(), "moved");
}

/// A line of the table: `METHOD ; path ; field: value, … ; content ; status`.
struct Asked {
    method: &'static str,
    path: String,
    fields: Vec<(&'static str, &'static str)>,
    content: &'static str,
    status: u16,
}

fn table() -> Vec<Asked> {
    let lines = include_str!("webdav.txt").lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let asked = lines.map(|line| {
        let [method, path, fields, content, status] =
            line.split(" ; ").map(str::trim).collect::<Vec<_>>().try_into().unwrap();
        let fields = fields.split(", ").filter(|field| *field != "-");
        Asked {
            method,
            path: format!("/dav/{}", path.trim_start_matches('-')),
            fields: fields.map(|field| field.split_once(": ").unwrap()).collect(),
            content: content.trim_start_matches('-'),
            status: status.parse().unwrap(),
        }
    });
    asked.collect()
}

fn ask(caddy: &Caddy, version: &str, asked: &Asked) -> Answer {
    if version == "--http3" {
        let Asked { method, path, fields, content, .. } = asked;
        let mut job = json!({"method": method, "path": path, "headers": fields});
        if !content.is_empty() {
            job["body"] = (*content).into();
        }
        return h3_one(caddy.port(), job);
    }
    let fields: Vec<_> =
        asked.fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let mut args = vec![version, "-X", asked.method];
    args.extend(fields.iter().flat_map(|field| ["-H", field]));
    if !asked.content.is_empty() {
        args.extend(["--data-binary", asked.content]);
    }
    curl(&args, &caddy.url(&asked.path))
}

/// The same requests over each protocol, with what a client sees of the responses.
#[test]
fn every_protocol_answers_alike() {
    let text = "https://localhost:@PORT@ {\n tls self_signed\n webdav /dav {\n\
                scope @DIR@/files\n}\n}";
    let mut first = Vec::new();
    for version in ["--http1.1", "--http2", "--http3"] {
        let caddy = Setup::new(text).file("files/there", "before").start();
        let mut seen = Vec::new();
        for asked in table() {
            let got = ask(&caddy, version, &asked);
            let about = format!("{version} {} {} {:?}", asked.method, asked.path, asked.fields);
            assert_eq!(got.status, asked.status, "{about}: {got:?}");
            let kind = got.header("content-type").to_owned();
            let is_ours = got.status < 300 || kind.contains("xml");
            seen.push((asked.path, kind, is_ours.then(|| got.text())));
        }
        if first.is_empty() {
            first = seen;
        } else {
            assert_eq!(seen, first, "{version}");
        }
    }
}

#[test]
fn users_reach_what_their_rules_say() {
    let text = "http://localhost:@PORT@ {\n basicauth /dav kim geheim\n basicauth /dav mo geheim\n\
                webdav /dav {\n scope @DIR@/files\n modify false\n block /private\n\
                block dotfiles\n kim:\n modify true\n allow /private\n block_r \\.key$\n}\n}";
    let setup = Setup::new(text).file("files/private/a", "a").file("files/b/c.key", "c");
    let caddy = setup.file("files/.hidden", "h").file("files/open", "o").start();
    for (user, method, path, status) in [
        ("kim", "GET", "private/a", 200),
        ("mo", "GET", "private/a", 403),
        ("mo", "GET", "open", 200),
        ("mo", "PUT", "open", 403),
        ("mo", "LOCK", "open", 403),
        ("mo", "GET", "b/c.key", 200),
        ("kim", "GET", "b/c.key", 403),
        // With what a folder has.
        ("kim", "DELETE", "b", 403),
        ("kim", "GET", ".hidden", 403),
        ("kim", "PUT", "new", 201),
        ("kim", "DELETE", "private", 204),
    ] {
        let login = format!("{user}:geheim");
        let args = ["-u", &login, "-X", method, "--data-binary", "x"];
        let args = if method == "PUT" { &args[..] } else { &args[..4] };
        let got = curl(args, &plain(&caddy, &format!("/dav/{path}")));
        assert_eq!(got.status, status, "{user} {method} {path}");
    }
    let list =
        curl(&["-u", "mo:geheim", "-X", "PROPFIND", "-H", "Depth: 1"], &plain(&caddy, "/dav/"));
    let text = list.text();
    assert!(text.contains("/dav/open") && !text.contains("hidden"), "{text}");
}
