//! Uploads that end short of their Content-Length because a response has begun, as curl ends them
//! from status 300 on: the client gets the whole response, and no upstream a request that looks
//! whole.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, sleep};
use std::time::Duration;

use serde_json::json;

use crate::harness::{Caddy, Responder, Setup, curl, curl_h3, wait_for};

const UPLOAD: usize = 20_000_000;
const TIMES: usize = 4;

/// What came on a connection until its end.
type Seen = Receiver<Vec<u8>>;

/// An origin that answers with the head of a 401, sends its content a second later, and leaves the
/// connection open.
fn origin() -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let (tell, seen) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let tell = tell.clone();
            thread::spawn(move || answer_late(stream, &tell));
        }
    });
    (addr, seen)
}

fn answer_late(mut stream: TcpStream, tell: &Sender<Vec<u8>>) {
    let (mut got, mut chunk) = (vec![], [0; 65536]);
    let mut more = |stream: &mut TcpStream, got: &mut Vec<u8>| {
        let read = stream.read(&mut chunk).unwrap_or(0);
        got.extend_from_slice(&chunk[..read]);
        read > 0
    };
    while !got.windows(4).any(|four| four == b"\r\n\r\n") && more(&mut stream, &mut got) {}
    let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n");
    sleep(Duration::from_secs(1));
    let _ = stream.write_all(b"no");
    while more(&mut stream, &mut got) {}
    let _ = tell.send(got);
}

/// Uploads over both protocols, each time for the whole of a 401.
fn upload(caddy: &Caddy, path: &str) {
    let large = caddy.path("large").display().to_string();
    for _ in 0..TIMES {
        // Without the wait for 100 Continue, which would end before the upload begins.
        let answer = curl(&["--http2", "-H", "Expect:", "-T", &large], &caddy.url(path));
        let got = (answer.status, answer.text(), answer.version.as_str(), answer.error.as_str());
        assert_eq!(got, (401, "no".to_owned(), "2", ""), "{path}");
    }
    let job = json!({"path": path, "bytes": UPLOAD, "times": TIMES});
    for answer in curl_h3(caddy.port(), job) {
        assert_eq!(answer, json!({"status": 401, "body": "no", "error": ""}), "{path}");
    }
}

/// Every connection of the origin has ended, with one request that is not whole.
fn are_cut(seen: &Seen) {
    for nth in 0..2 * TIMES {
        let patience = Duration::from_secs(30);
        let got = seen.recv_timeout(patience).unwrap_or_else(|_| panic!("connection {nth} stays"));
        let end = got.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8_lossy(&got[..end]).to_lowercase();
        assert!(head.contains(&format!("content-length: {UPLOAD}\r\n")), "{head}");
        assert!(got.len() - end < UPLOAD, "the whole upload came");
    }
}

fn proxy(block: &str, origin: &str) -> Caddy {
    let site = format!("https://localhost:@PORT@ {{\n tls self_signed\n {block}\n}}\n");
    Setup::new(&site).set("ORIGIN", origin).file("large", vec![b'x'; UPLOAD]).start()
}

#[test]
fn curl_gets_the_whole_response_of_an_upstream() {
    let (addr, seen) = origin();
    upload(&proxy("proxy / @ORIGIN@", &addr), "/");
    are_cut(&seen);
}

#[test]
fn curl_gets_the_whole_response_through_an_http_2_upstream() {
    let (addr, seen) = origin();
    let behind = proxy("proxy / @ORIGIN@", &addr);
    let front = "proxy / https://localhost:@ORIGIN@ {\n  insecure_skip_verify\n }";
    upload(&proxy(front, &behind.port().to_string()), "/");
    are_cut(&seen);
}

#[test]
fn curl_gets_the_whole_response_of_a_fastcgi_responder() {
    let responder = Responder::start();
    upload(&proxy("fastcgi / @ORIGIN@", &responder.addr), "/early/1000");
    let ended = || Some(responder.asked()).filter(|asked| asked.len() == 2 * TIMES);
    for asked in wait_for("the connections to end", Duration::from_secs(30), ended) {
        assert!(!asked.complete, "the whole upload came");
    }
}
