//! `prometheus` under a real Prometheus and promtool: what is scraped is what was served, and who
//! may not read gets nothing.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{
    Caddy, Origin, Setup, by_all, certificate, curl, free_port, h3, visits_of_networks, wait_for,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A program of Debian's package, as tests/setup.sh unpacks it.
fn program(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/prometheus/usr/bin");
    let program = root.join(name);
    assert!(program.exists(), "{} is missing: run tests/setup.sh", program.display());
    program
}

/// Runs promtool with a text on its standard input.
pub fn promtool(args: &[&str], text: &str) -> Output {
    let mut command = Command::new(program("promtool"));
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

pub fn accepted(done: &Output) {
    let said = [&done.stdout[..], &done.stderr].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// A Prometheus that scrapes one target every second.
struct Prometheus {
    child: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Prometheus {
    fn scraping(target: &str) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let alerts = monitoring("alerts.yml");
        let text = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}']\n\
             scrape_configs: [{{job_name: caddy, static_configs: [{{targets: ['{target}']}}]}}]\n",
            alerts.display()
        );
        let config = dir.path().join("prometheus.yml");
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let child = Command::new(program("prometheus"))
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        wait_for("Prometheus", PATIENCE, || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { child, port, _dir: dir }
    }

    fn api(&self, path: &str) -> Value {
        let answer = curl(&[], &format!("http://127.0.0.1:{}/api/v1/{path}", self.port));
        serde_json::from_str(&answer.text()).unwrap_or(Value::Null)
    }

    /// The value of an expression, once there is one.
    fn value(&self, expression: &str) -> f64 {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        wait_for(expression, PATIENCE, || {
            let found = self.api(&format!("query?query={encoded}"));
            found["data"]["result"][0]["value"][1].as_str()?.parse().ok()
        })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A site with an upstream and files, and its metrics at the third port.
fn start() -> (Caddy, Origin) {
    start_with("")
}

fn start_with(lines: &str) -> (Caddy, Origin) {
    let origin = Origin::start();
    let setup = Setup::new(
        "https://localhost:@PORT@ {\n tls @CERT@ @KEY@\n root www\n@LINES@ proxy /size @ORIGIN@\n \
         prometheus localhost:@PORT3@ {\n  label tier \"front end\"\n }\n}\n\
         http://localhost:@PORT2@ {\n root www\n}\n",
    )
    .set("ORIGIN", origin.addr)
    .set("LINES", lines)
    .file("www/a.txt", "some text")
    .arg("-cpu=2");
    let (cert, key, _) = certificate(setup.dir(), "30");
    let state = setup.dir().join("state").display().to_string();
    let setup = setup.env("CADDYPATH", &state);
    (setup.set("CERT", cert).set("KEY", key).start(), origin)
}

fn scrape(caddy: &Caddy) -> String {
    let answer = curl(&[], &caddy.third("/metrics"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

/// The value of a sample; 0 where there is none.
fn sample(text: &str, name: &str) -> f64 {
    let of = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
    text.lines().find_map(of).unwrap_or_default()
}

#[test]
fn prometheus_scrapes_what_was_served() {
    let (caddy, _origin) = start();
    for _ in 0..3 {
        for (protocol, answer) in by_all(&caddy, "/size/1000") {
            assert_eq!(answer.len, 1000, "{protocol}");
        }
        assert_eq!(curl(&["--http2"], &caddy.url("/a.txt")).status, 200);
        assert_eq!(curl(&["--http2"], &caddy.url("/none")).status, 404);
    }
    // A site without the directive.
    assert_eq!(curl(&[], &caddy.plain("/a.txt")).status, 200);
    let prometheus = Prometheus::scraping(caddy.third("").trim_start_matches("http://"));
    wait_for("a scrape in time", PATIENCE, || (prometheus.value("up") == 1.0).then_some(()));
    let site = "host=\"localhost\",family=~\"[12]\",tier=\"front end\"";
    for (proto, count) in [("1.1", 3.0), ("2.0", 9.0), ("3.0", 3.0)] {
        let expression = format!("sum(caddy_http_request_count_total{{{site},proto=\"{proto}\"}})");
        assert_eq!(prometheus.value(&expression), count, "{proto}");
    }
    for (expression, value) in [
        ("sum(caddy_http_request_count_total{host=\"localhost\"})", 15.0),
        ("sum(caddy_http_response_status_count_total{status=\"404\"})", 3.0),
        ("sum(caddy_http_response_latency_seconds_count{status=\"2xx\"})", 12.0),
        ("sum(caddy_http_response_size_bytes_bucket{status=\"2xx\",le=~\"256(.0)?\"})", 3.0),
        ("sum(caddy_http_response_size_bytes_bucket{status=\"2xx\",le=~\"1024(.0)?\"})", 12.0),
        ("sum(caddy_http_request_duration_seconds_count)", 15.0),
        ("sum(caddy_upstream_requests_total)", 9.0),
        ("sum(caddy_upstream_servers{state=\"up\"})", 1.0),
        ("sum(caddy_tls_handshakes_total{transport=\"quic\",version=\"1.3\"})", 3.0),
        ("sum(caddy_file_cache_requests_total) > bool 5", 1.0),
        ("caddy_sites", 2.0),
    ] {
        assert_eq!(prometheus.value(expression), value, "{expression}");
    }
    let reused = prometheus.value("sum(caddy_upstream_connections_reused_total)");
    let opened = prometheus.value("sum(caddy_upstream_connections_opened_total)");
    assert_eq!(reused + opened, 9.0, "{reused} reused");
    wait_for("a target without an error", PATIENCE, || {
        let targets = prometheus.api("targets");
        let target = &targets["data"]["activeTargets"][0];
        (target["health"] == "up" && target["lastError"] == "").then_some(())
    });
    let rules = prometheus.api("rules");
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() >= 10);
    wait_for("every rule to be evaluated without an error", PATIENCE, || {
        let now = prometheus.api("rules");
        let rules = now["data"]["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] == "ok").then_some(())
    });
}

/// Visits, until their report is exported.
fn visits(caddy: &Caddy) {
    visits_of_networks(&caddy.url("/a.txt"));
    let gain = "caddy_quic_report_gain_ratio{";
    wait_for("a report", PATIENCE, || scrape(caddy).contains(gain).then_some(()));
}

/// A file of packaging/monitoring.
fn monitoring(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/monitoring").join(name)
}

/// Every query of the dashboard is one that Prometheus answers with data from this server.
#[test]
fn every_panel_of_the_dashboard_shows_something() {
    let (caddy, _origin) = start_with(" quic_report\n proxy /slow 127.0.0.1:1\n");
    visits(&caddy);
    let prometheus = Prometheus::scraping(caddy.third("").trim_start_matches("http://"));
    let dashboard = std::fs::read_to_string(monitoring("grafana.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries: Vec<String> = targets
        .map(|target| target["expr"].as_str().unwrap())
        .map(|query| query.replace("$__rate_interval", "1m").replace(['$'], ""))
        .map(|query| query.replace("=~\"instance\"", "=~\".*\"").replace("=~\"host\"", "=~\".*\""))
        .collect();
    assert!(queries.len() > 40, "{}", queries.len());
    for query in queries {
        // What goes on while it looks, for the queries that show only what is above zero.
        by_all(&caddy, "/size/1000");
        assert_eq!(curl(&["--http2"], &caddy.url("/slow/1")).status, 502);
        let mut plain = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
        plain.write_all(&[0xff; 64]).unwrap();
        // No request waits for a place here.
        let shown = query.strip_suffix(" > 0").filter(|_| query.contains("queued"));
        let value = prometheus.value(shown.unwrap_or(&query));
        assert!(!value.is_infinite(), "{query}: {value}");
    }
}

#[test]
fn promtool_accepts_metrics_rules_and_names() {
    let (caddy, _origin) = start_with(" quic_report\n");
    by_all(&caddy, "/size/1000");
    visits(&caddy);
    let text = scrape(&caddy);
    let done = promtool(&["check", "metrics"], &text);
    accepted(&done);
    let alerts = monitoring("alerts.yml");
    accepted(&promtool(&["check", "rules", &alerts.display().to_string()], ""));
    // What rules and dashboard ask for is exported.
    let asked = ["alerts.yml", "grafana.json"].map(monitoring);
    let asked = asked.map(|file| std::fs::read_to_string(file).unwrap()).concat();
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = asked.split(|letter| !is_part(letter));
    let names: Vec<&str> =
        words.filter(|word| word.starts_with("caddy_") || word.starts_with("process_")).collect();
    assert!(names.len() > 40, "{}", names.len());
    for name in names {
        let family = name.trim_end_matches("_bucket");
        assert!(text.contains(&format!("# TYPE {family} ")), "{name} is not exported");
    }
}

#[test]
fn handshakes_that_fail_and_paths_of_quic_are_counted() {
    let (caddy, _origin) = start();
    let mut plain = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    plain.write_all(&[0xff; 64]).unwrap();
    h3(caddy.port(), json!({"requests": [{"path": "/a.txt"}]}));
    wait_for("the failures and the end of the QUIC connection", PATIENCE, || {
        let text = scrape(&caddy);
        let failed = |cause: &str| {
            let labels = format!("{{transport=\"tcp\",cause=\"{cause}\"}}");
            sample(&text, &format!("caddy_tls_handshake_failures_total{labels}"))
        };
        let has_failed = failed("protocol") == 1.0;
        let ended = sample(&text, "caddy_quic_rtt_seconds_count") >= 1.0;
        let sent = sample(&text, "caddy_quic_packets_sent_total") > 3.0;
        (has_failed && ended && sent).then_some(())
    });
}

/// A connection that stays open is counted with what it has sent, and again with what is new.
#[test]
fn a_quic_connection_is_counted_while_it_lives() {
    let origin = Origin::start();
    let lines = format!(" proxy /drip {}\n", origin.addr);
    let (caddy, _origin) = start_with(&lines);
    let counted = |name: &str| sample(&scrape(&caddy), name);
    let packets = || counted("caddy_quic_packets_sent_total");
    std::thread::scope(|scope| {
        // 20 seconds.
        scope.spawn(|| h3(caddy.port(), json!({"requests": [{"path": "/drip/200"}]})));
        wait_for("its packets", PATIENCE, || (packets() > 3.0).then_some(()));
        let (open, before) = (counted("caddy_connections{protocol=\"h3\"}"), packets());
        assert_eq!(open, 1.0);
        assert!(counted("caddy_quic_rtt_seconds_count") >= 1.0);
        wait_for("more packets", PATIENCE, || (packets() > before).then_some(()));
        assert_eq!(counted("caddy_connections{protocol=\"h3\"}"), 1.0);
    });
}

#[test]
fn metrics_survive_a_reload_and_tell_of_it() {
    let (caddy, _origin) = start();
    curl(&["--http2"], &caddy.url("/a.txt"));
    let count = "caddy_http_request_count_total{host=\"localhost\",family=\"1\",proto=\"2.0\",\
                 tier=\"front end\"}";
    let other = count.replace("\"1\"", "\"2\"");
    let counted = |text: &str| sample(text, count) + sample(text, &other);
    assert_eq!(counted(&scrape(&caddy)), 1.0);
    caddy.reload();
    curl(&["--http2"], &caddy.url("/a.txt"));
    let text = scrape(&caddy);
    assert_eq!(counted(&text), 2.0);
    assert_eq!(sample(&text, "caddy_reloads_total{result=\"success\"}"), 1.0);
    let valid = std::fs::read_to_string(caddy.path("Caddyfile")).unwrap();
    let broken = format!("{valid}\nhttp://localhost:1 {{\n prometheus :9180\n}}\n");
    std::fs::write(caddy.path("Caddyfile"), broken).unwrap();
    caddy.signal(nix::sys::signal::Signal::SIGUSR1);
    let text = wait_for("the failed reload", PATIENCE, || {
        let text = scrape(&caddy);
        (sample(&text, "caddy_reloads_total{result=\"failure\"}") == 1.0).then_some(text)
    });
    assert_eq!(sample(&text, "caddy_last_reload_failed"), 1.0);
    let words = "everyone could read the metrics at [::]:9180";
    assert!(caddy.log_with(words).contains(words), "{}", caddy.log());
}

#[test]
fn who_may_not_read_gets_nothing() {
    let (caddy, _origin) = start();
    for (options, path, status) in [
        (&[][..], "/metrics", 200),
        (&["-H", "Host: 127.0.0.1"], "/metrics", 200),
        (&["-H", "Host: rebound.example"], "/metrics", 421),
        (&[], "/", 404),
        (&[], "/metrics/x", 404),
        (&["-X", "POST"], "/metrics", 405),
    ] {
        let answer = curl(options, &caddy.third(path));
        assert_eq!(answer.status, status, "{options:?} {path}");
        assert_eq!(status == 200, answer.text().contains("caddy_sites"), "{options:?} {path}");
    }
    let open = curl(&["-H", "Accept: application/openmetrics-text"], &caddy.third("/metrics"));
    assert!(open.header("content-type").starts_with("application/openmetrics-text"));
    // At a path of the site, behind its password.
    let site = "http://localhost:@PORT@ {\n basicauth /metrics u p\n prometheus {\n  \
                use_caddy_addr\n }\n root www\n}\n";
    let caddy = Setup::new(site).file("www/a.txt", "a").start();
    let metrics = format!("http://localhost:{}/metrics", caddy.port());
    assert_eq!(curl(&[], &metrics).status, 401);
    let answer = curl(&["-u", "u:p"], &metrics);
    assert!(answer.status == 200 && answer.text().contains("caddy_sites 1"), "{}", answer.text());
    // Others than those who are named.
    let site = "http://localhost:@PORT@ {\n root www\n prometheus 0.0.0.0:@PORT3@ {\n  \
                allow 192.0.2.1\n }\n}\n";
    let caddy = Setup::new(site).file("www/a.txt", "a").start();
    assert_eq!(curl(&[], &caddy.third("/metrics")).status, 403);
}

#[test]
fn an_address_that_everyone_reaches_is_an_error_with_its_place() {
    for (lines, place, remedy) in [
        ("prometheus :9180", "Caddyfile:2", "write localhost:9180"),
        ("prometheus {\n  use_caddy_addr\n }", "Caddyfile:2", "basicauth /metrics USER PASSWORD"),
        ("prometheus {\n  label host x\n }", "Caddyfile:3", "write: hostname NAME"),
    ] {
        let text = format!("http://localhost:@PORT@ {{\n {lines}\n root www\n}}\n");
        let done = Setup::new(&text).file("www/a.txt", "a").arg("-validate").output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success() && said.contains(place) && said.contains(remedy), "{said}");
    }
}
