//! The guides of the documentation: their Caddyfiles run with the programs that they are about, and
//! those that replace the configuration of another server answer as that one does.

use std::path::Path;
use std::process::Command;

use crate::comparing::Other;
use crate::documentation::{docs, examples_of};
use crate::harness::{Answer, Caddy, Fpm, Origin, Setup, certificate, curl, free_port};

/// The first block of a page in a language.
fn block(page: &str, language: &str) -> String {
    let text = std::fs::read_to_string(docs().join(page)).unwrap();
    let (_, rest) = text.split_once(&format!("\n```{language}\n")).expect(page);
    rest.split_once("```").unwrap().0.to_owned()
}

/// `text` with the first of each pair in place of which the second stands; each is there.
fn changed(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "no {from} in\n{text}");
        text.replace(from, to)
    })
}

/// The first example of a page as a site at `localhost`, with a self-signed certificate.
fn example(page: &str, host: &str, changes: &[(&str, &str)]) -> Setup {
    let text = examples_of(&docs().join(page)).into_iter().next().expect(page).text;
    let own = [(host, "localhost:@PORT@"), ("admin@example.com", "self_signed")];
    Setup::new(&changed(&changed(&text, &own), changes))
}

/// What a client of either server notices: error pages are each server's own.
fn noticed(port: u16, scheme: &str, path: &str) -> (u16, String, String, String, String) {
    let to = format!("www.example.com:{port}:127.0.0.1");
    let answer: Answer =
        curl(&["--resolve", &to], &format!("{scheme}://www.example.com:{port}{path}"));
    let body = if answer.status == 200 { answer.text() } else { String::new() };
    let kind = answer.header("content-type").split(';').next().unwrap_or_default().to_owned();
    let kind = if answer.status == 200 { kind } else { String::new() };
    let place = answer.header("location").replace(&format!("{scheme}://www.example.com"), "");
    let place = place.replace(&format!(":{port}"), "");
    (answer.status, body, kind, place, answer.header("cache-control").to_owned())
}

/// The requests of the test, and what the upstream got of each.
fn compare(other: u16, caddy: &Caddy, scheme: &str, origin: &Origin, paths: &[&str]) {
    for path in paths {
        let seen = [other, caddy.port()].map(|port| {
            let before = origin.requests().len();
            let answer = noticed(port, scheme, path);
            let asked: Vec<_> = origin.requests()[before..]
                .iter()
                .map(|request| {
                    let field = |name| request.header(name).unwrap_or_default().to_owned();
                    let host = field("host").replace(&format!(":{port}"), "");
                    (request.target.clone(), host, field("x-forwarded-for"))
                })
                .collect();
            (answer, asked)
        });
        assert_eq!(seen[0], seen[1], "{path}: left the other server, right this one");
    }
}

const FILES: &[(&str, &str)] = &[
    ("www/index.html", "the index"),
    ("www/page.html", "a page"),
    ("www/assets/a.css", "a {}"),
    ("www/sub/index.html", "below"),
];

fn with_files(setup: Setup) -> Setup {
    FILES.iter().fold(setup, |setup, (name, content)| setup.file(name, content))
}

#[test]
fn a_site_of_nginx_answers_alike() {
    let (origin, keys, port) = (Origin::start(), tempfile::tempdir().unwrap(), free_port());
    let upstream = origin.addr.to_string();
    let (cert, key, _) = certificate(keys.path(), "10");
    let files = [("/etc/caddy/example.crt", &*cert), ("/etc/caddy/example.key", &key)];
    let ours = changed(&block("from-nginx.md", "caddyfile"), &files);
    let ours = changed(
        &ours,
        &[("www.example.com", "www.example.com:@PORT@"), ("127.0.0.1:8080", &upstream)],
    );
    let caddy = with_files(Setup::new(&ours.replace("/srv/www", "@DIR@/www"))).start();
    let root = caddy.path("www").display().to_string();
    let theirs = changed(&block("from-nginx.md", "nginx"), &files);
    let theirs = changed(
        &theirs,
        &[
            ("listen 443", &format!("listen 127.0.0.1:{port}")),
            ("/srv/www", &root),
            ("127.0.0.1:8080", &upstream),
        ],
    );
    let home = keys.path().display();
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let conf = format!(
        "daemon off; master_process off; {user} pid {home}/pid; error_log {home}/error.log;\n\
         events {{}}\nhttp {{ include /etc/nginx/mime.types; access_log off; {theirs} }}"
    );
    std::fs::write(keys.path().join("nginx.conf"), conf).unwrap();
    let program = |name: &str| keys.path().join(name).display().to_string();
    let mut nginx = Command::new("nginx");
    nginx.args(["-p", &program(""), "-e", &program("error.log"), "-c", &program("nginx.conf")]);
    let _nginx = Other::start(port, &mut nginx, keys.path());
    let paths = [
        "/",
        "/page.html",
        "/sub/",
        "/none",
        "/none/x",
        "/apifoo",
        "/api/users?x=1",
        "/api/",
        "/assets/a.css",
        "/assets/none.css",
        "/old",
        "/older",
        "/page.html/x",
    ];
    compare(port, &caddy, "https", &origin, &paths);
}

