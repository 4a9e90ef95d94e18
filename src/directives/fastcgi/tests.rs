//! The directive with small responders on loopback, each a script of raw bytes.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::http::request::tests::request;

/// Ends a request: the end of STDIN.
const END: &[u8] = b"\x01\x05\0\x01\0\0\0\0";

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat()
}

fn end(status: u8) -> Vec<u8> {
    record(3, &[0, 0, 0, 0, status, 0, 0, 0])
}

/// A complete response.
fn answer(text: &str) -> Vec<u8> {
    [record(6, text.as_bytes()), end(0)].concat()
}

/// Sends the listed responses to the requests of each connection, and closes after the last one.
async fn responder(lists: Vec<Vec<Vec<u8>>>) -> (String, Rc<RefCell<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let kept = seen.clone();
    tokio::task::spawn_local(async move {
        for list in lists {
            let (mut stream, _) = listener.accept().await.unwrap();
            for answer in list {
                let request = read_request(&mut stream).await;
                kept.borrow_mut().push(request);
                let _ = stream.write_all(&answer).await;
            }
        }
    });
    (address, seen)
}

async fn read_request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    while !request.ends_with(END) {
        if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
            break;
        }
    }
    request
}

fn local<F: Future>(story: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let story = async { timeout(Duration::from_secs(20), story).await };
    tokio::task::LocalSet::new().block_on(&runtime, story).unwrap()
}

fn rule(addresses: &[&str], options: &str) -> Rule {
    let all: Vec<_> = addresses.iter().map(|to| format!("upstream {to}")).collect();
    Rule::of(&format!("fastcgi / {{\n{}\n{options}\n}}", all.join("\n")))
}

/// Status and content, or the error of the content.
async fn ask(rule: &Rule, mut req: Request) -> Result<(u16, String), String> {
    let path_info = req.path().as_bytes().to_vec();
    let script = script::Script { name: Vec::new(), path_info };
    let reply = serve(rule, &ErrorLog::default(), &mut req, &script).await;
    let response = reply.map_err(|fault| {
        format!("{} {:?}", fault.status.as_u16(), fault.cause.map(|cause| cause.to_string()))
    })?;
    let status = response.status().as_u16();
    let content = response.into_body().collect().await.map_err(|error| {
        let cause = error.source().map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    })?;
    Ok((status, String::from_utf8(content.to_bytes().to_vec()).unwrap()))
}

fn post(text: &'static str) -> Request {
    let mut req = request("POST", "/");
    req.body = Body::from(Bytes::from_static(text.as_bytes()));
    req
}

#[test]
fn content_goes_both_ways() {
    local(async {
        let output = answer("Status: 201 Made\r\nX: y\r\n\r\nyes");
        let (to, seen) = responder(vec![vec![output]]).await;
        assert_eq!(ask(&rule(&[&to], ""), post("four")).await, Ok((201, "yes".to_owned())));
        let request = seen.borrow()[0].clone();
        assert!(request.starts_with(b"\x01\x01\0\x01\0\x08\0\0\0\x01\0"), "{request:?}");
        assert!(request.ends_with(b"\x01\x05\0\x01\0\x04\0\0four\x01\x05\0\x01\0\0\0\0"));
    });
}

#[test]
fn connections_are_kept_where_a_pool_is_asked_for() {
    local(async {
        let one = answer("\r\none");
        let length = answer("Content-Length: 3\r\n\r\ntwo, and what nobody was promised");
        let (to, seen) = responder(vec![vec![one.clone(), length, one.clone()], vec![one]]).await;
        let rule = rule(&[&to], "pool 1");
        for want in ["one", "two", "one"] {
            assert_eq!(ask(&rule, request("GET", "/")).await, Ok((200, want.to_owned())));
            tokio::task::yield_now().await;
        }
        assert_eq!(seen.borrow().len(), 3);
        // The responder has closed it since.
        assert_eq!(ask(&rule, request("GET", "/")).await, Ok((200, "one".to_owned())));
        assert!(seen.borrow().iter().all(|request| request[10] == 1), "KEEP_CONN");
    });
}

#[test]
fn what_breaks_off_is_never_whole() {
    let head = record(6, b"X: y\r\n\r\nhalf");
    let whole = |tail: Vec<u8>| [head.clone(), tail].concat();
    let length = |tail: Vec<u8>| [record(6, b"Content-Length: 9\r\n\r\nhalf"), tail].concat();
    for (bytes, output) in [
        (vec![], "502"),
        (b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), "502"),
        (record(6, b"X: y\r\n"), "502"),
        ([record(6, b"X: y\r\n"), end(0)].concat(), "502"),
        (answer("no head at all\r\n\r\n"), "502"),
        (end(1), "502"),
        (end(2), "503"),
        (end(3), "502"),
        (whole(vec![]), "the connection failed"),
        (whole(b"\x01\x06\0\x02\0\x01\0\0x".to_vec()), "unknown request id"),
        (whole(b"\x01\x06\0\x01\xff\xff\0\0short".to_vec()), "the connection failed"),
        (whole(b"\x01\x03\0\x01\0\0\0\0".to_vec()), "wrong length"),
        (length(end(0)), "shorter than Content-Length"),
        (length(vec![]), "the connection failed"),
    ] {
        local(async {
            let (to, _) = responder(vec![vec![bytes.clone()]]).await;
            let error = ask(&rule(&[&to], ""), request("GET", "/")).await.unwrap_err();
            assert!(error.contains(output), "{bytes:?}: {error}");
        });
    }
}

#[test]
fn another_responder_is_asked_only_where_none_has_begun() {
    local(async {
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let dead = dead.to_string();
        let ok = || vec![vec![answer("\r\nok")]];
        let (to, seen) = responder([ok(), ok()].concat()).await;
        let both = rule(&[&to, &dead], "");
        for _ in 0..2 {
            assert_eq!(ask(&both, post("x")).await, Ok((200, "ok".to_owned())));
        }
        assert_eq!(seen.borrow().len(), 2);

        let (busy, _) = responder(vec![vec![end(2)], vec![end(2)]]).await;
        let (to, seen) = responder(ok()).await;
        let both = rule(&[&to, &busy], "");
        assert_eq!(ask(&both, request("GET", "/")).await, Ok((200, "ok".to_owned())));
        // The overloaded responder is tried last now.
        assert!(ask(&rule(&[&busy], ""), post("x")).await.unwrap_err().starts_with("503"));
        assert_eq!(seen.borrow().len(), 1);
    });
}

#[test]
fn silence_ends_at_its_limit() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap().to_string();
        let rule = rule(&[&to], "read_timeout 50ms\nsend_timeout 50ms");
        assert!(ask(&rule, request("GET", "/")).await.unwrap_err().starts_with("504"));
        let mut large = request("POST", "/");
        large.body = Body::from(Bytes::from(vec![0; 32 * 1024 * 1024]));
        assert!(ask(&rule, large).await.unwrap_err().starts_with("504"));
    });
}

#[test]
fn content_of_another_length_than_promised_is_refused() {
    local(async {
        let (to, seen) = responder(vec![vec![answer("\r\nok")]]).await;
        let mut short = request("POST", "/");
        short.head.headers.insert(CONTENT_LENGTH, 9.into());
        let piece = Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from_static(b"four")));
        let stream = futures_util::stream::iter([piece]);
        short.body = Body::new(http_body_util::StreamBody::new(stream));
        assert!(ask(&rule(&[&to], ""), short).await.unwrap_err().starts_with("400"));
        assert!(!seen.borrow().iter().any(|request| request.ends_with(END)));
    });
}
