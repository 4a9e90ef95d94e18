//! The proxy against small origins on loopback, each a script of raw bytes.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

use crate::directives::proxy::balance::policy::Policy;
use crate::directives::proxy::rule::Rule;
use crate::directives::proxy::serve::serve;
use crate::directives::proxy::testing::{Then, dead, local, ok, origin, request};
use crate::directives::proxy::*;
use crate::http::body::TooLarge;
use crate::http::{Body, BodyError};
use crate::upstream::exchange::http1::pool;

async fn send(rule: &Rule, mut req: Request) -> Result<(u16, HeaderMap, Body), u16> {
    let reply = serve(rule, &mut req).await;
    let (head, body) = reply.map_err(|fault| fault.status.as_u16())?.into_parts();
    assert!(req.upstream.is_some());
    Ok((head.status.as_u16(), head.headers, body))
}

pub(super) async fn text(rule: &Rule, req: Request) -> Result<String, u16> {
    let (_, _, body) = send(rule, req).await?;
    Ok(String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

fn post(body: &'static str) -> Request {
    let mut req = request("POST", "/");
    req.body = Body::from(Bytes::from_static(body.as_bytes()));
    req
}

#[test]
fn connections_are_reused_for_every_framing() {
    local(async {
        let (to, seen) = origin(|nth| match nth {
            0 => ok("abc"),
            1 => (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                    .to_vec(),
                Then::Keep,
            ),
            2 => (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), Then::Keep),
            3 => (b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec(), Then::Keep),
            _ => (
                b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n\
                HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
                    .to_vec(),
                Then::Keep,
            ),
        })
        .await;
        let rule = Rule::of("/", &[to]);
        for (method, body) in
            [("GET", "abc"), ("GET", "abc"), ("GET", ""), ("HEAD", ""), ("POST", "x")]
        {
            assert_eq!(text(&rule, request(method, "/")).await.unwrap(), body);
            assert_eq!(pool::idle(rule.hosts[0].state.id), 1);
        }
        assert_eq!(seen.connections.get(), 1);
        assert_eq!(rule.hosts[0].state.conns(), 0);
    });
}

#[test]
fn keepalive_zero_keeps_nothing() {
    local(async {
        let (to, seen) = origin(|_| ok("a")).await;
        let mut rule = Rule::of("/", &[to]);
        rule.exchange.keepalive = 0;
        for _ in 0..2 {
            assert_eq!(text(&rule, request("GET", "/")).await.unwrap(), "a");
        }
        assert_eq!(seen.connections.get(), 2);
    });
}

#[test]
fn a_stale_connection_is_replaced_silently() {
    local(async {
        let (to, seen) =
            origin(|nth| if nth == 0 { (ok("a").0, Then::Close) } else { ok("b") }).await;
        let rule = Rule::of("/", &[to]);
        assert_eq!(text(&rule, request("GET", "/")).await.unwrap(), "a");
        assert_eq!(text(&rule, post("body")).await.unwrap(), "b");
        assert_eq!(seen.requests.borrow().len(), 2);
        assert!(seen.requests.borrow()[1].ends_with("\r\n\r\nbody"));
    });
}

#[test]
fn only_safe_requests_are_sent_again() {
    local(async {
        for (req, sent, answer) in [
            (request("GET", "/"), 3, Ok("again".to_owned())),
            (post("x"), 2, Err(502)),
            (request("POST", "/"), 2, Err(502)),
        ] {
            let (to, seen) = origin(|nth| match nth {
                0 => ok("first"),
                1 => (Vec::new(), Then::Close),
                _ => ok("again"),
            })
            .await;
            let rule = Rule::of("/", &[to]);
            text(&rule, request("GET", "/")).await.unwrap();
            assert_eq!(text(&rule, req).await, answer);
            assert_eq!(seen.requests.borrow().len(), sent);
        }
    });
}

#[test]
fn a_live_host_gets_the_whole_body() {
    local(async {
        let (live, seen) = origin(|_| ok("done")).await;
        let mut rule = Rule::of("/", &[dead().await, dead().await, live]);
        rule.policy = Policy::named("round_robin");
        rule.tolerance.timeout = Duration::from_secs(5);
        rule.try_duration = Some(Duration::from_secs(5));
        for _ in 0..3 {
            assert_eq!(text(&rule, post("test content")).await.unwrap(), "done");
        }
        assert!(seen.requests.borrow().iter().all(|r| r.ends_with("\r\n\r\ntest content")));
        assert_eq!(seen.requests.borrow().len(), 3);
        assert_eq!((rule.hosts[0].state.fails(), rule.hosts[2].state.fails()), (1, 0));
    });
}

#[test]
fn failures_are_forgotten() {
    local(async {
        let mut rule = Rule::of("/", &[dead().await]);
        rule.tolerance.timeout = Duration::from_millis(50);
        assert_eq!(send(&rule, request("GET", "/")).await.unwrap_err(), 502);
        assert_eq!(rule.hosts[0].state.fails(), 1);
        while rule.hosts[0].state.fails() > 0 {
            sleep(Duration::from_millis(10)).await;
        }
    });
}

#[test]
fn a_body_that_breaks_off_never_ends_cleanly() {
    local(async {
        for (head, then) in [
            ("Content-Length: 100\r\n\r\nhalf", Then::Close),
            ("Content-Length: 100\r\n\r\nhalf", Then::Reset),
            ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", Then::Close),
            ("Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", Then::Reset),
        ] {
            let bytes = format!("HTTP/1.1 200 OK\r\n{head}");
            let (to, seen) = origin(move |_| (bytes.clone().into_bytes(), then)).await;
            let rule = Rule::of("/", &[to]);
            if let Ok((_, _, body)) = send(&rule, request("POST", "/")).await {
                assert!(body.collect().await.is_err(), "{head}");
            }
            assert_eq!(seen.requests.borrow().len(), 1);
            assert_eq!(pool::idle(rule.hosts[0].state.id), 0);
            assert_eq!(rule.hosts[0].state.conns(), 0);
        }
    });
}

#[test]
fn bad_answers_are_502() {
    local(async {
        for bad in [
            "garbage\r\n\r\n",
            "HTTP/1.1 99 X\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
            "",
        ] {
            let (to, _) = origin(move |_| (bad.as_bytes().to_vec(), Then::Close)).await;
            let rule = Rule::of("/", &[to]);
            assert_eq!(send(&rule, request("GET", "/")).await.unwrap_err(), 502, "{bad:?}");
            assert_eq!(pool::idle(rule.hosts[0].state.id), 0);
        }
        let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(1 << 20));
        let (to, _) = origin(move |_| (huge.clone().into_bytes(), Then::Close)).await;
        assert_eq!(send(&Rule::of("/", &[to]), request("GET", "/")).await.unwrap_err(), 502);
    });
}

