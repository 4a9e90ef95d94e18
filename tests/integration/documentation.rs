//! Holds the documentation to its word: every example of a Caddyfile in `docs` is valid, and those
//! of the directives that speak to other programs run.

use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::harness::{Caddy, Fpm, Origin, Setup, certificate, curl, plain_socket, with_runtime};

pub(crate) struct Example {
    page: String,
    pub(crate) text: String,
}

/// The blocks of a page that are marked as Caddyfiles.
pub(crate) fn examples_of(page: &Path) -> Vec<Example> {
    let text = std::fs::read_to_string(page).unwrap();
    let name = page.file_name().unwrap().display().to_string();
    let blocks = text.split("```caddyfile\n").skip(1);
    blocks
        .map(|block| Example {
            page: name.clone(),
            text: block.split("```").next().unwrap().to_owned(),
        })
        .collect()
}

pub(crate) fn docs() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}

/// A whole Caddyfile: lines that begin with a directive are put into a site.
pub(crate) fn whole(text: &str) -> String {
    let names = caddy::config::directive_names();
    let first = text.split_whitespace().next().unwrap_or_default();
    if names.contains(&first) {
        format!("localhost:8080 {{\n{text}\n}}\n")
    } else {
        text.to_owned()
    }
}

#[test]
fn every_example_is_valid() {
    let mut pages: Vec<_> =
        std::fs::read_dir(docs()).unwrap().flatten().map(|e| e.path()).collect();
    pages.push(docs().join("../README.md"));
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    let examples: Vec<_> = pages.iter().flat_map(|page| examples_of(page)).collect();
    assert!(examples.len() >= 75, "{} examples", examples.len());
    let mut wrong = vec![];
    for Example { page, text } in examples {
        let done = with_files(&whole(&text)).arg("-validate").output();
        if done.status.code() != Some(0) {
            wrong.push(format!("{page}:\n{text}{}", String::from_utf8_lossy(&done.stderr)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A Caddyfile with what it names below the folders of the examples.
fn with_files(text: &str) -> Setup {
    let text = text.replace("/etc/caddy/", "@DIR@/etc/").replace("/srv/", "@DIR@/srv/");
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let [cert, key] = [cert, key].map(|path| std::fs::read(path).unwrap());
    let page = std::fs::read_to_string(docs().join("browse.md")).unwrap();
    let template = page.split("```").find(|block| block.starts_with("\n{{range")).unwrap();
    Setup::new(&text)
        .file("etc/example.crt", &cert)
        .file("etc/example.key", key)
        .file("etc/staff-ca.pem", cert)
        .file("srv/htpasswd", "kim:{SHA}5yfRRkrhJDbomacm2lsvEdg4GyY=\n")
        .file("srv/www/index.html", "")
        .file("srv/templates/pictures.html", template)
        .env("RFC2136_NAMESERVER", "127.0.0.1:53")
        .env("CLOUDFLARE_DNS_API_TOKEN", "token")
}

#[test]
fn every_directive_has_an_example() {
    for name in caddy::config::directive_names() {
        let page = match name {
            "maxrequestbody" => "limits",
            "startup" | "shutdown" => "on",
            "quic_report" => "quic-report",
            name => name,
        };
        let examples = examples_of(&docs().join(format!("{page}.md")));
        let names_it = |example: &Example| {
            example.text.split_whitespace().any(|word| word == page || word == name)
        };
        assert!(examples.iter().any(names_it), "{page}.md has no example of {page}");
    }
}

/// The first example of a page, its addresses and folders changed for ones that are there.
fn run(page: &str, changes: &[(&str, &str)], files: &[(&str, &str)]) -> Caddy {
    let example = examples_of(&docs().join(page)).into_iter().next().expect(page);
    let mut text = whole(&example.text).replace("localhost:8080", "http://localhost:@PORT@");
    for (from, to) in changes {
        assert!(text.contains(from), "{page}: no {from} in\n{text}");
        text = text.replace(from, to);
    }
    let setup = Setup::new(&text);
    files.iter().fold(setup, |setup, (name, content)| setup.file(name, content)).start()
}

#[test]
fn the_example_of_fastcgi_runs() {
    let fpm = Fpm::start();
    let caddy = run(
        "fastcgi.md",
        &[
            ("unix:/run/php/php8.2-fpm.sock", &fpm.unix),
            ("/var/www/site", "@DIR@/www"),
            ("/var/log/caddy", "@DIR@"),
        ],
        &[("www/index.php", "<?php echo $_SERVER['REQUEST_URI'];"), ("www/a.txt", "as it is")],
    );
    let url = |path: &str| format!("http://localhost:{}{path}", caddy.port());
    assert_eq!(curl(&[], &url("/a/page?x=1")).text(), "/a/page?x=1");
    assert_eq!(curl(&[], &url("/a.txt")).text(), "as it is");
}

#[test]
fn the_example_of_proxy_runs() {
    let origins = [Origin::start(), Origin::start()];
    let [first, second] = [0, 1].map(|at| origins[at].addr.to_string());
    let caddy = run("proxy.md", &[("app1:8080", &first), ("app2:8080", &second)], &[]);
    for _ in 0..4 {
        let answer = curl(&[], &format!("http://localhost:{}/api/echo", caddy.port()));
        assert_eq!(answer.status, 200);
    }
    let requests = [origins[0].requests(), origins[1].requests()].concat();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| request.target == "/echo"), "{requests:?}");
}

#[test]
fn the_example_of_websocket_runs() {
    let caddy = run("websocket.md", &[("/var/www/site", "@DIR@")], &[]);
    with_runtime(async {
        let mut socket = plain_socket(caddy.port(), &[]).await.0;
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("HELLO"));
    });
}
