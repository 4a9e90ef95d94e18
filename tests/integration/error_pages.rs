//! The pages of errors that the site has no page for.

use crate::content::each;
use crate::harness::{Caddy, LOOKS, Setup, by_all, wait_for, with_runtime};

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

fn start(lines: &str) -> Caddy {
    Setup::new(&format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n proxy /down 127.0.0.1:1\n {lines}\n}}\n"
    ))
    .start()
}

/// Of the first `<code>` on the page.
fn request_id(page: &str) -> &str {
    let (_, rest) = page.split_once("<code>").expect("an ID");
    rest.split_once("</code>").unwrap().0
}

#[test]
fn a_browser_gets_a_page_with_the_id_that_the_log_has() {
    for (lines, log) in [("", "process.log"), ("errors errors.log", "errors.log")] {
        let caddy = start(lines);
        for (protocol, answer) in each(&caddy, "GET", "/down", &[BROWSER]) {
            assert_eq!(answer.status, 502, "{protocol}");
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{protocol}");
            assert_eq!(answer.header("vary"), "accept", "{protocol}");
            let page = answer.text();
            assert!(page.contains("<title>502 Bad Gateway</title>"), "{protocol}: {page}");
            let line = format!("(request {})", request_id(&page));
            wait_for(&line, std::time::Duration::from_secs(30), || {
                caddy.read(log).contains(&line).then_some(())
            });
        }
        let whole = each(&caddy, "GET", "/down", &[BROWSER]);
        for ((protocol, head), (_, get)) in
            each(&caddy, "HEAD", "/down", &[BROWSER]).iter().zip(whole)
        {
            let length = get.text().len().to_string();
            assert_eq!(
                (head.header("content-length"), head.body.len()),
                (&*length, 0),
                "{protocol}"
            );
        }
    }
}

#[test]
fn other_clients_get_text_without_an_id() {
    let caddy = start("");
    for (protocol, answer) in by_all(&caddy, "/down") {
        assert_eq!(answer.text(), "502 Bad Gateway\n", "{protocol}");
        assert_eq!(answer.header("vary"), "accept", "{protocol}");
    }
    assert!(!caddy.log().contains("(request "), "{}", caddy.log());
}

#[test]
fn a_page_is_readable_on_a_phone() {
    let caddy =
        Setup::new("http://localhost:@PORT@ {\n proxy / 127.0.0.1:1\n request_id\n}\n").start();
    with_runtime(async {
        let mut window = crate::harness::Window::open().await;
        for (width, scheme) in [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")] {
            window.appear(width, scheme).await;
            window.visit(&format!("http://localhost:{}/", caddy.port())).await;
            let looks = window.value(LOOKS).await;
            let number = |name: &str| looks[name].as_f64().unwrap();
            assert_eq!((number("beyond"), number("width")), (0.0, f64::from(width)), "{scheme}");
            assert!(number("contrast") >= 4.5 && number("size") >= 12.0, "{scheme}: {looks}");
            assert_eq!(number("texts"), 4.0, "{scheme}: {looks}");
        }
    });
}

/// The example of docs/errors.md at this place among all, as a site with an upstream that is down.
fn recipe(nth: usize) -> Caddy {
    let all = crate::documentation::examples_of(&crate::documentation::docs().join("errors.md"));
    let text = all.into_iter().nth(nth).unwrap().text;
    let changes = [
        ("www.example.com", "localhost:@PORT@"),
        ("/etc/caddy/example.crt /etc/caddy/example.key", "self_signed"),
        ("/srv/www", "@DIR@/www"),
        ("localhost:3000", "127.0.0.1:1"),
        ("/var/log/caddy", "@DIR@"),
    ];
    let text = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let pages = [("404", "no such page"), ("down", "come back later"), ("other", "an error")];
    let setup = Setup::new(&text).file("www/index.html", "the index");
    let named = |setup: Setup, (name, text): (&str, &str)| {
        setup.file(&format!("www/errors/{name}.html"), text)
    };
    pages.into_iter().fold(setup, named).start()
}

#[test]
fn each_status_has_the_page_of_the_recipe() {
    let caddy = recipe(1);
    for (path, status, text) in [
        ("/", 200, "the index"),
        ("/none", 404, "no such page"),
        ("/api/x", 502, "come back later"),
        ("/errors/404.html", 404, "no such page"),
    ] {
        for (protocol, answer) in each(&caddy, "GET", path, &[BROWSER]) {
            assert_eq!((answer.status, &*answer.text()), (status, text), "{protocol} {path}");
        }
    }
    let answers = each(&caddy, "POST", "/", &[BROWSER]);
    assert!(answers.iter().all(|(_, one)| (one.status, &*one.text()) == (405, "an error")));
}

#[test]
fn both_logs_have_the_id_of_the_recipe() {
    let caddy = recipe(2);
    for (protocol, answer) in each(&caddy, "GET", "/api/x", &[BROWSER]) {
        let id = answer.header("x-request-id").to_owned();
        assert_eq!((answer.status, id.len()), (502, 36), "{protocol}");
        assert_eq!(request_id(&answer.text()), id, "{protocol}");
        for (log, part) in [("error.log", format!("(request {id})")), ("access.log", id)] {
            wait_for(&part, std::time::Duration::from_secs(30), || {
                caddy.read(log).contains(&part).then_some(())
            });
        }
    }
}
