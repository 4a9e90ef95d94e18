//! HTTP/3 connections that make the server hold content: uploads that nobody reads, and responses
//! that their clients do not acknowledge.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::harness::{Caddy, Origin, Setup, python_script};

const MB: u64 = 1024;

/// Connections of `tests/python/h3held.py`, whose head says what a job may hold. They stay until
/// [`Self::end`].
struct Held(Child);

impl Held {
    /// Returns when nothing moves any more.
    fn open(caddy: &Caddy, mut job: Value) -> Self {
        job["port"] = json!(caddy.port());
        let mut script = python_script("h3held.py");
        let script = script.arg(job.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut held = Self(script.spawn().unwrap());
        assert_eq!(held.line(), "ready\n");
        held
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.0.stdout.as_mut().unwrap();
        // Nothing follows before stdin ends.
        BufReader::new(stdout).read_line(&mut line).unwrap();
        line
    }

    fn end(&mut self) -> Value {
        drop(self.0.stdin.take());
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Numbers of a list in what the client says.
fn numbers(said: &Value, name: &str) -> Vec<u64> {
    said[name].as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).collect()
}

/// All requests but one wait in a queue, so nobody reads what they upload.
fn with_a_queue(origin: &Origin) -> Caddy {
    let site = "https://localhost:@PORT@ {\n tls self_signed\n status 204 /small\n\
                proxy /hang @ORIGIN@ {\n max_conns 1\n queue 1000 90s\n }\n}\n";
    Setup::new(site).set("ORIGIN", origin.addr).start()
}

#[test]
fn uploads_that_nobody_reads_hold_little() {
    const COUNT: u64 = 60;
    let origin = Origin::start();
    let caddy = with_a_queue(&origin);
    let before = caddy.rss_peak();
    let job = json!({"count": COUNT, "upload": 4 << 20, "path": "/hang/90000"});
    let mut held = Held::open(&caddy, job);
    let grown = caddy.rss_peak() - before;
    let said = held.end();
    assert_eq!(said["lost"], 0, "{said}");
    let sent = numbers(&said, "sent");
    // The others have a larger window, for what the process grants to all of them.
    let first_window = sent.iter().filter(|sent| **sent <= 300 * 1024).count();
    assert!(first_window >= COUNT as usize / 2, "{sent:?}");
    // The window of a stream would be 2.3 MB for each, with what it costs to keep it.
    assert!(grown < 80 * MB, "{grown} KiB");
}

#[test]
fn an_upload_that_nobody_reads_leaves_room_for_other_requests() {
    let origin = Origin::start();
    let caddy = with_a_queue(&origin);
    let job = json!({
        "count": 3, "upload": 4 << 20, "path": "/hang/90000", "beside": "/small", "patience": 30,
    });
    let said = Held::open(&caddy, job).end();
    assert_eq!(said["beside"].as_array().unwrap().len(), 3);
    for answer in said["beside"].as_array().unwrap() {
        assert_eq!(answer[0], 204, "{said}");
    }
}

#[test]
fn responses_that_are_not_acknowledged_hold_little() {
    const COUNT: u64 = 20;
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let before = caddy.rss_peak();
    let mut held =
        Held::open(&caddy, json!({"count": COUNT, "after": 1, "path": "/size/30000000"}));
    let grown = caddy.rss_peak() - before;
    let said = held.end();
    assert!(numbers(&said, "received").iter().all(|received| *received > 0), "{said}");
    assert!(grown < COUNT * 2 * MB, "{grown} KiB");
}
