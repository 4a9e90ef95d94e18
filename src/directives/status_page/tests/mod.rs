//! The page of made-up reports, and where it may be served.

mod figures;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use chrono::Local;
use http_body_util::BodyExt;

use super::*;
use crate::directives::testing;
use crate::http::request::tests::request;
use crate::metrics::{Family, Metrics, NO_SITE, Protocol, WorkerMetrics};
use crate::report::words::compact;
use crate::report::{Changes, Configuration, History, ReportSource, UpstreamState};
use crate::tls::{CertificateState, RenewalFailure};

struct Counted {
    metrics: Metrics,
    history: History,
}

/// A service up for two minutes in which each second had as many requests as `of` says.
fn counted(of: impl Fn(usize, Protocol) -> usize) -> Counted {
    let worker = WorkerMetrics::begin();
    let metrics: Metrics = [worker].into_iter().collect();
    let mut history = History::default();
    for second in 1..=120 {
        for protocol in Protocol::ALL {
            let traffic = worker.traffic(NO_SITE, protocol, Family::V4);
            for nth in 0..of(second, protocol) {
                let status = if nth == 20 { 502 } else { 200 };
                let after = Duration::from_micros(900 + 400 * (nth as u64).pow(2)).into();
                traffic.answer(status, after);
                worker.latency(protocol).record(after);
            }
        }
        history.keep(Duration::from_secs(second as u64), &metrics.totals());
    }
    Counted { metrics, history }
}

fn report() -> Report {
    report_of(&counted(|second, protocol| match protocol {
        Protocol::Http1 => usize::from(second % 7 == 0) * 3,
        Protocol::Http2 => 8 + second % 5,
        Protocol::Http3 => 14 + (second * second) % 11,
    }))
}

fn report_of(counted: &Counted) -> Report {
    let (totals, uptime) = (counted.metrics.totals(), Duration::from_secs(120));
    Report {
        now: Local::now(),
        pid: 4711,
        generation: 1,
        uptime,
        configuration: Configuration::new("Caddyfile", 3),
        changes: Changes::default(),
        minute: counted.history.minute(uptime, &totals),
        totals,
        metrics: counted.metrics.clone(),
        series: Vec::new(),
        upstreams: Vec::new(),
        certificates: Vec::new(),
        experiments: Vec::new(),
        lines_lost: 0,
        fleet: None,
    }
}

fn upstream(name: &str, down: Option<&'static str>) -> UpstreamState {
    UpstreamState {
        name: name.into(),
        site: "shop.example".into(),
        down,
        counted_as: name.into(),
        ejections: 0,
        queued: 0,
    }
}

fn certificate(name: &str, days: Option<i64>) -> CertificateState {
    let until = days.map(|days| Local::now().timestamp() + days * 86_400 + 60);
    let from = until.map(|until| until - 90 * 86_400);
    CertificateState { names: vec![name.to_owned()], from, until, failure: None }
}

fn html(report: &Report) -> String {
    // Escaped though it need not be.
    Page::new().unwrap().render(report, "web1").unwrap()
}

/// The cells of the row of a table.
fn row(html: &str, section: &str, name: &str) -> Vec<String> {
    let section = html.split(&format!("<section id=\"{section}\"")).nth(1).unwrap();
    let section = section.split("</section>").next().unwrap();
    let rows = section.split("<tr>").map(|row| {
        let tags = row.split('<').filter(|tag| !tag.starts_with('/'));
        let cells = tags.filter_map(|tag| tag.split_once('>'));
        cells.map(|(_, text)| text.trim().to_owned()).collect::<Vec<_>>()
    });
    let found = rows.into_iter().find(|cells| cells.first().is_some_and(|first| first == name));
    found.unwrap_or_else(|| panic!("no row {name} in {section}"))[1..].to_vec()
}

