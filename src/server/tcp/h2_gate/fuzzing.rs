//! Properties of the gate for arbitrary input, compared with h2 that reads the same bytes without
//! it.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderMap, Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{GateLinks, H2Gate, Interim, Refusals, SendOrder};
use crate::fuzzing::{Target, however_it_comes};

pub(crate) const TARGETS: &[Target] = &[Target { name: "h2_gate", run: h2_gate, seeds: SEEDS }];

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A size of fields that is too large.
pub(super) const MOST: usize = 500;

/// After the preface.
const SEEDS: &[&[u8]] = &[
    b"\0\0\0\x04\0\0\0\0\0\0\0\x0c\x01\x05\0\0\0\x01\x82\x87\x84\x41\x03a.b\x40\x01x\x01y\
        \0\0\x05\x01\x05\0\0\0\x03\x82\x87\x84\xbf\xbe",
    b"\0\0\x0b\x01\x05\0\0\0\x01\x82\x87\x41\x01a\x44\x04/a#b\0\0\x04\x01\x05\0\0\0\x03\x82\x87\xbe\xbf\
        \0\0\x05\x01\x05\0\0\0\x05\x82\x87\x84\x41\x00",
    b"\0\0\x03\x01\0\0\0\0\x01\x82\x87\x84\0\0\x05\x09\x04\0\0\0\x01\x40\x01\xe9\x01b\
        \0\0\x03\x01\x05\0\0\0\x03\x82\x87\x84",
    b"\0\0\x0a\x01\x2c\0\0\0\x01\x01\0\0\0\x01\x10\x82\x87\x84\0\0\0\x02\0\x01\0\0\0\x01ab\
        \0\0\x04\x03\0\0\0\0\x01\0\0\0\x08",
    b"\0\0\x03\x01\x04\0\0\0\x01\x83\x87\x84\0\0\x01\x01\x05\0\0\0\x01\x84",
    b"\0\0\x03\x01\x04\0\0\0\x01\x83\x87\x84\0\0\x04\x08\0\0\0\0\x01\x7f\xff\xff\xff\
        \0\0\x04\x08\0\0\0\0\x01\x7f\xff\xff\xff",
    b"\0\0\x0b\x01\x05\0\0\0\x01\x3f\xe1\x1f\x82\x86\x44\x83\x63\xff\xff\x7e\x00",
];

/// A client that sends its input in pieces and then nothing. Output to it is discarded.
#[derive(Clone)]
pub(super) struct Client(VecDeque<Vec<u8>>);

impl Client {
    pub(super) fn new(pieces: &[&[u8]]) -> Self {
        Self([PREFACE].iter().chain(pieces).map(|piece| piece.to_vec()).collect())
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(mut piece) = self.0.pop_front() else { return Poll::Pending };
        let rest = piece.split_off(piece.len().min(out.remaining()));
        out.put_slice(&piece);
        if !rest.is_empty() {
            self.0.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The result for the bytes of a client.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Went {
    /// The bytes for h2, without the preface.
    pub(super) passed: Vec<u8>,
    pub(super) unanswered: Vec<(String, StatusCode)>,
}

pub(super) fn links() -> GateLinks {
    GateLinks { refusals: known(), interim: Interim::default(), order: SendOrder::new() }
}

/// Refusals with a fixed word instead of a random one.
pub(super) fn known() -> Refusals {
    Refusals::with_word(7)
}

pub(super) fn pass(pieces: &[&[u8]]) -> Went {
    let unanswered = RefCell::new(vec![]);
    let refused = |head: Request<()>, status| {
        let line = format!("{} {} {:?}", head.method(), head.uri(), head.headers().get("host"));
        unanswered.borrow_mut().push((line, status));
    };
    let mut gate = H2Gate::new(Client::new(pieces), MOST, links(), refused);
    let mut passed = vec![];
    let cx = &mut Context::from_waker(Waker::noop());
    loop {
        let mut chunk = [0; 300];
        let mut out = ReadBuf::new(&mut chunk);
        match Pin::new(&mut gate).poll_read(cx, &mut out) {
            Poll::Ready(Ok(())) if !out.filled().is_empty() => {
                passed.extend_from_slice(out.filled());
            }
            _ => break,
        }
    }
    drop(gate);
    passed.drain(..PREFACE.len());
    Went { passed, unanswered: unanswered.into_inner() }
}

/// A request as h2 returns it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) fields: HeaderMap,
}

/// The requests that h2 reads from a client's bytes, by stream.
pub(super) fn by_h2(bytes: &[u8]) -> BTreeMap<u32, Seen> {
    let mut seen = BTreeMap::new();
    let mut held = vec![];
    let cx = &mut Context::from_waker(Waker::noop());
    let mut builder = h2::server::Builder::new();
    builder.max_header_list_size(MOST as u32).enable_connect_protocol();
    let mut handshake = Box::pin(builder.handshake::<_, bytes::Bytes>(Client::new(&[bytes])));
    let Poll::Ready(Ok(mut connection)) = handshake.as_mut().poll(cx) else { return seen };
    while let Poll::Ready(Some(Ok((request, answer)))) = connection.poll_accept(cx) {
        let (head, body) = request.into_parts();
        let protocol = head.extensions.get::<h2::ext::Protocol>();
        let line = format!("{} {} {protocol:?}", head.method, head.uri);
        seen.insert(answer.stream_id().as_u32(), Seen { head: line, fields: head.headers });
        held.push((body, answer));
    }
    seen
}

/// The output does not depend on how the input is split. A request that h2 then returns is the same
/// as without the gate, unless it is refused, and none results from an inconsistent table.
fn h2_gate(data: &[u8]) {
    let went = however_it_comes(data, pass);
    let plain = by_h2(data);
    for (stream, seen) in by_h2(&went.passed) {
        if !seen.fields.contains_key("caddy-refused") {
            assert!(plain.get(&stream).is_none_or(|plain| *plain == seen), "{stream}: {seen:?}");
        }
    }
}
