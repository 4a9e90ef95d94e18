//! What a page tells of its own load: a script that it includes, and the beacons that it sends.
//!
//! Anybody can send beacons. They are short, few each second, and count for the arm of the network
//! that sends them, as one visitor and only if that got an answer today.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use crate::chain::{Handler, Next, ReplyFuture};
use crate::experiment::{Beacon, Event, Experiment};
use crate::http::paths::Prefix;
use crate::http::request::Sender;
use crate::http::{Body, Fault, Reply, Request};
use crate::limits::{QUIC_REPORT_BEACON_BYTES, QUIC_REPORT_BEACONS};

/// For `<script async src=PATH></script>`.
const SCRIPT: &str = include_str!("beacon.js");
/// No page that somebody waits for takes longer.
const LONGEST: f64 = 600_000.0;

pub(super) struct Beacons {
    path: Prefix,
    experiment: Arc<Experiment>,
    rate: Rate,
}

impl Beacons {
    pub(super) fn new(path: Prefix, experiment: Arc<Experiment>) -> Self {
        Self { path, experiment, rate: Rate::default() }
    }

    async fn take(&self, req: &mut Request) -> Reply {
        if !self.rate.allows(SystemTime::now()) {
            return Err(Fault::status(StatusCode::TOO_MANY_REQUESTS));
        }
        // What browsers say of the page that sends it.
        let site = req.head.headers.get("sec-fetch-site");
        if site.is_some_and(|site| site != "same-origin") {
            return Err(Fault::status(StatusCode::FORBIDDEN));
        }
        let body = Limited::new(std::mem::take(&mut req.body), QUIC_REPORT_BEACON_BYTES);
        let bytes = body.collect().await.map_err(|error| {
            let status = if error.is::<http_body_util::LengthLimitError>() {
                StatusCode::PAYLOAD_TOO_LARGE
            } else {
                StatusCode::BAD_REQUEST
            };
            Fault::caused(status, error)
        })?;
        let Some(beacon) = parse(&bytes.to_bytes()) else {
            return Err(Fault::caused(StatusCode::BAD_REQUEST, "not a beacon of quic_report"));
        };
        // Of whom a proxy brings it is unknown in which arm he is.
        if req.head.extensions.get::<Sender>().is_none() {
            let visitor = self.experiment.visitor(req.peer.remote.ip(), SystemTime::now());
            self.experiment.tell(Event::Reported(visitor, beacon));
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        Ok(response)
    }
}

impl Handler for Beacons {
    fn handle<'a>(&'a self, req: &'a mut Request, next: Next<'a>) -> ReplyFuture<'a> {
        if req.route() != self.path.as_str() {
            return next.run(req);
        }
        match req.head.method {
            Method::POST => Box::pin(self.take(req)),
            Method::GET | Method::HEAD => Box::pin(std::future::ready(Ok(script()))),
            _ => {
                let fault = Fault::not_allowed("GET, HEAD, POST");
                Box::pin(std::future::ready(Err(fault)))
            }
        }
    }
}

fn script() -> Response<Body> {
    let mut response = Response::new(Body::from(SCRIPT.to_owned()));
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=86400"));
    response
}

/// A beacon, if it is one: times in milliseconds since the page's navigation began.
fn parse(bytes: &[u8]) -> Option<Beacon> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let time = |name: &str| {
        let millis = value.get(name)?.as_f64()?;
        (0.0..=LONGEST).contains(&millis).then_some(millis)
    };
    let [connect, request, response] =
        [time("connectStart")?, time("requestStart")?, time("responseStart")?];
    if connect > request || request > response {
        return None;
    }
    let lcp = match value.get("lcp") {
        None | Some(Value::Null) => None,
        Some(_) => Some(time("lcp").filter(|lcp| *lcp >= response)?),
    };
    let http3 = match value.get("nextHopProtocol")?.as_str()? {
        "h3" => true,
        "h2" | "http/1.1" | "http/1.0" | "" => false,
        _ => return None,
    };
    let span = |millis: f64| Duration::from_secs_f64(millis / 1000.0);
    Some(Beacon {
        at: Instant::now(),
        http3,
        connect: span(request - connect),
        response: span(response - request),
        lcp: lcp.map(span),
    })
}

/// How many beacons came in the current second: the second in the upper half, the number in the
/// lower one.
#[derive(Default)]
struct Rate(AtomicU64);

impl Rate {
    fn allows(&self, now: SystemTime) -> bool {
        let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() << 32;
        let next = |before: u64| {
            let count = if before >> 32 << 32 == second { before & u64::from(u32::MAX) } else { 0 };
            (count < QUIC_REPORT_BEACONS).then_some(second | (count + 1))
        };
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"connectStart":10,"requestStart":60.5,"responseStart":120,"lcp":900.25,
        "nextHopProtocol":"h3"}"#;

    #[test]
    fn beacons_are_read() {
        let beacon = parse(GOOD.as_bytes()).unwrap();
        assert!(beacon.http3);
        assert_eq!(beacon.connect, Duration::from_micros(50_500));
        assert_eq!(beacon.response, Duration::from_micros(59_500));
        assert_eq!(beacon.lcp, Some(Duration::from_micros(900_250)));
        let none = parse(GOOD.replace("900.25", "null").replace("h3", "").as_bytes()).unwrap();
        assert_eq!((none.http3, none.lcp), (false, None));
    }

    #[test]
    fn rubbish_is_not() {
        for (part, rubbish) in [
            ("10", "-1"),
            ("10", "61"),
            ("60.5", "130"),
            ("120", "\"120\""),
            ("120", "1e999"),
            ("120", "700000"),
            ("900.25", "12"),
            ("900.25", "\"\""),
            ("h3", "h3-29"),
            ("\"h3\"", "7"),
            ("lcp\":900.25,", ""),
            ("connectStart", "start"),
        ] {
            let text = GOOD.replace(part, rubbish);
            assert!(parse(text.as_bytes()).is_none(), "{text}");
        }
        for bytes in [&b""[..], b"{}", b"[]", b"\xff", b"null"] {
            assert!(parse(bytes).is_none());
        }
    }

    #[test]
    fn a_second_has_a_bound() {
        let rate = Rate::default();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for second in [5, 6] {
            let allowed = (0..1000).filter(|_| rate.allows(at(second))).count();
            assert_eq!(allowed as u64, QUIC_REPORT_BEACONS);
        }
    }
}
