//! `cors` and `expires`, as Chromium takes them: what a page may read of another origin, and what
//! it asks for again. nginx says the same of lifetimes.

use serde_json::{Value, json};

use crate::harness::{Caddy, Nginx, Origin, Setup, Window, by_all, curl, h3_one, with_runtime};

/// A page at the first port, a service at the second, which pages of the first and not of the
/// third may use.
fn start(origin: &Origin) -> Caddy {
    let site = "http://localhost:@PORT@, http://localhost:@PORT3@ {\n root www\n}\n\
        http://localhost:@PORT2@ {\n root api\n log access.log\n internal /no\n proxy /form @ORIGIN@\n\
        cors / http://localhost:@PORT@ {\n methods PUT\n allowed_headers X-Token\n\
        exposed_headers X-Total\n allow_credentials true\n}\n\
        header /data X-Total 7\n header /data X-Secret 8\n}\n";
    let setup = Setup::new(site).set("ORIGIN", origin.addr);
    setup.file("www/index.html", "<title>t</title>").file("api/data", "data").start()
}

/// What a page sees of a fetch.
async fn fetch(window: &mut Window, url: &str, how: Value) -> String {
    let script = format!(
        "fetch('{url}', {how}).then(async (r) => [r.status, await r.text(), \
         r.headers.get('x-total'), r.headers.get('x-secret')].join(' '), () => 'refused')"
    );
    window.value(&script).await.as_str().unwrap().to_owned()
}

#[test]
fn chromium_lets_the_pages_in_that_are_named() {
    let origin = Origin::start();
    let caddy = start(&origin);
    with_runtime(async {
        let mut window = Window::open().await;
        for (page, data, form, failed) in [
            (format!("http://localhost:{}/", caddy.port()), "200 data 7 ", "200 ", "404 "),
            (caddy.third("/"), "refused", "refused", "refused"),
        ] {
            window.visit(&page).await;
            let plain = fetch(&mut window, &caddy.plain("/data"), json!({})).await;
            assert_eq!(plain, data, "{page}");
            let how = json!({"credentials": "include"});
            assert_eq!(fetch(&mut window, &caddy.plain("/data"), how).await, data, "{page}");
            let how = json!({"method": "PUT", "headers": {"X-Token": "1"}});
            let seen = fetch(&mut window, &caddy.plain("/form"), how).await;
            assert!(seen.starts_with(form), "{page}: {seen}");
            // A preflight has to allow these.
            for how in [json!({"method": "PATCH"}), json!({"headers": {"X-Other": "1"}})] {
                let seen = fetch(&mut window, &caddy.plain("/form"), how).await;
                assert_eq!(seen, "refused", "{page}");
            }
            let seen = fetch(&mut window, &caddy.plain("/no"), json!({})).await;
            assert!(seen.starts_with(failed), "{page}: {seen}");
        }
    });
    let log = caddy.read_when("access.log", |log| log.contains("\"PUT /form"));
    assert_eq!(log.matches("\"PUT /form").count(), 1, "{log}");
    assert!(!log.contains("PATCH") && log.contains("\"OPTIONS /form"), "{log}");
}

#[test]
fn all_protocols_get_the_fields() {
    let caddy = Setup::new(
        "https://localhost:@PORT@ {\n tls self_signed\n root www\n\
         cors / https://a.test\n expires {\n match \\.css$ 1d\n}\n}\n",
    )
    .file("www/a.css", "a")
    .start();
    let origin = "Origin: https://a.test";
    let asks = json!({"path": "/a.css", "headers": [["origin", "https://a.test"]]});
    for answer in [
        curl(&["--http1.1", "-H", origin], &caddy.url("/a.css")),
        curl(&["--http2", "-H", origin], &caddy.url("/a.css")),
        h3_one(caddy.port(), asks),
    ] {
        assert_eq!(answer.header("access-control-allow-origin"), "https://a.test");
        assert_eq!(answer.header("vary"), "Origin");
        assert_eq!(answer.header("cache-control"), "max-age=86400");
    }
    for (protocol, answer) in by_all(&caddy, "/none.css") {
        assert_eq!((answer.status, answer.header("vary")), (404, "Origin"), "{protocol}");
        assert_eq!(answer.header("cache-control"), "", "{protocol}");
    }
}

#[test]
fn nginx_says_the_same_of_a_lifetime_and_chromium_keeps_to_it() {
    let script = "<title>t</title><script src=/a.js></script><script src=/b.js></script>";
    let files = [("www/index.html", script), ("www/a.js", "window.a = 1"), ("www/b.js", "")];
    let site = "http://localhost:@PORT@, http://localhost:@PORT2@ {\n root www\n log access.log\n\
                expires {\n match a\\.js$ 1h\n match_header Content-Type ^text/html 0s\n}\n}\n";
    let setup = files.iter().fold(Setup::new(site), |setup, (name, text)| setup.file(name, text));
    let caddy = setup.start();
    let nginx = Nginx::before("expires 1h; add_header x 1; return 200 a;");
    let theirs = curl(&[], &format!("http://{}/a.js", nginx.addr));
    let ours = curl(&[], &caddy.plain("/a.js"));
    assert_eq!(ours.header("cache-control"), theirs.header("cache-control"));
    let until = |answer: &str| httpdate::parse_http_date(answer).unwrap();
    let [ours, theirs] = [ours, theirs].map(|answer| until(answer.header("expires")));
    let apart = ours.max(theirs).duration_since(ours.min(theirs)).unwrap();
    assert!(apart.as_secs() < 60, "{apart:?}");
    let page = curl(&[], &caddy.plain("/"));
    assert_eq!(page.header("cache-control"), "max-age=0");
    with_runtime(async {
        let mut window = Window::open().await;
        for visit in ["/?1", "/?2", "/?3"] {
            window.visit(&format!("http://localhost:{}{visit}", caddy.port())).await;
            window.until("window.a === 1").await;
        }
    });
    let log = caddy.read_when("access.log", |log| log.contains("\"GET /?3 "));
    let asked = |path: &str| log.matches(&format!("\"GET {path} ")).count();
    assert_eq!(asked("/a.js"), 2, "curl, and Chromium once:\n{log}");
    assert_eq!((asked("/?1"), asked("/?3")), (1, 1), "{log}");
}
