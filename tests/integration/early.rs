//! An answer that comes before the end of the upload. Over HTTP/2 curl and node, real ones, see
//! its status every time.

use std::net::TcpListener;
use std::process::Command;
use std::thread::{self, scope};
use std::time::Duration;

use serde_json::json;
use socket2::SockRef;

use crate::harness::{Caddy, Nginx, Setup, certificate, curl, free_port, h2_abuse};

const SITE: &str = "https://localhost:@PORT@ {\n tls self_signed\n root www\n\
    basicauth /private kim secret\n redir 307 {\n  /moved /there\n }\n\
    limits {\n  body /small 1KB\n }\n\
    proxy /dead 127.0.0.1:@DEAD@\n proxy /small 127.0.0.1:@DEAD@\n proxy /reset @ORIGIN@\n}\n";

/// Where connections are reset when so many bytes of them have come.
fn resets_after(most: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut seen = 0;
                while seen < most {
                    seen += std::io::Read::read(&mut stream, &mut [0; 65536]).unwrap_or(most);
                }
                SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            });
        }
    });
    addr
}

fn site() -> Caddy {
    Setup::new(SITE)
        .set("DEAD", free_port())
        .set("ORIGIN", resets_after(300_000))
        .file("www/page.html", "page")
        .file("large", vec![0; 20_000_000])
        .start()
}

/// What forty clients get, each over its own connection.
fn forty(url: &str, options: &[&str], status: u16) {
    scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let answer = curl(&[&["--http2"], options].concat(), url);
                    let seen = (answer.status, answer.version.as_str(), answer.error.as_str());
                    assert_eq!(seen, (status, "2", ""), "{url}");
                }
            });
        }
    });
}

#[test]
fn curl_sees_every_early_answer() {
    let caddy = site();
    let (small, large) = ("x".repeat(5_000), caddy.path("large").display().to_string());
    for (path, options, status) in [
        ("/none", ["-d", "a=b"], 405),
        ("/page.html", ["-d", "a=b"], 405),
        ("/private", ["-d", "a=b"], 401),
        ("/moved", ["-d", "a=b"], 307),
        ("/dead", ["-d", "a=b"], 502),
        ("/small", ["-d", &small], 413),
        ("/small", ["-T", &large], 413),
        ("/reset", ["-T", &large], 502),
    ] {
        forty(&caddy.url(path), &options, status);
    }
}

#[test]
fn nginx_answers_as_early() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    for (location, status) in [("return 404;", 404), ("client_max_body_size 1;", 413)] {
        let nginx = Nginx::secure(&cert, &key, location);
        forty(&format!("https://{}/", nginx.addr), &["-d", "a=b"], status);
    }
}

/// POSTs 20 MB and prints the status when the answer has ended.
const NODE: &str = "
const [port, path] = process.argv.slice(1);
const client = require('http2').connect('https://localhost:' + port, {rejectUnauthorized: false});
const request = client.request({':method': 'POST', ':path': path});
let status = 0, left = 20;
const end = text => { console.log(text); process.exit(); };
client.on('error', error => end('connection: ' + error.code));
request.on('error', error => end('stream: ' + error.code));
request.on('response', fields => { status = fields[':status']; });
request.on('data', () => {});
request.on('end', () => end(status));
setTimeout(() => end('silence after ' + status), 20000);
const {Readable} = require('stream');
new Readable({read() { this.push(left-- > 0 ? Buffer.alloc(1 << 20) : null); }}).pipe(request);
";

#[test]
fn node_sees_every_early_answer() {
    let caddy = site();
    for (path, status) in [("/none", "405"), ("/small", "502"), ("/reset", "502")] {
        for _ in 0..10 {
            let port = caddy.port().to_string();
            let done = Command::new("node").args(["-e", NODE, &port, path]).output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert_eq!(said.trim(), status, "{path}: {}", String::from_utf8_lossy(&done.stderr));
        }
    }
}

/// A frame on stream 1, in hexadecimal.
fn frame(kind: u8, flags: u8, payload: &str) -> String {
    format!("{:06x}{kind:02x}{flags:02x}00000001{payload}", payload.len() / 2)
}

/// h2spec's cases of a stream that the client has not ended, on one that has its answer.
#[test]
fn frames_behind_an_early_answer_are_judged() {
    let caddy = site();
    for (what, length, then) in [
        ("more DATA than Content-Length says", 1, frame(0, 1, "74657374")),
        ("less DATA than Content-Length says", 9, frame(0, 1, "74657374")),
        ("two frames that are too much", 5, frame(0, 0, "746573").repeat(2)),
        ("a second head", 0, frame(1, 4, "88")),
        ("a window of 0", 0, frame(8, 0, "00000000")),
        ("padding beyond the frame", 0, frame(0, 8, "ff74657374")),
        ("a field that is connection-specific", 0, frame(1, 5, &connection())),
    ] {
        let job = json!({"attack": "after_answer", "path": "/none", "count": length, "then": then,
            "seconds": 0});
        let seen = h2_abuse(caddy.port(), job);
        assert_eq!(seen["statuses"]["1"], 405, "{what}: {seen}");
        let is_judged = [&seen["resets"]["1"], &seen["goaway"]].iter().any(|code| **code == 1);
        assert!(is_judged, "{what}: no PROTOCOL_ERROR: {seen}");
    }
    let windows = frame(8, 0, "7fffffff").repeat(2);
    let windows = json!({"attack": "after_answer", "path": "/none", "then": windows, "seconds": 0});
    let seen = h2_abuse(caddy.port(), windows);
    assert_eq!(seen["goaway"], 3, "a window beyond the largest: {seen}");
    let largest = frame(8, 0, "7fff0000") + &frame(0, 1, "61");
    let largest = json!({"attack": "after_answer", "path": "/none", "then": largest, "seconds": 1});
    let seen = h2_abuse(caddy.port(), largest);
    assert!(seen["goaway"].is_null() && seen["resets"] == json!({}), "the largest window: {seen}");
    let rest = json!({"attack": "after_answer", "path": "/none", "then": frame(0, 1, "61"),
        "seconds": 1});
    let seen = h2_abuse(caddy.port(), rest);
    let quiet = seen["resets"] == json!({}) && seen["goaway"].is_null();
    assert!(quiet && seen["seconds"].is_null(), "the rest of a request is no fault: {seen}");
}

/// The literal `connection: close`.
fn connection() -> String {
    let literal = [b"\x00\x0aconnection".as_slice(), b"\x05close"].concat();
    literal.iter().map(|byte| format!("{byte:02x}")).collect()
}
