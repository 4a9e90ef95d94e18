//! Windows that grow: a client that uses its full window, with h2 behind the gate.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::H2Gate;
use super::fuzzing::{PREFACE, links};
use crate::http2_frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, HEAD, HEADERS, MOST, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, number, put_head,
};
use crate::limits::{H2_CONNECTION_WINDOW, STREAM_WINDOW, STREAM_WINDOW_MOST};
use crate::server::compression::hpack::{Field, write_literal};

const GOAWAY: u8 = 7;
const POST: [(&[u8], &[u8]); 4] =
    [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")];

/// A client that tracks its windows.
struct Client {
    wire: DuplexStream,
    read: BytesMut,
    connection: i64,
    /// The windows of streams 1 and 3.
    streams: [i64; 2],
    sent: [usize; 2],
    /// The server has closed the connection.
    is_over: bool,
}

impl Client {
    /// A delay of the acknowledgement of SETTINGS, as on a long path.
    async fn connect(mut wire: DuplexStream) -> Self {
        wire.write_all(PREFACE).await.unwrap();
        let streams = [i64::from(STREAM_WINDOW); 2];
        let mut client = Self {
            wire,
            read: BytesMut::new(),
            connection: 65_535,
            streams,
            sent: [0; 2],
            is_over: false,
        };
        client.write(SETTINGS, 0, 0, &[]).await;
        client.hear().await;
        sleep(Duration::from_millis(50)).await;
        client.write(SETTINGS, ACK, 0, &[]).await;
        client
    }

    async fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = BytesMut::new();
        put_head(&mut frame, Frame { length: payload.len(), kind, flags, stream });
        frame.extend_from_slice(payload);
        self.is_over |= self.wire.write_all(&frame).await.is_err();
    }

    async fn fields(&mut self, flags: u8, stream: u32, fields: &[(&[u8], &[u8])]) {
        let mut block = BytesMut::new();
        fields.iter().for_each(|(name, value)| write_literal(&mut block, Field { name, value }));
        self.write(HEADERS, flags | END_HEADERS, stream, &block).await;
    }

    /// Processes the server's frames, at least one.
    async fn hear(&mut self) {
        self.is_over |= self.wire.read_buf(&mut self.read).await.is_ok_and(|read| read == 0);
        while let Some(head) = self.read.first_chunk().map(Frame::read) {
            if self.read.len() < HEAD + head.length {
                return;
            }
            let frame = self.read.split_to(HEAD + head.length);
            self.is_over |= head.kind == GOAWAY;
            if head.kind == WINDOW_UPDATE {
                let step = i64::from(number(*frame[HEAD..].first_chunk().unwrap()));
                match head.stream {
                    0 => self.connection += step,
                    stream => self.streams[stream as usize / 2] += step,
                }
            }
        }
    }

    fn room(&self, stream: u32) -> i64 {
        self.connection.min(self.streams[stream as usize / 2])
    }

    /// Sends this many bytes, and waits for the server if necessary.
    async fn send_all(&mut self, stream: u32, bytes: usize) {
        let until = self.sent[stream as usize / 2] + bytes;
        while let left @ 1.. = until - self.sent[stream as usize / 2] {
            self.send(stream, left).await;
            if self.room(stream) < MOST as i64 {
                self.hear().await;
            }
        }
    }

    /// Sends as much as possible while nothing is read; returns how much that was.
    async fn fill(&mut self, stream: u32) -> usize {
        loop {
            self.send(stream, usize::MAX / 2).await;
            if timeout(Duration::from_millis(300), self.hear()).await.is_err() {
                return self.sent[stream as usize / 2];
            }
        }
    }

    /// Sends as much as possible at once, `most` bytes at most.
    async fn send(&mut self, stream: u32, most: usize) {
        let at = stream as usize / 2;
        let until = self.sent[at] + most;
        while self.sent[at] < until && self.room(stream) >= MOST as i64 {
            self.write(DATA, 0, stream, &[(self.sent[at] / MOST) as u8; MOST]).await;
            self.sent[at] += MOST;
            self.connection -= MOST as i64;
            self.streams[at] -= MOST as i64;
        }
    }
}

/// Reads this many bytes of a stream; the content of each frame is its number.
async fn read(body: &mut RecvStream, from: usize, bytes: usize) {
    let mut at = from;
    while at < from + bytes {
        let data = body.data().await.unwrap().unwrap();
        for byte in &data {
            assert_eq!(*byte, (at / MOST) as u8, "in order, at {at}");
            at += 1;
        }
        body.flow_control().release_capacity(data.len()).unwrap();
    }
}

