//! `caddy -status`: what a running service tells of itself, to whom, and what is said where it
//! cannot.

use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{
    BINARY, Ca, Caddy, Origin, Setup, by_all, certificate, curl, h3, tls_any, wait_for,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Asks the service in the folder of the test.
fn ask(caddy: &Caddy, flags: &[&str]) -> Output {
    let socket = caddy.path("control.sock").display().to_string();
    Command::new(BINARY).args(["-control", &socket, "-status"]).args(flags).output().unwrap()
}

fn text(caddy: &Caddy) -> String {
    let said = ask(caddy, &[]);
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

fn json(caddy: &Caddy) -> Value {
    let said = ask(caddy, &["-json"]);
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).unwrap()
}

/// The value behind a name in the text; `""` where there is no such row.
fn row<'a>(text: &'a str, name: &str) -> &'a str {
    let rows = text.lines().filter_map(|line| line.split_at_checked(16));
    rows.filter(|(first, _)| first.trim_end() == name).map(|(_, value)| value).next().unwrap_or("")
}

fn setup(text: &str) -> Setup {
    Setup::new(text).arg("-control=control.sock")
}

#[test]
fn requests_are_counted_by_protocol_on_all_workers() {
    let origin = Origin::start();
    let site = "https://localhost:@PORT@ {\n tls self_signed\n proxy / @ORIGIN@\n}\n";
    let caddy = setup(site).set("ORIGIN", origin.addr).arg("-cpu=2").start();
    let before = json(&caddy);
    assert_eq!(
        (&before["requests"]["total"], &before["requests"]["share"]["h3"]),
        (&json!(0), &Value::Null)
    );
    for round in 0..4 {
        for (protocol, answer) in by_all(&caddy, "/size/1000") {
            assert_eq!(answer.len, 1000, "{protocol} in round {round}");
        }
    }
    // Refused before a site is found, by a rule, and by the upstream.
    assert_eq!(curl(&["--http2", "-H", "Host: a b"], &caddy.url("/")).status, 400);
    assert_eq!(curl(&["--http1.1", "-X", "TRACE"], &caddy.url("/")).status, 405);
    assert_eq!(curl(&["--http2"], &caddy.url("/status/503")).status, 503);
    let now = wait_for("the ends of the connections", PATIENCE, || {
        let now = json(&caddy);
        (now["connections"]["http/1.1"] == 0 && now["connections"]["h2"] == 0).then_some(now)
    });
    let requests = &now["requests"];
    assert_eq!(requests["by_protocol"], json!({"http/1.1": 5, "h2": 6, "h3": 4}));
    assert_eq!(requests["by_status"], json!({"1xx": 0, "2xx": 12, "3xx": 0, "4xx": 2, "5xx": 1}));
    assert_eq!((&requests["total"], &requests["in_flight"]), (&json!(15), &json!(0)));
    assert!((requests["share"]["h3"].as_f64().unwrap() - 4.0 / 15.0).abs() < 1e-9, "{requests}");
    let bytes = requests["content_bytes"].as_u64().unwrap();
    // The pages of the three errors are short.
    assert!((12_000..13_500).contains(&bytes), "{bytes}");
    let (rate, up) = (&requests["per_second"]["since_start"], &now["uptime_seconds"]);
    assert!((rate.as_f64().unwrap() * up.as_f64().unwrap() - 15.0).abs() < 1e-6, "{now}");
    let minute = &now["last_minute"];
    assert_eq!(minute["by_protocol"], requests["by_protocol"]);
    assert_eq!(minute["by_status"], json!({"4xx": 2, "5xx": 1}));
    let times = ["p50", "p95", "p99"].map(|part| requests["response_seconds"][part].as_f64());
    assert!(times.is_sorted() && times[0] > Some(0.0), "{times:?}");
    let upstream = &now["upstreams"]["requests"][0];
    assert_eq!((&upstream["total"], &upstream["failures"]["connect"]), (&json!(13), &json!(0)));
    let said = wait_for("the packets of QUIC", PATIENCE, || {
        Some(text(&caddy)).filter(|said| row(said, "QUIC paths").starts_with("RTT 50% within "))
    });
    let requests = format!("http://{}: 13 requests, 0 failed, 0 retries, ", origin.addr);
    assert!(row(&said, "upstream").starts_with(&requests), "{said}");
    assert!(row(&said, "errors").contains("2 responses: 4xx"), "{said}");
    assert_eq!(row(&said, "files"), "0 requests: none from memory, none compared with the disk");
}

