//! Uploads that end short of their Content-Length, with h2 behind the gate.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::{Reason, RecvStream, server};
use http::{Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use super::H2Gate;
use super::fuzzing::{PREFACE, links};
use crate::http2_frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, HEAD, HEADERS, PADDED, RST_STREAM, SETTINGS,
    put_head,
};
use crate::server::compression::hpack::{Field, write_literal};

const GOAWAY: u8 = 7;
const POST: [(&[u8], &[u8]); 5] = [
    (b":method", b"POST"),
    (b":scheme", b"https"),
    (b":authority", b"a"),
    (b":path", b"/"),
    (b"content-length", b"10"),
];

fn frame(kind: u8, flags: u8, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    let stream = u32::from(kind != SETTINGS);
    put_head(&mut frame, Frame { length: payload.len(), kind, flags, stream });
    frame.extend_from_slice(payload);
    frame
}

fn data(flags: u8, payload: &[u8]) -> BytesMut {
    frame(DATA, flags, payload)
}

/// Reads until there is such a frame, and returns it with those before it.
async fn hear(wire: &mut DuplexStream, until: impl Fn(Frame) -> bool) -> Vec<Frame> {
    let (mut read, mut heard) = (BytesMut::new(), vec![]);
    loop {
        while let Some(head) = read.first_chunk().map(Frame::read)
            && read.len() >= HEAD + head.length
        {
            let _ = read.split_to(HEAD + head.length);
            heard.push(head);
            if until(head) {
                return heard;
            }
        }
        if wire.read_buf(&mut read).await.is_ok_and(|read| read == 0) {
            return heard;
        }
    }
}

/// A response whose head is sent after the first content, and its content when the upload has
/// moved no more for a while. Returns the bytes and the end of the upload.
async fn answer(mut respond: server::SendResponse<Bytes>, mut body: RecvStream) -> (usize, End) {
    let mut got = body.data().await.unwrap().unwrap().len();
    let head = Response::builder().status(StatusCode::UNAUTHORIZED).body(()).unwrap();
    let mut content = respond.send_response(head, false).unwrap();
    let mut end = End::Open;
    while let Ok(piece) = timeout(Duration::from_millis(100), body.data()).await {
        match piece {
            Some(Ok(piece)) => got += piece.len(),
            other => {
                end = other.into();
                break;
            }
        }
    }
    if end == End::Open {
        content.send_data(Bytes::from_static(b"no"), true).unwrap();
        end = body.data().await.map(|data| data.map(|_| Bytes::new())).into();
    }
    (got, end)
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Open,
    Whole,
    Reset(Option<Reason>),
}

impl From<Option<Result<Bytes, h2::Error>>> for End {
    fn from(end: Option<Result<Bytes, h2::Error>>) -> Self {
        match end {
            Some(Ok(_)) => Self::Open,
            Some(Err(error)) => Self::Reset(error.reason()),
            None => Self::Whole,
        }
    }
}

/// What a client hears that announces ten bytes, sends four, and these frames when it has the head
/// of the response; and the upload as the server sees it.
fn upload(then: &[BytesMut]) -> (Vec<Frame>, Option<(usize, End)>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (mut near, far) = duplex(64 * 1024);
        let serve = async {
            let gate = H2Gate::new(far, 16 * 1024, links(), |_, _| {});
            let mut connection = server::handshake(gate).await.unwrap();
            let (request, respond) = connection.accept().await.unwrap().unwrap();
            let answer = answer(respond, request.into_body());
            tokio::pin!(answer);
            let seen = tokio::select! {
                seen = &mut answer => Some(seen),
                _ = connection.accept() => None,
            };
            // Sends what is left.
            let _ = timeout(Duration::from_millis(100), connection.accept()).await;
            seen
        };
        let ask = async {
            let mut block = BytesMut::new();
            POST.iter().for_each(|(name, value)| write_literal(&mut block, Field { name, value }));
            let head = frame(HEADERS, END_HEADERS, &block);
            let settings = [frame(SETTINGS, 0, b""), frame(SETTINGS, ACK, b"")].concat();
            let start = [PREFACE, &settings, &head, &data(0, b"four")].concat();
            near.write_all(&start).await.unwrap();
            let mut heard = hear(&mut near, |frame| frame.kind == HEADERS).await;
            near.write_all(&then.concat()).await.unwrap();
            heard.extend(hear(&mut near, |_| false).await);
            heard.retain(|frame| frame.stream == 1 || frame.kind == GOAWAY);
            heard
        };
        timeout(Duration::from_secs(20), async { tokio::join!(ask, serve) }).await.unwrap()
    })
}

fn kinds(heard: &[Frame]) -> Vec<u8> {
    heard.iter().map(|frame| frame.kind).collect()
}

#[test]
fn a_short_end_within_a_response_costs_the_client_nothing() {
    for (then, bytes) in [
        (vec![data(END_STREAM, b"")], 4),
        (vec![data(END_STREAM, b"five")], 8),
        (vec![data(END_STREAM | PADDED, b"\x03five\0\0\0")], 8),
        (vec![data(0, b"five"), data(END_STREAM | PADDED, b"\0")], 8),
    ] {
        let (heard, seen) = upload(&then);
        assert_eq!(kinds(&heard), [HEADERS, DATA], "{then:?}: {heard:?}");
        assert!(heard[1].has(END_STREAM), "{then:?}");
        // To hyper, NO_ERROR would be the end of the content.
        assert_eq!(seen, Some((bytes, End::Reset(Some(Reason::CANCEL)))), "{then:?}");
    }
}

#[test]
fn an_upload_that_is_whole_ends_as_such() {
    for then in [
        vec![data(END_STREAM, b"sixsix")],
        vec![data(0, b"sixsix"), data(END_STREAM, b"")],
        vec![data(END_STREAM | PADDED, b"\x01sixsix\0")],
    ] {
        let (heard, seen) = upload(&then);
        assert_eq!(seen, Some((10, End::Whole)), "{then:?}: {heard:?}");
    }
}

#[test]
fn what_follows_a_short_end_closes_the_connection() {
    let (heard, seen) = upload(&[data(END_STREAM, b"five"), data(END_STREAM, b"six")]);
    assert_eq!(kinds(&heard), [HEADERS, GOAWAY], "{heard:?}");
    assert_eq!(seen, None);
}

#[test]
fn a_reset_is_no_end_of_the_content() {
    for code in [0, 8] {
        let (heard, seen) = upload(&[frame(RST_STREAM, 0, &[0, 0, 0, code])]);
        assert_eq!(kinds(&heard), [HEADERS], "{heard:?}");
        assert_eq!(seen, Some((4, End::Reset(Some(Reason::CANCEL)))), "{code}");
    }
}
