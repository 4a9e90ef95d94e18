//! Clients: curl for HTTP/1.1 and HTTP/2, aioquic for HTTP/3.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{Caddy, crc};

/// What a client saw of one response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// 0 where there was no whole response.
    pub status: u16,
    /// Lower-case names, in order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub len: usize,
    pub crc: u32,
    /// As the client names it: `1.1`, `2`, `3`.
    pub version: String,
    /// What the client says went wrong.
    pub error: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One request by curl; `options` go before the URL.
pub fn curl(options: &[&str], url: &str) -> Answer {
    curl_raw(&[options, &[url]].concat())
}

/// The same GET over each protocol.
pub fn by_all(caddy: &Caddy, path: &str) -> Vec<(&'static str, Answer)> {
    vec![
        ("h1", curl(&["--http1.1"], &caddy.url(path))),
        ("h2", curl(&["--http2"], &caddy.url(path))),
        ("h3", h3_one(caddy.port(), json!({"path": path}))),
    ]
}

/// curl with any arguments.
pub fn curl_raw(args: &[&str]) -> Answer {
    let dir = tempfile::tempdir().unwrap();
    let (head, body) = (dir.path().join("head"), dir.path().join("body"));
    let done = Command::new("curl")
        .args(["-sS", "-k", "--noproxy", "*", "--max-time", "170", "-w", "%{http_version}"])
        .arg("-D")
        .arg(&head)
        .arg("-o")
        .arg(&body)
        .args(args)
        .output()
        .expect("curl");
    let mut body = std::fs::read(body).unwrap_or_default();
    // With --head curl writes the head into the body's file too.
    if args.contains(&"--head") && body.starts_with(b"HTTP/") {
        body.clear();
    }
    let head = String::from_utf8_lossy(&std::fs::read(head).unwrap_or_default()).into_owned();
    // The last head counts; 1xx ones come before it, trailers behind the empty line.
    let last = head.rfind("HTTP/").map_or("", |at| &head[at..]);
    let mut lines = last.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    Answer {
        status,
        headers,
        len: body.len(),
        crc: crc(&body),
        body,
        version: String::from_utf8_lossy(&done.stdout).into_owned(),
        error: String::from_utf8_lossy(&done.stderr).trim().to_owned(),
    }
}

/// The Python that has aioquic.
fn python() -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let python = std::env::var_os("CADDY_TEST_PYTHON")
        .map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    assert!(python.exists(), "{}: no such file; tests/setup.sh makes it", python.display());
    python
}

/// A script of `tests/python`.
pub fn python_script(name: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name));
    command
}

/// One HTTP/2 request of `tests/python/h2raw.py`, its fields as they are.
pub fn h2_raw(port: u16, mut job: Value) -> Value {
    job["port"] = json!(port);
    let done = python_script("h2raw.py").arg(job.to_string()).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// One client of `tests/python/h2abuse.py`; its head says what a job may hold.
pub fn h2_abuse(port: u16, mut job: Value) -> Value {
    job["port"] = json!(port);
    let done = python_script("h2abuse.py").arg(job.to_string()).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{job}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// GETs in an order of their own, by `tests/python/h2order.py`; its head says what a job may hold.
pub fn h2_order(port: u16, mut job: Value) -> Value {
    job["port"] = json!(port);
    let done = python_script("h2order.py").arg(job.to_string()).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// The same over HTTP/3, by `tests/python/h3order.py`.
pub fn h3_order(port: u16, mut job: Value) -> Value {
    job["port"] = json!(port);
    let done = python_script("h3order.py").arg(job.to_string()).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// One WebSocket by `tests/python/h3ws.py`; its head says what a job may hold.
pub fn h3_socket(port: u16, mut job: Value) -> Value {
    job["port"] = json!(port);
    let done = python_script("h3ws.py").arg(job.to_string()).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{job}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// Begun QUIC handshakes by `tests/python/h3flood.py`; its head says what a job may hold.
pub fn h3_flood(port: u16, count: usize) -> Value {
    let job = json!({"port": port, "count": count});
    let done = python_script("h3flood.py").arg(job.to_string()).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// Streams by hand, by `tests/python/h3raw.py`; its head says what a case may hold.
pub fn h3_raw(port: u16, cases: &[Value]) -> Vec<Value> {
    let job = json!({"port": port, "cases": cases});
    let done = python_script("h3raw.py").arg(job.to_string()).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// Runs one job of `tests/python/h3.py`; its head says what a job may hold.
pub fn h3(port: u16, job: Value) -> Value {
    h3_by(python_script("h3.py"), port, job)
}

/// The same, by a command that ends up in `h3.py`.
pub fn h3_by(mut command: Command, port: u16, mut job: Value) -> Value {
    job["port"] = json!(port);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(job.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|error| panic!("h3.py: {error}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// Uploads by curl over HTTP/3, by `tests/python/curl_h3.py`; its head says what a job may hold.
pub fn curl_h3(port: u16, mut job: Value) -> Vec<Value> {
    job["port"] = json!(port);
    let done = python_script("curl_h3.py").arg(job.to_string()).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// The connections of `tests/python/h3tls.py`.
pub fn h3_tls(job: Value) -> Value {
    let done = python_script("h3tls.py").arg(job.to_string()).output().unwrap();
    serde_json::from_slice(&done.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&done.stderr)))
}

/// One request over HTTP/3.
pub fn h3_one(port: u16, request: Value) -> Answer {
    let result = h3(port, json!({ "requests": [request] }));
    answer(&result["answers"][0])
}

/// The same by a client that sends a PING now and then while it waits, as browsers do.
pub fn h3_patient(port: u16, request: Value) -> Answer {
    let result = h3(port, json!({ "requests": [request], "patient": true }));
    answer(&result["answers"][0])
}

fn answer(value: &Value) -> Answer {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let headers = value["headers"].as_array().cloned().unwrap_or_default();
    Answer {
        status: u16::try_from(value["status"].as_u64().unwrap_or(0)).unwrap(),
        headers: headers.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
        body: text(&value["body"]).chars().map(|c| c as u32 as u8).collect(),
        len: usize::try_from(value["len"].as_u64().unwrap_or(0)).unwrap(),
        crc: u32::try_from(value["crc"].as_u64().unwrap_or(0)).unwrap(),
        version: "3".to_owned(),
        error: text(&value["error"]),
    }
}

/// Requests from two addresses of each of 160 networks of this machine, each on a connection of
/// its own.
pub fn visits_of_networks(url: &str) {
    let visit = |network: u32| {
        [1, 2].map(|host| {
            format!(
                "silent\ninsecure\nipv4\nhttp2\ninterface = 127.0.{network}.{host}\n\
                 output = /dev/null\nurl = {url}\n"
            )
        })
    };
    let config = (1..=160).flat_map(visit).collect::<Vec<_>>().join("next\n");
    let mut curl = Command::new("curl");
    curl.args(["-K", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut curl = curl.spawn().unwrap();
    curl.stdin.take().unwrap().write_all(config.as_bytes()).unwrap();
    assert!(curl.wait().unwrap().success());
}
