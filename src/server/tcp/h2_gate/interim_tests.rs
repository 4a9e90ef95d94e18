//! Interim responses, with h2 behind the gate and as the client.

use std::future::poll_fn;

use bytes::Bytes;
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::server::SendResponse;
use http::header::{HeaderMap, HeaderValue, LINK};
use http::{Request, Response, StatusCode};
use tokio::io::duplex;
use tokio::task::{LocalSet, spawn_local, yield_now};

use super::{GateLinks, H2Gate, Interim, Refusals, SendOrder};
use crate::http::request::tests;

/// A field section in three frames.
const LARGE: usize = 40_000;
const CONTENT: usize = 5_000;

fn links(value: &str) -> HeaderMap {
    [(LINK, HeaderValue::from_str(value).unwrap())].into_iter().collect()
}

fn navigation(path: &str) -> Request<()> {
    let request = Request::get(format!("https://a{path}"));
    request.header("sec-fetch-mode", "navigate").body(()).unwrap()
}

/// Answers a request with three hints, and a response whose fields change the dynamic table.
async fn answer(interim: Interim, mut request: Request<()>, mut respond: SendResponse<Bytes>) {
    let path = request.uri().path().to_owned();
    let hints = interim.take(&mut request).unwrap();
    assert!(!request.headers().contains_key("caddy-stream"));
    for at in 0..3 {
        hints.send(links(&format!("<{path}/{at}>")), &tests::request("GET", "/"));
        // While other responses are being written.
        for _ in 0..5 * at * respond.stream_id().as_u32() {
            yield_now().await;
        }
    }
    let response = Response::builder().header("x-path", &path).header("x-same", "indexed");
    let response = response.header("x-large", "x".repeat(LARGE)).body(()).unwrap();
    let mut body = respond.send_response(response, false).unwrap();
    body.send_data(vec![b'x'; CONTENT].into(), true).unwrap();
    poll_fn(|cx| body.poll_reset(cx)).await.ok();
}

/// A client of a server with the gate; each write is accepted in part.
async fn client(builder: &Builder) -> SendRequest<Bytes> {
    let (near, far) = duplex(997);
    let interim = Interim::default();
    let (refusals, order) = (Refusals::default(), SendOrder::new());
    let links = GateLinks { refusals, interim: interim.clone(), order };
    let gate = H2Gate::new(far, 1 << 20, links, |_, _| {});
    spawn_local(async move {
        let mut server = h2::server::handshake(gate).await.unwrap();
        while let Some(Ok((request, respond))) = server.accept().await {
            spawn_local(answer(interim.clone(), request.map(drop), respond));
        }
    });
    let (client, connection) = builder.handshake(near).await.unwrap();
    spawn_local(async move { connection.await.unwrap() });
    client
}

/// The links of the interim responses, and the final response, which must be whole.
async fn receive(mut response: ResponseFuture, path: String) -> Vec<String> {
    let mut links = vec![];
    while let Some(interim) = poll_fn(|cx| response.poll_informational(cx)).await {
        let interim = interim.unwrap();
        assert_eq!(interim.status(), StatusCode::EARLY_HINTS);
        links.push(interim.headers()[LINK].to_str().unwrap().to_owned());
    }
    let (head, mut body) = response.await.unwrap().into_parts();
    let field = |name: &str| head.headers[name].to_str().unwrap();
    assert_eq!((head.status, field("x-same")), (StatusCode::OK, "indexed"));
    assert_eq!((field("x-path"), field("x-large").len()), (&*path, LARGE));
    let mut received = 0;
    while let Some(data) = body.data().await {
        received += data.unwrap().len();
        let _ = body.flow_control().release_capacity(received.min(1000));
    }
    assert_eq!(received, CONTENT);
    links
}

fn run(test: impl Future) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

#[test]
fn interim_responses_go_between_frames_and_before_their_response() {
    run(async {
        let mut builder = Builder::new();
        builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 24);
        let mut client = client(&builder).await;
        for round in 0..5 {
            let paths = (0..10).map(|at| format!("/{round}/{at}"));
            let mut responses = vec![];
            for path in paths {
                client = client.ready().await.unwrap();
                let (response, _) = client.send_request(navigation(&path), true).unwrap();
                responses.push((path.clone(), spawn_local(receive(response, path))));
            }
            for (path, links) in responses {
                let all: Vec<_> = (0..3).map(|at| format!("<{path}/{at}>")).collect();
                assert_eq!(links.await.unwrap(), all);
            }
        }
    });
}

#[test]
fn none_comes_before_the_first_block_after_a_smaller_table() {
    run(async {
        let mut builder = Builder::new();
        builder.header_table_size(0).initial_window_size(1 << 20);
        let mut client = client(&builder).await;
        for (path, count) in [("/first", 0), ("/second", 3)] {
            let (response, _) = client.send_request(navigation(path), true).unwrap();
            assert_eq!(receive(response, path.to_owned()).await.len(), count, "{path}");
        }
    });
}
