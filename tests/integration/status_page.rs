//! The status page: in Chromium, and where it is served to whom.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Caddy, LOOKS, NOT_CONFIGURED, Origin, Setup, Window, by_all, curl, curl_raw, h3_one,
    visits_of_networks, wait_for, with_runtime,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A site with an upstream that answers and one that does not, and its page.
fn start(origin: &Origin) -> Caddy {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n proxy / @ORIGIN@\n \
                status_page localhost:@PORT2@\n}\nhttp://:@PORT3@ {\n proxy / 127.0.0.1:1\n}\n";
    Setup::new(site).set("ORIGIN", origin.addr).start()
}

fn page(caddy: &Caddy) -> String {
    format!("http://localhost:{}/", caddy.port2())
}

/// The cells of a row of a table.
fn row(section: &str, name: &str) -> String {
    format!(
        "[...document.querySelectorAll('#{section} tr')].map((row) => [...row.children].map(\
         (cell) => cell.textContent.trim())).find((cells) => cells[0] === '{name}') ?? null"
    )
}

#[test]
fn chromium_shows_the_page_in_every_way() {
    let origin = Origin::start();
    let caddy = start(&origin);
    for _ in 0..4 {
        by_all(&caddy, "/size/1000");
    }
    assert_eq!(curl(&["--http2"], &caddy.url("/status/503")).status, 503);
    assert_eq!(curl(&[], &caddy.third("/")).status, 502);
    let shots = std::env::var_os("CADDY_TEST_PICTURES").map(std::path::PathBuf::from);
    with_runtime(async {
        let mut window = Window::open().await;
        let ways = [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")];
        for (width, scheme) in ways {
            for scripts in [true, false] {
                window.run_scripts(scripts).await;
                window.appear(width, scheme).await;
                window.visit(&page(&caddy)).await;
                let way = format!("{width} {scheme}, scripts {scripts}");
                let looks = window.value(LOOKS).await;
                let number = |name: &str| looks[name].as_f64().unwrap();
                assert!(number("texts") > 150.0, "{way}: {looks}");
                assert_eq!((number("beyond"), number("width")), (0.0, f64::from(width)), "{way}");
                assert!(number("contrast") >= 4.5, "{way}: {looks}");
                assert!(number("size") >= 12.0, "{way}: {looks}");
                assert_eq!(number("ground") > 0.5, scheme == "light", "{way}: {looks}");
                let share = window.value(&row("start", "Requests")).await;
                assert_eq!((&share[2], &share[3]), (&json!("5"), &json!("4")), "{way}");
                let failed = window.value(&row("start", "5xx")).await;
                assert_eq!((&failed[2], &failed[4]), (&json!("1"), &json!("2")), "{way}");
                let down = window.value(&row("upstreams", "http://127.0.0.1:1")).await;
                assert_eq!(down[2], "down: last request failed", "{way}");
                let requests = window.value(&row("upstream-requests", "http://127.0.0.1:1")).await;
                let causes = "1 not connected";
                assert_eq!((&requests[1], &requests[2]), (&json!("1"), &json!(causes)), "{way}");
                let failed = window.value(&row("errors", "requests to upstreams")).await;
                assert_eq!((&failed[1], &failed[2]), (&json!("not connected"), &json!("1")));
                let bars = "document.querySelectorAll('#requests path.bars').length";
                assert_eq!(window.value(bars).await, 4, "{way}");
                if let Some(folder) = &shots {
                    let name = format!("{width}-{scheme}-{scripts}.png");
                    std::fs::write(folder.join(name), window.picture().await).unwrap();
                }
            }
        }
    });
}

/// The visits of both arms in the report on the page.
fn visits_in(html: &str) -> Option<u32> {
    let row = html.split("<th scope=\"row\">Visits").nth(1)?;
    let cells = row.split("<td class=\"n\">").skip(1).take(2);
    cells.map(|cell| cell.split('<').next()?.trim().parse::<u32>().ok()).sum()
}

/// The picture is part of the page, so that it needs neither JavaScript nor another request.
#[test]
fn chromium_shows_what_quic_report_found() {
    let setup = Setup::new(
        "https://localhost:@PORT@ {\n tls self_signed\n root .\n quic_report\n \
         status_page localhost:@PORT2@\n}\n",
    );
    let state = setup.dir().join("state").display().to_string();
    let caddy = setup.env("CADDYPATH", &state).file("a.html", "<p>page</p>").start();
    visits_of_networks(&caddy.url("/a.html"));
    wait_for("a report of all visits", PATIENCE, || {
        let text = curl(&[], &page(&caddy)).text();
        (text.contains("Wait, median") && visits_in(&text) == Some(160)).then_some(())
    });
    let shots = std::env::var_os("CADDY_TEST_PICTURES").map(std::path::PathBuf::from);
    with_runtime(async {
        let mut window = Window::open().await;
        for (width, scheme) in [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")] {
            for scripts in [true, false] {
                window.run_scripts(scripts).await;
                window.appear(width, scheme).await;
                window.visit(&page(&caddy)).await;
                let way = format!("{width} {scheme}, scripts {scripts}");
                let looks = window.value(LOOKS).await;
                let number = |name: &str| looks[name].as_f64().unwrap();
                assert_eq!((number("beyond"), number("width")), (0.0, f64::from(width)), "{way}");
                assert!(number("contrast") >= 4.5, "{way}: {looks}");
                assert!(number("size") >= 12.0, "{way}: {looks}");
                // Its letters are not made smaller than they say, and its style is in force.
                let scale = "(() => { const svg = document.querySelector('svg.quic-report'); return \
                             svg.getBoundingClientRect().width / svg.viewBox.baseVal.width; })()";
                assert!(window.value(scale).await.as_f64().unwrap() >= 1.0, "{way}");
                let curve = "getComputedStyle(document.querySelector('polyline.offered')).stroke";
                assert_ne!(window.value(curve).await, "none", "{way}");
                let visits = window.value(&row("quic-report", "Visits")).await;
                let of_arm = |at: usize| visits[at].as_str().unwrap().parse::<u32>().unwrap();
                assert_eq!(of_arm(1) + of_arm(2), 160, "{way}: {visits}");
                let wait = window.value(&row("quic-report", "Wait, median")).await;
                assert!(wait[3].as_str().unwrap().contains("% ("), "{way}: {wait}");
                if let Some(folder) = &shots {
                    let name = format!("quic-{width}-{scheme}-{scripts}.png");
                    std::fs::write(folder.join(name), window.picture().await).unwrap();
                }
            }
        }
    });
    let text = curl(&[], &format!("{}status.json", page(&caddy))).text();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["quic_report"][0]["site"], caddy.url("").trim_end_matches('/'), "{json:#}");
    assert!(json["quic_report"][0]["answer"].is_string(), "{json:#}");
}