#[test]
fn what_goes_on_now_is_told_and_then_no_more() {
    let origin = Origin::start();
    let site = "https://localhost:@PORT@ {\n tls self_signed\n proxy / @ORIGIN@\n}\n";
    let caddy = setup(site).set("ORIGIN", origin.addr).start();
    let going_on = |in_flight: u64, h2: u64, h3: u64| {
        let what = format!("{in_flight} in flight, {h2} over HTTP/2, {h3} over HTTP/3");
        wait_for(&what, PATIENCE, || {
            let now = json(&caddy);
            let open = &now["connections"];
            let all = [&now["requests"]["in_flight"], &open["h2"], &open["h3"]];
            (all == [in_flight, h2, h3]).then_some(())
        });
    };
    std::thread::scope(|scope| {
        scope.spawn(|| curl(&["--http2"], &caddy.url("/drip/100")));
        scope.spawn(|| h3(caddy.port(), json!({"requests": [{"path": "/slow/10000"}]})));
        going_on(2, 1, 1);
        // A client that leaves: its request ends with it, and counts as refused.
        let path = "/slow/60000";
        let mut gone = Command::new("curl").args(["-sk", &caddy.url(path)]).spawn().unwrap();
        wait_for("it at the origin", PATIENCE, || {
            origin.requests().iter().any(|one| one.target == path).then_some(())
        });
        gone.kill().unwrap();
        gone.wait().unwrap();
    });
    going_on(0, 0, 0);
    let counted = json(&caddy)["requests"]["by_status"].clone();
    assert_eq!((&counted["2xx"], &counted["4xx"]), (&json!(2), &json!(1)), "{counted}");
    let idle = tls_any(caddy.port());
    wait_for("an idle connection", PATIENCE, || {
        (json(&caddy)["connections"]["http/1.1"] == 1).then_some(())
    });
    drop(idle);
    going_on(0, 0, 0);
}

#[test]
fn the_configuration_and_what_became_of_attempts_to_change_it() {
    let caddy = setup("http://:@PORT@\nstatus 200 /\n").start();
    let first = text(&caddy);
    assert!(first.starts_with("serving 1 site, 0.0 requests/s, "), "{first}");
    assert!(
        row(&first, "configuration").starts_with("Caddyfile with 1 site, loaded 20"),
        "{first}"
    );
    assert_eq!((row(&first, "last reload"), row(&first, "log lines lost")), ("none", "0"));
    let program = row(&first, "program");
    let pid = format!(", pid {}, up 0:00:", caddy.pid());
    assert!(program.starts_with("caddy ") && program.contains(&pid), "{first}");
    caddy.rewrite("http://:@PORT@\nnope\n");
    caddy.hup("[ERROR] SIGHUP: ");
    let failed = "Caddyfile:2:1 - Parse error: Unknown directive 'nope'";
    let now = text(&caddy);
    let line = now.lines().next().unwrap();
    assert!(line.ends_with(&format!(" the reload failed: {failed}")), "{now}");
    assert!(row(&now, "last reload").ends_with(&format!(" by SIGHUP: failed: {failed}")), "{now}");
    caddy.rewrite("http://:@PORT@ {\nstatus 200 /\n}\nhttp://:@PORT2@ {\nstatus 200 /\n}\n");
    caddy.reload();
    let now = json(&caddy);
    let configuration = &now["configuration"];
    assert_eq!(configuration["sites"], 2);
    assert_eq!(configuration["last_reload"]["by"], "SIGHUP");
    assert_eq!(configuration["last_reload"]["error"], Value::Null);
    let said = text(&caddy);
    assert!(!said.lines().next().unwrap().contains("failed"), "{said}");
    assert!(row(&said, "last reload").ends_with(" by SIGHUP: done"), "{said}");
    // The history keeps both, the last one first.
    let history: Vec<_> = said.lines().filter(|line| line.starts_with("history ")).collect();
    assert!(history[0].ends_with(": reload by SIGHUP: done"), "{said}");
    assert!(history[1].ends_with(&format!(": reload by SIGHUP: failed: {failed}")), "{said}");
    let changes = [&now["changes"][0]["error"], &now["changes"][1]["error"]];
    assert_eq!(changes, [&Value::Null, &json!(failed)]);
}