#[test]
fn tables_have_the_numbers_of_the_report() {
    let mut report = report();
    report.upstreams =
        vec![upstream("http://10.0.0.1", None), upstream("http://10.0.0.2", Some("x"))];
    report.certificates =
        vec![certificate("soon.example", Some(4)), certificate("none.example", None)];
    report.changes.reloaded("SIGUSR1", None);
    let html = html(&report);
    let (minute, totals) = (&report.minute, &report.totals);
    let of_minute = Protocol::ALL.map(|one| compact(minute.counted.of_protocol(one)));
    assert_eq!(row(&html, "minute", "Requests")[..3], of_minute);
    assert_eq!(row(&html, "minute", "Share").len(), 4);
    let of_all = Protocol::ALL.map(|one| compact(totals.of(one).requests()));
    assert_eq!(row(&html, "start", "Requests")[..3], of_all);
    assert_eq!(row(&html, "start", "5xx")[3], totals.classes()[4].to_string());
    assert_eq!(row(&html, "upstreams", "http://10.0.0.1"), ["shop.example", "up"]);
    assert_eq!(row(&html, "upstreams", "http://10.0.0.2"), ["shop.example", "down: x"]);
    assert_eq!(row(&html, "certificates", "soon.example")[1], "4");
    assert_eq!(row(&html, "certificates", "none.example")[..2], ["not yet obtained", "–"]);
    assert!(html.contains("<td>reload by SIGUSR1<td>done"), "{html}");
    let ago = row(&html, "requests", "60");
    assert_eq!(ago.len(), 4, "{ago:?}");
    assert!(html.contains("<title>2 problems · web1</title>"), "{html}");
    assert!(html.contains("<li>Certificate of soon.example: ends in 4 days"), "{html}");
    assert!(html.contains("<li>Upstream http://10.0.0.2 of shop.example: x"), "{html}");
}

#[test]
fn a_service_without_requests_has_a_page() {
    let html = html(&report_of(&counted(|_, _| 0)));
    assert_eq!(row(&html, "minute", "p50"), ["–", "–", "–", "–"]);
    assert!(html.contains("<p>No problems."), "{html}");
    assert_eq!(html.matches("<p>No request in the last minute.").count(), 2, "{html}");
}

#[test]
fn what_comes_from_elsewhere_is_text() {
    let hostile = "<script>alert(1)</script>\"'&\u{202e}\u{7}\n{{ title }}";
    let mut report = report();
    report.upstreams = vec![upstream(hostile, Some("down"))];
    let failure = RenewalFailure { at: 0, error: hostile.repeat(100), next: 0 };
    report.certificates =
        vec![CertificateState { failure: Some(failure), ..certificate(hostile, Some(3)) }];
    report.configuration.file = hostile.to_owned();
    report.changes.reloaded("SIGUSR1", Some(hostile));
    let html = html(&report);
    assert_eq!(html.matches("<script").count(), 1, "{html}");
    assert!(
        html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;\u{fffd}\u{fffd}"),
        "{html}"
    );
    assert!(!html.contains(['\u{202e}', '\u{7}']), "{html}");
    assert!(html.matches("{{ title }}").count() >= 4, "{html}");
    let json: serde_json::Value = serde_json::from_str(&report::json(&report)).unwrap();
    assert_eq!(json["configuration"]["file"], hostile);
}

#[test]
fn the_page_of_a_large_service_is_small() {
    let mut report = report();
    report.upstreams = (0..1000)
        .map(|n| upstream(&format!("https://10.0.{n}"), Some("last request failed")))
        .collect();
    report.certificates =
        (0..1000).map(|n| certificate(&format!("shop-{n}.example"), Some(1))).collect();
    let why = "Caddyfile:2:1 - Parse error: Unknown directive 'nope'; hint: did you mean 'on'?";
    (0..30).for_each(|_| report.changes.reloaded("control socket", Some(why)));
    let html = html(&report);
    // 5 bytes more for each slash.
    let bytes = html.len() + 5 * html.matches('/').count();
    assert!(bytes <= 48 * 1024, "{bytes} bytes");
    assert!(html.contains("<p>And 980 more upstreams, of which 980 are down."), "{html}");
    assert!(html.contains("<p>And 980 more certificates, which end later."), "{html}");
    assert!(html.contains("<li>And 1991 more problems"), "{html}");
    if let Some(file) = std::env::var_os("STATUS_PAGE") {
        std::fs::write(file, html).unwrap();
    }
}

struct Always;

impl ReportSource for Always {
    fn report(&self) -> Report {
        report()
    }
}

