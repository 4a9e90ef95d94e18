//! `{request_body}`: a copy of the start of the request body.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, header};
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::http::{Body, BodyError, Request};
use crate::limits::REQUEST_BODY_BYTES;

/// The start of the body, as far as it has been read; in the request's extensions. The lock is
/// never contended.
#[derive(Debug, Clone, Default)]
pub struct RequestBody(Arc<Mutex<Vec<u8>>>);

impl RequestBody {
    /// Starts copying the body of a POST or PUT with JSON or XML.
    pub fn copy(req: &mut Request) {
        let is_sent = matches!(req.head.method, Method::POST | Method::PUT);
        let kind = req.head.headers.get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_text = ["application/json", "application/xml", "text/xml"]
            .iter()
            .any(|text| kind.get(..text.len()).is_some_and(|k| k.eq_ignore_ascii_case(text)));
        if !is_sent || !is_text || req.head.extensions.get::<Self>().is_some() {
            return;
        }
        let copy = Self::default();
        let body = std::mem::take(&mut req.body);
        req.body = Body::new(Copied { body, copy: copy.clone() });
        req.head.extensions.insert(copy);
    }

    pub(super) fn write(&self, out: &mut String) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.push_str(&String::from_utf8_lossy(&kept));
    }

    fn keep(&self, data: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = REQUEST_BODY_BYTES - kept.len();
        kept.extend_from_slice(&data[..data.len().min(room)]);
    }
}

struct Copied {
    body: Body,
    copy: RequestBody,
}

impl HttpBody for Copied {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.copy.keep(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::http::placeholders::Template;
    use crate::http::request::tests::request;

    #[tokio::test]
    async fn text_is_kept_up_to_a_limit() {
        let long = "x".repeat(REQUEST_BODY_BYTES + 1);
        for (method, kind, sent, expected) in [
            ("POST", "application/json; charset=utf-8", "{\"a\":\"{host}\"}", "{\"a\":\"{host}\"}"),
            ("PUT", "text/XML", "<a/>", "<a/>"),
            ("GET", "text/xml", "<a/>", "-"),
            ("POST", "text/plain", "a", "-"),
            ("POST", "application/json", &long, &long[..REQUEST_BODY_BYTES]),
        ] {
            let mut req = request(method, "/");
            req.head.headers.insert("content-type", kind.parse().unwrap());
            req.body = Body::from(sent.to_owned());
            RequestBody::copy(&mut req);
            let read = std::mem::take(&mut req.body).collect().await.unwrap().to_bytes();
            assert_eq!(read, sent.as_bytes());
            let template = Template::parse("{request_body}");
            assert!(template.wants_body());
            assert_eq!(template.expand(&req, None, "-"), expected, "{method} {kind}");
        }
    }
}
