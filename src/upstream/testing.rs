//! What the tests of several files share.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::http::{Body, Peer, Request};

/// A request of a client at 192.0.2.7 for `site.test`.
pub(crate) fn request(method: &str, uri: &str) -> Request {
    let (mut head, ()) =
        http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
    head.headers.insert("host", HeaderValue::from_static("site.test"));
    Request {
        original_uri: head.uri.clone(),
        head,
        body: Body::empty(),
        upgrade: None,
        peer: Rc::new(Peer {
            remote: "192.0.2.7:4321".parse().unwrap(),
            local: "192.0.2.1:8080".parse().unwrap(),
            tls: None,
            values: crate::http::connection_values::ConnectionValues::default(),
        }),
        host: "site.test".to_owned(),
        user: None,
        upstream: None,
        watcher: None,
        early_hints: None,
        received: Instant::now(),
    }
}

/// What an origin does with a connection after each request it has read.
type Script = Rc<dyn Fn(usize) -> (Vec<u8>, Then)>;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Then {
    Keep,
    Close,
    Reset,
    Hang,
}

#[derive(Clone, Default)]
pub(crate) struct Seen {
    pub(crate) connections: Rc<Cell<usize>>,
    pub(crate) closed: Rc<Cell<usize>>,
    pub(crate) requests: Rc<RefCell<Vec<String>>>,
}

pub(crate) async fn origin(answer: impl Fn(usize) -> (Vec<u8>, Then) + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, answer_at(listener, answer))
}

pub(crate) fn answer_at(
    listener: TcpListener,
    answer: impl Fn(usize) -> (Vec<u8>, Then) + 'static,
) -> Seen {
    let seen = Seen::default();
    let (answer, kept): (Script, Seen) = (Rc::new(answer), seen.clone());
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            kept.connections.set(kept.connections.get() + 1);
            tokio::task::spawn_local(converse(stream, answer.clone(), kept.clone()));
        }
    });
    seen
}

async fn converse(mut stream: TcpStream, answer: Script, seen: Seen) {
    while let Some(text) = read_request(&mut stream).await {
        let nth = seen.requests.borrow().len();
        seen.requests.borrow_mut().push(text);
        let (bytes, then) = answer(nth);
        stream.write_all(&bytes).await.unwrap();
        match then {
            Then::Keep => continue,
            Then::Close => break,
            Then::Reset => stream.set_zero_linger().unwrap(),
            Then::Hang => while stream.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {},
        }
        break;
    }
    seen.closed.set(seen.closed.get() + 1);
}

/// Reads one request, its body included as it stands on the wire.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => text.extend_from_slice(&chunk[..n]),
        }
        let all = String::from_utf8_lossy(&text).to_lowercase();
        let Some((head, body)) = all.split_once("\r\n\r\n") else { continue };
        let length = head.split("content-length: ").nth(1).and_then(|v| v.lines().next());
        let whole = match length.and_then(|v| v.parse::<usize>().ok()) {
            Some(length) => body.len() >= length,
            None if head.contains("transfer-encoding: chunked") => body.contains("0\r\n"),
            None => true,
        };
        if whole {
            return Some(String::from_utf8_lossy(&text).into_owned());
        }
    }
}

pub(crate) fn ok(body: &str) -> (Vec<u8>, Then) {
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    (text.into_bytes(), Then::Keep)
}

/// A port nobody listens on.
pub(crate) async fn dead() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

pub(crate) fn local<F: Future>(story: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let story = async { timeout(Duration::from_secs(20), story).await };
    tokio::task::LocalSet::new().block_on(&runtime, story).unwrap()
}
