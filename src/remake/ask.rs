//! Runs the rest of the chain for the whole content as it is.

use http::header::{ACCEPT_ENCODING, CONTENT_TYPE, HeaderValue, RANGE};
use http::response::Parts;
use http::{Method, StatusCode};
use hyper::body::Body as _;

use crate::chain::Next;
use crate::http::preconditions::{CONDITIONS, RANGES, Taken};
use crate::http::{Reply, Request};

/// How it is known that a response is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Its head tells.
    ByHead,
    /// The path alone does.
    ByPath,
}

/// Gets the response that `next` makes, without a content coding. If the path tells that it is
/// changed, also without ranges and conditions; else a range of a response that `means` names is
/// asked for once more, as a whole.
pub async fn ask(
    req: &mut Request,
    next: Next<'_>,
    known: Known,
    means: impl Fn(&Parts) -> bool,
) -> Reply {
    let is_get = req.head.method == Method::GET;
    let is_read = is_get || req.head.method == Method::HEAD;
    let may_repeat = is_get && req.body.is_end_stream() && req.head.headers.contains_key(RANGE);
    let mut taken = Taken::default();
    taken.take(&mut req.head.headers, &[ACCEPT_ENCODING]);
    // Without the field any coding would be acceptable (RFC 9110 section 12.5.3).
    req.head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if is_read && known == Known::ByPath {
        taken.take(&mut req.head.headers, &RANGES);
        taken.take(&mut req.head.headers, &CONDITIONS);
    }
    let mut reply = next.run(&mut *req).await;
    if may_repeat && reply.as_ref().is_ok_and(|response| is_part_of(response, means)) {
        drop(reply);
        taken.take(&mut req.head.headers, &RANGES);
        reply = next.run(&mut *req).await;
    }
    taken.give_back(&mut req.head.headers);
    reply
}

/// Whether it is a part of what is changed. Several parts have the type of their container.
fn is_part_of(
    response: &http::Response<crate::http::Body>,
    means: impl Fn(&Parts) -> bool,
) -> bool {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return false;
    }
    let kind = response.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let mut head = http::Response::new(()).into_parts().0;
    head.headers = response.headers().clone();
    kind.starts_with(b"multipart/byteranges") || means(&head)
}