#[test]
fn the_process_that_serves_answers_after_an_upgrade() {
    let mut caddy = setup("http://:@PORT@\nstatus 200 /\n").start();
    assert_eq!(curl(&[], &format!("http://127.0.0.1:{}/", caddy.port())).status, 200);
    let (old, new) = (caddy.pid(), caddy.upgrade());
    let now = wait_for("an answer of the new process", PATIENCE, || {
        Some(json(&caddy)).filter(|now| now["pid"] == new)
    });
    assert_ne!(old, new);
    assert_eq!((&now["generation"], &now["requests"]["total"]), (&json!(2), &json!(0)));
    assert!(row(&text(&caddy), "program").ends_with(", after 1 upgrade"), "{}", text(&caddy));
}

#[test]
fn upstreams_that_are_down_are_named_with_the_reason() {
    let origin = Origin::start();
    let site = "http://:@PORT@ {\n proxy / @ORIGIN@ 127.0.0.1:@PORT2@ {\n health_check /echo\n \
                health_check_interval 100ms\n }\n}\nhttp://:@PORT3@ {\n proxy / 127.0.0.1:1\n}\n";
    let caddy = setup(site).set("ORIGIN", origin.addr).start();
    let checked = wait_for("the health check", PATIENCE, || {
        Some(json(&caddy)["upstreams"].clone()).filter(|now| now["down"] != json!([]))
    });
    let (name, site) =
        (format!("http://127.0.0.1:{}", caddy.port2()), format!("http://:{}", caddy.port()));
    let down = json!([{"name": name, "site": site, "why": "health check failed"}]);
    assert_eq!((&checked["total"], &checked["down"]), (&json!(3), &down));
    let all = checked["all"].as_array().unwrap().iter();
    let is_down: Vec<_> =
        all.filter(|one| one["is_down"] == true).map(|one| &one["name"]).collect();
    assert_eq!(is_down, [&json!(name)]);
    assert_eq!(curl(&[], &caddy.third("/")).status, 502);
    let now = text(&caddy);
    assert!(
        now.lines()
            .next()
            .unwrap()
            .contains(&format!("; 2 upstreams down: http://127.0.0.1:1, {name}")),
        "{now}"
    );
    let down = format!(
        "3, 2 down: http://127.0.0.1:1 (last request failed), {name} (health check failed)"
    );
    assert_eq!(row(&now, "upstreams"), down);
}

