//! The handler before an origin that counts.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use tokio::task::LocalSet;

use super::*;
use crate::directives::testing;
use crate::http::request::Sender;
use crate::http::request::tests::request;
use crate::http::{Body, Reply};
use crate::site::Site;

/// What an origin has been asked: its conditions.
type Log = Arc<Mutex<Vec<String>>>;

/// A cache of its own before an origin that responds with these fields, and with 304 to a
/// condition.
fn site(options: &str, fields: &'static [(&str, &str)]) -> (Site, Log) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let (log, number) = (Log::default(), NEXT.fetch_add(1, Ordering::Relaxed));
    let lines = format!("cache {{\nmemory {}KB\nmax_size 1KB\n{options}\n}}", 100 + number);
    let mut site = testing::site("cache", setup, &lines).unwrap();
    let seen = log.clone();
    site.push(testing::Answer(move |req: &mut Request| {
        let condition = req.field("if-none-match").or(req.field("if-modified-since"));
        let mut response = Response::new(Body::from(format!("for {}", req.path())));
        if condition.is_some() {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Body::empty();
        }
        seen.lock().unwrap().push(condition.unwrap_or_default());
        for (name, value) in fields {
            response.headers_mut().append(*name, value.parse().unwrap());
        }
        Ok(response)
    }));
    (site.build(), log)
}

