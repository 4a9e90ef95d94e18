//! What is exported, to whom, and what is refused.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::Local;
use http::{Method, StatusCode, header};
use http_body_util::BodyExt;

use super::*;
use crate::directives::testing;
use crate::http::request::tests::request;
use crate::metrics::{
    self, Family, Handshake, Metrics as Counters, NO_SITE, Path, Protocol, SiteNumber, Transport,
    UpstreamFailure, UpstreamNumber, WorkerMetrics,
};
use crate::report::{Changes, Configuration, History, Report, ReportSource, UpstreamState};
use crate::tls::CertificateState;

/// A report in which every family of metrics has a sample.
struct Fixed {
    metrics: Counters,
    series: Vec<Series>,
}

impl ReportSource for Fixed {
    fn report(&self) -> Report {
        let upstream = |name: &str, down| UpstreamState {
            name: name.into(),
            site: "a".into(),
            down,
            counted_as: "http://pool.example".into(),
            ejections: 1,
            queued: 2,
        };
        let certificate = |name: &str, until: Option<i64>| CertificateState {
            names: vec![name.to_owned()],
            from: until.map(|until| until - 90 * 86_400),
            until,
            failure: None,
        };
        Report {
            now: Local::now(),
            pid: 1,
            generation: 2,
            uptime: Duration::from_secs(60),
            configuration: Configuration::new("Caddyfile", 1),
            changes: Changes::default(),
            totals: self.metrics.totals(),
            metrics: self.metrics.clone(),
            series: self.series.clone(),
            minute: History::default().minute(Duration::from_secs(60), &self.metrics.totals()),
            upstreams: vec![upstream("http://a:1", None), upstream("http://b:1", Some("down"))],
            certificates: vec![
                certificate("a.example", Some(1_900_000_000)),
                certificate("b", None),
            ],
            experiments: vec![crate::experiment::tests::reported("https://a.example", 200)],
            lines_lost: 3,
            fleet: Some(crate::report::Fleet {
                number: Some(7),
                engine: "db.example:6379".to_owned(),
                is_connected: true,
                since: Local::now(),
                lag: Some(Duration::from_millis(2)),
                way: None,
                packets: vec![crate::report::Packets { what: "taken", count: 9 }],
                machines: [7, 9].map(machine).to_vec(),
            }),
        }
    }
}

fn machine(number: u16) -> crate::report::Machine {
    crate::report::Machine {
        number,
        host: format!("web{number}"),
        version: "1".to_owned(),
        since: 1_900_000_000,
        silent: Duration::ZERO,
        lag: Duration::from_millis(2),
    }
}

fn exported(label: &str, site: &SiteBuilder) -> Process {
    let worker = WorkerMetrics::begin();
    for (site, protocol, status) in [
        (SiteNumber::of(&site.name()), Protocol::Http2, 200),
        (SiteNumber::of(&site.name()), Protocol::Http2, 299),
        (SiteNumber::of(&format!("not exported {label}").into()), Protocol::Http1, 200),
        (NO_SITE, Protocol::Http3, 400),
    ] {
        let traffic = worker.traffic(site, protocol, Family::V6);
        traffic.begin();
        traffic.answer(status, Duration::from_micros(1024).into());
        traffic.sent(4096);
        traffic.finish(status, Duration::from_millis(3).into(), 4096);
        traffic.end();
    }
    worker.handshakes(Transport::Quic).done(Handshake::Tls13Resumed);
    worker.quic().count(&Path { packets_lost: 7, datagrams_received: 1, ..Path::default() });
    let upstream = worker.upstream(UpstreamNumber::of(&"http://pool.example".into()));
    upstream.begin(false);
    upstream.fail(UpstreamFailure::Closed);
    let metrics = [worker].into_iter().collect();
    site.process.set(Arc::new(Fixed { metrics, series: site.series.iter().cloned().collect() }));
    site.process.clone()
}

