//! Upstreams that fail, are full, come back: who gets the request then, and how often.

use std::cell::RefCell;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::{sleep, timeout};

use super::*;
use crate::directives::proxy::balance::policy::Policy;
use crate::directives::proxy::balance::retry::Tried;
use crate::directives::proxy::testing::{Then, dead, local, ok, origin, request};

/// A body that does not end with its head, so that its place stays taken.
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";

fn with_body(method: &str, body: &'static str) -> Request {
    let mut req = request(method, "/");
    req.body = Body::from(Bytes::from_static(body.as_bytes()));
    req
}

async fn status(rule: &Rule, mut req: Request) -> u16 {
    match serve(rule, &mut req).await {
        Ok(response) => {
            let status = response.status().as_u16();
            response.into_body().collect().await.unwrap();
            status
        }
        Err(fault) => fault.status.as_u16(),
    }
}

/// A rule that asks the first upstream first.
fn in_order(to: &[String]) -> Rule {
    let mut rule = Rule::of("/", to);
    rule.policy = Policy::named("first");
    rule
}

#[test]
fn what_reached_nobody_goes_to_each_other_host_once() {
    local(async {
        let (live, seen) = origin(|_| ok("a")).await;
        let mut rule = in_order(&[dead().await, dead().await, live]);
        assert_eq!(status(&rule, with_body("POST", "whole")).await, 200);
        assert!(seen.requests.borrow()[0].ends_with("\r\n\r\nwhole"));
        rule.try_duration = Some(Duration::ZERO);
        assert_eq!(status(&rule, request("GET", "/")).await, 502);
        let none = in_order(&[dead().await, dead().await]);
        assert_eq!(status(&none, request("GET", "/")).await, 502);
    });
}

#[test]
fn what_reached_somebody_is_sent_once_more_if_it_is_idempotent() {
    local(async {
        for (method, answer, sent) in [("PUT", 200, 1), ("GET", 200, 1), ("POST", 502, 0)] {
            let (bad, tried) = origin(|_| (Vec::new(), Then::Reset)).await;
            let (good, seen) = origin(|_| ok("a")).await;
            let rule = in_order(&[bad, good]);
            assert_eq!(status(&rule, with_body(method, "content")).await, answer, "{method}");
            assert_eq!((tried.requests.borrow().len(), seen.requests.borrow().len()), (1, sent));
            assert!(seen.requests.borrow().iter().all(|r| r.ends_with("\r\n\r\ncontent")));
        }
        let (bad, tried) = origin(|_| (Vec::new(), Then::Reset)).await;
        let rule = in_order(&[bad.clone(), bad.clone(), bad]);
        assert_eq!(status(&rule, request("GET", "/")).await, 502);
        assert_eq!(tried.requests.borrow().len(), 2, "once more, and no more");
    });
}

#[test]
fn failures_never_take_the_last_host() {
    local(async {
        let (to, _) =
            origin(|nth| if nth == 0 { (Vec::new(), Then::Reset) } else { ok("a") }).await;
        let mut rule = in_order(&[to, dead().await]);
        rule.tolerance.timeout = Duration::from_secs(60);
        assert_eq!(status(&rule, request("POST", "/")).await, 502);
        assert_eq!(rule.hosts[0].state.fails(), 1);
        // The other is the last one, until it fails as well.
        assert_eq!(status(&rule, request("POST", "/")).await, 200);
        assert_eq!((rule.hosts[0].state.fails(), rule.hosts[1].state.fails()), (1, 1));
        assert_eq!(status(&rule, request("POST", "/")).await, 200);
    });
}

#[test]
fn upstreams_in_trouble_are_not_given_more_of_it() {
    local(async {
        let (bad, seen) = origin(|_| (Vec::new(), Then::Reset)).await;
        let mut rule = Rule::of("/", &[bad]);
        rule.try_duration = Some(Duration::from_millis(20));
        rule.budget = Some(Box::default());
        rule.try_interval = Duration::from_millis(1);
        let started = Instant::now();
        for _ in 0..300 {
            assert_eq!(status(&rule, request("GET", "/")).await, 502);
        }
        let sent = seen.requests.borrow().len();
        let floor = 10 * (started.elapsed().as_secs() as usize + 2);
        assert!((360..=360 + floor).contains(&sent), "{sent} for 300 requests");
    });
}