#[test]
fn certificates_that_end_soon_are_told_with_their_days() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(dir.path(), "5");
    let site = "https://localhost:@PORT@ {\n tls @CERT@ @KEY@\n status 200 /\n}\n";
    let caddy = setup(site).set("CERT", cert).set("KEY", key).start();
    // In the very second in which it was made there are five.
    let certificates = wait_for("days", PATIENCE, || {
        Some(json(&caddy)["certificates"].clone()).filter(|now| now["next"]["days"] == 4)
    });
    assert_eq!(certificates["total"], 1);
    assert_eq!(certificates["ending_within_14_days"][0]["names"][0], "localhost");
    let said = text(&caddy);
    let line = said.lines().next().unwrap();
    assert!(line.ends_with("; next certificate ends in 4 days: localhost"), "{said}");
    assert!(
        row(&said, "ending soon").starts_with("localhost, 127.0.0.1: ends in 4 days (20"),
        "{said}"
    );
    // A renewed file: there is nothing to do any more.
    certificate(dir.path(), "90");
    caddy.reload();
    let said = wait_for("the days of the new one", PATIENCE, || {
        let said = text(&caddy);
        row(&said, "certificates").starts_with("1, next ends in 89 days (").then_some(said)
    });
    assert_eq!(row(&said, "ending soon"), "", "{said}");
}

#[test]
fn a_renewal_that_failed_is_told_until_one_succeeds() {
    let ca = Ca::start();
    ca.refuse(503, "20", "out of order");
    let mut caddy = setup("a.example\nstatus 200 /\n")
        .arg("-agree")
        .arg("-http-port=@PORT2@")
        .arg("-https-port=@PORT@")
        .arg(&format!("-ca={}", ca.url()))
        .env("CADDYPATH", "store")
        .start();
    let failed = |caddy: &Caddy| json(caddy)["certificates"]["failed_renewals"].clone();
    let first = wait_for("the failure", PATIENCE, || {
        Some(failed(&caddy)).filter(|failed| *failed != json!([]))
    });
    assert_eq!(first[0]["name"], "a.example");
    assert!(first[0]["error"].as_str().unwrap().contains("HTTP 503"), "{first}");
    let said = text(&caddy);
    assert!(row(&said, "renewal failed").starts_with("a.example on 20"), "{said}");
    assert!(
        said.lines().next().unwrap().contains("; no new certificate for a.example: "),
        "{said}"
    );
    assert!(row(&said, "certificates").contains("not yet obtained: a.example"), "{said}");
    // It is known over a restart, once it is stored; the log tells of it behind that.
    assert!(caddy.log_with("Next attempt in").contains("Next attempt in"));
    caddy.kill();
    caddy.start_again();
    wait_for("the failure of the process before", PATIENCE, || {
        (failed(&caddy)[0]["at"] == first[0]["at"]).then_some(())
    });
    wait_for("the certificate", Duration::from_secs(60), || {
        (failed(&caddy) == json!([])).then_some(())
    });
    assert_eq!(json(&caddy)["certificates"]["next"]["names"][0], "a.example");
}

#[test]
fn lines_that_no_log_could_write_are_counted() {
    let caddy = setup("http://:@PORT@ {\n status 200 /\n log / /dev/full\n}\n").start();
    for _ in 0..3 {
        curl(&[], &format!("http://127.0.0.1:{}/", caddy.port()));
    }
    wait_for("three lost lines", PATIENCE, || (json(&caddy)["log_lines_lost"] == 3).then_some(()));
    assert_eq!(row(&text(&caddy), "log lines lost"), "3");
}

#[test]
fn a_service_that_does_not_answer_is_told_apart_from_none() {
    let mut caddy = setup("http://:@PORT@\nstatus 200 /\n").start();
    let said = |output: Output| {
        assert_eq!(output.stdout, b"");
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    caddy.signal(Signal::SIGSTOP);
    let (code, why) = said(ask(&caddy, &[]));
    caddy.signal(Signal::SIGCONT);
    assert!(code == Some(4) && why.contains("no answer on the control socket "), "{why}");
    caddy.kill();
    let (code, why) = said(ask(&caddy, &["-json"]));
    assert!(code == Some(3) && why.contains("is it running, and started with -control "), "{why}");
    let (code, why) = said(Command::new(BINARY).arg("-json").output().unwrap());
    assert!(code == Some(2) && why.starts_with("-json needs -status or -quic-report\n"), "{why}");
}