async fn ask(site: &Site, method: &str, target: &str, fields: &[(&'static str, &str)]) -> Reply {
    let mut req = request(method, target);
    for (name, value) in fields {
        req.head.headers.append(*name, value.parse().unwrap());
    }
    let reply = site.handle(&mut req).await;
    for (name, value) in fields {
        assert_eq!(req.field(name).as_deref(), Some(*value), "the request is as it was");
    }
    reply
}

/// The word of the cache and the content.
async fn told(reply: Reply) -> (String, String) {
    let response = reply.unwrap();
    let word = response.headers()["x-cache-status"].to_str().unwrap().to_owned();
    let content = response.into_body().collect().await.unwrap().to_bytes();
    (word, String::from_utf8(content.to_vec()).unwrap())
}

fn run<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

fn pair(word: &str, content: &str) -> (String, String) {
    (word.to_owned(), content.to_owned())
}

#[test]
fn a_response_is_used_again() {
    run(async {
        let (site, log) = site("", &[("cache-control", "max-age=60")]);
        assert_eq!(told(ask(&site, "GET", "/a", &[]).await).await, pair("miss", "for /a"));
        assert_eq!(told(ask(&site, "GET", "/a", &[]).await).await, pair("hit", "for /a"));
        assert_eq!(told(ask(&site, "GET", "/b", &[]).await).await, pair("miss", "for /b"));
        let head = ask(&site, "HEAD", "/a", &[]).await.unwrap();
        assert_eq!(head.headers()["x-cache-status"], "hit");
        let status = head.headers()["cache-status"].to_str().unwrap();
        assert!(status.starts_with("Caddy; hit; ttl="), "{status}");
        assert_eq!(log.lock().unwrap().len(), 2);
        let mut with_content = request("GET", "/a");
        with_content.body = Body::from("x".to_owned());
        let reply = site.handle(&mut with_content).await;
        assert_eq!(told(reply).await, pair("bypass", "for /a"));
    });
}

#[test]
fn what_must_be_confirmed_is_asked_for_with_our_condition() {
    run(async {
        let fields = &[("cache-control", "no-cache"), ("etag", "\"a\"")];
        let (site, log) = site("", fields);
        assert_eq!(told(ask(&site, "GET", "/a", &[]).await).await, pair("miss", "for /a"));
        let own = [("if-none-match", "\"x\"")];
        assert_eq!(told(ask(&site, "GET", "/a", &own).await).await, pair("revalidated", "for /a"));
        let own = [("if-none-match", "\"a\"")];
        let had = ask(&site, "GET", "/a", &own).await.unwrap();
        assert_eq!(had.status(), StatusCode::NOT_MODIFIED);
        let part = ask(&site, "GET", "/a", &[("range", "bytes=0-2")]).await.unwrap();
        assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(told(Ok(part)).await, pair("revalidated", "for"));
        assert_eq!(*log.lock().unwrap(), ["", "\"a\"", "\"a\"", "\"a\""]);
    });
}

#[test]
fn a_client_that_has_the_content_lets_it_be_stored() {
    run(async {
        let fields = &[("cache-control", "max-age=60"), ("etag", "\"a\"")];
        let (site, log) = site("", fields);
        let had = ask(&site, "GET", "/a", &[("if-none-match", "\"a\"")]).await.unwrap();
        assert_eq!(had.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(told(ask(&site, "GET", "/a", &[]).await).await, pair("hit", "for /a"));
        assert_eq!(*log.lock().unwrap(), [""]);
        let failed = ask(&site, "GET", "/a", &[("if-match", "\"b\"")]).await.unwrap_err();
        assert_eq!(failed.status, StatusCode::PRECONDITION_FAILED);
    });
}

#[test]
fn variants_and_keys() {
    run(async {
        let fields = &[("cache-control", "max-age=60"), ("vary", "Accept-Language")];
        let (site, _) = site("", fields);
        for (language, word) in
            [("de", "miss"), ("en, de", "miss"), ("en,de", "hit"), ("de", "hit")]
        {
            let found = told(ask(&site, "GET", "/a", &[("accept-language", language)]).await).await;
            assert_eq!(found.0, word, "{language}");
        }
    });
    run(async {
        let options = "cache_key \"{host}{path}\"";
        let (site, _) = site(options, &[("cache-control", "max-age=60")]);
        assert_eq!(told(ask(&site, "GET", "/a?x", &[]).await).await, pair("miss", "for /a"));
        assert_eq!(told(ask(&site, "GET", "/a?y", &[]).await).await, pair("hit", "for /a"));
        assert_eq!(told(ask(&site, "GET", "/b", &[]).await).await, pair("miss", "for /b"));
    });
    run(async {
        let (site, _) = site("", &[("cache-control", "max-age=60")]);
        let ask = async |host: &str, to: &str| {
            let mut req = request("GET", "/a");
            req.head.headers.insert("host", host.parse().unwrap());
            req.head.uri = to.parse().unwrap();
            told(site.handle(&mut req).await).await.0
        };
        assert_eq!(ask("one.test", "/a").await, "miss");
        assert_eq!(ask("one.test", "/a").await, "hit");
        assert_eq!(ask("ONE.test", "/a").await, "hit");
        assert_eq!(ask("two.test", "/a").await, "miss", "an upstream may use the field");
        assert_eq!(ask("one.test", "/rewritten").await, "miss");
        assert_eq!(ask("one.test", "/rewritten").await, "hit");
        let mut post = request("POST", "/a");
        post.head.headers.insert("host", "one.test".parse().unwrap());
        assert_eq!(told(site.handle(&mut post).await).await.0, "bypass");
        assert_eq!(ask("one.test", "/rewritten").await, "miss", "a POST invalidates all");
        assert_eq!(ask("two.test", "/a").await, "hit");
    });
}

#[test]
fn no_client_decides_what_others_get() {
    run(async {
        let (site, _) = site("", &[("cache-control", "max-age=60")]);
        for (field, word) in [
            (("x-forwarded-host", "evil.test"), "miss"),
            (("x-forwarded-host", "evil.test"), "hit"),
            (("x-forwarded-proto", "evil.test"), "miss"),
            (("x-original-url", "/evil"), "miss"),
            (("x-http-method-override", "POST"), "miss"),
            (("forwarded", "for=192.0.2.1;Host=evil.test"), "miss"),
            (("x-other", "1"), "miss"),
            (("forwarded", "for=192.0.2.1"), "hit"),
            (("x-forwarded-for", "192.0.2.1"), "hit"),
            (("x-forwarded-host", "evil.test"), "hit"),
        ] {
            let found = told(ask(&site, "GET", "/a", &[field]).await).await.0;
            assert_eq!(found, word, "{field:?}");
        }
    });
}

#[test]
fn a_failure_leaves_what_is_stored() {
    run(async {
        let (mut seen, store) = (Vec::new(), &[("etag", "\"a\""), ("cache-control", "no-cache")]);
        let failing = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let mut site =
            testing::site("cache", setup, "cache {\nmemory 99KB\nmax_size 1KB\n}").unwrap();
        let fails = failing.clone();
        site.push(testing::Answer(move |req: &mut Request| {
            let mut response = Response::new(Body::empty());
            if fails.load(Ordering::Relaxed) {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return Ok(response);
            }
            if req.field("if-none-match").is_some() {
                *response.status_mut() = StatusCode::NOT_MODIFIED;
            }
            for (name, value) in store {
                response.headers_mut().append(*name, value.parse().unwrap());
            }
            Ok(response)
        }));
        let site = site.build();
        for fails in [false, true, false] {
            failing.store(fails, Ordering::Relaxed);
            seen.push(told(ask(&site, "GET", "/a", &[]).await).await.0);
        }
        assert_eq!(seen, ["miss", "skip", "revalidated"]);
    });
}

#[test]
fn what_is_too_large_passes() {
    run(async {
        let (site, log) = site("", &[("cache-control", "max-age=60")]);
        let target = format!("/{}", "x".repeat(2000));
        for _ in 0..2 {
            let (_, content) = told(ask(&site, "GET", &target, &[]).await).await;
            assert_eq!(content.len(), 2005);
        }
        assert_eq!(log.lock().unwrap().len(), 2);
    });
}

#[test]
fn lifetimes_by_rule() {
    for (options, fields, word) in [
        ("", &[][..], "skip"),
        ("match_path /a", &[], "hit"),
        ("match_path /b", &[], "skip"),
        (
            "match_header content-type image/png text/html",
            &[("content-type", "text/html; x=y")],
            "hit",
        ),
        ("match_header content-type image/png", &[("content-type", "text/html")], "skip"),
        ("match_path /a", &[("set-cookie", "a=b")], "skip"),
    ] {
        run(async {
            let (site, _) = site(options, fields);
            ask(&site, "GET", "/a", &[]).await.unwrap().into_body().collect().await.unwrap();
            assert_eq!(told(ask(&site, "GET", "/a", &[]).await).await.0, word, "{options}");
        });
    }
}

#[test]
fn who_may_purge() {
    run(async {
        let (behind, _) = site("purge 192.0.2.0/24", &[]);
        let (site, _) = site("purge", &[("cache-control", "max-age=60")]);
        let purge = async |from: [u8; 4], passed_on: bool| {
            let mut req = request("PURGE", "/a");
            let peer = req.peer.named((from, 1).into());
            req.peer = peer.into();
            if passed_on {
                req.head.headers.insert("x-forwarded-for", "192.0.2.1".parse().unwrap());
            }
            site.handle(&mut req).await.map_or_else(|fault| fault.status, |found| found.status())
        };
        ask(&site, "GET", "/a", &[]).await.unwrap();
        assert_eq!(purge([192, 0, 2, 1], false).await, StatusCode::FORBIDDEN);
        assert_eq!(purge([127, 0, 0, 1], true).await, StatusCode::FORBIDDEN);
        for (named, passed_on, expected) in [
            (false, false, StatusCode::NOT_FOUND),
            (false, true, StatusCode::FORBIDDEN),
            (true, true, StatusCode::NOT_FOUND),
        ] {
            let mut req = request("PURGE", "/a");
            req.peer = req.peer.named(([192, 0, 2, 1], 1).into()).into();
            if passed_on {
                req.head.headers.insert("via", "1.1 near".parse().unwrap());
            }
            if named {
                req.head.extensions.insert(Sender([10, 0, 0, 1].into()));
            }
            let fault = behind.handle(&mut req).await.unwrap_err();
            assert_eq!(fault.status, expected, "{named} {passed_on}");
        }
        assert_eq!(purge([127, 0, 0, 1], false).await, StatusCode::NO_CONTENT);
        assert_eq!(purge([127, 0, 0, 1], false).await, StatusCode::NOT_FOUND);
    });
}

#[test]
fn what_is_refused() {
    for (lines, message) in [
        ("cache /a", "Wrong argument count or unexpected line ending after '/a'"),
        ("cache\ncache", "cache: another one of this site stands before it"),
        ("cache {\nmatch_header a:b x\n}", "'a:b' is not a header field name"),
    ] {
        assert_eq!(testing::site("cache", setup, lines).err().as_deref(), Some(message), "{lines}");
    }
}

#[test]
fn what_a_client_hides_from_the_origin_selects_nothing() {
    run(async {
        let (site, _) = site("", &[("cache-control", "max-age=60"), ("vary", "accept")]);
        let hides = [("accept", "a"), ("connection", "close, Accept")];
        assert_eq!(told(ask(&site, "GET", "/a", &hides).await).await.0, "bypass");
        assert_eq!(told(ask(&site, "GET", "/a", &[("accept", "a")]).await).await.0, "miss");
        let open = [("accept", "a"), ("connection", "keep-alive, TE")];
        assert_eq!(told(ask(&site, "GET", "/a", &open).await).await.0, "hit");
    });
}

#[test]
fn what_tells_responses_apart_counts() {
    run(async {
        // A hundred kilobytes and some.
        let (site, _) = site("", &[("cache-control", "max-age=60"), ("vary", "accept, x-long")]);
        let long = "x".repeat(30_000);
        let shortest = "a";
        for (value, kept) in [(shortest, true), (&long, false)] {
            let fields = [("x-long", value), ("x-forwarded-host", value)];
            for number in 0..10 {
                let target = format!("/{}/{number}", value.len());
                let reply = ask(&site, "GET", &target, &fields).await;
                assert_eq!(told(reply).await.0, "miss");
            }
            let mut hits = 0;
            for number in 0..10 {
                let target = format!("/{}/{number}", value.len());
                let found = told(ask(&site, "GET", &target, &fields).await).await.0;
                hits += usize::from(found == "hit");
            }
            assert_eq!(hits == 10, kept, "{hits} hits");
        }
    });
}
