//! What the rest of a chain is asked, and what is made of its content.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::Write as _;

use http::HeaderMap;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Body as _, Frame};

use super::*;
use crate::chain::{Handler, Next, ReplyFuture};
use crate::http::request::tests::request;

fn body(pieces: &[&str]) -> Body {
    let pieces: Vec<_> = pieces.iter().map(|piece| Bytes::from((*piece).to_owned())).collect();
    let frames = pieces.into_iter().map(|piece| Ok::<_, Infallible>(Frame::data(piece)));
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

fn coding(name: &str) -> HeaderMap {
    let coding = Some(name).filter(|name| !name.is_empty());
    coding.map(|name| (CONTENT_ENCODING, name.parse().unwrap())).into_iter().collect()
}

async fn text(body: Body) -> String {
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn collected(headers: &HeaderMap, body: Body, most: usize) -> (String, Option<Unread>) {
    match collect(headers, body, most).await.unwrap() {
        Content::Whole(bytes) => (String::from_utf8(bytes.to_vec()).unwrap(), None),
        Content::Unread(body, why) => (text(body).await, Some(why)),
    }
}

#[tokio::test]
async fn content_is_read_up_to_its_bound_and_never_lost() {
    for (pieces, most, why) in [
        (&[][..], 3, None),
        (&["abc"], 3, None),
        (&["a", "b", "c"], 3, None),
        (&["abcd"], 3, Some(Unread::TooLarge)),
        (&["ab", "cd", "ef"], 3, Some(Unread::TooLarge)),
        (&["a", "b", "c", "d", "e"], 3, Some(Unread::TooLarge)),
    ] {
        let (seen, unread) = collected(&HeaderMap::new(), body(pieces), most).await;
        assert_eq!((seen, unread), (pieces.concat(), why), "{pieces:?}");
    }
    // What is known to be too large is not read.
    let large = Body::from(Bytes::from_static(b"abcd"));
    let Content::Unread(left, _) = collect(&HeaderMap::new(), large, 3).await.unwrap() else {
        panic!("it was read")
    };
    assert_eq!(left.size_hint().exact(), Some(4));
}

#[tokio::test]
async fn gzip_is_undone_within_the_bound() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all("a".repeat(1000).as_bytes()).unwrap();
    let coded = Bytes::from(gzip.finish().unwrap());
    assert!(coded.len() < 100);
    for (name, most, expected) in [
        ("gzip", 1000, Ok(())),
        ("X-GZIP", 1000, Ok(())),
        ("gzip", 999, Err(Unread::TooLarge)),
        ("gzip", 10, Err(Unread::TooLarge)),
        ("br", 1000, Err(Unread::Coded)),
        ("gzip, br", 1000, Err(Unread::Coded)),
    ] {
        match collect(&coding(name), coded.clone().into(), most).await.unwrap() {
            Content::Whole(plain) => assert_eq!((plain.len(), expected), (1000, Ok(())), "{name}"),
            Content::Unread(body, why) => {
                assert_eq!(Err(why), expected, "{name} {most}");
                assert_eq!(body.collect().await.unwrap().to_bytes(), coded, "{name} {most}");
            }
        }
    }
    let broken = collected(&coding("gzip"), body(&["no gzip"]), 100).await;
    assert_eq!(broken, ("no gzip".to_owned(), Some(Unread::Coded)));
    assert_eq!(collected(&coding("identity"), body(&["a"]), 9).await, ("a".to_owned(), None));
}

thread_local! {
    /// What [`Inner`] was asked: a test runs in one thread.
    static ASKED: RefCell<Vec<HeaderMap>> = RefCell::default();
}

/// Answers a range with 206, else 200, with this type.
struct Inner(&'static str);

impl Handler for Inner {
    fn handle<'a>(&'a self, req: &'a mut Request, _: Next<'a>) -> ReplyFuture<'a> {
        ASKED.with(|asked| asked.borrow_mut().push(req.head.headers.clone()));
        let mut response = Response::new(Body::from("whole".to_owned()));
        if req.head.headers.contains_key(RANGE) {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            *response.body_mut() = Body::from("w".to_owned());
        }
        response.headers_mut().insert(CONTENT_TYPE, self.0.parse().unwrap());
        Box::pin(std::future::ready(Ok(response)))
    }
}