#[test]
fn a_site_of_caddy_2_answers_alike() {
    let (origin, dir, port) = (Origin::start(), tempfile::tempdir().unwrap(), free_port());
    let upstream = origin.addr.to_string();
    let common = [("localhost:3000", &*upstream), ("/var/log/caddy", "@DIR@")];
    let ours = changed(&block("from-caddy-2.md", "caddyfile"), &common);
    let ours = changed(
        &ours,
        &[("www.example.com", "http://www.example.com:@PORT@"), ("/srv/www", "@DIR@/www")],
    );
    let setup = with_files(Setup::new(&ours));
    let home = setup.dir().display().to_string();
    let theirs = changed(&block("from-caddy-2.md", ""), &common).replace("@DIR@", &home);
    let own = format!("http://www.example.com:{port}");
    let theirs =
        changed(&theirs, &[("www.example.com", &own), ("/srv/www", &format!("{home}/www"))]);
    let text = format!("{{\n admin off\n}}\n{}", theirs.replace("access.log", "other.log"));
    std::fs::write(dir.path().join("Caddyfile"), text).unwrap();
    let caddy = setup.start();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/caddy");
    let mut caddy_2 = Command::new(program);
    caddy_2.args(["run", "--config", "Caddyfile"]).current_dir(dir.path());
    let _caddy_2 = Other::start(port, caddy_2.env("HOME", dir.path()), dir.path());
    let paths = ["/", "/page.html", "/sub/", "/none", "/none/x", "/api/users?x=1", "/assets/a.css"];
    compare(port, &caddy, "http", &origin, &paths);
}

#[test]
fn wordpress_has_its_permalinks_and_runs_no_upload() {
    let fpm = Fpm::start();
    let script = "<?php echo 'page ', $_SERVER['REQUEST_URI'], ' ', $_SERVER['HTTPS'];";
    let caddy = example(
        "php.md",
        "blog.example.com",
        &[
            ("/run/php/php8.2-fpm.sock", &fpm.unix["unix:".len()..]),
            ("/var/www/wordpress", "@DIR@/www"),
            ("/var/log/caddy", "@DIR@"),
        ],
    )
    .file("www/index.php", script)
    .file("www/xmlrpc.php", script)
    .file("www/wp-login.php", script)
    .file("www/wp-content/uploads/evil.php", script)
    .file("www/wp-content/uploads/a.png", "a picture")
    .start();
    for (path, status, text) in [
        ("/", 200, "page / on"),
        ("/2026/11/a-post/?p=1", 200, "page /2026/11/a-post/?p=1 on"),
        ("/wp-content/uploads/a.png", 200, "a picture"),
        ("/wp-content/uploads/evil.php", 404, ""),
        ("/xmlrpc.php", 403, ""),
    ] {
        let answer = curl(&[], &caddy.url(path));
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
    }
    assert_eq!(
        curl(&[], &caddy.url("/wp-content/uploads/a.png")).header("cache-control"),
        "max-age=604800"
    );
    // Every 6 s one more is allowed.
    let tries: Vec<_> =
        (0..25).map(|_| curl(&["-d", "pwd=x"], &caddy.url("/wp-login.php")).status).collect();
    assert!(tries[..10].iter().all(|status| *status == 200), "{tries:?}");
    assert!(tries[10..].contains(&429), "{tries:?}");
}

#[test]
fn a_route_of_an_app_is_its_index_and_its_api_is_not() {
    let origin = Origin::start();
    let caddy = example(
        "single-page-app.md",
        "app.example.com",
        &[("localhost:3000", &origin.addr.to_string()), ("/srv/app", "@DIR@/www")],
    );
    let caddy = with_files(caddy).start();
    for (path, text, life) in [
        ("/", "the index", "max-age=0"),
        ("/settings/profile", "the index", "max-age=0"),
        ("/assets/a.css", "a {}", "max-age=31536000"),
        ("/api/users", "hello", "max-age=0"),
    ] {
        let answer = curl(&[], &caddy.url(path));
        let life_of = answer.header("cache-control");
        assert_eq!((answer.text().as_str(), life_of), (text, life), "{path}");
    }
    assert_eq!(origin.last().target, "/api/users");
}

#[test]
fn a_load_balancer_goes_round_what_is_down() {
    let origins = [Origin::start(), Origin::start()];
    let [first, second] = [0, 1].map(|at| origins[at].addr.to_string());
    let caddy = example(
        "load-balancer.md",
        "www.example.com",
        &[("app1:8080", &first), ("app2:8080", &second), ("app3:8080", "127.0.0.1:1")],
    )
    .start();
    for _ in 0..20 {
        assert_eq!(curl(&[], &caddy.url("/x")).text(), "hello");
    }
    let got = origins
        .iter()
        .map(|origin| origin.requests().iter().filter(|request| request.target == "/x").count());
    let got: Vec<_> = got.collect();
    assert!(got.iter().sum::<usize>() == 20 && got.iter().all(|count| *count > 0), "{got:?}");
}