#[test]
fn extra_bytes_behind_an_answer_are_not_reused() {
    local(async {
        let answer = "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nextra";
        let (to, seen) = origin(move |_| (answer.as_bytes().to_vec(), Then::Keep)).await;
        let rule = Rule::of("/", &[to]);
        for _ in 0..2 {
            let (status, _, body) = send(&rule, request("GET", "/")).await.unwrap();
            assert_eq!((status, body.collect().await.unwrap().to_bytes().len()), (304, 0));
            sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(seen.connections.get(), 2);
    });
}

#[test]
fn a_client_that_leaves_closes_the_upstream() {
    local(async {
        let half = || (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec(), Then::Hang);
        let (to, seen) =
            origin(move |nth| if nth == 0 { half() } else { (Vec::new(), Then::Hang) }).await;
        let rule = Rule::of("/", &[to]);
        let (_, _, mut body) = send(&rule, request("GET", "/")).await.unwrap();
        assert!(body.frame().await.unwrap().is_ok());
        drop(body);
        sleep(Duration::from_millis(50)).await;
        assert_eq!(seen.closed.get(), 1);

        let unanswered = timeout(Duration::from_millis(50), send(&rule, request("GET", "/")));
        assert!(unanswered.await.is_err());
        sleep(Duration::from_millis(50)).await;
        assert_eq!((seen.closed.get(), rule.hosts[0].state.conns()), (2, 0));
    });
}

#[test]
fn an_answer_before_the_end_of_the_upload_costs_the_connection() {
    local(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rule = Rule::of("/", &[listener.local_addr().unwrap().to_string()]);
        let early = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
            stream.write_all(&ok("no").0).await.unwrap();
            while stream.read(&mut [0; 4096]).await.is_ok_and(|n| n > 0) {}
        };
        let part = futures_util::stream::iter([Ok::<_, BodyError>(Frame::data(Bytes::from("a")))]);
        let mut req = request("POST", "/");
        req.body = Body::new(StreamBody::new(part.chain(futures_util::stream::pending())));
        let (answer, ()) = tokio::join!(text(&rule, req), early);
        assert_eq!(answer.unwrap(), "no");
        assert_eq!(pool::idle(rule.hosts[0].state.id), 0);
    });
}