/// What a client with this `Accept` gets of a site with this line.
async fn get(line: &str, accept: &str) -> (StatusCode, String, String) {
    let site = testing::site("prometheus", setup, line).unwrap();
    exported(line, &site);
    let mut req = request("GET", "/metrics");
    req.head.headers.insert(header::ACCEPT, accept.parse().unwrap());
    match site.build().handle(&mut req).await {
        Ok(response) => {
            let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
            let status = response.status();
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            (status, kind, String::from_utf8(bytes.to_vec()).unwrap())
        }
        Err(fault) => (fault.status, String::new(), String::new()),
    }
}

const SITE: &str = "prometheus {\n use_caddy_addr\n allow 0.0.0.0/0 ::/0\n hostname a.example\n \
                    label tier \"front \\\"end\\\"\"\n}";

#[tokio::test]
async fn requests_have_the_names_of_the_plugin() {
    let (status, kind, text) = get(SITE, "*/*").await;
    assert_eq!((status, kind.as_str()), {
        (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8")
    });
    let labels = r#"host="a.example",family="2",proto="2.0",tier="front \"end\"""#;
    for line in [
        "# TYPE caddy_http_request_count_total counter".to_owned(),
        format!("caddy_http_request_count_total{{{labels}}} 2"),
        r#"caddy_http_request_count_total{host="-",family="2",proto="3.0"} 1"#.to_owned(),
        format!(r#"caddy_http_response_status_count_total{{{labels},status="200"}} 1"#),
        format!(r#"caddy_http_response_status_count_total{{{labels},status="2xx"}} 1"#),
        format!(r#"caddy_http_response_latency_seconds_count{{{labels},status="2xx"}} 2"#),
        format!(r#"caddy_http_response_size_bytes_bucket{{{labels},status="2xx",le="1024"}} 0"#),
        format!(r#"caddy_http_response_size_bytes_bucket{{{labels},status="2xx",le="4096"}} 2"#),
        format!(r#"caddy_http_request_duration_seconds_bucket{{{labels},le="0.002048"}} 0"#),
        format!(r#"caddy_http_request_duration_seconds_bucket{{{labels},le="0.004096"}} 2"#),
        format!(r#"caddy_http_request_duration_seconds_bucket{{{labels},le="+Inf"}} 2"#),
        format!("caddy_http_request_duration_seconds_sum{{{labels}}} 0.006"),
        r#"caddy_tls_handshakes_total{transport="quic",version="1.3",resumed="true"} 1"#.to_owned(),
        r#"caddy_upstream_failures_total{upstream="http://pool.example",cause="closed"} 1"#
            .to_owned(),
        r#"caddy_upstream_servers{upstream="http://pool.example",state="down"} 1.0"#.to_owned(),
        r#"caddy_upgrades_total{result="success"} 1"#.to_owned(),
        "caddy_quic_packets_lost_total 7".to_owned(),
        "caddy_log_lines_lost_total 3".to_owned(),
        "caddy_fleet_members 2.0".to_owned(),
        r#"caddy_fleet_packets_total{what="taken"} 9"#.to_owned(),
        "caddy_fleet_connected 1.0".to_owned(),
        r#"caddy_fleet_member_info{number="9",host="web9",version="1"} 1.0"#.to_owned(),
        r#"caddy_fleet_member_since_seconds{number="9"} 1900000000.0"#.to_owned(),
        r#"caddy_fleet_member_lag_seconds{number="9"} 0.002"#.to_owned(),
        "caddy_fleet_lag_seconds 0.002".to_owned(),
        r#"caddy_quic_report_verdict{site="https://a.example",verdict="faster"} 1.0"#.to_owned(),
        r#"caddy_quic_report_verdict{site="https://a.example",verdict="slower"} 0.0"#.to_owned(),
        r#"caddy_quic_report_visits_needed{site="https://a.example"} 0.0"#.to_owned(),
    ] {
        assert!(text.lines().any(|one| one == line), "no '{line}' in\n{text}");
    }
    assert!(!text.contains("not exported"), "{text}");
    let gain = r#"{site="https://a.example",measure="wait",of="all",percentile="50"} "#;
    let [gain, lower, upper] = ["", "lower_", "upper_"].map(|part| {
        let name = format!("caddy_quic_report_gain_{part}ratio{gain}");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse::<f64>().unwrap()
    });
    // Half of the time, and all of the same length.
    assert!(
        (0.45..=0.55).contains(&gain) && lower <= gain && gain <= upper,
        "{lower} {gain} {upper}"
    );
}

#[tokio::test]
async fn openmetrics_ends_with_its_mark() {
    let (_, kind, text) = get(SITE, "application/openmetrics-text; version=1.0.0").await;
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("# TYPE caddy_http_request_count counter\n"), "{text}");
}

#[tokio::test]
async fn the_page_lists_every_metric() {
    let (_, _, text) = get(SITE, "text/plain").await;
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let written: BTreeSet<_> = types.map(str::to_owned).collect();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed = rows.filter_map(|row| {
        let (name, rest) = row.split_once("` | ")?;
        let kind = rest.split(" | ").next()?;
        ["counter", "gauge", "histogram"].contains(&kind).then(|| format!("{name} {kind}"))
    });
    assert_eq!(listed.collect::<BTreeSet<_>>(), written, "left docs/metrics.md, right the metrics");
    for cause in metrics::HandshakeFailure::ALL.map(metrics::HandshakeFailure::label) {
        assert!(page.contains(&format!("`{cause}`")), "{cause}");
    }
    for cause in UpstreamFailure::ALL.map(UpstreamFailure::label) {
        assert!(page.contains(&format!("`{cause}`")), "{cause}");
    }
}

#[tokio::test]
async fn only_readers_read_and_only_there() {
    let other = SITE.replace("0.0.0.0/0 ::/0", "203.0.113.7");
    assert_eq!(get(&other, "*/*").await.0, StatusCode::FORBIDDEN);
    let site = testing::site("prometheus", setup, SITE).unwrap();
    exported("other paths", &site);
    let site = site.build();
    for (method, path, status) in [
        ("GET", "/", 404),
        ("GET", "/metrics/x", 404),
        ("GET", "/metrics", 200),
        ("HEAD", "/metrics", 200),
        ("POST", "/metrics", 405),
    ] {
        let answer = site.handle(&mut request(method, path)).await;
        let answer = answer.map_or_else(|fault| fault.status, |response| response.status());
        assert_eq!(answer.as_u16(), status, "{method} {path}");
    }
    assert!(Method::GET.is_safe());
}

#[tokio::test]
async fn names_of_others_do_not_lead_to_them() {
    let bound: crate::directives::Setup = |args, site| {
        site.binds.push("127.0.0.1".to_owned());
        setup(args, site)
    };
    let protected: crate::directives::Setup = |args, site| {
        site.authenticated.push(Prefix::new("/metrics"));
        setup(args, site)
    };
    let here = "prometheus {\n use_caddy_addr\n}";
    let by_address = "prometheus {\n use_caddy_addr\n allow 127.0.0.1 ::1\n}";
    for (lines, setup, host, status) in [
        (here, bound, "localhost", 200),
        (here, bound, "127.0.0.1", 200),
        (here, bound, "rebound.example", 421),
        (here, protected, "shop.example", 200),
        (by_address, setup, "localhost", 200),
        (by_address, setup, "rebound.example", 421),
        (by_address, bound, "rebound.example", 421),
        (SITE, setup, "shop.example", 200),
    ] {
        let site = testing::site("prometheus", setup, lines).unwrap();
        exported(host, &site);
        let mut asked = request("GET", "/metrics");
        asked.host = host.to_owned();
        let found = site.build().handle(&mut asked).await;
        let found = found.map_or_else(|fault| fault.status, |response| response.status());
        assert_eq!(found, status, "{lines} {host}");
    }
}

#[test]
fn addresses_of_their_own_are_asked_for() {
    for (lines, addr, path) in [
        ("prometheus", "127.0.0.1:9180", "/metrics"),
        ("prometheus localhost:9999", "127.0.0.1:9999", "/metrics"),
        ("prometheus {\n address [::1]:81\n path /m\n}", "[::1]:81", "/m"),
        ("prometheus :9180 {\n allow 10.0.0.0/8\n}", "[::]:9180", "/metrics"),
        ("prometheus 0.0.0.0:9180 {\n allow private\n}", "0.0.0.0:9180", "/metrics"),
    ] {
        let site = testing::site("prometheus", setup, lines).unwrap();
        let [admin] = &site.admin[..] else { panic!("{lines}") };
        assert_eq!((admin.addr.to_string().as_str(), admin.path.as_str()), (addr, path));
        assert_eq!(site.series.unwrap().host, "the site");
    }
    let site = testing::site("prometheus", setup, SITE).unwrap();
    assert!(site.admin.is_empty());
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("prometheus a b", "Wrong argument count or unexpected line ending after 'b'"),
        ("prometheus\nprometheus", "prometheus may be written only once in a site"),
        ("prometheus foo:123", "'foo:123' is not an address to listen on"),
        ("prometheus 9180", "'9180' is not an address to listen on"),
        ("prometheus localhost:0", "'localhost:0' is not an address to listen on"),
        ("prometheus localhost:x", "'localhost:x' is not an address to listen on"),
        ("prometheus ::1:80", "'::1:80' is not an address to listen on"),
        ("prometheus :9180", "prometheus: everyone could read the metrics at [::]:9180"),
        (
            "prometheus 192.0.2.1:9180",
            "prometheus: everyone could read the metrics at 192.0.2.1:9180",
        ),
        (
            "prometheus {\n use_caddy_addr\n}",
            "prometheus: everyone could read the metrics at /metrics of the site",
        ),
        (
            "prometheus localhost:1 {\n use_caddy_addr\n}",
            "prometheus: address and use_caddy_addr exclude one another",
        ),
        ("prometheus {\n label 1a b\n}", "'1a' is not the name of a label"),
        ("prometheus {\n label a-b b\n}", "'a-b' is not the name of a label"),
        ("prometheus {\n label __a b\n}", "'__a' is not the name of a label"),
        ("prometheus {\n label status b\n}", {
            "the metrics or Prometheus have a label 'status' already"
        }),
        ("prometheus {\n label a b\n label a c\n}", "the label 'a' is written twice"),
        (
            "prometheus {\n label a {>X-Route}\n}",
            "the value of the label 'a' is not fixed: '{>X-Route}'",
        ),
        ("prometheus {\n label a\n}", "Wrong argument count or unexpected line ending after 'a'"),
        ("prometheus {\n allow x\n}", "prometheus: 'x' is not a range of addresses"),
        ("prometheus {\n path m n\n}", "Wrong argument count"),
    ] {
        let refused = testing::site("prometheus", setup, lines).err();
        let refused = refused.unwrap_or_else(|| format!("{lines} is accepted"));
        assert!(refused.starts_with(message), "{lines}: {refused}");
    }
}

#[test]
fn a_path_that_few_reach_needs_no_ranges() {
    let with = |change: fn(&mut SiteBuilder)| {
        let text = "host {\nprometheus {\n use_caddy_addr\n}\n}";
        let dir = std::path::Path::new(".");
        let parsed = crate::caddyfile::parse("Caddyfile", text, dir, &["prometheus"]).unwrap();
        let sinks = Arc::new(crate::http::sink::tests::NoSinks);
        let mut site = SiteBuilder::new(<_>::default(), "/".into(), sinks);
        change(&mut site);
        setup(&mut Args::new(&parsed.blocks[0].directives[0]), &mut site).is_ok()
    };
    assert!(with(|site| site.authenticated.push(Prefix::new("/metrics"))));
    assert!(with(|site| site.authenticated.push(Prefix::new("/"))));
    assert!(!with(|site| site.authenticated.push(Prefix::new("/metrics/x"))));
    assert!(with(|site| site.binds.extend(["127.0.0.1".to_owned(), "[::1]".to_owned()])));
    assert!(!with(|site| site.binds.extend(["127.0.0.1".to_owned(), "0.0.0.0".to_owned()])));
}
