//! Requests for another protocol in the one form that handlers see: `Upgrade` of HTTP/1.1, extended
//! CONNECT of HTTP/2 and HTTP/3 (RFC 8441, RFC 9220). The response is translated back.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use http::header::{CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use super::Tunnel;
use super::wire::Wire;
use crate::http::upgrade::{self, Upgrade, WEBSOCKET_ACCEPT, WEBSOCKET_KEY, is_http, is_websocket};
use crate::http::{Body, Fault, fault_page};
use crate::server::tcp::activity::Activity;

/// Where an HTTP/1.1 connection finds the tunnel that replaces it.
pub(crate) type Slot = Rc<Cell<Option<Granted>>>;

/// A connection that leaves HTTP.
pub(crate) struct Granted {
    pub(crate) wire: Rc<Wire>,
    pub(crate) outgoing: Body,
}

/// The state that lets requests of a connection leave HTTP.
pub(crate) struct Switching {
    /// Set if the whole connection leaves HTTP.
    slot: Option<Slot>,
    activity: Activity,
    parting: CancellationToken,
    /// How long a client may take no bytes.
    write_idle: Option<Duration>,
}

impl Switching {
    pub(crate) fn new(
        slot: Option<Slot>,
        activity: &Activity,
        parting: &CancellationToken,
        write_idle: Option<Duration>,
    ) -> Self {
        Self { slot, activity: activity.clone(), parting: parting.clone(), write_idle }
    }

    /// The requested protocol, if it is allowed. The error is the status of the refusal.
    pub(crate) fn offer(
        &self,
        request: &mut Request<Body>,
    ) -> Result<Option<(Switch, Box<Upgrade>)>, StatusCode> {
        let Some(protocol) = self.protocol(request)? else { return Ok(None) };
        let tunnel = Tunnel::new(&protocol, &self.parting);
        let wire = Rc::new(Wire::new(self.write_idle));
        let incoming = tunnel.inward(wire.incoming());
        let how = match &self.slot {
            Some(slot) => How::Connection(slot.clone()),
            None => How::Stream(Box::new(hyper::upgrade::on(&mut *request))),
        };
        let switch = Switch { tunnel, wire, how, activity: self.activity.clone() };
        Ok(Some((switch, Box::new(Upgrade { protocol, incoming }))))
    }

    fn protocol(&self, request: &mut Request<Body>) -> Result<Option<HeaderValue>, StatusCode> {
        if self.slot.is_none() {
            let Some(protocol) = request.extensions_mut().remove::<hyper::ext::Protocol>() else {
                return Ok(None);
            };
            return extended_connect(request, protocol.as_str()).map(Some);
        }
        let offered = by_http1(request);
        if offered.is_none() {
            self.activity.not_upgraded();
        }
        Ok(offered)
    }
}

/// The protocol of an HTTP/1.1 request. Requests with content are refused, as it would be unclear
/// where the other protocol begins; other versions of HTTP are never allowed.
fn by_http1(request: &Request<Body>) -> Option<HeaderValue> {
    let bodiless = hyper::body::Body::is_end_stream(request.body());
    if !bodiless || request.method() == Method::CONNECT || request.version() != Version::HTTP_11 {
        return None;
    }
    upgrade::protocol(request.headers()).filter(|protocol| !is_http(protocol)).cloned()
}

/// Converts an extended CONNECT to the HTTP/1.1 handshake, without Connection and Upgrade: they are
/// added after the client's fields have been checked.
pub(crate) fn extended_connect<B>(
    request: &mut Request<B>,
    protocol: &str,
) -> Result<HeaderValue, StatusCode> {
    let protocol = HeaderValue::from_str(protocol).map_err(|_| StatusCode::NOT_IMPLEMENTED)?;
    if request.method() != Method::CONNECT || !is_websocket(&protocol) {
        return Err(StatusCode::NOT_IMPLEMENTED);
    }
    *request.method_mut() = Method::GET;
    let fields = request.headers_mut();
    fields.remove(CONTENT_LENGTH);
    let key = BASE64_STANDARD.encode(fastrand::u128(..).to_be_bytes());
    if let Ok(key) = HeaderValue::try_from(key) {
        fields.insert(WEBSOCKET_KEY, key);
    }
    fields.entry(SEC_WEBSOCKET_VERSION).or_insert(HeaderValue::from_static("13"));
    Ok(protocol)
}