#[test]
fn tunnels_are_refused() {
    local(async {
        let rule = Rule::of("/", &[dead().await]);
        assert_eq!(send(&rule, request("CONNECT", "/")).await.unwrap_err(), 405);
    });
}

#[test]
fn a_silent_upstream_is_504_and_breaks_a_body() {
    local(async {
        let half = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf";
        let (to, seen) = origin(move |nth| {
            (if nth == 0 { Vec::new() } else { half.as_bytes().to_vec() }, Then::Hang)
        })
        .await;
        let mut rule = Rule::of("/", &[to]);
        (rule.exchange.first_byte, rule.exchange.idle) =
            (Duration::from_millis(50), Duration::from_millis(50));
        assert_eq!(send(&rule, request("GET", "/")).await.unwrap_err(), 504);
        let (_, _, body) = send(&rule, request("GET", "/")).await.unwrap();
        assert!(body.collect().await.is_err());
        sleep(Duration::from_millis(20)).await;
        assert_eq!(seen.closed.get(), 2);
    });
}

#[test]
fn a_full_backlog_is_504_in_time() {
    local(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        for _ in 0..8 {
            filling.push(timeout(Duration::from_millis(50), TcpStream::connect(address)).await);
        }
        let mut rule = Rule::of("/", &[address.to_string()]);
        rule.exchange.connect_timeout = Duration::from_millis(200);
        assert_eq!(send(&rule, request("GET", "/")).await.unwrap_err(), 504);
    });
}

#[test]
fn what_is_wrong_with_the_clients_body_is_said() {
    local(async {
        let (to, seen) = origin(|_| ok("a")).await;
        let errors: [(BodyError, u16); 2] = [(Box::new(TooLarge(3)), 413), ("gone".into(), 400)];
        for (error, status) in errors {
            let frames = vec![Ok(Frame::data(Bytes::from_static(b"abc"))), Err(error)];
            let mut req = request("POST", "/");
            req.body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
            assert_eq!(
                send(&Rule::of("/", std::slice::from_ref(&to)), req).await.unwrap_err(),
                status
            );
        }
        assert!(seen.requests.borrow().is_empty(), "half a request passed for a whole one");
    });
}

#[test]
fn trailers_pass_both_ways() {
    local(async {
        let answer = "HTTP/1.1 200 OK\r\nTrailer: x-t\r\nTransfer-Encoding: chunked\r\n\r\n\
            1\r\na\r\n0\r\nX-T: down\r\n\r\n";
        let (to, seen) = origin(move |_| (answer.as_bytes().to_vec(), Then::Keep)).await;
        let mut trailers = HeaderMap::new();
        trailers.insert("x-u", HeaderValue::from_static("up"));
        let frames: Vec<Result<_, BodyError>> =
            vec![Ok(Frame::data(Bytes::from_static(b"b"))), Ok(Frame::trailers(trailers))];
        let mut req = request("POST", "/");
        req.head.headers.insert("trailer", HeaderValue::from_static("x-u"));
        req.body = Body::new(StreamBody::new(futures_util::stream::iter(frames)));
        let (_, headers, body) = send(&Rule::of("/", &[to]), req).await.unwrap();
        assert_eq!(headers["trailer"], "x-t");
        assert_eq!(body.collect().await.unwrap().trailers().unwrap()["x-t"], "down");
        assert!(seen.requests.borrow()[0].contains("x-u: up\r\n"));
    });
}

#[test]
fn max_conns_lasts_to_the_end_of_the_body() {
    local(async {
        let answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        let (to, _) = origin(|_| (answer.to_vec(), Then::Keep)).await;
        let mut rule = Rule::of("/", &[to]);
        rule.max_conns = 1;
        let (_, _, body) = send(&rule, request("GET", "/")).await.unwrap();
        assert_eq!(send(&rule, request("GET", "/")).await.unwrap_err(), 503);
        body.collect().await.unwrap();
        assert!(send(&rule, request("GET", "/")).await.is_ok());
    });
}

#[test]
fn unix_sockets_are_upstreams_too() {
    local(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        tokio::task::spawn_local(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
            stream.write_all(&ok("unix").0).await.unwrap();
        });
        let rule = Rule::of("/", &[format!("unix:{}", path.display())]);
        assert_eq!(text(&rule, request("GET", "/")).await.unwrap(), "unix");
    });
}
