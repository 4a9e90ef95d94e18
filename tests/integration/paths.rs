//! What a path in a Caddyfile means, and that it means the same to every directive that takes one.

use std::time::Duration;

use crate::harness::{Answer, Caddy, Fpm, NOT_CONFIGURED, Origin, Setup, curl, wait_for};

const SITE: &str = "http://:@PORT@, http://:@PORT2@";

fn get(caddy: &Caddy, path: &str) -> Answer {
    curl(&["--path-as-is"], &caddy.plain(path))
}

/// A site with these lines and files.
fn site(lines: &str, files: &[&str]) -> Caddy {
    let mut setup = Setup::new(&format!("{SITE} {{\n root www\n {lines}\n}}\n"));
    for name in ["index.html"].iter().chain(files) {
        setup = setup.file(&format!("www/{name}"), *name);
    }
    setup.start()
}

/// Every place of a Caddyfile where a path stands, as `PATH`; `x` would be one without its slash.
const PLACES: &[&str] = &[
    "limits {\n body PATH 1MB\n}",
    "maxrequestbody PATH 1MB",
    "log PATH a.log",
    "log / a.log {\n except PATH\n}",
    "rewrite PATH {\n to /y\n}",
    "gzip {\n not PATH\n}",
    "header PATH X-A b",
    "header PATH {\n X-A b\n}",
    "basicauth PATH u p",
    "basicauth u p {\n PATH\n}",
    "redir PATH /y",
    "redir {\n PATH /y\n}",
    "status 403 PATH",
    "status 403 {\n PATH\n}",
    "internal PATH",
    "expvar PATH",
    "prometheus {\n path PATH\n}",
    "push PATH /a.css",
    "proxy / localhost:1 {\n without PATH\n}",
    "fastcgi PATH localhost:1",
    "browse PATH",
];

/// The same, where a path without its slash is something else.
const WITH_SLASH_ONLY: &[&str] = &[
    "proxy PATH localhost:1",
    "proxy / localhost:1 {\n except PATH\n}",
    "fastcgi / localhost:1 {\n except PATH\n}",
    "websocket PATH cat",
];

/// The exit code and what it says of a site with these lines.
fn validated(lines: &str) -> (Option<i32>, String) {
    let text = format!("http://:@PORT@ {{\n root .\n{lines}\n}}\n");
    let done = Setup::new(&text).arg("-validate").output();
    (done.status.code(), String::from_utf8_lossy(&done.stderr).into_owned())
}

#[test]
fn every_path_passes_one_check() {
    for place in PLACES.iter().chain(WITH_SLASH_ONLY) {
        let (code, said) = validated(&place.replace("PATH", "/x"));
        assert_eq!((code, said.contains(" read as ")), (Some(0), false), "{place}: {said}");
        let lines = place.replace("PATH", "/x/*");
        let line = 3 + lines.lines().position(|line| line.contains("/x/*")).unwrap();
        let (code, said) = validated(&lines);
        let first = format!("Caddyfile:{line} - Parse error: '/x/*' matches no path");
        assert!(code == Some(NOT_CONFIGURED) && said.contains(&first), "{lines}: {said}");
        assert!(said.contains("hint: ") && said.contains("/x"), "{lines}: {said}");
    }
    for place in PLACES {
        let lines = place.replace("PATH", "x");
        let at = lines.lines().position(|line| line.split(' ').any(|word| word == "x")).unwrap();
        let (code, said) = validated(&lines);
        let warning = format!("Caddyfile:{}:", 3 + at);
        assert_eq!(code, Some(0), "{lines}: {said}");
        let told = said
            .lines()
            .any(|line| line.contains(&warning) && line.contains("path 'x' is read as '/x'"));
        assert!(told, "{lines}: {said}");
    }
}

#[test]
fn arguments_in_the_wrong_order_are_named() {
    for (line, hint) in [
        ("proxy A B", "proxy / A"),
        ("proxy * localhost:1", "write: /"),
        ("proxy localhost:1 localhost:2", "proxy / localhost:1"),
        ("header X-Frame-Options DENY", "header / X-Frame-Options DENY"),
        ("header -Server x y", "header / -Server x y"),
        ("basicauth http://x u p", "basicauth / http://x"),
        ("redir http://a /b", "redir / http://a"),
    ] {
        let (code, said) = validated(line);
        assert!(
            code == Some(NOT_CONFIGURED) && said.contains("Caddyfile:3 - Parse error"),
            "{line}: {said}"
        );
        assert!(said.contains(&format!("hint: write: {hint}")) || said.contains(hint), "{said}");
    }
    let (code, said) = validated("proxy /api localhost:1\nproxy /API localhost:2");
    assert_eq!(code, Some(0));
    let warning =
        "Caddyfile:4:1 - this proxy never gets a request: an earlier one handles all of /API";
    assert!(said.contains(warning) && said.contains("the other is at Caddyfile:3"), "{said}");
    let excepted = "proxy /api localhost:1 {\n except /x\n}\nproxy /api localhost:2";
    assert!(!validated(excepted).1.contains("gets no request"));
    let done = Setup::new("http://:@PORT@/x/* {\n root .\n}\n").arg("-validate").output();
    let (code, said) = (done.status.code(), String::from_utf8_lossy(&done.stderr));
    assert!(
        code == Some(NOT_CONFIGURED) && said.contains("Caddyfile:1 - Parse error: '/x/*'"),
        "{said}"
    );
}

