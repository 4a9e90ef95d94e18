//! The same requests give the same status, headers and body over HTTP/1.1, HTTP/2 and HTTP/3.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::harness::{Answer, Caddy, Nginx, Origin, Setup, curl, h3, h3_one};

/// One row: what is asked.
struct Row {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    status: u16,
}

const fn row(
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
    status: u16,
) -> Row {
    Row { method, path, headers, body, status }
}

const ROWS: &[Row] = &[
    row("GET", "/", &[], "", 200),
    row("HEAD", "/", &[], "", 200),
    row("GET", "/index.html", &[], "", 200),
    row("GET", "/big.txt", &[], "", 200),
    row("GET", "/big.txt", &[("accept-encoding", "gzip")], "", 200),
    row("GET", "/big.txt", &[("range", "bytes=10-19")], "", 206),
    row("GET", "/big.txt", &[("range", "bytes=-5")], "", 206),
    row("GET", "/big.txt", &[("range", "bytes=900000-")], "", 416),
    row("GET", "/nothing", &[], "", 404),
    row("GET", "/dir", &[], "", 301),
    row("GET", "/dir/", &[], "", 200),
    row("GET", "/old?x=1", &[], "", 302),
    row("GET", "/teapot", &[], "", 418),
    row("GET", "/api/anything", &[], "", 200),
    row("HEAD", "/api/size/7", &[], "", 200),
    row("POST", "/api/echo", &[("content-type", "text/plain")], "some body", 200),
    row("PUT", "/api/upload", &[], "some body", 200),
    row("DELETE", "/api/status/404", &[], "", 404),
    row("GET", "/api/status/500", &[], "", 500),
    row("GET", "/api/status/204", &[], "", 204),
    row("GET", "/api/chunked", &[], "", 200),
    row("GET", "/api/size/300000", &[], "", 200),
    row("GET", "/dead/x", &[], "", 502),
    row("GET", "/../../etc/passwd", &[], "", 404),
];

const CADDYFILE: &str = "https://localhost:@PORT@ {
    tls self_signed
    root www
    gzip
    errors {
        404 404.html
    }
    header /big.txt X-Big yes
    header / -X-Origin
    redir /old /new 302
    status 418 /teapot
    proxy /api @ORIGIN@ {
        without /api
    }
    proxy /dead 127.0.0.1:@PORT3@
}
";

/// What must be the same whatever the protocol: no framing, no date.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, usize, u32) {
    const FREE: &[&str] =
        &["date", "alt-svc", "connection", "transfer-encoding", "keep-alive", "content-length"];
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !FREE.contains(&name.as_str()));
    headers.sort();
    (answer.status, headers, answer.len, answer.crc)
}

fn by_curl(version: &str, url: &str, row: &Row) -> Answer {
    let lines: Vec<String> = row.headers.iter().map(|(n, v)| format!("{n}: {v}")).collect();
    let mut options = vec![version, "--path-as-is", "-X", row.method];
    if row.method == "HEAD" {
        options = vec![version, "--head"];
    }
    if !row.body.is_empty() {
        options.extend(["-H", "content-type:", "--data-binary", row.body]);
    }
    for line in &lines {
        options.extend(["-H", line]);
    }
    curl(&options, url)
}

