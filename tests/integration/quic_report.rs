//! `quic_report`: who is offered HTTP/3, what is measured of them over every protocol, and what the
//! report says; by itself, over reload, upgrade and restart, and over a road with a round trip.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{BINARY, Caddy, Setup, World, curl, h3, h3_one, python_script, wait_for};
use crate::road::{build_link, link};

const PATIENCE: Duration = Duration::from_secs(20);
const SITE: &str = "https://localhost:@PORT@ {
 tls self_signed
 root .
 quic_report {
  beacon /beacon
 }
}
";
const PAGE: usize = 11_000;
const CLEAR: &str = "clear";
const BEACON: &str =
    r#"{"connectStart":1,"requestStart":2,"responseStart":3,"nextHopProtocol":"h2"}"#;

fn ask(caddy: &Caddy, flags: &[&str]) -> Output {
    let socket = caddy.path("control.sock").display().to_string();
    Command::new(BINARY).args(["-control", &socket, "-quic-report"]).args(flags).output().unwrap()
}

/// The report of the only site.
pub fn report(caddy: &Caddy) -> Value {
    let said = ask(caddy, &["-json"]);
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stderr));
    let all: Value = serde_json::from_slice(&said.stdout).unwrap();
    all["sites"][0].clone()
}

/// The sum of both arms.
pub fn count(report: &Value, member: &str) -> u64 {
    ["offered", "withheld"].map(|arm| report["arms"][arm][member].as_u64().unwrap()).iter().sum()
}

/// Answers of one comparison, in both arms.
fn answers(report: &Value, measure: &str, of: &str) -> u64 {
    let all = report["comparisons"].as_array().unwrap();
    let is_it = |one: &&Value| one["measure"] == measure && one["of"] == of;
    let found = all.iter().find(is_it).map(|one| &one["answers"]);
    let of_arm = |arm| found.map_or(0, |answers| answers[arm].as_u64().unwrap());
    of_arm("offered") + of_arm("withheld")
}

fn until(caddy: &Caddy, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
    wait_for(what, PATIENCE, || Some(report(caddy)).filter(&holds))
}

fn started(text: &str) -> Caddy {
    started_on(text, 2)
}

fn started_on(text: &str, workers: u8) -> Caddy {
    let cpu = format!("-cpu={workers}");
    let setup = Setup::new(text).arg("-control=control.sock").arg(&cpu);
    let state = setup.dir().join("state").display().to_string();
    setup.env("CADDYPATH", &state).file("page.html", "<p>page</p>".repeat(PAGE / 11)).start()
}

/// A GET from an address of the network 127.0.`network`.0, and its Alt-Svc.
fn visit(caddy: &Caddy, network: u8, path: &str) -> String {
    let from = format!("127.0.{network}.1");
    let answer = curl(&["--ipv4", "--interface", &from], &caddy.url(path));
    assert!(answer.error.is_empty(), "{}", answer.error);
    answer.header("alt-svc").to_owned()
}

#[test]
fn a_network_stays_in_its_arm() {
    let mut caddy = started(SITE);
    let offer = format!("h3=\":{}\"; ma=", caddy.port());
    let arms = |caddy: &Caddy| (1..=40).map(|n| visit(caddy, n, "/page.html")).collect::<Vec<_>>();
    let first = arms(&caddy);
    for arm in &first {
        let seconds = arm.strip_prefix(&offer).and_then(|seconds| seconds.parse().ok());
        assert!(arm == CLEAR || seconds.is_some_and(|s: u32| (60..=86_400).contains(&s)), "{arm}");
    }
    // All of 40 would be in one arm once in 10^12 runs.
    let offered = first.iter().filter(|arm| **arm != CLEAR).count();
    assert!((1..40).contains(&offered), "{offered}");
    let is_offered = |arms: &[String]| arms.iter().map(|arm| arm != CLEAR).collect::<Vec<_>>();
    // A fault, a file that is missing, and what no site answers must not offer it to all.
    for network in [1, 2, 3, 4, 5, 6] {
        let said = visit(&caddy, network, "/missing");
        assert_eq!(said == CLEAR, first[usize::from(network) - 1] == CLEAR);
    }
    assert_eq!(curl(&["-H", "Host: a b"], &caddy.url("/")).header("alt-svc"), "");
    until(&caddy, "40 visits", |report| count(report, "visits") == 40);
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
    caddy.start_again();
    assert_eq!(is_offered(&arms(&caddy)), is_offered(&first));
    caddy.reload();
    assert_eq!(is_offered(&arms(&caddy)), is_offered(&first));
    caddy.upgrade();
    assert_eq!(is_offered(&arms(&caddy)), is_offered(&first));
}