/// A directive for `/wp`, and how an answer shows that it was obeyed.
type Held = (&'static str, fn(&Answer) -> bool);

#[test]
fn any_path_that_begins_so_in_any_case() {
    let origin = Origin::start();
    let rows: &[Held] = &[
        ("basicauth /wp u p", |a| a.status == 401),
        ("status 403 /wp", |a| a.status == 403),
        ("internal /wp", |a| a.status == 404),
        ("header /wp X-A b\nstatus 204 /", |a| a.header("x-a") == "b"),
        ("expvar /wp", |a| a.header("content-type").contains("json")),
        ("rewrite /wp {\n to /index.html\n}", |a| a.text() == "index.html"),
        ("proxy /wp ORIGIN", |a| a.status == 200),
        ("fastcgi /wp 127.0.0.1:1", |a| a.status == 502),
    ];
    for (lines, held) in rows {
        let lines = lines.replace("ORIGIN", &origin.addr.to_string());
        let caddy = site(&lines, &["other"]);
        for path in ["/wp", "/WP/x", "/wp-login.php", "//wp", "/%77p/x", "/x/../wp/y", "/./wp"] {
            assert!(held(&get(&caddy, path)), "{lines}: {path}");
        }
        let other = get(&caddy, "/other");
        assert!(other.text() == "other" || lines.contains("status 204"), "{lines}");
    }
}

#[test]
fn what_is_protected_is_so_under_every_name() {
    let lines = "basicauth /admin u p\n internal /wp-config\n status 403 /private\n\
                 status 404 /UPGRADE-\n status 404 error/index.html\n internal protected\n\
                 status 403 small.html\n basicauth u p {\n video\n}\n\
                 rewrite {\n r \\.bak$\n to error/index.html\n}";
    let files = ["admin.php", "adminer", "admin/x", "Admin/x", "wp-config.php.old", "private.key"];
    let more = ["UPGRADE-5.md", "error/index.html", "a.bak", "protected/x", "small.html", "video"];
    let caddy = site(lines, &[&files[..], &more[..]].concat());
    for (path, status) in [
        ("/admin.php", 401),
        ("/adminer", 401),
        ("/Admin/x", 401),
        ("/x/../admin/x", 401),
        ("/admin/../index.html", 401),
        ("/admin%2fx", 401),
        ("/%2e/admin/x", 401),
        ("/x%2f..%2fadmin/x", 401),
        ("/x//../admin/x", 400),
        ("/a/../admin/%2e%2e/x", 400),
        ("/wp-config.php.old", 404),
        ("/private.key", 403),
        ("/UPGRADE-5.md", 404),
        ("/a.bak", 404),
        ("/protected/x", 404),
        ("/small.html", 403),
        ("/video", 401),
        ("/index.html", 200),
    ] {
        assert_eq!(get(&caddy, path).status, status, "{path}");
    }
}

#[test]
fn letter_case_counts_where_the_environment_says_so() {
    let text = format!("{SITE} {{\n root www\n status 403 /private\n}}\n");
    let setup = Setup::new(&text).env("CASE_SENSITIVE_PATH", "1").file("www/Private", "x");
    let caddy = setup.start();
    assert_eq!((get(&caddy, "/Private").status, get(&caddy, "/private").status), (200, 403));
}

#[test]
fn the_source_of_a_script_is_never_sent() {
    let fpm = Fpm::start();
    let text = format!(
        "{SITE} {{\n root @DIR@/www\n fastcgi /wp {} php {{\n except /hidden\n}}\n gzip\n browse\n\
         index x.php\n ext .php\n errors errors.log {{\n 403 page.php\n}}\n status 403 /forbidden\n}}\n",
        fpm.unix
    );
    let source = "<?php echo 'ran'; ?>";
    let names =
        ["wp-login.php", "wp/x.php", "wp/hidden/x.php", "x.php", "X.PHP", "x.php.gz", "x.php.br"];
    let mut setup = Setup::new(&text).file("www/page.php", source).file("www/a.txt", "a");
    for name in names {
        setup = setup.file(&format!("www/{name}"), source);
    }
    let caddy = setup.start();
    for (path, status, content) in [
        ("/wp-login.php", 200, "ran"),
        ("/WP-LOGIN.php", 404, ""),
        ("/wp/x.php", 200, "ran"),
        ("/x/../wp/x.php", 200, "ran"),
        ("/wp/hidden/x.php", 404, ""),
        ("/x.php", 404, ""),
        ("/x", 404, ""),
        ("/X.PHP", 404, ""),
        ("/x.php.gz", 404, ""),
        ("/x.php.br", 404, ""),
        ("/./x.php", 404, ""),
        ("/x%2ephp", 404, ""),
        ("/", 404, ""),
        ("/forbidden", 403, ""),
        ("/a.txt", 200, "a"),
    ] {
        for coding in ["identity", "gzip", "br"] {
            let field = format!("Accept-Encoding: {coding}");
            let answer = curl(&["--path-as-is", "-H", &field], &caddy.plain(path));
            assert_eq!(answer.status, status, "{path} {coding}");
            assert!(!answer.text().contains("<?php"), "{path} {coding}");
            assert!(
                coding != "identity" || content.is_empty() || answer.text() == content,
                "{path}"
            );
        }
    }
    wait_for("the line", Duration::from_secs(30), || {
        caddy.read("errors.log").contains("x.php is a script, and no fastcgi").then_some(())
    });
}

#[test]
fn a_path_means_the_same_to_files_scripts_and_upstreams() {
    let origin = Origin::start();
    let fpm = Fpm::start();
    let lines =
        format!("proxy /api {} {{\n without /api\n}}\n fastcgi /php {} php", origin.addr, fpm.unix);
    let text = format!("{SITE} {{\n root @DIR@/www\n {lines}\n}}\n");
    let setup = Setup::new(&text).file("www/a/f.txt", "file").file("www/a/index.html", "index");
    let caddy = setup.file("www/php/x.php", "<?php echo 'ran';").start();
    for (path, content) in [
        ("/a/f.txt", "file"),
        ("/./a/f.txt", "file"),
        ("/x/../a/f.txt", "file"),
        ("/../../a/f.txt", "file"),
        ("/a%2ff.txt", "file"),
        ("/a/.", "index"),
        ("/a%2f", "index"),
        ("/php/x.php", "ran"),
        ("/php%2fx.php", "ran"),
        ("/x/../PHP/../php/./x.php", "ran"),
    ] {
        let answer = get(&caddy, path);
        assert_eq!((answer.status, answer.text().as_str()), (200, content), "{path}");
    }
    for (path, target) in [
        ("/api/a%2Fb//c?d", "/a%2Fb//c?d"),
        ("/API/x", "/x"),
        ("/%61pi/%61", "/%61"),
        ("/api%2fx", "/x"),
        ("/x/../api/y%20z", "/y%20z"),
        ("/api/x/../y", "/x/../y"),
    ] {
        get(&caddy, path);
        assert_eq!(origin.last().target, target, "{path}");
    }
}

#[test]
fn a_site_with_a_path_is_chosen_and_cut_alike() {
    let text =
        "http://:@PORT@/app, http://:@PORT2@/app {\n root www\n limits {\n body /up 1B\n}\n}\n";
    let caddy = Setup::new(text).file("www/sub/f", "file").start();
    for path in ["/app/sub/f", "/App/sub/f", "/%61pp/sub/f", "//app//sub/f", "/x/../app/sub/f"] {
        assert_eq!(get(&caddy, path).text(), "file", "{path}");
    }
    let redirect = get(&caddy, "/app/x/../sub");
    assert_eq!((redirect.status, redirect.header("location")), (301, "/app/sub/"));
    let large = curl(&["-d", "large"], &caddy.plain("/app/up"));
    assert_eq!(large.status, 413);
    assert_eq!(get(&caddy, "/ap").status, 404);
}

#[test]
fn a_rewrite_is_a_pattern_and_no_client_adds_a_parameter() {
    let origin = Origin::start();
    let caddy = site(
        &format!(
            "rewrite /app /index.html\n rewrite ^/wiki/(.*)$ /api/w?title={{1}}\n \
             rewrite ^/p/ /api/p?path={{path}}&{{query}}\n proxy /api {}",
            origin.addr
        ),
        &["plain.txt"],
    );
    for path in ["/app", "/app/x/y", "/the/app"] {
        assert_eq!(get(&caddy, path).text(), "index.html", "{path}");
    }
    assert_eq!(get(&caddy, "/plain.txt").text(), "plain.txt");
    for (path, target) in [
        ("/wiki/a%26action=delete", "/api/w?title=a%26action=delete"),
        ("/wiki/a&action=delete", "/api/w?title=a%26action=delete"),
        ("/wiki/a%2Bb+c%20d", "/api/w?title=a%2Bb%2Bc%20d"),
        ("/p/a&b?c=d&e=f", "/api/p?path=/p/a%26b&c=d&e=f"),
    ] {
        get(&caddy, path);
        assert_eq!(origin.last().target, target, "{path}");
    }
}