#[test]
fn same_answers_over_every_protocol() {
    let origin = Origin::start();
    let caddy = Setup::new(CADDYFILE)
        .set("ORIGIN", origin.addr)
        .file("www/index.html", "<p>home</p>")
        .file("www/404.html", "<p>not here</p>")
        .file("www/dir/index.html", "dir")
        .file("www/big.txt", "0123456789".repeat(2_000))
        .start();
    let mut wrong = vec![];
    for row in ROWS {
        let url = caddy.url(row.path);
        let h1 = by_curl("--http1.1", &url, row);
        let h2 = by_curl("--http2", &url, row);
        let headers: Vec<_> = row.headers.iter().map(|(n, v)| json!([n, v])).collect();
        let asked =
            json!({"method": row.method, "path": row.path, "headers": headers, "body": row.body});
        let h3 = h3_one(caddy.port(), asked);
        let (one, two, three) = (comparable(&h1), comparable(&h2), comparable(&h3));
        if h1.status != row.status || one != two || one != three {
            wrong.push(format!(
                "{} {} {:?}: want {}\n h1 {one:?} {}\n h2 {two:?} {}\n h3 {three:?} {}",
                row.method, row.path, row.headers, row.status, h1.error, h2.error, h3.error
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn alt_svc_names_the_port_over_tls_only() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let want = format!("h3=\":{}\"; ma=2592000", caddy.port());
    assert_eq!(curl(&["--http1.1"], &caddy.url("/")).header("alt-svc"), want);
    assert_eq!(curl(&["--http2"], &caddy.url("/")).header("alt-svc"), want);
    assert_eq!(h3_one(caddy.port(), json!({"path": "/"})).header("alt-svc"), want);
    assert_eq!(curl(&[], &caddy.plain("/")).header("alt-svc"), "");
}

#[test]
fn quic_false_leaves_http_3_out() {
    let caddy =
        Setup::new("https://localhost:@PORT@\ntls self_signed\n").arg("-quic=false").start();
    let answer = curl(&["--http2"], &caddy.url("/"));
    assert_eq!((answer.version.as_str(), answer.header("alt-svc")), ("2", ""));
    assert!(std::net::UdpSocket::bind(("0.0.0.0", caddy.port())).is_ok(), "UDP is taken");
}

/// The server asks for 4 MiB in each direction, and the kernel cuts that.
#[test]
fn udp_buffers_that_are_too_small_are_a_warning() {
    let mut caddy =
        Caddy::start("https://localhost:@PORT@ {\n tls self_signed\n status 204 /\n}\n");
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
    let log = caddy.log();
    let told = log.lines().find(|line| line.contains("[WARNING] HTTP/3 has a UDP "));
    for name in ["rmem_max", "wmem_max"] {
        let most = std::fs::read_to_string(format!("/proc/sys/net/core/{name}"));
        // Older kernels do not show it in a namespace.
        let Ok(most) = most else { continue };
        let remedy = format!("net.core.{name}=4194304");
        let is_told = told.is_some_and(|line| line.contains(&remedy));
        assert_eq!(is_told, most.trim().parse::<u64>().unwrap() < 4_194_304, "{most}{log}");
    }
}

#[test]
fn http2_false_leaves_http_1() {
    let caddy =
        Setup::new("https://localhost:@PORT@\ntls self_signed\n").arg("-http2=false").start();
    assert_eq!(curl(&["--http2"], &caddy.url("/")).version, "1.1");
}

#[test]
fn server_header_and_error_body() {
    let caddy = Setup::new("http://:@PORT@\nroot www\n").file("www/a", "a").start();
    let answer = curl(&[], &format!("http://localhost:{}/none", caddy.port()));
    assert_eq!(answer.header("server"), "Caddy");
    assert_eq!(answer.text(), "404 Not Found\n");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}

#[test]
fn unknown_site_is_404_and_421_over_http_2() {
    let caddy = Caddy::start("https://localhost:@PORT@\ntls self_signed\nstatus 204 /\n");
    let to = format!("other.test:{}:127.0.0.1", caddy.port());
    let url = format!("https://localhost:{}/", caddy.port());
    assert_eq!(curl(&["--http1.1", "-H", "Host: other.test"], &url).status, 404, "{to}");
    assert_eq!(curl(&["--http2", "-H", "Host: other.test"], &url).status, 421);
}

#[test]
fn redirect_from_http_to_https() {
    let caddy = Setup::new("https://localhost:@PORT@\ntls self_signed\n")
        .arg("-https-port=@PORT@")
        .arg("-http-port=@PORT2@")
        .start();
    let answer = curl(&[], &caddy.plain("/a?b=c"));
    assert_eq!(answer.status, 301);
    assert_eq!(answer.header("location"), caddy.url("/a?b=c"));
    let sites = format!("{}\n{}\n", caddy.url("").trim(), caddy.plain(""));
    let said = caddy.read_when("stdout", |said| said.contains(&sites));
    assert!(said.contains(&sites), "{said}");
}

#[test]
fn nginx_behind_all_protocols() {
    let nginx = Nginx::start(&[("page.html", b"<p>nginx</p>")]);
    let caddy = Caddy::proxy(&nginx.addr, "transparent");
    for answer in [
        curl(&["--http1.1"], &caddy.url("/page.html")),
        curl(&["--http2"], &caddy.url("/page.html")),
        h3_one(caddy.port(), json!({"path": "/page.html"})),
    ] {
        assert_eq!((answer.status, answer.text().as_str()), (200, "<p>nginx</p>"), "{answer:?}");
    }
    assert_eq!(h3_one(caddy.port(), json!({"path": "/host"})).text(), "localhost");
}

#[test]
fn a_site_on_several_addresses_without_a_server_field() {
    let text = "http://localhost:@PORT@ {\nbind 127.0.0.1 ::1\nheader / -Server\nstatus 204 /x\n}";
    let caddy = Setup::new(text).start();
    for address in ["127.0.0.1", "[::1]"] {
        for (path, code) in [("/x", 204), ("/none", 404)] {
            let url = format!("http://{address}:{}{path}", caddy.port());
            let got = curl(&["-H", &format!("Host: localhost:{}", caddy.port())], &url);
            assert_eq!(got.status, code, "{url}");
            assert_eq!(got.header("server"), "", "{url}");
        }
    }
}

/// Up to 1500 bytes with their headers, the MTU of Ethernet.
#[test]
fn quic_packets_are_as_large_as_the_path_takes() {
    let site = "https://localhost:@PORT@\ntls self_signed\nroot www\n";
    let caddy = Setup::new(site).file("www/big", "x".repeat(4 << 20)).start();
    for (host, largest) in [("127.0.0.1", 1472), ("::1", 1452)] {
        let done = h3(caddy.port(), json!({"host": host, "requests": [{"path": "/big"}]}));
        assert_eq!(done["answers"][0]["status"], 200, "{host}");
        assert_eq!(done["largest"], largest, "{host}");
    }
}
