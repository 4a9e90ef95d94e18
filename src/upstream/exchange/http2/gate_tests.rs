//! The gate between h2's client and an upstream: h2's server, or frames written by hand.

use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::connections::handshake;
use super::gate::{Gate, Link, Place};
use crate::http2_frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, Frame, HEAD, HEADERS, PADDED, PREFACE, SETTINGS,
    WINDOW_UPDATE, number, put_head, put_window_update,
};
use crate::limits::{UPSTREAM_STREAM_WINDOW, UPSTREAM_STREAM_WINDOW_MOST};

const WINDOW: usize = UPSTREAM_STREAM_WINDOW as usize;
const RTT: Duration = Duration::from_millis(50);

fn run<F: Future>(test: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().build().unwrap();
    let test = async { timeout(Duration::from_secs(60), test).await.unwrap() };
    LocalSet::new().block_on(&runtime, test)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    put_head(&mut out, Frame { length: payload.len(), kind, flags, stream });
    out.extend_from_slice(payload);
    out
}

fn window_update(stream: u32, step: u32) -> BytesMut {
    let mut out = BytesMut::new();
    put_window_update(&mut out, stream, step);
    out
}

/// A path with a delay, both ways, but no limit of rate.
fn path() -> (DuplexStream, DuplexStream) {
    let (near, here) = duplex(64 * 1024);
    let (there, far) = duplex(64 * 1024);
    let (mut from_near, mut to_near) = tokio::io::split(here);
    let (mut from_far, mut to_far) = tokio::io::split(there);
    spawn_local(async move { delayed(&mut from_near, &mut to_far).await });
    spawn_local(async move { delayed(&mut from_far, &mut to_near).await });
    (near, far)
}