#[test]
fn what_was_measured_outlives_reload_upgrade_and_restart() {
    let mut caddy = started(SITE);
    let visits = |caddy: &Caddy, networks: std::ops::RangeInclusive<u8>| {
        networks.for_each(|n| (0..2).for_each(|_| drop(visit(caddy, n, "/page.html"))));
    };
    visits(&caddy, 1..=10);
    let before = until(&caddy, "20 answers", |report| {
        answers(report, "wait", "all") == 10 && answers(report, "wait", "control") == 10
    });
    assert_eq!(count(&before, "connections"), 20);
    assert_eq!(before["verdict"], "too_few_visits");
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
    caddy.start_again();
    assert_eq!(answers(&report(&caddy), "wait", "all"), 10);
    // It does not know any more whom it told: all begin anew.
    visits(&caddy, 6..=15);
    until(&caddy, "more answers", |report| answers(report, "wait", "all") == 20);
    caddy.reload();
    assert_eq!(answers(&report(&caddy), "wait", "all"), 20);
    // Before the new process serves, the old one writes what it has.
    caddy.upgrade();
    let after = until(&caddy, "the state", |report| answers(report, "wait", "all") == 20);
    assert_eq!(count(&after, "visits"), 20);
}

#[test]
fn every_protocol_is_measured() {
    let caddy = started(SITE);
    for version in ["--http1.1", "--http2"] {
        for _ in 0..2 {
            assert_eq!(curl(&["--ipv4", version], &caddy.url("/page.html")).len, PAGE);
        }
    }
    for _ in 0..3 {
        let answer = h3_one(caddy.port(), json!({"path": "/page.html"}));
        assert_eq!(answer.len, PAGE);
        // Over HTTP/3, too: whoever knows of it from before forgets it, or at the day's end.
        assert_eq!(answer.header("alt-svc") == CLEAR, visit(&caddy, 0, "/page.html") == CLEAR);
    }
    // The first one of the visitor is the control.
    let found = until(&caddy, "all answers", |report| {
        answers(report, "wait", "all") + answers(report, "wait", "control") == 10
            && count(report, "requests") == 10
    });
    assert_eq!(answers(&found, "wait", "control"), 1, "{found:#}");
    let all = answers(&found, "wait", "all");
    assert_eq!(answers(&found, "wait", "page"), all);
    let bands = ["below 30 ms", "30 to 80 ms", "80 to 160 ms", "above 160 ms"];
    let bands = bands.map(|band| answers(&found, "wait", &format!("RTT {band}")));
    assert_eq!(bands.iter().sum::<u64>(), all, "{found:#}");
    // Those over TCP, whose round trips no busy client makes longer.
    assert!(bands[0] >= 6, "{found:#}");
    // A client that a busy machine holds up looks as if it had connected in advance.
    assert!((1..=9).contains(&answers(&found, "setup", "all")), "{found:#}");
    assert_eq!((count(&found, "visits"), count(&found, "http3_connections")), (1, 3));
    assert_eq!((count(&found, "http3_requests"), count(&found, "failed_requests")), (3, 0));
    assert!(count(&found, "packets") >= 10 * 8, "{found}");
}