#[test]
fn the_page_follows_the_service_and_says_when_it_is_gone() {
    let origin = Origin::start();
    let mut caddy = start(&origin);
    with_runtime(async {
        let mut window = Window::open().await;
        window.visit(&page(&caddy)).await;
        window.until("document.getElementById('live').textContent === 'Live'").await;
        assert_eq!(
            window.value("document.getElementById('problems').innerText").await,
            "No problems."
        );
        window.value("document.marked = true").await;
        for n in 1..=3 {
            h3_one(caddy.port(), json!({"path": "/size/1000"}));
            window.until(&format!("({})[3] === '{n}'", row("start", "Requests"))).await;
        }
        // What is open stays open.
        window.value("document.getElementById('requests-values').open = true").await;
        assert_eq!(curl(&[], &caddy.third("/")).status, 502);
        window.until("document.title.startsWith('1 problem')").await;
        assert_eq!(window.value("document.getElementById('requests-values').open").await, true);
        assert_eq!(window.value("document.marked").await, true);
        // What an error says is text.
        caddy.rewrite("http://:@PORT@\n<script>document.marked='x'</script>\n");
        caddy.hup("[ERROR] SIGHUP: ");
        window.until("document.getElementById('changes').innerText.includes('<script>')").await;
        assert_eq!(window.value("document.marked").await, true);
        assert_eq!(window.value("document.scripts.length").await, 1);
        caddy.kill();
        window.until("document.getElementById('live').textContent.startsWith('No answer')").await;
    });
}

#[test]
fn the_page_is_small_and_for_this_machine() {
    let origin = Origin::start();
    let caddy = start(&origin);
    by_all(&caddy, "/size/1000");
    let answer = curl(&[], &page(&caddy));
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.len <= 48 * 1024, "{} bytes", answer.len);
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
    let json = curl(&[], &format!("{}status.json", page(&caddy)));
    let json: Value = serde_json::from_slice(&json.body).unwrap();
    assert_eq!(json["pid"], caddy.pid());
    assert_eq!(json["last_minute"]["by_protocol"]["h3"], 1);
    // A name of somebody else that has been given the address of this machine.
    let rebound = curl(&["-H", "Host: rebound.example"], &page(&caddy));
    assert_eq!((rebound.status, rebound.text().contains("HTTP/3")), (421, false));
    // It listens nowhere else.
    let elsewhere =
        curl_raw(&["--interface", "127.0.0.2", &format!("http://127.0.0.2:{}/", caddy.port2())]);
    assert_eq!(elsewhere.status, 0, "{}", elsewhere.text());
}

#[test]
fn a_path_of_a_site_asks_for_a_password() {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n \
                basicauth /state user secret\n status_page /state\n}\n";
    let caddy = Setup::new(site).start();
    for path in ["/state", "/state/", "/state/live.js", "/state/status.json"] {
        assert_eq!(curl(&["--http2"], &caddy.url(path)).status, 401, "{path}");
    }
    let user = ["--http2", "-L", "-u", "user:secret"];
    let answer = curl(&user, &caddy.url("/state"));
    assert_eq!((answer.status, answer.text().contains("<h2>Last minute</h2>")), (200, true));
    assert_eq!(curl(&user, &caddy.url("/state/live.js")).status, 200);
    assert_eq!(curl(&user, &caddy.url("/")).status, 204);
}

#[test]
fn a_page_that_anybody_could_read_is_an_error() {
    for (line, why, hint) in [
        ("status_page /state", "/state is public", "add 'basicauth /state USER PASSWORD'"),
        ("status_page :9181", ":9181 can be reached from other machines", "write localhost"),
    ] {
        let setup = Setup::new(&format!("http://:@PORT@ {{\n status 204 /\n {line}\n}}\n"));
        let done = setup.arg("-validate").output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(NOT_CONFIGURED), "{said}");
        let error = format!("Caddyfile:3 - Parse error: status_page: {why}");
        assert!(said.contains(":14\n"), "{said}");
        assert!(said.contains(&error) && said.contains(hint), "{said}");
    }
}