async fn delayed(from: &mut (impl AsyncReadExt + Unpin), to: &mut (impl AsyncWriteExt + Unpin)) {
    let (queue, mut queued) = tokio::sync::mpsc::unbounded_channel::<(Instant, BytesMut)>();
    let read = async move {
        loop {
            let mut bytes = BytesMut::with_capacity(64 * 1024);
            if from.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
            queue.send((Instant::now() + RTT / 2, bytes)).unwrap();
        }
    };
    let write = async {
        while let Some((at, bytes)) = queued.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

/// A client of h2 behind the gate.
struct Client {
    sender: SendRequest<Bytes>,
    link: Rc<Link>,
}

impl Client {
    async fn connect(wire: DuplexStream) -> Self {
        let link = Link::new();
        let (sender, connection) = handshake(wire, link.clone()).await.unwrap();
        spawn_local(connection);
        Self { sender, link }
    }

    /// A response.
    async fn get(&mut self) -> (RecvStream, Place) {
        let request = Request::get("http://a/").body(()).unwrap();
        let (response, _) = self.sender.send_request(request, true).unwrap();
        let place = Place::new(self.link.clone(), response.stream_id().as_u32());
        (response.await.unwrap().into_body(), place)
    }
}

/// Reads to the end, and returns the number of bytes.
async fn drain(mut body: RecvStream, place: Place) -> Result<usize, h2::Error> {
    let mut all = 0;
    while let Some(piece) = body.data().await {
        let piece = piece?;
        assert!(piece.iter().enumerate().all(|(at, byte)| *byte == (all + at) as u8), "in order");
        body.flow_control().release_capacity(piece.len()).unwrap();
        place.drained(piece.len(), Instant::now());
        all += piece.len();
    }
    Ok(all)
}

/// A server that only the client's windows hold back.
async fn server(wire: DuplexStream) -> h2::server::Connection<DuplexStream, Bytes> {
    h2::server::Builder::new().max_send_buffer_size(1 << 30).handshake(wire).await.unwrap()
}

/// Serves each stream with this many bytes; returns how large its window was at most.
async fn serve(wire: DuplexStream, bytes: usize, streams: usize) -> Vec<usize> {
    let mut connection = server(wire).await;
    let mut tasks = vec![];
    for _ in 0..streams {
        let (_, mut answer) = connection.accept().await.unwrap().unwrap();
        let stream = answer.send_response(Response::new(()), false).unwrap();
        tasks.push(spawn_local(send(stream, bytes)));
    }
    spawn_local(async move { while connection.accept().await.is_some() {} });
    let mut most = vec![];
    for task in tasks {
        most.push(task.await.unwrap());
    }
    most
}

async fn send(mut stream: SendStream<Bytes>, bytes: usize) -> usize {
    let (mut sent, mut most) = (0, 0);
    while sent < bytes {
        stream.reserve_capacity(bytes - sent);
        let Some(Ok(room)) = poll_fn(|cx| stream.poll_capacity(cx)).await else { break };
        most = most.max(room);
        let piece = (sent..sent + room.min(bytes - sent)).map(|at| at as u8).collect();
        stream.send_data(piece, sent + room >= bytes).unwrap();
        sent += room;
    }
    most
}

#[test]
fn a_window_grows_over_a_long_path_and_is_no_larger_than_told() {
    run(async {
        let (near, far) = path();
        let bytes = 40 * 1024 * 1024;
        let serving = spawn_local(serve(far, bytes, 1));
        let mut client = Client::connect(near).await;
        let (body, place) = client.get().await;
        assert_eq!(drain(body, place).await.unwrap(), bytes);
        // What the server may send at once.
        let most = serving.await.unwrap()[0];
        assert!(most > 4 * WINDOW && most <= UPSTREAM_STREAM_WINDOW_MOST as usize, "{most}");
        assert_eq!(client.link.streams(), 0);
    });
}

#[test]
fn who_does_not_read_holds_one_window_and_blocks_nobody() {
    run(async {
        let (near, far) = path();
        let mut client = Client::connect(near).await;
        let upstream = spawn_local(async move {
            let mut connection = server(far).await;
            let mut streams = vec![];
            for _ in 0..2 {
                let (_, mut answer) = connection.accept().await.unwrap().unwrap();
                streams.push(answer.send_response(Response::new(()), false).unwrap());
            }
            spawn_local(async move { while connection.accept().await.is_some() {} });
            let (read, mut unread) = (streams.remove(1), streams.remove(0));
            // Takes all of its window.
            let mut sent = 0;
            unread.reserve_capacity(64 * WINDOW);
            while let Ok(room) = timeout(4 * RTT, poll_fn(|cx| unread.poll_capacity(cx))).await {
                let room = room.unwrap().unwrap();
                unread.send_data(vec![0; room].into(), false).unwrap();
                sent += room;
            }
            send(read, 64 * WINDOW).await;
            (sent, unread)
        });
        let (_unread, _held) = client.get().await;
        let (body, place) = client.get().await;
        assert_eq!(drain(body, place).await.unwrap(), 64 * WINDOW);
        assert_eq!(upstream.await.unwrap().0, WINDOW);
    });
}

/// An upstream of frames written by hand that has received a request, and the client's response.
async fn by_hand(settled: bool) -> (DuplexStream, RecvStream, Place) {
    let (near, mut far) = duplex(64 * 1024);
    let mut client = Client::connect(near).await;
    far.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let answer = async {
        far.read_exact(&mut [0; PREFACE]).await.unwrap();
        while hear(&mut far).await.0.kind != HEADERS {}
        if settled {
            far.write_all(&frame(SETTINGS, ACK, 0, &[])).await.unwrap();
        }
        far.write_all(&frame(HEADERS, END_HEADERS, 1, b"\x88")).await.unwrap();
    };
    let ((body, place), ()) = tokio::join!(client.get(), answer);
    // Keeps the connection open.
    spawn_local(async move {
        sleep(Duration::from_secs(50)).await;
        drop(client);
    });
    (far, body, place)
}

/// The next frame of the client.
async fn hear(wire: &mut (impl AsyncReadExt + Unpin)) -> (Frame, Vec<u8>) {
    let mut head = [0; HEAD];
    wire.read_exact(&mut head).await.unwrap();
    let head = Frame::read(&head);
    let mut payload = vec![0; head.length];
    wire.read_exact(&mut payload).await.unwrap();
    (head, payload)
}

#[test]
fn an_upstream_that_exceeds_its_window_is_left() {
    for (settled, window) in [(true, WINDOW), (false, 65_535)] {
        run(async {
            let (mut far, mut body, _place) = by_hand(settled).await;
            for at in 0..=window / 4096 {
                let payload = [0; 4096];
                let payload = &payload[..payload.len().min(window + 1 - at * 4096)];
                if far.write_all(&frame(DATA, 0, 1, payload)).await.is_err() {
                    break;
                }
            }
            let (mut received, mut failed) = (0, None);
            while let Some(piece) = body.data().await {
                match piece {
                    Ok(piece) => received += piece.len(),
                    Err(error) => failed = Some(error.to_string()),
                }
                if failed.is_some() {
                    break;
                }
            }
            assert!(received <= window, "{received}");
            let failed = failed.unwrap();
            assert!(failed.contains("the server exceeded the flow-control window"), "{failed}");
        });
    }
}

#[test]
fn padding_is_no_loss_and_an_upstream_may_be_slow_to_acknowledge() {
    for settled in [true, false] {
        run(async {
            let (far, body, place) = by_hand(settled).await;
            let (mut read, mut write) = tokio::io::split(far);
            let room = Rc::new(std::cell::Cell::new(if settled { WINDOW } else { 65_535 } as i64));
            let told = room.clone();
            spawn_local(async move {
                loop {
                    let (head, payload) = hear(&mut read).await;
                    if head.kind == WINDOW_UPDATE && head.stream == 1 {
                        let step = number(*payload.first_chunk().unwrap());
                        told.set(told.get() + i64::from(step));
                    }
                }
            });
            let drained = spawn_local(drain(body, place));
            let mut sent = 0_usize;
            let payload = |sent: usize| {
                let content = (0..100).map(move |at| (sent + at) as u8);
                [255].into_iter().chain(content).chain([0; 255]).collect::<Vec<_>>()
            };
            while sent < 8 * WINDOW / 3 {
                if room.get() < 356 {
                    sleep(Duration::from_millis(1)).await;
                    continue;
                }
                room.set(room.get() - 356);
                write.write_all(&frame(DATA, PADDED, 1, &payload(sent))).await.unwrap();
                sent += 100;
            }
            write.write_all(&frame(DATA, 1, 1, &[])).await.unwrap();
            assert_eq!(drained.await.unwrap().unwrap(), sent);
        });
    }
}

/// The bytes that the gate passes on of `bytes`, which h2 writes in pieces of `size`, and the
/// socket takes in pieces of `takes`. In the middle of them a WINDOW_UPDATE is to be sent.
async fn passed(bytes: &[u8], size: usize, takes: usize) -> Vec<u8> {
    let (near, mut far) = duplex(takes);
    let link = Link::new();
    let mut gate = Gate::new(near, link.clone());
    let read = spawn_local(async move {
        let mut all = vec![];
        far.read_to_end(&mut all).await.unwrap();
        all
    });
    let (first, rest) = bytes.split_at(PREFACE + HEAD + 12);
    for piece in first.chunks(size) {
        gate.write_all(piece).await.unwrap();
    }
    link.settle();
    let place = Place::new(link, 1);
    for (at, piece) in rest.chunks(size).enumerate() {
        gate.write_all(piece).await.unwrap();
        if at == 20 / size {
            place.drained(WINDOW / 4, Instant::now());
        }
    }
    gate.flush().await.unwrap();
    drop(gate);
    read.await.unwrap()
}

#[test]
fn frames_pass_however_they_are_written() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = |window: u32| {
        let push = [0, 2, 0, 0, 0, 0];
        frame(SETTINGS, 0, 0, &[&push[..], &[0, 4], &window.to_be_bytes()].concat())
    };
    let block = [frame(HEADERS, 0, 1, b"ab"), frame(CONTINUATION, END_HEADERS, 1, b"c")].concat();
    let (data, end) = (frame(DATA, 0, 1, &[7; 40]), frame(DATA, 1, 1, &[]));
    let (first, second) = (window_update(0, 5), window_update(0, 6));
    let (left_out, too) = (window_update(1, 9), window_update(1, 8));
    let all: [&[u8]; 7] = [&first, &left_out, &block, &too, &data, &second, &end];
    let written = [preface, &settings(u32::MAX >> 1)[..], &all.concat()].concat();
    let head = [preface, &settings(WINDOW as u32)[..]].concat();
    let rest: [&[u8]; 5] = [&first, &block, &data, &second, &end];
    let ours = window_update(1, WINDOW as u32 / 4);
    let possible: Vec<_> = (0..=rest.len())
        .map(|at| [&head, &rest[..at].concat(), &ours[..], &rest[at..].concat()].concat())
        .collect();
    for size in (1..20).chain([written.len()]) {
        for takes in [1, 5, 1000] {
            let passed = run(passed(&written, size, takes));
            let passed = passed.as_slice();
            assert!(possible.iter().any(|way| way == passed), "{size} {takes}: {passed:?}");
        }
    }
}
