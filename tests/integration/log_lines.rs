//! What the logs say: a line for every request of every protocol, and a reason for every failure.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Caddy, Origin, Setup, curl, free_port, h2_raw, h3, h3_one, h3_raw, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// Over TLS and plain, with one log for both.
const SITES: &str = "https://localhost:@PORT@, http://localhost:@PORT2@ {
 tls self_signed
 log / access.log \"{proto} {method} {uri} {host} {status}\"
 errors errors.log
 limits {
  body 1KB
 }
 proxy / @ORIGIN@
}
";

fn line(caddy: &Caddy, wanted: &str) {
    wait_for(wanted, PATIENCE, || {
        caddy.read("access.log").lines().any(|line| line == wanted).then_some(())
    });
}

#[test]
fn a_request_that_is_refused_has_its_line() {
    let origin = Origin::start();
    let caddy = Setup::new(SITES).set("ORIGIN", origin.addr).start();
    let host = format!("localhost:{}", caddy.port2());
    let long = "x".repeat(9000);
    let fields = format!("A: {}\r\n", "y".repeat(8000)).repeat(20);
    for (head, wanted) in [
        (format!("GET /a HTTP/1.1\r\nHost: {host}\r\nA : b\r\n\r\n"), "HTTP/1.1 GET /a @ 400"),
        (format!("GET /<b> HTTP/1.1\r\nHost: {host}\r\n\r\n"), "HTTP/1.1 GET /%3Cb%3E @ 400"),
        (format!("GET /{long} HTTP/1.1\r\nHost: {host}\r\n\r\n"), ""),
        (format!("GET /b HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n"), "HTTP/1.1 GET /b @ 431"),
        (format!("TRACE /c HTTP/1.1\r\nHost: {host}\r\n\r\n"), "HTTP/1.1 TRACE /c @ 405"),
        (
            format!("PUT /d HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9999\r\n\r\n"),
            "HTTP/1.1 PUT /d @ 413",
        ),
        // It says nowhere whom it is for, and there is one site.
        ("GET /e HTTP/1.1\r\n\r\n".to_owned(), "HTTP/1.1 GET /e - 400"),
        ("GET /f HTTP/1.1\r\nHost: else.test\r\n\r\n".to_owned(), "HTTP/1.1 GET /f else.test 404"),
        ("what is this\r\n\r\n".to_owned(), "HTTP/1.1 what /is%20this - 400"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut first = [0; 12];
        std::io::Read::read_exact(&mut stream, &mut first).unwrap();
        if wanted.is_empty() {
            assert_eq!(&first[9..], b"414");
            wait_for("414", PATIENCE, || caddy.read("access.log").contains(" 414\n").then_some(()));
        } else {
            assert!(wanted.as_bytes().ends_with(&first[9..]), "{wanted}");
            line(&caddy, &wanted.replace('@', &host));
        }
    }
    let malformed = "[ERROR 400 /a] the request is malformed";
    let errors = caddy.read_when("errors.log", |log| log.contains(malformed));
    assert!(errors.contains(malformed), "{errors}");
    let port = caddy.port();
    let big = "z".repeat(2000);
    let url = caddy.url("/h2");
    curl(&["--http2", "-X", "PUT", "-d", &big], &url);
    line(&caddy, &format!("HTTP/2.0 PUT /h2 localhost:{port} 413"));
    let put = json!({"method": "PUT", "path": "/h3", "body": big});
    assert_eq!(h3_one(port, put).status, 413);
    line(&caddy, &format!("HTTP/3.0 PUT /h3 localhost:{port} 413"));
    assert_eq!(h3_one(port, json!({"method": "TRACE", "path": "/h3"})).status, 405);
    line(&caddy, &format!("HTTP/3.0 TRACE /h3 localhost:{port} 405"));
}

#[test]
fn a_stream_that_is_reset_for_its_head_has_its_line() {
    let origin = Origin::start();
    let caddy = Setup::new(SITES).set("ORIGIN", origin.addr).start();
    let host = format!("localhost:{}", caddy.port());
    let case = |path: &str, more: [&str; 2]| {
        let pseudo = [[":method", "GET"], [":scheme", "https"], [":authority", &host]];
        let fields = [&pseudo[..], &[[":path", path], more]].concat();
        json!({"streams": [{"fields": fields, "end": true}]})
    };
    let cases = [
        case("/fields", ["connection", "close"]),
        case("/length", ["content-length", "x"]),
        case("/pseudo", [":path", "/other"]),
        case("/upper", ["X-A", "b"]),
        case("/two", ["host", "other"]),
    ];
    for seen in h3_raw(caddy.port(), &cases) {
        assert_eq!(seen["streams"]["0"]["status"], 0, "{seen}");
    }
    let told = [("/fields", &host), ("/length", &host), ("/upper", &host), ("/two", &host)];
    for (path, host) in told {
        line(&caddy, &format!("HTTP/3.0 GET {path} {host} 400"));
        let error = format!("[ERROR 400 {path}] the request is malformed");
        let log = caddy.read_when("errors.log", |log| log.contains(&error));
        assert!(log.contains(&error), "{path}");
    }
    // The last one counts in no way.
    line(&caddy, &format!("HTTP/3.0 GET /other {host} 400"));
    assert_eq!(caddy.read("access.log").lines().count(), 5);
    assert!(origin.requests().is_empty());
}

#[test]
fn a_head_that_is_refused_over_http_3_has_its_line() {
    let origin = Origin::start();
    let caddy = Setup::new(SITES).set("ORIGIN", origin.addr).start();
    let host = format!("localhost:{}", caddy.port());
    let get = |path: &'static str| {
        let pseudo = [(":method", "GET"), (":scheme", "https"), (":authority", host.as_str())];
        [&pseudo[..], &[(":path", path)]].concat()
    };
    let named = [get("/name"), vec![("x-\u{e9}", "b")]].concat();
    // Each counts as 34 bytes, and is sent in four.
    let many = [get("/many"), vec![("a", "b"); 3000]].concat();
    let cases = [
        json!({"streams": [{"fields": named, "end": true}], "wait": 30}),
        json!({"streams": [{"fields": many, "end": true}], "wait": 30}),
        // HEADERS of one megabyte, of which nothing is read.
        json!({"streams": [{"bi": "0180100000"}], "until": "closed", "wait": 30}),
    ];
    let seen = h3_raw(caddy.port(), &cases);
    let status = |at: usize| seen[at]["streams"]["0"]["status"].as_u64();
    assert_eq!((status(0), status(1), status(2)), (Some(400), Some(431), Some(0)), "{seen:?}");
    assert_eq!(seen[2]["closed"], 0x107);
    line(&caddy, &format!("HTTP/3.0 GET /name {host} 400"));
    line(&caddy, &format!("HTTP/3.0 GET /many {host} 431"));
    line(&caddy, "HTTP/3.0 - / - 431");
    assert_eq!(caddy.read("access.log").lines().count(), 3);
    assert!(origin.requests().is_empty());
}

