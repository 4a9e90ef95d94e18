//! A connection to a responder: opened, read event by event, and kept idle between requests.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{Instant, timeout_at};
use tokio_util::io::poll_read_buf;

use super::address::{Target, Upstream};
use super::error::FastCgiError;
use super::record::{Event, Reader};
use crate::net::dial;
use crate::upstream::{Idle, Io, Patience, Pool};

/// Most bytes of one read.
const READ: usize = 32 * 1024;

thread_local! {
    static POOL: Pool<Arc<str>, Box<Conn>> = Pool::default();
}

#[derive(Debug)]
pub(super) struct Conn {
    pub(super) io: Io,
    input: BytesMut,
    /// Records to send.
    pub(super) output: BytesMut,
    pub(super) patience: Patience,
    reader: Reader,
}

impl Conn {
    fn new(io: Io) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            output: BytesMut::new(),
            patience: Patience::default(),
            reader: Reader::default(),
        }
    }

    /// The next event from the responder. The end of the stream is an error, as a complete response
    /// ends with a record.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, FastCgiError>> {
        loop {
            if let Some(event) = self.reader.next(&mut self.input)? {
                return Poll::Ready(Ok(event));
            }
            if self.input.capacity() - self.input.len() < READ / 2 {
                self.input.reserve(READ);
            }
            let read = poll_read_buf(Pin::new(&mut self.io), cx, &mut self.input);
            if ready!(read).map_err(FastCgiError::Broken)? == 0 {
                let end = io::ErrorKind::UnexpectedEof;
                return Poll::Ready(Err(FastCgiError::Broken(end.into())));
            }
            self.patience.moved();
        }
    }

    /// Whether another request can be sent on this connection.
    pub(super) fn is_clean(&self) -> bool {
        self.input.is_empty() && self.output.is_empty()
    }
}

impl Idle for Box<Conn> {
    fn since(&self) -> Instant {
        self.patience.since()
    }

    fn reusable(&mut self, certainly: bool) -> bool {
        self.io.is_quiet() && (!certainly || self.io.is_silent())
    }
}

/// Takes an idle connection; `certainly` checks by a system call that it is still open.
pub(super) fn pooled(upstream: &Upstream, certainly: bool) -> Option<Box<Conn>> {
    POOL.with(|pool| pool.take(&upstream.name, certainly, Instant::now()))
}

/// Returns a connection to the pool, which holds `limit` of them at most.
pub(super) fn keep(upstream: Arc<str>, conn: Box<Conn>, limit: usize) {
    // The thread-local pool is gone if a body ends while its thread is torn down.
    let _ = POOL.try_with(|pool| pool.give(upstream, conn, limit));
}

/// Opens a connection within `limit`.
pub(super) async fn connect(
    upstream: &Upstream,
    limit: Duration,
) -> Result<Box<Conn>, FastCgiError> {
    let deadline = Instant::now() + limit;
    let opened = timeout_at(deadline, open(upstream, deadline)).await;
    let io = opened.map_err(|_| FastCgiError::ConnectTimeout)??;
    Pool::sweep(&POOL);
    Ok(Box::new(Conn::new(io)))
}

async fn open(upstream: &Upstream, deadline: Instant) -> Result<Io, FastCgiError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::TimedOut => FastCgiError::ConnectTimeout,
        _ => FastCgiError::Connect(error),
    };
    match &upstream.target {
        Target::Unix(path) => {
            let stream = dial::unix(path, deadline).await;
            Ok(Io::Unix(stream.map_err(failed)?))
        }
        Target::Tcp(host, port) => {
            let addresses = host.addresses(*port, deadline).await;
            let addresses = addresses.map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => FastCgiError::ConnectTimeout,
                _ => FastCgiError::Resolve(error),
            })?;
            let stream = dial::tcp(&addresses, deadline).await;
            Ok(Io::Tcp(stream.map_err(failed)?))
        }
    }
}