#[test]
fn a_client_that_leaves_is_a_failure() {
    let caddy = started(SITE);
    std::fs::write(caddy.path("big.bin"), vec![b'x'; 32 << 20]).unwrap();
    for version in ["--http1.1", "--http2"] {
        let part = caddy.path(version);
        let mut client = Command::new("curl");
        client.args(["-sk", "--noproxy", "*", "--ipv4", version, "--limit-rate", "1M", "-o"]);
        let mut client = client.arg(&part).arg(caddy.url("/big.bin")).spawn().unwrap();
        let read = || std::fs::metadata(&part).map_or(0, |part| part.len());
        wait_for("some of it", PATIENCE, || (read() > 0).then_some(()));
        client.kill().unwrap();
        client.wait().unwrap();
        assert!(read() < 32 << 20);
    }
    until(&caddy, "failures", |report| count(report, "failed_requests") == 2);
}

/// A close acknowledges an answer if it names no error and all was sent: a client that has what it
/// wants and closes at once is measured as one that waits.
#[test]
fn a_close_tells_whether_the_answer_has_arrived() {
    const LONG: usize = 900_000;
    let caddy = started(SITE);
    std::fs::write(caddy.path("long.bin"), vec![b'x'; LONG]).unwrap();
    visit(&caddy, 0, "/page.html");
    until(&caddy, "a visit", |report| count(report, "requests") == 1);
    let leave = |path: &str, bytes: usize, code: u32| {
        h3_one(caddy.port(), json!({"path": path, "leave": [bytes, code]}))
    };
    let measured = |report: &Value| answers(report, "wait", "all");
    // Two codes say that there is no error.
    leave("/page.html", PAGE, 0x100);
    leave("/page.html", PAGE, 0);
    assert_eq!(leave("/long.bin", LONG, 0x100).len, LONG);
    let all = until(&caddy, "three answers", |report| count(report, "requests") == 4);
    assert_eq!((measured(&all), count(&all, "failed_requests")), (3, 0), "{all:#}");
    // An error, and two that leave long before the end although QUIC had taken all of it.
    leave("/page.html", PAGE, 0x102);
    for bytes in [1000, LONG / 2] {
        let gone = leave("/long.bin", bytes, 0x100);
        assert!((bytes..LONG).contains(&gone.len), "{}", gone.len);
    }
    let all = until(&caddy, "three failures", |report| count(report, "requests") == 7);
    assert_eq!((measured(&all), count(&all, "failed_requests")), (3, 3), "{all:#}");
}

/// Whose address is proven: over TCP always, over QUIC by what the client says of the answer.
#[test]
fn handshakes_that_fail_are_counted_by_arm() {
    // Of several, one may count whoever waited for the start only after the report was read.
    let caddy = started_on(SITE, 1);
    let arm = if visit(&caddy, 0, "/page.html") == CLEAR { "withheld" } else { "offered" };
    let failed = |report: &Value| report["arms"][arm]["failed_handshakes"].as_u64().unwrap();
    // Whoever waited for the start has connected and left.
    let seen = until(&caddy, "the visit", |report| count(report, "requests") == 1);
    let before = failed(&seen);
    let mut stranger = TcpStream::connect((Ipv4Addr::LOCALHOST, caddy.port())).unwrap();
    stranger.write_all(b"\0nonsense").unwrap();
    drop(stranger);
    until(&caddy, "one over TCP", |report| failed(report) == before + 1);
    let lost = h3(caddy.port(), json!({"requests": [], "verify": true}))["lost"].clone();
    assert!(lost.as_str().is_some_and(|why| why.starts_with("no connection")), "{lost}");
    // Of this one nothing proves that it is where it says.
    let lost = h3(caddy.port(), json!({"requests": [], "sni": "wrong.example"}))["lost"].clone();
    assert!(lost.as_str().is_some_and(|why| why.starts_with("no connection")), "{lost}");
    let found = until(&caddy, "one over QUIC", |report| failed(report) == before + 2);
    assert_eq!(count(&found, "failed_handshakes"), before + 2, "{found:#}");
    let text = String::from_utf8(ask(&caddy, &[]).stdout).unwrap();
    assert!(text.contains("handshakes that failed: "), "{text}");
}