#[test]
fn a_single_host_that_comes_back_in_time_gets_every_request() {
    local(async {
        // It refuses until it listens, and nobody else gets its port meanwhile.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut rule = Rule::of("/", &[socket.local_addr().unwrap().to_string()]);
        rule.try_duration = Some(Duration::from_secs(10));
        rule.try_interval = Duration::from_millis(20);
        rule.budget = Some(Box::default());
        let requests = (0..300).map(|_| status(&rule, request("GET", "/")));
        let back = async {
            sleep(Duration::from_millis(500)).await;
            let listener = socket.listen(1024).unwrap();
            crate::directives::proxy::testing::answer_at(listener, |_| ok("a"))
        };
        let (statuses, _) = tokio::join!(futures_util::future::join_all(requests), back);
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    });
}

#[test]
fn a_queue_is_bounded_in_number_and_in_time() {
    local(async {
        let (to, _) = origin(|_| (CHUNKED.to_vec(), Then::Keep)).await;
        let mut rule = Rule::of("/", &[to]);
        rule.max_conns = 1;
        rule.queue = Some(Queue::new(1, Duration::from_millis(200)));
        let held = serve(&rule, &mut request("GET", "/")).await.unwrap();
        // One waits until its time is over; a second has no room to wait.
        let first = status(&rule, request("GET", "/"));
        let second = timeout(Duration::from_millis(100), status(&rule, request("GET", "/")));
        assert_eq!(tokio::join!(first, second), (503, Ok(503)));
        let waiting = status(&rule, request("GET", "/"));
        let free = async {
            sleep(Duration::from_millis(20)).await;
            held.into_body().collect().await.unwrap();
        };
        assert_eq!(tokio::join!(waiting, free).0, 200);
        assert_eq!(rule.hosts[0].state.conns(), 0);
    });
}

#[test]
fn who_waits_first_is_served_first() {
    local(async {
        let (to, seen) = origin(|_| (CHUNKED.to_vec(), Then::Keep)).await;
        let mut rule = Rule::of("/", &[to]);
        rule.max_conns = 1;
        rule.queue = Some(Queue::new(100, Duration::from_secs(10)));
        let uris: Vec<String> = (0..50).map(|n| format!("/{n}")).collect();
        let requests = uris.iter().map(|uri| status(&rule, request("GET", uri)));
        let statuses = futures_util::future::join_all(requests).await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        let seen = seen.requests.borrow();
        let order: Vec<_> = seen.iter().map(|r| r.split(' ').nth(1).unwrap().to_owned()).collect();
        assert_eq!(order, uris);
    });
}

#[test]
fn a_client_that_gives_up_frees_its_place_in_the_queue() {
    local(async {
        let (to, _) = origin(|_| (CHUNKED.to_vec(), Then::Keep)).await;
        let mut rule = Rule::of("/", &[to]);
        rule.max_conns = 1;
        rule.queue = Some(Queue::new(1, Duration::from_secs(10)));
        let held = serve(&rule, &mut request("GET", "/")).await.unwrap();
        for _ in 0..3 {
            let waiting = timeout(Duration::from_millis(10), status(&rule, request("GET", "/")));
            assert!(waiting.await.is_err());
        }
        assert_eq!(rule.hosts[0].state.waiting.load(Ordering::Relaxed), 0);
        drop(held);
        assert_eq!(status(&rule, request("GET", "/")).await, 200);
    });
}

