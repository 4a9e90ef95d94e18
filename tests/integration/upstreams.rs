//! What an upstream may be, and what its connections start with.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Caddy, Nginx, Origin, Setup, by_all, certificate, curl, exchange, free_port, h3, wait_for,
};

/// A Caddy 2 that says how it was spoken to.
struct CaddyTwo {
    port: u16,
    child: Child,
    _dir: tempfile::TempDir,
}

impl CaddyTwo {
    fn start(cert: &str, key: &str) -> Self {
        let (port, dir) = (free_port(), tempfile::tempdir().unwrap());
        let text = format!(
            "{{\n admin off\n auto_https off\n}}\nhttps://localhost:{port} {{\n tls {cert} {key}\n \
             respond \"{{http.request.proto}} {{http.request.host}} {{http.request.orig_uri}}\"\n}}\n"
        );
        std::fs::write(dir.path().join("Caddyfile"), text).unwrap();
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/.venv/bin/caddy");
        let child = Command::new(program)
            .args(["run", "--config", "Caddyfile"])
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { port, child, _dir: dir };
        wait_for("Caddy 2", Duration::from_secs(20), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        started
    }
}

impl Drop for CaddyTwo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_upstream_that_names_itself_is_named_as_the_client_knows_it() {
    let origin = Origin::start();
    let text = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n proxy /api {}/app {{\n without /api\n \
         rewrite_location\n}}\n proxy /plain {} {{\n without /plain\n}}\n}}\n",
        origin.addr, origin.addr
    );
    let caddy = Setup::new(&text).start();
    let own = caddy.url("");
    let itself = format!("http://{}/app/x", origin.addr);
    // The origin's own port at another host, and its host at another port, are others.
    for (path, url, want) in [
        ("/api/moved", "http://SELF/app/x?y=1", format!("{own}/api/x?y=1")),
        ("/api/moved", "https://SELF/app/x", format!("{own}/api/x")),
        ("/api/moved", "//SELF/app/x", format!("{own}/api/x")),
        ("/api/moved", "/app/x", "/api/x".to_owned()),
        ("/api/moved", "http://SELF", format!("{own}/api/")),
        ("/api/moved", "x/y", "x/y".to_owned()),
        ("/api/moved", "https://login.test/app/?back=http://SELF/", String::new()),
        ("/api/moved", "http://127.0.0.1/app/x", String::new()),
        ("/plain/moved", "http://SELF/app/x", itself.clone()),
    ] {
        let want = match want.as_str() {
            "" => url.replace("SELF", &origin.addr.to_string()),
            _ => want,
        };
        for (protocol, answer) in by_all(&caddy, &format!("{path}?{url}")) {
            assert_eq!(answer.status, 302, "{protocol} {path} {url}");
            for field in ["location", "content-location"] {
                assert_eq!(answer.header(field), want, "{protocol} {field} {path} {url}");
            }
            let cookie = if path.starts_with("/plain") {
                "a=b; Domain=127.0.0.1; Path=/app/"
            } else {
                "a=b; Path=/api/"
            };
            assert_eq!(answer.header("set-cookie"), cookie, "{protocol} {path} {url}");
        }
    }
}

#[test]
fn alpn_chooses_the_version_and_bytes_of_the_path_stay() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let two = CaddyTwo::start(&cert, &key);
    let site = format!(
        "http://:@PORT@ {{\n proxy / https://localhost:{0} {{\n ca_certificates {cert}\n}}\n}}\n\
         http://:@PORT2@ {{\n proxy / h2://localhost:{0} {{\n ca_certificates {cert}\n header_upstream Host other.test\n}}\n}}\n",
        two.port
    );
    let caddy = Setup::new(&site).start();
    let target = "/a%2Fb\\c//d?e";
    let url = format!("http://localhost:{}{target}", caddy.port());
    let told = curl(&["--path-as-is"], &url).text();
    assert_eq!(told, format!("HTTP/2.0 localhost {target}"));
    assert!(curl(&[], &caddy.plain("/")).text().is_empty(), "the name of another site");
}

