//! Runs the rest of the chain for the whole content as it is.

use http::header::{
    ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use http::response::Parts;
use http::{Method, StatusCode};
use hyper::body::Body as _;

use crate::chain::Next;
use crate::http::{Reply, Request};

/// How it is known that a response is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Known {
    /// Its head tells.
    ByHead,
    /// The path alone does.
    ByPath,
}

/// Ranges of the content, which are none of the content that is made of it.
const RANGES: &[HeaderName] = &[RANGE, IF_RANGE];

/// Conditions on the content.
const CONDITIONS: &[HeaderName] =
    &[IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

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
    taken.take(req, &[ACCEPT_ENCODING]);
    // Without the field any coding would be acceptable (RFC 9110 section 12.5.3).
    req.head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if is_read && known == Known::ByPath {
        taken.take(req, RANGES);
        taken.take(req, CONDITIONS);
    }
    let mut reply = next.run(&mut *req).await;
    if may_repeat && reply.as_ref().is_ok_and(|response| is_part_of(response, means)) {
        drop(reply);
        taken.take(req, RANGES);
        reply = next.run(&mut *req).await;
    }
    taken.give_back(req);
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

/// Fields that a request has lost for a while.
#[derive(Default)]
struct Taken(HeaderMap);

impl Taken {
    fn take(&mut self, req: &mut Request, names: &[HeaderName]) {
        for name in names {
            let values = req.head.headers.get_all(name).into_iter().cloned();
            let values: Vec<HeaderValue> = values.collect();
            req.head.headers.remove(name);
            self.0.extend(values.into_iter().map(|value| (name.clone(), value)));
        }
    }

    fn give_back(self, req: &mut Request) {
        req.head.headers.remove(ACCEPT_ENCODING);
        for (name, value) in self.0.iter() {
            req.head.headers.append(name, value.clone());
        }
    }
}
