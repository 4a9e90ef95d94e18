//! HTTP/2 connections to upstreams: few per worker, each with many streams.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Ping, PingPong};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};

use super::gate::{Gate, Link};
use super::windows::CONNECTION_WINDOW;
use crate::http2_frames::LARGEST_WINDOW;
use crate::limits::{
    RESPONSE_HEAD_BYTES, UPSTREAM_HTTP1, UPSTREAM_IDLE, UPSTREAM_PING, UPSTREAM_PONG,
    UPSTREAM_STREAMS,
};
use crate::upstream::Io;
use crate::upstream::host::error::ProxyError;

thread_local! {
    static KNOWN: RefCell<HashMap<u64, Known>> = RefCell::default();
}

/// The state of an upstream in this worker.
#[derive(Default)]
struct Known {
    clients: Vec<Client>,
    /// When it last chose or required HTTP/1.1.
    chose_http1: Option<Instant>,
    /// Locked while a request connects, so that others wait for that connection.
    dialing: Rc<tokio::sync::Mutex<()>>,
}

/// A handle of a connection.
#[derive(Clone)]
pub(crate) struct Client {
    pub(super) sender: SendRequest<Bytes>,
    pub(super) link: Rc<Link>,
}

impl Client {
    /// Whether another request would not have to wait for the end of one in flight. The upstream's
    /// own limit may be lower than ours (RFC 9113 section 5.1.2).
    fn has_room(&self) -> bool {
        self.link.streams() < self.sender.current_max_send_streams().clamp(1, UPSTREAM_STREAMS)
    }

    /// Whether it takes requests.
    fn is_open(&mut self) -> bool {
        let ready = self.sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        !matches!(ready, Poll::Ready(Err(_)))
    }
}

/// An open connection with room for another stream.
pub(crate) fn take(upstream: u64) -> Option<Client> {
    KNOWN.with_borrow_mut(|known| {
        let known = known.get_mut(&upstream)?;
        known.clients.retain_mut(Client::is_open);
        known.clients.iter().find(|client| client.has_room()).cloned()
    })
}

/// The lock for connecting to an upstream; `None` if it recently chose HTTP/1.1.
pub(crate) fn dialing(upstream: u64) -> Option<Rc<tokio::sync::Mutex<()>>> {
    KNOWN.with_borrow_mut(|known| {
        let known = known.entry(upstream).or_default();
        let recently = known.chose_http1.is_some_and(|at| at.elapsed() < UPSTREAM_HTTP1);
        (!recently).then(|| known.dialing.clone())
    })
}

/// Records that an upstream chose HTTP/1.1. Open connections end with their last request.
pub(crate) fn chose_http1(upstream: u64) {
    KNOWN.with_borrow_mut(|known| {
        let known = known.entry(upstream).or_default();
        known.chose_http1 = Some(Instant::now());
        known.clients.clear();
    });
}

/// Starts HTTP/2 on a connection and shares it with all requests to the upstream.
pub(crate) async fn start(upstream: u64, io: Io) -> Result<Client, ProxyError> {
    let link = Link::new();
    let (sender, connection) = handshake(io, link.clone()).await.map_err(ProxyError::Http2)?;
    let client = Client { sender, link: link.clone() };
    KNOWN.with_borrow_mut(|known| {
        let known = known.entry(upstream).or_default();
        known.chose_http1 = None;
        known.clients.push(client.clone());
    });
    tokio::task::spawn_local(drive(connection, upstream, link));
    Ok(client)
}

/// Sends the connection preface.
pub(super) async fn handshake<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    link: Rc<Link>,
) -> Result<(SendRequest<Bytes>, Connection<Gate<T>>), h2::Error> {
    let mut builder = Builder::new();
    // The gate tells the upstream of less.
    builder.initial_window_size(LARGEST_WINDOW);
    builder.initial_connection_window_size(CONNECTION_WINDOW);
    builder.initial_max_send_streams(UPSTREAM_STREAMS);
    builder.max_header_list_size(RESPONSE_HEAD_BYTES as u32);
    builder.enable_push(false);
    builder.handshake(Gate::new(io, link)).await
}

/// Reads and writes until the connection ends.
async fn drive(mut connection: Connection<Gate<Io>>, upstream: u64, link: Rc<Link>) {
    let mut pings = connection.ping_pong();
    let mut connection = pin!(connection);
    let mut next = Instant::now() + UPSTREAM_PING;
    while timeout_at(next, &mut connection).await.is_err() {
        let quiet = link.last_received().elapsed();
        next = Instant::now() + UPSTREAM_PING;
        if link.streams() == 0 {
            if quiet >= UPSTREAM_IDLE {
                forget(upstream, &link);
                let _ = timeout(UPSTREAM_IDLE, connection).await;
                return;
            }
        } else if quiet < UPSTREAM_PING {
            next -= quiet;
        } else if let Some(pings) = &mut pings
            && let End::Silent = ping(connection.as_mut(), pings).await
        {
            link.is_dead.set(true);
            return;
        }
    }
}

/// The end of waiting for a PING's response.
enum End {
    Alive,
    Silent,
}

async fn ping(connection: Pin<&mut Connection<Gate<Io>>>, pings: &mut PingPong) -> End {
    // One is under way at most.
    let _ = pings.send_ping(Ping::opaque());
    let answered = async {
        tokio::select! {
            _ = connection => {}
            _ = std::future::poll_fn(|cx| pings.poll_pong(cx)) => {}
        }
    };
    match timeout(UPSTREAM_PONG, answered).await {
        Ok(()) => End::Alive,
        Err(_) => End::Silent,
    }
}

/// Removes a connection from the list; without a sender it closes.
fn forget(upstream: u64, link: &Rc<Link>) {
    KNOWN.with_borrow_mut(|known| {
        if let Some(known) = known.get_mut(&upstream) {
            known.clients.retain(|client| !Rc::ptr_eq(&client.link, link));
        }
    });
}