/// nginx ends an HTTP/2 connection after so many requests: what it has not taken is sent again.
#[test]
fn no_request_is_lost_when_connections_go_away() {
    let nginx = Nginx::http2(7, &[("page", b"hello")]);
    let caddy = Caddy::proxy(format!("h2c://{}", nginx.addr), "");
    let job = json!({"path": "/page"});
    let asked: Vec<_> = std::iter::repeat_n(job, 60).collect();
    let result = h3(caddy.port(), json!({"parallel": true, "requests": asked}));
    let answers = result["answers"].as_array().unwrap();
    let good = answers.iter().filter(|a| a["status"] == 200 && a["body"] == "hello").count();
    assert_eq!(good, 60, "{result}");
    for (method, path, status) in
        [("GET", "/nothing", 404), ("PUT", "/put/x", 201), ("HEAD", "/page", 200)]
    {
        let options: &[&str] = match method {
            "HEAD" => &["--head"],
            "PUT" => &["-X", "PUT", "--data-binary", "abc"],
            _ => &[],
        };
        assert_eq!(curl(options, &caddy.plain(path)).status, status, "{method} {path}");
    }
}

#[test]
fn backslashes_and_escapes_reach_an_http_1_upstream_untouched() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    for target in ["/a\\b", "/a%2Fb", "/a%5Cb", "/a%2e%2E/b", "/%41"] {
        let asked = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        exchange(caddy.port2(), asked.as_bytes(), Duration::from_secs(5));
        assert_eq!(origin.last().target, target);
    }
}

/// An origin that tells what each connection starts with, one line and as many bytes, and answers
/// all its requests.
fn recording(prefix: usize) -> (String, mpsc::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut first = vec![0; prefix];
            stream.read_exact(&mut first).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            if prefix == 0 {
                reader.read_until(b'\n', &mut first).unwrap();
            }
            tell.send(first).unwrap();
            std::thread::spawn(move || {
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                    if line == "\r\n" {
                        stream
                            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                            .unwrap();
                    }
                    line.clear();
                }
            });
        }
    });
    (addr, told)
}

#[test]
fn the_proxy_protocol_tells_each_client_and_its_connections_are_its_own() {
    let (addr, told) = recording(0);
    let caddy = Caddy::proxy(addr, "proxy_protocol v1");
    for _ in 0..2 {
        let mut client = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
        let from = client.local_addr().unwrap().port();
        for _ in 0..3 {
            client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
            let mut answer = Vec::new();
            while !answer.ends_with(b"ok") {
                let mut byte = [0];
                client.read_exact(&mut byte).unwrap();
                answer.push(byte[0]);
            }
        }
        let want = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {from} {}\r\n", caddy.port2());
        assert_eq!(String::from_utf8(told.recv().unwrap()).unwrap(), want);
        assert!(told.try_recv().is_err(), "three requests on one connection");
    }
    let (addr, told) = recording(28);
    let caddy = Caddy::proxy(addr, "proxy_protocol v2");
    assert_eq!(curl(&["--http2"], &caddy.url("/")).text(), "ok");
    let header = told.recv().unwrap();
    assert_eq!(&header[..24], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01");
    assert_eq!(header[26..], caddy.port().to_be_bytes());
}

#[test]
fn an_upstream_can_ask_for_a_certificate() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let site = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key} {{\n clients {cert}\n}}\n status 203 /\n}}\n\
         http://:@PORT2@ {{\n proxy / https://localhost:@PORT@ {{\n ca_certificates {cert}\n tls_client {cert} {key}\n}}\n}}\n\
         http://:@PORT3@ {{\n proxy / https://localhost:@PORT@ {{\n ca_certificates {cert}\n}}\n}}\n"
    );
    let caddy = Setup::new(&site).start();
    assert_eq!(curl(&[], &caddy.plain("/")).status, 203);
    assert_eq!(curl(&[], &caddy.third("/")).status, 502);
}

