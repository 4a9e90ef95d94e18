//! What the tests of several files share.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::directives::proxy::rule::Rule;
use crate::http::paths::Prefix;
use crate::upstream::exchange::trust::Trust;
use crate::upstream::host::address;
use crate::upstream::host::set::Set;
pub(super) use crate::upstream::testing::request;

/// Upstreams with these weights.
pub(super) fn weighted(weights: &[u32]) -> Set {
    let upstream = |(i, weight): (usize, &u32)| {
        let mut upstream = address::parse(&format!("10.0.0.{i}:80"), "").unwrap().remove(0);
        upstream.state = Arc::default();
        upstream.weight = *weight;
        upstream
    };
    Set::new(weights.iter().enumerate().map(upstream).collect())
}

/// What an origin does with a connection after each request it has read.
type Script = Rc<dyn Fn(usize) -> (Vec<u8>, Then)>;

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Then {
    Keep,
    Close,
    Reset,
    Hang,
}

#[derive(Clone, Default)]
pub(super) struct Seen {
    pub(super) connections: Rc<Cell<usize>>,
    pub(super) closed: Rc<Cell<usize>>,
    pub(super) requests: Rc<RefCell<Vec<String>>>,
}

pub(super) async fn origin(answer: impl Fn(usize) -> (Vec<u8>, Then) + 'static) -> (String, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, answer_at(listener, answer))
}

pub(super) fn answer_at(
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

pub(super) fn ok(body: &str) -> (Vec<u8>, Then) {
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    (text.into_bytes(), Then::Keep)
}

/// A port nobody listens on.
pub(super) async fn dead() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

pub(super) fn local<F: Future>(story: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let story = async { timeout(Duration::from_secs(20), story).await };
    tokio::task::LocalSet::new().block_on(&runtime, story).unwrap()
}

impl Rule {
    /// A rule for these upstreams, the rest as by default.
    pub(crate) fn of(from: &str, to: &[String]) -> Self {
        let mut rule = Self::new(Prefix::new(from));
        rule.add(to);
        rule
    }

    /// Adds an upstream under another trust.
    pub(crate) fn trust_and_go(&mut self, trust: Trust, to: &str) {
        self.trust = trust;
        self.add(&[to.to_owned()]);
    }

    fn add(&mut self, to: &[String]) {
        let to: Vec<_> = to.iter().map(|text| (text.clone(), 1)).collect();
        self.resolve_upstreams(&to).unwrap();
    }
}
