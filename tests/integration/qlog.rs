//! qlog of QUIC connections, in files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Caddy, NOT_CONFIGURED, Setup, curl, h3_one, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

const SITE: &str = "https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n}\n";

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// The records of a file (RFC 7464).
fn records(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let mut parts = text.split('\x1e');
    assert_eq!(parts.next(), Some(""), "{text}");
    let read = |part: &str| {
        assert!(part.ends_with('\n'), "{part}");
        serde_json::from_str(part).unwrap_or_else(|error| panic!("{error}: {part}"))
    };
    parts.map(read).collect()
}

/// Stops the server; its files are whole then.
fn stop(caddy: &mut Caddy) {
    caddy.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
}

#[test]
fn a_connection_is_recorded_from_its_handshake_on() {
    let mut caddy = Setup::new(SITE).arg("-qlog=@DIR@/qlog").arg("-log=process.log").start();
    assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).status, 204);
    assert_eq!(curl(&["--http2"], &caddy.url("/")).status, 204);
    let dir = caddy.path("qlog");
    let file = wait_for("the file", PATIENCE, || {
        files(&dir).pop().filter(|file| fs::metadata(file).unwrap().len() > 1000)
    });
    stop(&mut caddy);
    assert_eq!(files(&dir).len(), 1, "HTTP/2 has none");
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let records = records(&file);
    let (head, events) = records.split_first().unwrap();
    assert_eq!(head["qlog_format"], "JSON-SEQ");
    assert_eq!(head["trace"]["vantage_point"]["type"], "server");
    let id = head["trace"]["common_fields"]["ODCID"].as_str().unwrap();
    assert_eq!(file.file_name().unwrap().to_str(), Some(&*format!("{id}.sqlog")));
    let seen: BTreeSet<_> = events
        .iter()
        .map(|event| {
            let header = &event["data"]["header"]["packet_type"];
            let name = event["name"].as_str().unwrap();
            format!("{name} {}", header.as_str().unwrap_or_default())
        })
        .collect();
    for wanted in [
        "transport:packet_received initial",
        "transport:packet_sent initial",
        "transport:packet_sent handshake",
        "transport:packet_received handshake",
        "transport:packet_sent 1RTT",
        "transport:packet_received 1RTT",
        "recovery:metrics_updated ",
    ] {
        assert!(seen.contains(wanted), "{wanted} is not among {seen:?}");
    }
    let times: Vec<_> = events.iter().map(|event| event["time"].as_f64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] >= 0.0, "{times:?}");
}

/// What qvis' loader takes: it knows the file by its name, reads the head's members, puts events
/// with the same `group_id` into one connection, and wants their times in order.
#[test]
fn qvis_takes_the_file() {
    let mut caddy = Setup::new(SITE).arg("-qlog=@DIR@/qlog").arg("-log=process.log").start();
    assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).status, 204);
    let file = wait_for("the file", PATIENCE, || {
        let found = files(&caddy.path("qlog")).pop()?;
        (fs::metadata(&found).unwrap().len() > 1000).then_some(found)
    });
    stop(&mut caddy);
    // By this its reader of text sequences is chosen.
    assert_eq!(file.extension().unwrap(), "sqlog");
    let records = records(&file);
    let (head, events) = records.split_first().unwrap();
    let versions = ["draft-02", "draft-02-RC1", "qlog-03-WIP", "0.3"];
    assert!(versions.contains(&head["qlog_version"].as_str().unwrap()), "{head}");
    assert_eq!(head["qlog_format"], "JSON-SEQ");
    assert!(head.get("traces").is_none() && head["title"].is_string(), "{head}");
    let trace = &head["trace"];
    let names = ["client", "server", "network", "unknown"];
    assert!(names.contains(&trace["vantage_point"]["type"].as_str().unwrap()), "{head}");
    assert_eq!(trace["common_fields"]["time_format"], "relative");
    // Milliseconds since 1970, as a number.
    assert!(trace["common_fields"]["reference_time"].as_f64().unwrap() > 1.7e12, "{head}");
    // Times are in its usual unit.
    assert_eq!(trace["configuration"].get("time_units"), None, "{head}");
    let groups: BTreeSet<_> = events.iter().map(|event| event["group_id"].as_str()).collect();
    assert!(groups.len() == 1 && !groups.contains(&None), "events of one connection: {groups:?}");
    let mut last = 0.0;
    for event in events {
        let time = event["time"].as_f64().unwrap();
        assert!(time >= last, "{event}");
        last = time;
        let (category, name) = event["name"].as_str().unwrap().split_once(':').unwrap();
        let known = match category {
            "transport" => &["packet_sent", "packet_received"][..],
            "recovery" => &["metrics_updated", "packet_lost"],
            other => panic!("{other}: {event}"),
        };
        assert!(known.contains(&name) && event["data"].is_object(), "{event}");
        // What earlier drafts had elsewhere is an error to it.
        let data = &event["data"];
        assert_eq!(data.get("packet_type"), None, "{event}");
        for old in ["packet_size", "payload_length"] {
            assert_eq!(data["header"].get(old), None, "{event}");
        }
        if category == "transport" {
            assert!(data["header"]["packet_number"].is_u64(), "{event}");
        }
    }
    // Its graph of the congestion draws these.
    for wanted in ["smoothed_rtt", "congestion_window", "bytes_in_flight"] {
        assert!(events.iter().any(|event| event["data"][wanted].is_number()), "{wanted}");
    }
}

#[test]
fn other_clients_are_not_recorded() {
    let caddy = Setup::new(SITE)
        .arg("-qlog=@DIR@/qlog")
        .arg("-qlog-from=192.0.2.0/24,2001:db8::/32")
        .arg("-log=process.log")
        .start();
    for _ in 0..3 {
        assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).status, 204);
    }
    assert!(files(&caddy.path("qlog")).is_empty());
}

#[test]
fn what_is_queued_is_written_at_a_stop() {
    let mut caddy = Setup::new(SITE).arg("-qlog=@DIR@/qlog").arg("-log=process.log").start();
    for _ in 0..5 {
        assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).status, 204);
    }
    stop(&mut caddy);
    let files = files(&caddy.path("qlog"));
    assert_eq!(files.len(), 5);
    for file in files {
        assert!(records(&file).len() > 10, "{}", file.display());
    }
}

#[test]
fn a_directory_that_is_none_ends_the_start() {
    let setup = Setup::new(SITE).file("taken", "").arg("-qlog=@DIR@/taken");
    let done = setup.output();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(NOT_CONFIGURED), "{said}");
    assert!(said.contains(&setup.fill("-qlog @DIR@/taken: ")), "{said}");
}