/// The response to an extended CONNECT, and whether it accepts the protocol.
pub(crate) fn extended_answer(response: Response<Body>) -> (Response<Body>, bool) {
    match response.status() {
        StatusCode::SWITCHING_PROTOCOLS => {}
        // A 2xx would claim a tunnel that does not exist.
        status if status.is_success() => {
            let fault = Fault::status(StatusCode::BAD_GATEWAY);
            return (fault_page::plain(fault), false);
        }
        _ => return (response, false),
    }
    let mut response = response;
    *response.status_mut() = StatusCode::OK;
    for name in [CONNECTION, UPGRADE, WEBSOCKET_ACCEPT, CONTENT_LENGTH, TRANSFER_ENCODING] {
        response.headers_mut().remove(name);
    }
    (response, true)
}

/// A request that offered another protocol.
pub(crate) struct Switch {
    tunnel: Rc<Tunnel>,
    wire: Rc<Wire>,
    how: How,
    activity: Activity,
}

enum How {
    Connection(Slot),
    Stream(Box<OnUpgrade>),
}

impl Switch {
    /// Takes the tunnel from a response that accepts the protocol.
    pub(crate) fn settle(self, response: Response<Body>) -> Response<Body> {
        match self.how {
            How::Connection(slot) => {
                if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    self.activity.not_upgraded();
                    return response;
                }
                let (head, body) = response.into_parts();
                slot.set(Some(Granted { wire: self.wire, outgoing: self.tunnel.outward(body) }));
                Response::from_parts(head, Body::empty())
            }
            How::Stream(stream) => {
                let (response, granted) = extended_answer(response);
                if !granted {
                    return response;
                }
                let (head, body) = response.into_parts();
                let (wire, outgoing) = (self.wire, self.tunnel.outward(body));
                let busy = self.activity.busy();
                tokio::task::spawn_local(async move {
                    let _busy = busy;
                    let run = async {
                        let io = TokioIo::new(stream.await?);
                        wire.run(io, bytes::Bytes::new(), outgoing, None).await
                    };
                    if let Err(error) = run.await {
                        log::debug!("HTTP/2 tunnel: {error}");
                    }
                });
                Response::from_parts(head, Body::empty())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_connect_becomes_a_handshake() {
        let mut request = Request::builder().method("CONNECT").uri("https://a/chat?x").body(());
        let request = request.as_mut().unwrap();
        assert_eq!(extended_connect(request, "websocket").unwrap(), "websocket");
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.headers()[WEBSOCKET_KEY].len(), 24);
        assert_eq!(request.headers()[SEC_WEBSOCKET_VERSION], "13");
    }

    #[test]
    fn only_101_opens_a_stream() {
        for (status, want, granted) in
            [(101, 200, true), (200, 502, false), (403, 403, false), (302, 302, false)]
        {
            let response = Response::builder().status(status).header("upgrade", "websocket");
            let (response, opened) = extended_answer(response.body(Body::empty()).unwrap());
            assert_eq!((response.status().as_u16(), opened), (want, granted), "{status}");
        }
    }

    #[test]
    fn http_1_offers_what_has_no_content_and_is_not_http() {
        let asked = |method: &str, protocol: &str, body: &str| {
            let request = Request::builder().method(method).header("connection", "upgrade");
            let request = request.header("upgrade", protocol).body(Body::from(body.to_owned()));
            by_http1(&request.unwrap()).is_some()
        };
        for (method, protocol, body, want) in [
            ("GET", "websocket", "", true),
            ("POST", "foo", "", true),
            ("POST", "foo", "x", false),
            ("GET", "h2c", "", false),
            ("GET", "TLS/1.0", "", false),
        ] {
            assert_eq!(asked(method, protocol, body), want, "{method} {protocol} {body:?}");
        }
    }
}
