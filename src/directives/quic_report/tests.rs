//! Tests of the line and its block, and of beacons on their way through a site.

use http_body_util::BodyExt as _;

use super::*;
use crate::directives::testing::Answer;
use crate::http::address::Address;
use crate::http::request::tests::request;
use crate::http::sink::tests::NoSinks;
use crate::http::{Body, Fault, Request};

/// A site over TLS, or its error, and its warnings.
fn site(lines: &str, prepare: impl FnOnce(&mut SiteBuilder)) -> Result<SiteBuilder, String> {
    let text = format!("host {{\n{lines}\n}}");
    let parsed = crate::caddyfile::parse("Caddyfile", &text, ".".as_ref(), &["quic_report"]);
    let parsed = parsed.unwrap();
    let mut site = SiteBuilder::new(Address::default(), "/".into(), Arc::new(NoSinks));
    site.secure = true;
    prepare(&mut site);
    let mut args = Args::new(&parsed.blocks[0].directives[0]);
    args.written_as("quic_report");
    setup(&mut args, &mut site).map_err(|error| error.to_string())?;
    let warnings = args.finish().map_err(|error| error.to_string())?;
    site.warnings.extend(warnings);
    Ok(site)
}

#[test]
fn one_line_is_enough() {
    for (lines, days) in [
        ("quic_report", 28),
        ("quic_report {\n}", 28),
        ("quic_report {\n keep 7\n beacon /b\n}", 7),
    ] {
        let site = site(lines, |_| {}).unwrap();
        assert_eq!(site.experiment.unwrap().days, days, "{lines}");
        assert!(site.warnings.is_empty(), "{lines}");
    }
}

#[test]
fn what_is_refused() {
    for (lines, place, part) in [
        ("quic_report\nquic_report", "Caddyfile:3", "quic_report may be written only once"),
        ("quic_report on", "Caddyfile:2", "Wrong argument count"),
        (
            "quic_report {\n keep 0\n}",
            "Caddyfile:3",
            "keep must be a whole number from 1 to 90, not '0'",
        ),
        ("quic_report {\n keep 91\n}", "Caddyfile:3", "not '91'"),
        ("quic_report {\n keep 7\n keep 8\n}", "Caddyfile:4", "keep is written twice"),
        ("quic_report {\n beacon b\n}", "Caddyfile:3", "'b' is not a path of its own"),
        ("quic_report {\n beacon /\n}", "Caddyfile:3", "'/' is not a path of its own"),
        ("quic_report {\n beacon\n}", "Caddyfile:3", "Wrong argument count"),
        ("quic_report {\n becon /b\n}", "Caddyfile:3", "unknown property 'becon'"),
    ] {
        let error = site(lines, |_| {}).map(|_| ()).unwrap_err();
        assert!(error.contains(place) && error.contains(part), "{lines}: {error}");
        assert!(error.contains("hint: "), "{lines}: {error}");
    }
}

#[test]
fn what_spoils_it_is_a_warning() {
    type Prepare = fn(&mut SiteBuilder);
    let cases: [(Prepare, bool, &str); 4] = [
        (|site| site.secure = false, false, "HTTP/3 requires TLS"),
        (
            |site| site.tls.versions = vec![&rustls::version::TLS12],
            false,
            "HTTP/3 requires TLS 1.3",
        ),
        (
            |site| {
                let from = crate::http::ranges::Ranges::default();
                let timeout = std::time::Duration::ZERO;
                let rule = crate::site::ProxyProtocol { from, timeout };
                site.listener.proxy_protocol = Some(rule);
            },
            false,
            "those of a load balancer",
        ),
        (
            |site| site.tls.https_record = Some(HttpsRecord::Publish),
            true,
            "the HTTPS record offers HTTP/3 to all visitors",
        ),
    ];
    for (prepare, works, part) in cases {
        let site = site("quic_report", prepare).unwrap();
        assert_eq!(site.experiment.is_some(), works, "{part}");
        let warnings: Vec<String> = site.warnings.iter().map(ToString::to_string).collect();
        assert!(warnings.len() == 1 && warnings[0].contains(part), "{warnings:?}");
        assert!(warnings[0].contains("Caddyfile:2"), "{warnings:?}");
    }
}

fn beacon(path: &str, body: &str) -> Request {
    let mut req = request("POST", path);
    req.body = Body::from(body.to_owned());
    req
}

#[tokio::test]
async fn a_beacon_has_a_path_of_its_own() {
    let good = r#"{"connectStart":1,"requestStart":2,"responseStart":3,"nextHopProtocol":"h2"}"#;
    let mut built = site("quic_report {\n beacon /b\n}", |_| {}).unwrap();
    built.push(Answer(|_: &mut Request| Err(Fault::status(http::StatusCode::GONE))));
    let site = built.build();
    let long = format!("{{\"connectStart\":\"{}\"}}", "1".repeat(1024));
    for (mut req, status) in [
        (beacon("/b", good), 204),
        (beacon("/b", "rubbish"), 400),
        (beacon("/b", &long), 413),
        (beacon("/b/c", good), 410),
        (beacon("/", good), 410),
        (request("PUT", "/b"), 405),
    ] {
        let answered = site.handle(&mut req).await;
        let got = answered.map_or_else(|fault| fault.status, |response| response.status());
        assert_eq!(got.as_u16(), status, "{} {}", req.head.method, req.path());
    }
    let mut foreign = beacon("/b", good);
    foreign.head.headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    let fault = site.handle(&mut foreign).await.unwrap_err();
    assert_eq!(fault.status, http::StatusCode::FORBIDDEN);
    let script = site.handle(&mut request("GET", "/b")).await.unwrap();
    assert_eq!(script.headers()["content-type"], "text/javascript; charset=utf-8");
    let script = script.into_body().collect().await.unwrap().to_bytes();
    assert!(std::str::from_utf8(&script).unwrap().contains("sendBeacon"));
}

/// In one second no more are read, whoever sends them.
#[tokio::test]
async fn beacons_are_few() {
    let site = site("quic_report {\n beacon /b\n}", |_| {}).unwrap().build();
    let mut statuses = Vec::new();
    for _ in 0..200 {
        let answered = site.handle(&mut beacon("/b", "rubbish")).await;
        statuses.push(answered.unwrap_err().status.as_u16());
    }
    // A second may end among them.
    let read = statuses.iter().filter(|status| **status == 400).count();
    assert!((50..=100).contains(&read), "{read} of 200 were read");
    assert!(statuses.contains(&429));
}