#[tokio::test]
async fn what_the_rest_of_the_chain_is_asked() {
    let fields = [
        (ACCEPT_ENCODING, "br"),
        (ACCEPT_ENCODING, "gzip"),
        (RANGE, "bytes=0-0"),
        (IF_RANGE, "\"a\""),
        (IF_NONE_MATCH, "\"a\""),
    ];
    for (method, kind, known, body, asked) in [
        ("GET", "text/a", Known::ByPath, "whole", &[&[][..]][..]),
        (
            "GET",
            "text/a",
            Known::ByHead,
            "whole",
            &[&[IF_NONE_MATCH, IF_RANGE, RANGE], &[IF_NONE_MATCH]],
        ),
        ("GET", "image/a", Known::ByHead, "w", &[&[IF_NONE_MATCH, IF_RANGE, RANGE]]),
        (
            "GET",
            "multipart/byteranges",
            Known::ByHead,
            "whole",
            &[&[IF_NONE_MATCH, IF_RANGE, RANGE], &[IF_NONE_MATCH]],
        ),
        ("POST", "text/a", Known::ByPath, "w", &[&[IF_NONE_MATCH, IF_RANGE, RANGE]]),
    ] {
        let mut req = request(method, "/");
        for (name, value) in &fields {
            req.head.headers.append(name, value.parse().unwrap());
        }
        let before = req.head.headers.clone();
        let chain: Vec<Box<dyn Handler>> = vec![Box::new(Inner(kind))];
        let means = |head: &Parts| head.headers[CONTENT_TYPE] == "text/a";
        let response = ask(&mut req, Next::new(&chain), known, means).await.unwrap();
        assert_eq!(text(response.into_body()).await, body, "{method} {kind} {known:?}");
        assert_eq!(req.head.headers, before, "{method} {kind} {known:?}");
        let seen = ASKED.with(|asked| std::mem::take(&mut *asked.borrow_mut()));
        for headers in &seen {
            assert_eq!(headers[ACCEPT_ENCODING], "identity");
        }
        let of_content = |headers: &HeaderMap| {
            let names =
                fields.iter().map(|(name, _)| name).filter(|name| **name != ACCEPT_ENCODING);
            let mut names: Vec<_> =
                names.filter(|name| headers.contains_key(*name)).cloned().collect();
            names.sort_by_key(|name| name.as_str().to_owned());
            names
        };
        let seen: Vec<_> = seen.iter().map(of_content).collect();
        assert_eq!(seen, asked, "{method} {kind} {known:?}");
    }
}

#[tokio::test]
async fn made_content_is_described_anew() {
    let made = |text: &'static str| Made::new(Bytes::from_static(text.as_bytes()));
    let head = || {
        let built = Response::builder()
            .header("etag", "\"a\"")
            .header("last-modified", "x")
            .header("accept-ranges", "bytes")
            .header("content-encoding", "gzip")
            .header("content-digest", "x")
            .header("content-length", "1")
            .header("content-type", "text/html");
        built.body(()).unwrap().into_parts().0
    };
    let req = request("GET", "/");
    let first = respond(&req, head(), &made("made")).unwrap();
    let names: Vec<_> = first.headers().keys().map(|name| name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert_eq!(first.headers()[CONTENT_LENGTH], "4");
    let tag = first.headers()["etag"].clone();
    let other = respond(&req, head(), &made("more")).unwrap();
    assert_ne!(other.headers()["etag"], tag);
    let mut req = request("GET", "/");
    req.head.headers.insert(IF_NONE_MATCH, tag);
    let kept = respond(&req, head(), &made("made")).unwrap();
    assert_eq!(
        (kept.status(), text(kept.into_body()).await.as_str()),
        (StatusCode::NOT_MODIFIED, "")
    );
    let sent = respond(&req, head(), &made("more")).unwrap();
    assert_eq!(sent.status(), StatusCode::OK);
    let headed = respond_to_head(head());
    assert_eq!(headed.headers().keys().collect::<Vec<_>>(), ["content-type"]);
}