#[test]
fn forged_beacons_count_as_few() {
    let caddy = started(SITE);
    let beacon = |from: &str, body: &str| {
        let options = ["--ipv4", "--interface", from, "-X", "POST", "-d", body];
        curl(&options, &caddy.url("/beacon")).status
    };
    visit(&caddy, 1, "/page.html");
    until(&caddy, "a visit", |report| count(report, "visits") == 1);
    let statuses: Vec<u16> = (0..20).map(|_| beacon("127.0.1.1", BEACON)).collect();
    assert!(statuses.iter().all(|status| *status == 204), "{statuses:?}");
    assert_eq!(beacon("127.0.1.1", "rubbish"), 400);
    assert_eq!(beacon("127.0.1.1", &"1".repeat(1025)), 413);
    let script = curl(&[], &caddy.url("/beacon"));
    assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    until(&caddy, "the beacons", |report| answers(report, "page_response", "all") == 8);
}

#[test]
fn the_report_has_three_forms() {
    let caddy = started(SITE);
    visit(&caddy, 1, "/page.html");
    until(&caddy, "a visit", |report| count(report, "visits") == 1);
    for (flag, part) in [
        ("-json=false", ": not enough visits yet: about 100 more to see a difference of 10 %\n"),
        ("-json", "\"verdict\": \"too_few_visits\""),
        ("-svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox="),
    ] {
        let said = ask(&caddy, &[flag]);
        let text = String::from_utf8(said.stdout).unwrap();
        assert!(said.status.code() == Some(0) && text.contains(part), "{flag}: {text}");
    }
    caddy.rewrite("https://localhost:@PORT@ {\n tls self_signed\n root .\n}\n");
    caddy.reload();
    let said = ask(&caddy, &[]);
    let why = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.status.code() == Some(1) && why.contains("no site of the running service"),
        "{why}"
    );
    // Whoever was told to forget it is told of it again.
    let offer = format!("h3=\":{}\"; ma=2592000", caddy.port());
    assert_eq!(visit(&caddy, 1, "/page.html"), offer);
}

/// Real clients come over a road of 40 ms to the server: each visits once, and twice more as it was
/// told. TCP and TLS need a round trip more than QUIC.
#[test]
fn a_round_trip_that_is_saved_is_found() {
    let Some(home) = World::share() else { return };
    build_link();
    let done = python_script("quic_report_road.py")
        .args([BINARY, &link()])
        .arg(home.path())
        .args(["40", "220"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let all: Value = serde_json::from_slice(&done.stdout).unwrap();
    let found = &all["sites"][0];
    assert_eq!(count(found, "visits"), 220, "{found:#}");
    assert_eq!(found["arms"]["withheld"]["http3_requests"], 0, "{found:#}");
    let offered = &found["arms"]["offered"];
    let twice = 2 * offered["visits"].as_u64().unwrap();
    assert_eq!(offered["http3_requests"].as_u64(), Some(twice), "{found:#}");
    assert_eq!(answers(found, "wait", "control"), 220, "{found:#}");
    let withheld = found["arms"]["withheld"]["visits"].as_u64().unwrap();
    // Of both arms every answer, though these clients close at once.
    let all = &found["comparisons"][0]["answers"];
    assert_eq!((&all["offered"], &all["withheld"]), (&json!(twice), &json!(2 * withheld)));
    assert_eq!(count(found, "failed_requests"), 0, "{found:#}");
    assert_eq!(found["verdict"], "faster", "{found:#}");
    // What no load can make shorter: three round trips over TCP, two over QUIC.
    let median = &found["comparisons"][0]["quantiles"][0];
    assert!(median["withheld_seconds"].as_f64().unwrap() >= 0.118, "{median}");
    assert!(median["offered_seconds"].as_f64().unwrap() >= 0.078, "{median}");
}