#[test]
fn a_head_that_never_ends_has_its_line() {
    let origin = Origin::start();
    let site = SITES.replace(" limits {", " timeouts {\n  header 1s\n }\n limits {");
    let caddy = Setup::new(&site).set("ORIGIN", origin.addr).start();
    // The first bytes of HEADERS with 32 bytes.
    let begun = json!({"streams": [{"bi": "01200000d1"}], "wait": 30});
    let seen = h3_raw(caddy.port(), &[begun]);
    assert_eq!(seen[0]["streams"]["0"]["reset"], 0x10d, "{seen:?}");
    line(&caddy, "HTTP/3.0 - / - 408");
    let host = format!("localhost:{}", caddy.port2());
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port2())).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /slow HTTP/1.1\r\nHost: {host}\r\nA: b").unwrap();
    let _ = stream.read(&mut [0; 1024]);
    line(&caddy, &format!("HTTP/1.1 GET /slow {host} 408"));
    let host = format!("localhost:{}", caddy.port());
    let fields =
        [(":method", "GET"), (":scheme", "https"), (":authority", &host), (":path", "/h2")];
    let cut = h2_raw(caddy.port(), json!({"fields": fields, "body": "", "cut": true}));
    assert_eq!(cut["error"], "closed", "{cut}");
    line(&caddy, &format!("HTTP/2.0 GET /h2 {host} 408"));
    assert_eq!(caddy.read("access.log").lines().count(), 3);
}

#[test]
fn a_client_that_leaves_has_its_line() {
    let origin = Origin::start();
    let caddy = Setup::new(SITES).set("ORIGIN", origin.addr).start();
    let port = caddy.port();
    for http in ["--http1.1", "--http2"] {
        let path = format!("/hang/20000?{http}");
        let mut client = std::process::Command::new("curl");
        let mut client = client.args(["-sk", http, &caddy.url(&path)]).spawn().unwrap();
        wait_for(&path, PATIENCE, || {
            origin.requests().iter().any(|one| one.target == path).then_some(())
        });
        client.kill().unwrap();
        client.wait().unwrap();
        let proto = if http == "--http2" { "HTTP/2.0" } else { "HTTP/1.1" };
        line(&caddy, &format!("{proto} GET {path} localhost:{port} 499"));
    }
    h3(port, json!({"requests": [{"path": "/hang/20000", "stop_at": 0.5}]}));
    line(&caddy, &format!("HTTP/3.0 GET /hang/20000 localhost:{port} 499"));
    // One whole answer has one line.
    assert_eq!(curl(&[], &caddy.url("/status/204")).status, 204);
    line(&caddy, &format!("HTTP/2.0 GET /status/204 localhost:{port} 204"));
    assert_eq!(caddy.read("access.log").lines().count(), 4);
}

