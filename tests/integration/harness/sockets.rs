//! WebSockets: an echoing origin, and clients over HTTP/1.1, TLS, and HTTP/2 (RFC 8441).

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{
    ErrorResponse, Request as Handshake, Response as Granted,
};
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

pub type Socket = WebSocketStream<Box<dyn Stream>>;

/// Runs a test's story with timers and sockets.
pub fn with_runtime<F: Future>(story: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(story)
}

/// An origin that echoes messages; it records the fields of each handshake.
pub struct EchoSockets {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    closed: Arc<Mutex<Vec<Option<u16>>>>,
}

impl EchoSockets {
    pub fn start() -> Self {
        let (tell, told) = std::sync::mpsc::channel();
        let origin =
            Self { addr: ([127, 0, 0, 1], 0).into(), seen: Arc::default(), closed: Arc::default() };
        let (seen, closed) = (origin.seen.clone(), origin.closed.clone());
        std::thread::spawn(move || {
            with_runtime(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(echo(stream, seen.clone(), closed.clone()));
                }
            });
        });
        Self { addr: told.recv().unwrap(), ..origin }
    }

    /// The fields of the last handshake.
    pub fn last(&self) -> HeaderMap {
        self.seen.lock().unwrap().last().cloned().expect("no handshake came")
    }

    /// How many handshakes came.
    pub fn handshakes(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// The codes of the Close frames that came.
    pub fn closed(&self) -> Vec<Option<u16>> {
        self.closed.lock().unwrap().clone()
    }
}

#[allow(clippy::result_large_err, reason = "the type is the library's")]
async fn echo(
    stream: TcpStream,
    seen: Arc<Mutex<Vec<HeaderMap>>>,
    closed: Arc<Mutex<Vec<Option<u16>>>>,
) {
    let record = |request: &Handshake, mut granted: Granted| -> Result<Granted, ErrorResponse> {
        seen.lock().unwrap().push(request.headers().clone());
        if let Some(first) = request.headers().get("sec-websocket-protocol") {
            granted.headers_mut().insert("sec-websocket-protocol", first.clone());
        }
        granted.headers_mut().insert("x-origin", "echo".parse().unwrap());
        Ok(granted)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(stream, record).await else { return };
    while let Some(Ok(message)) = socket.next().await {
        let echo = match message {
            Message::Text(_) | Message::Binary(_) => message,
            Message::Close(frame) => {
                closed.lock().unwrap().push(frame.map(|frame| frame.code.into()));
                continue;
            }
            _ => continue,
        };
        if socket.send(echo).await.is_err() {
            return;
        }
    }
}

/// Over HTTP/1.1, plain; and the fields that granted it.
pub async fn plain_socket(port: u16, fields: &[(&str, &str)]) -> (Socket, HeaderMap) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    over_http1(Box::new(stream), "ws", fields).await
}

/// Over HTTP/1.1 and TLS.
pub async fn tls_socket(port: u16, cert: &Path) -> Socket {
    let stream = tls(port, cert, b"http/1.1").await;
    over_http1(Box::new(stream), "wss", &[]).await.0
}

async fn over_http1(
    stream: Box<dyn Stream>,
    scheme: &str,
    fields: &[(&str, &str)],
) -> (Socket, HeaderMap) {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let mut request = format!("{scheme}://localhost/chat").into_client_request().unwrap();
    for (name, value) in fields {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (socket, granted) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    (socket, granted.headers().clone())
}

/// Over a stream of HTTP/2; where it is refused, the status.
pub async fn h2_socket(
    port: u16,
    cert: &Path,
    protocol: &'static str,
) -> Result<Socket, StatusCode> {
    let stream = TokioIo::new(tls(port, cert, b"h2").await);
    let executor = hyper_util::rt::TokioExecutor::new();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(executor, stream).await.unwrap();
    tokio::spawn(connection);
    // What the server allows is known once it has answered something.
    let first = Request::get(format!("https://localhost:{port}/")).body(Empty::<Bytes>::new());
    let _ = client.send_request(first.unwrap()).await;
    let request = Request::connect(format!("https://localhost:{port}/chat"))
        .extension(hyper::ext::Protocol::from_static(protocol))
        .header("sec-websocket-version", "13")
        .body(Empty::new())
        .unwrap();
    let answer = client.send_request(request).await.unwrap();
    if !answer.status().is_success() {
        return Err(answer.status());
    }
    let stream: Box<dyn Stream> = Box::new(TokioIo::new(hyper::upgrade::on(answer).await.unwrap()));
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
}

async fn tls(port: u16, cert: &Path, alpn: &[u8]) -> tokio_rustls::client::TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cert).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Sends `count` messages of many sizes and takes as many echoes, in order.
pub async fn chat(socket: Socket, count: usize) {
    let message = |index: usize| {
        let size = if index % 1_000 == 999 { 100_000 } else { index % 300 };
        let text = format!("{index} {}", "x".repeat(size));
        if index.is_multiple_of(2) {
            Message::text(text)
        } else {
            Message::binary(text.into_bytes())
        }
    };
    let (mut sink, mut stream) = socket.split();
    let send = async {
        for index in 0..count {
            sink.feed(message(index)).await.unwrap();
        }
        sink.send(Message::Close(None)).await.unwrap();
    };
    let receive = async {
        for index in 0..count {
            assert_eq!(stream.next().await.unwrap().unwrap(), message(index), "message {index}");
        }
        assert!(matches!(stream.next().await, Some(Ok(Message::Close(_)))));
        while let Some(Ok(_)) = stream.next().await {}
    };
    tokio::join!(send, receive);
}