/// Runs a client and a server that are connected.
fn meet<C: Future<Output = Client>, S: Future<Output = usize>>(
    client: impl FnOnce(Client) -> C,
    server: impl FnOnce(Vec<RecvStream>) -> S,
) -> (Client, usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (near, far) = duplex(64 * 1024);
        let gate = H2Gate::new(far, 16 * 1024, links(), |_, _| {});
        let serve = async {
            let mut builder = h2::server::Builder::new();
            builder.initial_window_size(STREAM_WINDOW);
            builder.initial_connection_window_size(H2_CONNECTION_WINDOW);
            let mut connection = builder.handshake::<_, Bytes>(gate).await.unwrap();
            let mut held = vec![];
            let mut bodies = vec![];
            for _ in 0..2 {
                let (request, answer) = connection.accept().await.unwrap().unwrap();
                bodies.push(request.into_body());
                held.push(answer);
            }
            let mut served = pin!(server(bodies));
            tokio::select! {
                got = &mut served => (got, Some(connection), held),
                _ = connection.accept() => (0, None, held),
            }
        };
        let ask = async {
            let mut ready = Client::connect(near).await;
            ready.fields(0, 1, &POST).await;
            ready.fields(0, 3, &POST).await;
            client(ready).await
        };
        let both = async { tokio::join!(ask, serve) };
        let (sent, (got, ..)) = timeout(Duration::from_secs(60), both).await.unwrap();
        (sent, got)
    })
}

const QUICK: usize = 6 * 1024 * 1024;
const LITTLE: usize = 6 * MOST;

#[test]
fn a_stream_that_is_not_read_holds_back_no_other() {
    let stalled = Rc::new(Notify::new());
    let fills = stalled.clone();
    let client = |mut client: Client| async move {
        client.send_all(1, QUICK).await;
        fills.notified().await;
        let window = client.fill(1).await - QUICK;
        assert!(window > 4 * STREAM_WINDOW as usize, "the window has grown: {window}");
        assert!(window <= STREAM_WINDOW_MOST as usize, "{window}");
        client.fields(END_STREAM, 1, &[(b"x-a", b"b")]).await;
        client.send_all(3, LITTLE).await;
        client.fields(END_STREAM, 3, &[(b"x-a", b"c")]).await;
        client
    };
    let server = |mut bodies: Vec<RecvStream>| async move {
        read(&mut bodies[0], 0, QUICK).await;
        stalled.notify_one();
        read(&mut bodies[1], 0, LITTLE).await;
        assert_eq!(bodies[1].trailers().await.unwrap().unwrap()["x-a"], "c");
        let rest = 4 * STREAM_WINDOW as usize;
        read(&mut bodies[0], QUICK, rest).await;
        let mut at = QUICK + rest;
        while let Some(data) = bodies[0].data().await {
            let data = data.unwrap();
            at += data.len();
            bodies[0].flow_control().release_capacity(data.len()).unwrap();
        }
        assert_eq!(bodies[0].trailers().await.unwrap().unwrap()["x-a"], "b");
        at
    };
    let (client, got) = meet(client, server);
    assert_eq!(client.sent[0], got);
}

/// An empty frame is the last that the client sends.
#[test]
fn what_waits_is_passed_on_behind_an_empty_frame() {
    let (stalled, silent) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
    let (fills, ends) = (stalled.clone(), silent.clone());
    let client = |mut client: Client| async move {
        client.send_all(1, QUICK).await;
        fills.notified().await;
        client.fill(1).await;
        client.write(DATA, 0, 3, &[]).await;
        ends.notify_one();
        client
    };
    let server = |mut bodies: Vec<RecvStream>| async move {
        read(&mut bodies[0], 0, QUICK).await;
        stalled.notify_one();
        silent.notified().await;
        sleep(Duration::from_millis(100)).await;
        let rest = 4 * STREAM_WINDOW as usize;
        read(&mut bodies[0], QUICK, rest).await;
        QUICK + rest
    };
    let (client, got) = meet(client, server);
    assert!(client.sent[0] >= got);
}

#[test]
fn what_is_given_up_returns_its_credit() {
    let stalled = Rc::new(Notify::new());
    let fills = stalled.clone();
    let client = |mut client: Client| async move {
        client.send_all(1, QUICK).await;
        fills.notified().await;
        let parked = (client.fill(1).await - QUICK) as i64 - i64::from(STREAM_WINDOW);
        let before = client.connection;
        assert!(parked > 0, "{parked}");
        client.write(RST_STREAM, 0, 1, &[0, 0, 0, 8]).await;
        while client.connection < before + parked {
            client.hear().await;
        }
        client.send_all(3, LITTLE).await;
        client
    };
    let server = |mut bodies: Vec<RecvStream>| async move {
        read(&mut bodies[0], 0, QUICK).await;
        stalled.notify_one();
        read(&mut bodies[1], 0, LITTLE).await;
        LITTLE
    };
    let (client, got) = meet(client, server);
    assert_eq!(client.sent[1], got);
}

#[test]
fn more_than_a_client_may_send_ends_the_connection() {
    let client = |mut client: Client| async move {
        client.send_all(1, QUICK).await;
        client.streams[0] += 8 * i64::from(STREAM_WINDOW_MOST);
        client.connection += 8 * i64::from(STREAM_WINDOW_MOST);
        while client.room(1) > MOST as i64 && !client.is_over {
            client.send(1, MOST).await;
        }
        client.hear().await;
        assert!(client.is_over);
        client
    };
    let server = |mut bodies: Vec<RecvStream>| async move {
        read(&mut bodies[0], 0, QUICK).await;
        std::future::pending().await
    };
    meet(client, server);
}
