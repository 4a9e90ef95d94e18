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
            wait_for(&line, std::time::Duration::from_secs(5), || {
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