#[test]
fn a_failure_is_told_with_all_its_causes() {
    let tls = "https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n}\n\
               http://localhost:@PORT2@ {\n status 204 /\n}\n";
    let tls = Setup::new(tls).start();
    let text = format!(
        "http://localhost:@PORT@ {{
 proxy /closed http://127.0.0.1:{closed}
 proxy /tls http://{alert}
 proxy /plain https://127.0.0.1:{plain}
 proxy /h2 h2c://127.0.0.1:{plain}
 proxy /name http://nowhere.invalid:80
 proxy /trust https://localhost:{0}
}}
",
        tls.port(),
        closed = free_port(),
        alert = alerting_server(),
        plain = tls.port2()
    );
    let caddy = Setup::new(&text).start();
    let site = format!("http://localhost:{}", caddy.port());
    for (path, cause) in [
        ("/closed", "Connection refused"),
        ("/tls", "the server speaks TLS: write https:// instead of http://"),
        ("/plain", "the server does not speak TLS: write http:// instead of https://"),
        ("/h2", "the server does not support HTTP/2: write http:// for h2c://"),
        ("/name", "the name does not exist"),
        ("/trust", "the certificate of the server is not signed by a trusted authority: write ca_"),
    ] {
        assert_eq!(curl(&[], &format!("{site}{path}")).status, 502, "{path}");
        let start = format!("[ERROR] {site}: 502 GET {path}: upstream ");
        wait_for(&format!("{start}… {cause}"), PATIENCE, || {
            let log = caddy.log();
            log.lines().any(|line| line.contains(&start) && line.contains(cause)).then_some(())
        });
    }
}

/// Answers whatever comes with a TLS alert (unexpected_message), as TLS servers do that do not look
/// for plain HTTP.
fn alerting_server() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 1024]);
            let _ = client.write_all(b"\x15\x03\x01\0\x02\x02\x0a");
        }
    });
    addr
}

#[test]
fn without_a_log_trouble_is_on_standard_error() {
    let site = "http://localhost:@PORT@ {\n errors\n proxy /a 127.0.0.1:1\n}\n\
                http://localhost:@PORT2@ {\n proxy /b 127.0.0.1:1\n push /\n}\n";
    let setup = Setup::new(site);
    let (port, port2) = (setup.ports[0], setup.ports[1]);
    let stderr = setup.dir().join("said");
    let mut command = setup.command();
    command.arg("-quiet").stdout(Stdio::null()).stderr(std::fs::File::create(&stderr).unwrap());
    let mut child = command.spawn().unwrap();
    wait_for("the server", PATIENCE, || TcpStream::connect(("127.0.0.1", port2)).ok());
    assert_eq!(curl(&[], &format!("http://localhost:{port}/a")).status, 502);
    assert_eq!(curl(&[], &format!("http://localhost:{port2}/b")).status, 502);
    let said = wait_for("both lines", PATIENCE, || {
        let said = std::fs::read_to_string(&stderr).unwrap();
        (said.contains("GET /a") && said.contains("GET /b")).then_some(said)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.contains("[WARNING] Caddyfile:7:7 - push: no resource is named"), "{said}");
    assert!(!said.contains("[INFO]"), "{said}");
    for line in said.lines() {
        let (date, _) = line.split_at(19);
        let parsed = chrono::NaiveDateTime::parse_from_str(date, "%Y/%m/%d %H:%M:%S");
        assert!(parsed.is_ok(), "{line}");
    }
}

#[test]
fn a_failed_reload_is_one_line() {
    let caddy = Setup::new("http://localhost:@PORT@\nstatus 204 /\n").start();
    caddy.rewrite("http://localhost:@PORT@\nproxxy / a\n");
    caddy.hup("[ERROR] SIGHUP: ");
    let log = caddy.log();
    let told = "[ERROR] SIGHUP: Caddyfile:2:1 - Parse error: Unknown directive 'proxxy'; did you";
    assert!(log.contains(told) && !log.contains("\\n"), "{log}");
}

#[test]
fn whole_formats_stand_anywhere_in_a_format() {
    let site = "http://localhost:@PORT@\n\
                log / a.log \"{host} {combined} {status}x\"\nlog / b.log \"{request}\"\n\
                status 204 /\n";
    let caddy = Setup::new(site).start();
    let url = format!("http://localhost:{}/p", caddy.port());
    let sent = ["-A", "say \"x\"", "-e", "r", "-H", "x-lower: \\"];
    assert_eq!(curl(&sent, &url).status, 204);
    let host = format!("localhost:{}", caddy.port());
    let text = wait_for("the line", PATIENCE, || {
        Some(caddy.read("a.log")).filter(|text| text.ends_with('\n'))
    });
    assert!(text.starts_with(&format!("{host} 127.0.0.1 - - [")), "{text}");
    let end = "\"GET /p HTTP/1.1\" 204 0 \"r\" \"say \\\"x\\\"\" 204x\n";
    assert!(text.ends_with(end), "{text}");
    let text = wait_for("the head", PATIENCE, || {
        Some(caddy.read("b.log")).filter(|text| text.ends_with('\n'))
    });
    assert!(text.starts_with(&format!("GET /p HTTP/1.1\\r\\nHost: {host}\\r\\n")), "{text}");
    for part in ["User-Agent: say \\\"x\\\"\\r\\n", "X-Lower: \\\\\\r\\n"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
