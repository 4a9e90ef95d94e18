//! A connection and its program: forwards messages in both directions and sends pings until one of
//! them ends.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use http_body_util::{BodyDataStream, StreamBody};
use hyper::body::Frame;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::{Instant, interval_at, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};
use tokio_util::io::{ReaderStream, StreamReader};

use super::output::{Framing, Output, Type};
use crate::http::Body;
use crate::limits::{WEBSOCKET_CLOSE, WEBSOCKET_MESSAGE, WEBSOCKET_PING, WEBSOCKET_SILENCE};
use crate::programs::Program;

/// Bytes of the buffer to the client.
const PIPE: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

type Socket = WebSocketStream<Box<dyn Stream>>;

/// Starts a session and returns the data for the client.
pub(super) fn begin(incoming: Body, program: Program, framing: Framing) -> Body {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let incoming = BodyDataStream::new(incoming).map_err(io::Error::other);
    let stream: Box<dyn Stream> = Box::new(tokio::io::join(StreamReader::new(incoming), theirs));
    tokio::task::spawn_local(run(stream, program, framing));
    let outgoing = ReaderStream::new(ours).map_ok(Frame::<Bytes>::data);
    Body::new(StreamBody::new(outgoing))
}

async fn run(stream: Box<dyn Stream>, program: Program, framing: Framing) {
    let limits = WebSocketConfig::default()
        .max_message_size(Some(WEBSOCKET_MESSAGE))
        .max_frame_size(Some(WEBSOCKET_MESSAGE));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    let (mut sink, source) = socket.split();
    let Program { stdin, stdout, life } = program;
    let code = {
        let mut inward = pin!(inward(source, stdin, framing.kind));
        let mut outward = pin!(outward(&mut sink, Output::new(stdout, framing)));
        poll_fn(|cx| match inward.as_mut().poll(cx) {
            Poll::Pending => outward.as_mut().poll(cx),
            ready => ready,
        })
        .await
    };
    // Nothing is read after the program has ended; the client's own Close has been answered.
    let farewell = async {
        if let Some(code) = code {
            let frame = CloseFrame { code, reason: "".into() };
            let _ = sink.send(Message::Close(Some(frame))).await;
        }
        let _ = sink.close().await;
    };
    let _ = tokio::join!(timeout(WEBSOCKET_CLOSE, farewell), life.end());
}

/// Forwards messages to the program. Returns the close code, or `None` if the client has
/// disconnected.
async fn inward(
    mut source: SplitStream<Socket>,
    mut stdin: ChildStdin,
    kind: Type,
) -> Option<CloseCode> {
    loop {
        let message = match timeout(WEBSOCKET_SILENCE, source.next()).await {
            Ok(Some(Ok(message))) => message,
            Ok(Some(Err(Error::Capacity(CapacityError::MessageTooLong { .. })))) => {
                return Some(CloseCode::Size);
            }
            Ok(Some(Err(Error::Utf8(_)))) => return Some(CloseCode::Invalid),
            Ok(Some(Err(Error::Protocol(_)))) => return Some(CloseCode::Protocol),
            Ok(Some(Err(_)) | None) | Err(_) => return None,
        };
        let mut bytes = match message {
            Message::Text(text) => text.as_bytes().to_vec(),
            Message::Binary(bytes) => bytes.to_vec(),
            Message::Close(_) => return None,
            _ => continue,
        };
        if kind == Type::Lines {
            bytes.push(b'\n');
        }
        // A program that has closed its input may still write.
        if stdin.write_all(&bytes).await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Forwards the program's output as messages.
async fn outward(
    sink: &mut SplitSink<Socket, Message>,
    mut output: Output<ChildStdout>,
) -> Option<CloseCode> {
    let mut pings = interval_at(Instant::now() + WEBSOCKET_PING, WEBSOCKET_PING);
    loop {
        let message = tokio::select! {
            next = output.next() => match next {
                Ok(message) => message,
                Err(code) => return Some(code),
            },
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        sink.send(message).await.ok()?;
    }
}