/// Waits until a request is in the queue for this upstream.
async fn queued(rule: &Rule, host: usize) {
    while rule.hosts[host].state.waiting.load(Ordering::Relaxed) < 1 {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Two upstreams with one place each, of which the first fails the first request.
async fn one_that_fails_once(queue: usize) -> Rule {
    let (a, _) = origin(|nth| if nth == 0 { (Vec::new(), Then::Reset) } else { ok("a") }).await;
    let (b, _) = origin(|_| ok("b")).await;
    let mut rule = in_order(&[a, b]);
    rule.max_conns = 1;
    rule.queue = Some(Queue::new(queue, Duration::from_secs(10)));
    rule
}

#[test]
fn who_may_not_use_a_free_place_holds_nobody_up() {
    local(async {
        let rule = one_that_fails_once(1).await;
        let held = rule.hosts[1].state.acquire(1);
        // It has failed at the first, so that it waits for the second.
        let first = status(&rule, request("GET", "/first"));
        let others = async {
            queued(&rule, 1).await;
            assert_eq!(rule.hosts[1].state.waiting.load(Ordering::Relaxed), 1);
            for _ in 0..3 {
                let other = timeout(Duration::from_secs(5), status(&rule, request("GET", "/")));
                assert_eq!(other.await, Ok(200));
            }
            drop(held);
        };
        assert_eq!(tokio::join!(first, others).0, 200);
    });
}

#[test]
fn a_freed_place_goes_to_one_who_may_use_it() {
    local(async {
        let rule = one_that_fails_once(2).await;
        let second = rule.hosts[1].state.acquire(1);
        let failed = status(&rule, request("GET", "/first"));
        let others = async {
            queued(&rule, 1).await;
            let first = rule.hosts[0].state.acquire(1);
            let waiting = timeout(Duration::from_secs(5), status(&rule, request("GET", "/")));
            let free = async {
                queued(&rule, 0).await;
                drop(first);
            };
            assert_eq!(tokio::join!(waiting, free).0, Ok(200));
            drop(second);
        };
        assert_eq!(tokio::join!(failed, others).0, 200);
    });
}

/// Places that are free before anybody waits have no notification.
#[test]
fn who_leaves_the_queue_passes_on_what_is_free() {
    local(async {
        let mut rule = Rule::of("/", &["10.0.0.1:1".to_owned()]);
        rule.max_conns = 3;
        let queue = Queue::new(10, Duration::from_secs(10));
        let (req, tried) = (request("GET", "/"), Tried::default());
        let selector = rule.selector(&rule.hosts, &req);
        let take = |ahead: &Ahead| selector.place(None, &tried, ahead);
        let behind = || Box::pin(queue.wait(&selector, &tried, take));
        let others = RefCell::new([behind(), behind()]);
        let served = || {
            let mut context = Context::from_waker(Waker::noop());
            let mut others = others.borrow_mut();
            let polled = others.iter_mut().map(|other| other.as_mut().poll(&mut context));
            polled.filter(Poll::is_ready).count()
        };
        let first = queue.wait(&selector, &tried, |ahead| {
            // They come behind it, between its arrival and its look at the places.
            assert_eq!(served(), 0);
            take(ahead)
        });
        let held = first.await.unwrap();
        assert_eq!(served(), 2);
        drop(held);
    });
}

#[test]
fn a_host_that_comes_back_starts_slowly() {
    local(async {
        let mut rule = Rule::of("/", &["10.0.0.1:1".to_owned(), "10.0.0.2:1".to_owned()]);
        rule.slow_start = Duration::from_secs(3600);
        let (req, tried) = (request("GET", "/"), Tried::default());
        let share = |rule: &Rule| {
            let selector = rule.selector(&rule.hosts, &req);
            let picks =
                (0..2_000).map(|_| selector.place(None, &tried, &Ahead::default()).unwrap().0);
            picks.filter(|index| *index == 1).count()
        };
        assert!((900..1_100).contains(&share(&rule)), "{}", share(&rule));
        rule.hosts[1].state.mark_recovered();
        // A twentieth of its chance at the least, and that half of the time.
        assert!((20..100).contains(&share(&rule)), "{}", share(&rule));
        rule.policy = Policy::named("ip_hash");
        assert!([0, 2_000].contains(&share(&rule)), "a hash stays where it is");
    });
}

/// What a GET gets where the upstream answers so: content and trailers, or that it broke.
fn answered(text: &'static str) -> Option<(String, Vec<String>)> {
    local(async move {
        let (to, _) = origin(move |_| (text.as_bytes().to_vec(), Then::Close)).await;
        let mut req = request("GET", "/");
        let response = serve(&Rule::of("/", &[to]), &mut req).await.ok()?;
        let collected = response.into_body().collect().await.ok()?;
        let trailers = collected.trailers().map(|trailers| trailers.keys());
        let trailers = trailers.into_iter().flatten().map(ToString::to_string).collect();
        Some((String::from_utf8(collected.to_bytes().to_vec()).unwrap(), trailers))
    })
}

#[test]
fn content_is_cut_out_of_its_framing() {
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let whole = |text: &str, trailers: &[&str]| {
        Some((text.to_owned(), trailers.iter().map(|name| (*name).to_owned()).collect()))
    };
    for (body, want) in [
        ("3\r\nabc\r\n0\r\n\r\n", whole("abc", &[])),
        ("3  \r\nabc\r\n02;x=y\r\nde\r\n0\r\n\r\n", whole("abcde", &[])),
        ("1\r\na\r\n0\r\nx-sum: 1\r\ncontent-length: 9\r\n\r\n", whole("a", &["x-sum"])),
        ("3\r\nab", None),
        ("3\r\nabcd\r\n0\r\n\r\n", None),
        ("x\r\nabc\r\n0\r\n\r\n", None),
        ("3\r\nabc\r\n0\r\nno colon\r\n\r\n", None),
        ("3\r\nabc\r\n", None),
    ] {
        let text = format!("{CHUNKED}{body}").leak();
        assert_eq!(answered(text), want, "{body:?}");
    }
    assert_eq!(answered("HTTP/1.1 200 OK\r\n\r\nuntil the end"), whole("until the end", &[]));
    assert_eq!(answered("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort"), None);
}