/// Events that are sent only when the one before has arrived.
#[test]
fn events_arrive_before_the_next_is_sent() {
    for version in ["--http1.1", "--http2"] {
        for coding in ["identity", "gzip"] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let addr = listener.local_addr().unwrap();
            let site = "https://localhost:@PORT@ {\n tls self_signed\n gzip {\n ext *\n}\n proxy / @ORIGIN@\n}\n";
            let caddy = Setup::new(site).set("ORIGIN", addr).start();
            let accepts = format!("Accept-Encoding: {coding}");
            let mut client = Command::new("curl")
                .args(["-sNk", "--noproxy", "*", "--max-time", "60", version, "-H", &accepts])
                .arg(caddy.url("/events"))
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
            stream.write_all(head).unwrap();
            let mut shown = client.stdout.take().unwrap();
            for number in 0..5 {
                stream.write_all(format!("data: {number}\n\n").as_bytes()).unwrap();
                let mut some = [0; 64];
                let got = shown.read(&mut some).unwrap();
                assert!(got > 0, "{version} {coding}: event {number}");
                if coding == "identity" {
                    assert_eq!(&some[..got], format!("data: {number}\n\n").as_bytes());
                }
            }
            drop(stream);
            client.wait().unwrap();
        }
    }
}

/// The same over HTTP/3, whose client shows what it has in a file.
#[test]
fn events_arrive_before_the_next_is_sent_over_http_3() {
    for coding in ["identity", "gzip"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let site = "https://localhost:@PORT@ {\n tls self_signed\n gzip {\n ext *\n}\n proxy / @ORIGIN@\n}\n";
        let caddy = Setup::new(site).set("ORIGIN", addr).start();
        let (port, shown) = (caddy.port(), caddy.path("shown"));
        let job = json!({"path": "/events", "headers": [["accept-encoding", coding]],
            "body_to": shown.display().to_string()});
        let client = std::thread::spawn(move || h3(port, json!({"requests": [job]})));
        let (mut stream, _) = listener.accept().unwrap();
        // A close with unread bytes would reset what was just sent.
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").unwrap();
        let mut sent = String::new();
        for number in 0..5 {
            let event = format!("data: {number}\n\n");
            stream.write_all(event.as_bytes()).unwrap();
            sent.push_str(&event);
            let what = format!("event {number} by {coding}");
            wait_for(&what, Duration::from_secs(30), || {
                let mut got = std::fs::read(&shown).unwrap_or_default();
                if coding == "gzip" {
                    let mut decoder = flate2::write::GzDecoder::new(vec![]);
                    decoder.write_all(&got).and_then(|()| decoder.flush()).unwrap();
                    got.clone_from(decoder.get_ref());
                }
                (got == sent.as_bytes()).then_some(())
            });
        }
        drop(stream);
        let result = client.join().unwrap();
        assert_eq!(result["answers"][0]["error"], "", "{result}");
    }
}

/// 2 GiB in chunks, counted by the origin as they come; memory stays bounded.
#[test]
fn two_gibibytes_in_chunks() {
    const SIZE: u64 = 2 << 30;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let counted = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut block, mut total, mut end) = (vec![0; 1 << 20], 0, vec![]);
        loop {
            let read = stream.read(&mut block).unwrap();
            total += read as u64;
            // The last chunk may come in two parts.
            end.extend_from_slice(&block[read.saturating_sub(5)..read]);
            end.drain(..end.len().saturating_sub(5));
            if end == b"0\r\n\r\n" {
                break;
            }
            assert!(read > 0, "cut after {total} bytes");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        total
    });
    let caddy = Caddy::proxy(addr, "");
    let sent = Command::new("sh")
        .args(["-c", "head -c 2147483648 /dev/zero | curl -sS --noproxy '*' --http1.1 -T - \"$0\""])
        .arg(caddy.plain("/upload"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&sent.stdout), "ok", "{sent:?}");
    let (total, framing) = (counted.join().unwrap(), SIZE / 1000);
    assert!((SIZE..SIZE + framing).contains(&total), "{total} bytes with their framing");
    assert!(caddy.rss_peak() < 60 * 1024, "peak {} KiB", caddy.rss_peak());
}
