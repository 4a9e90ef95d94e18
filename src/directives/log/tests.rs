//! Lines as a sink receives them.

use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http::{Response, StatusCode};
use http_body_util::BodyExt;

use super::format::Format;
use super::rules::{Privacy, Sample};
use super::*;
use crate::http::paths::Prefix;
use crate::http::sink::Sink;
use crate::http::{Body, Fault, Peer};

#[derive(Default)]
struct Memory(Mutex<Vec<String>>);

impl Memory {
    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Memory {
    fn write_line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

/// Answers `/missing` with a fault, everything else with five bytes.
struct Inner;

impl Handler for Inner {
    fn handle<'a>(&'a self, req: &'a mut Request, _next: Next<'a>) -> ReplyFuture<'a> {
        let reply = match req.path() {
            "/missing" => Err(Fault::status(StatusCode::NOT_FOUND)),
            _ => Ok(Response::new(Body::from("hello".to_owned()))),
        };
        Box::pin(std::future::ready(reply))
    }
}

fn entry(sink: &Arc<Memory>, format: &str) -> Arc<Entry> {
    let sink: Arc<dyn Sink> = sink.clone();
    let format = Format::parse(format).unwrap();
    Arc::new(Entry { sink, format, privacy: Privacy::default(), sample: Sample::default() })
}

fn request(target: &str) -> Request {
    let (head, ()) = http::Request::builder().uri(target).body(()).unwrap().into_parts();
    let address = ([192, 0, 2, 7], 4711).into();
    Request {
        original_uri: head.uri.clone(),
        head,
        body: Body::empty(),
        upgrade: None,
        peer: Rc::new(Peer {
            remote: address,
            local: address,
            tls: None,
            values: crate::http::connection_values::ConnectionValues::default(),
        }),
        host: String::new(),
        user: None,
        upstream: None,
        watcher: None,
        early_hints: None,
        received: Instant::now(),
    }
}

async fn run(rules: Vec<Rule>, target: &str) -> Response<Body> {
    let chain: [Box<dyn Handler>; 2] =
        [Box::new(Log { rules, errors: ErrorLog::default() }), Box::new(Inner)];
    Next::new(&chain).run(&mut request(target)).await.unwrap()
}

#[tokio::test]
async fn the_line_comes_with_the_end_of_the_body() {
    let sink = Arc::new(Memory::default());
    let entries = vec![entry(&sink, "[{remote}] {size} bytes")];
    let response = run(vec![Rule { path: Prefix::new("/"), entries }], "/a").await;
    assert!(sink.lines().is_empty());
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    assert_eq!(sink.lines(), ["[192.0.2.7] 5 bytes"]);
}

#[tokio::test]
async fn a_client_that_leaves_is_logged_with_what_it_took() {
    let sink = Arc::new(Memory::default());
    let entries = vec![entry(&sink, "{size}")];
    drop(run(vec![Rule { path: Prefix::new("/"), entries }], "/a").await);
    assert_eq!(sink.lines(), ["0"]);
}

#[tokio::test]
async fn a_fault_is_rendered_with_its_size() {
    let sink = Arc::new(Memory::default());
    let entries = vec![entry(&sink, "{size}")];
    let response = run(vec![Rule { path: Prefix::new("/"), entries }], "/missing").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let page = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(sink.lines(), [page.len().to_string()]);
}

#[tokio::test]
async fn no_spelling_of_a_path_slips_past_its_log() {
    for target in ["/admin/x", "/%61dmin/x", "//admin/x", "/y/../admin/x"] {
        let sink = Arc::new(Memory::default());
        let entries = vec![entry(&sink, "seen")];
        drop(run(vec![Rule { path: Prefix::new("/admin"), entries }], target).await);
        assert_eq!(sink.lines(), ["seen"], "{target}");
    }
}

#[tokio::test]
async fn all_entries_of_the_first_rule_are_written() {
    let [first, second, other] = [(); 3].map(|()| Arc::new(Memory::default()));
    let rules = vec![
        Rule { path: Prefix::new("/"), entries: vec![entry(&first, "1"), entry(&second, "2")] },
        Rule { path: Prefix::new("/a"), entries: vec![entry(&other, "3")] },
    ];
    drop(run(rules, "/a").await);
    let lines = [first.lines(), second.lines(), other.lines()];
    assert_eq!(lines, [vec!["1".to_owned()], vec!["2".to_owned()], vec![]]);
}

#[tokio::test]
async fn of_many_requests_some_are_written_and_every_failure() {
    let sink = Arc::new(Memory::default());
    let sampled = |sample| Entry {
        sink: sink.clone(),
        format: Format::parse("x").unwrap(),
        privacy: Privacy::default(),
        sample: Sample(sample),
    };
    for (sample, status, fewest, most) in
        [(1, 200, 1000, 1000), (4, 200, 150, 350), (4, 499, 150, 350), (4, 500, 1000, 1000)]
    {
        let meant = Meant(vec![Arc::new(sampled(sample))]);
        for _ in 0..1000 {
            meant.ended(&request("/"), status);
        }
        let lines = std::mem::take(&mut *sink.0.lock().unwrap()).len();
        assert!((fewest..=most).contains(&lines), "1/{sample} of status {status}: {lines}");
    }
}
