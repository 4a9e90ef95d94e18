//! 100 MiB up and down over each protocol, with a checksum; memory stays bounded.

use serde_json::json;

use crate::harness::{Answer, Caddy, Nginx, Origin, crc, curl, h3_one, pattern};

const SIZE: usize = 100 * 1024 * 1024;
/// In KiB.
const MOST_MEMORY: u64 = 100 * 1024;

fn down(ask: impl Fn(&Caddy) -> Answer) {
    let nginx = Nginx::start(&[("big", &pattern(SIZE))]);
    let caddy = Caddy::proxy(&nginx.addr, "");
    let answer = ask(&caddy);
    assert_eq!(
        (answer.status, answer.len, answer.crc),
        (200, SIZE, crc(&pattern(SIZE))),
        "{}",
        answer.error
    );
    assert!(caddy.rss_peak() < MOST_MEMORY, "peak {} KiB", caddy.rss_peak());
}

fn up(ask: impl Fn(&Caddy, &str) -> Answer) {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "");
    let file = caddy.path("big");
    std::fs::write(&file, pattern(SIZE)).unwrap();
    let answer = ask(&caddy, &file.display().to_string());
    let want = format!("{SIZE} {}", crc(&pattern(SIZE)));
    assert_eq!((answer.status, answer.text()), (200, want), "{}", answer.error);
    assert!(caddy.rss_peak() < MOST_MEMORY, "peak {} KiB", caddy.rss_peak());
}

#[test]
fn down_over_http_1() {
    down(|caddy| curl(&["--http1.1"], &caddy.url("/big")));
}

#[test]
fn down_over_http_2() {
    down(|caddy| curl(&["--http2"], &caddy.url("/big")));
}

#[test]
fn down_over_http_3() {
    // The client takes 20 s of CPU time.
    down(|caddy| h3_one(caddy.port(), json!({"path": "/big"})));
}

#[test]
fn up_over_http_1() {
    up(|caddy, file| curl(&["--http1.1", "-T", file], &caddy.url("/upload")));
}

#[test]
fn up_over_http_1_chunked() {
    up(|caddy, file| {
        curl(&["--http1.1", "-H", "Transfer-Encoding: chunked", "-T", file], &caddy.url("/upload"))
    });
}

#[test]
fn up_over_http_2() {
    up(|caddy, file| curl(&["--http2", "-T", file], &caddy.url("/upload")));
}

#[test]
fn up_over_http_3() {
    up(|caddy, _| {
        h3_one(caddy.port(), json!({"method": "PUT", "path": "/upload", "body_len": SIZE}))
    });
}