type Setup = fn(&mut Args<'_>, &mut SiteBuilder) -> Result<(), ConfigError>;

/// A site whose page has something to show.
fn site(lines: &str, setup: Setup) -> Result<SiteBuilder, String> {
    testing::site("status_page", setup, lines)
}

fn public(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    site.process.set(Arc::new(Always));
    setup(args, site)
}

fn protected(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    site.authenticated.push(Prefix::new("/status"));
    public(args, site)
}

fn bound(args: &mut Args<'_>, site: &mut SiteBuilder) -> Result<(), ConfigError> {
    site.binds.push("127.0.0.1".to_owned());
    public(args, site)
}

#[test]
fn it_is_never_public() {
    for lines in [
        "status_page",
        "status_page localhost:9000",
        "status_page 127.0.0.1:1",
        "status_page [::1]:9",
    ] {
        let site = site(lines, public).unwrap();
        assert!(site.admin.len() == 1 && site.admin[0].addr.ip().is_loopback(), "{lines}");
    }
    for (lines, why) in [
        ("status_page :9181", "status_page: :9181 can be reached from other machines"),
        (
            "status_page 0.0.0.0:9181",
            "status_page: 0.0.0.0:9181 can be reached from other machines",
        ),
        (
            "status_page 192.0.2.1:9181",
            "status_page: 192.0.2.1:9181 can be reached from other machines",
        ),
        ("status_page example.com:9181", "'example.com:9181' is not an address to listen on"),
        ("status_page 9181", "'9181' is not an address to listen on"),
        ("status_page /status", "status_page: /status is public"),
        ("status_page a b", "Wrong argument count or unexpected line ending after 'b'"),
        ("status_page\nstatus_page", "status_page may be written only once"),
    ] {
        let error = site(lines, public).err();
        assert_eq!(error.as_deref(), Some(why), "{lines}");
    }
    assert!(site("status_page /stat", protected).is_err());
    for path in ["/status", "/status/deeper"] {
        assert!(site(&format!("status_page {path}"), protected).is_ok(), "{path}");
    }
    assert!(site("status_page /", bound).is_ok());
}

#[tokio::test]
async fn parts_are_below_the_path() {
    let site = site("status_page /status", protected).unwrap().build();
    for (path, status, kind) in [
        ("/status/", 200, "text/html; charset=utf-8"),
        ("/%73tatus/", 200, "text/html; charset=utf-8"),
        ("/status/live.js", 200, "text/javascript; charset=utf-8"),
        ("/status/status.json", 200, "application/json; charset=utf-8"),
        ("/status", 308, ""),
        ("/status/other", 404, ""),
        ("/statusx", 404, ""),
        ("/", 404, ""),
    ] {
        let (found, fields) = match site.handle(&mut request("GET", path)).await {
            Ok(response) => (response.status(), response.headers().clone()),
            Err(fault) => (fault.status, fault.headers),
        };
        assert_eq!(found, status, "{path}");
        let said = fields.get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap());
        assert_eq!(said, kind, "{path}");
        if status == 308 {
            assert_eq!(fields[header::LOCATION], "status/");
        }
        if status == 200 {
            assert_eq!(fields[header::CACHE_CONTROL], "no-store");
            let policy = fields[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(
                policy.starts_with("default-src 'none'; script-src 'self'; style-src 'sha256-")
            );
            assert!(!policy.contains("unsafe"), "{policy}");
        }
    }
    let refused = site.handle(&mut request("POST", "/status/")).await.unwrap_err();
    assert_eq!(
        (refused.status.as_u16(), &refused.headers[header::ALLOW]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[tokio::test]
async fn names_of_others_do_not_lead_to_it() {
    for (setup, host, status) in [
        (bound as Setup, "localhost", 200),
        (bound, "127.0.0.1", 200),
        (bound, "rebound.example", 421),
        (protected, "shop.example", 200),
    ] {
        let site = site("status_page /status", setup).unwrap().build();
        let mut asked = request("GET", "/status/");
        asked.host = host.to_owned();
        let found = match site.handle(&mut asked).await {
            Ok(response) => response.status(),
            Err(fault) => fault.status,
        };
        assert_eq!(found, status, "{host}");
    }
}

#[tokio::test]
async fn it_says_nothing_before_the_process_serves() {
    let silent: Setup = |args, site| {
        site.binds.push("127.0.0.1".to_owned());
        setup(args, site)
    };
    let site = site("status_page /", silent).unwrap().build();
    let mut asked = request("GET", "/");
    asked.host = "localhost".to_owned();
    let refused = site.handle(&mut asked).await.unwrap_err();
    assert_eq!(refused.status, 503);
}

#[tokio::test]
async fn the_style_has_the_hash_of_its_source() {
    let site = site("status_page /", bound).unwrap().build();
    let mut asked = request("GET", "/");
    asked.host = "localhost".to_owned();
    let response = site.handle(&mut asked).await.unwrap();
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    let html = response.into_body().collect().await.unwrap().to_bytes();
    let html = String::from_utf8(html.to_vec()).unwrap();
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, style.as_bytes());
    let sum = base64::prelude::BASE64_STANDARD.encode(sum);
    assert!(policy.contains(&format!("style-src 'sha256-{sum}';")), "{policy}");
    // Style attributes would be refused by the browser.
    assert!(!html.contains(" style="), "{html}");
}
