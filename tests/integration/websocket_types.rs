//! `type` and `bufsize` of `websocket`: what makes a message, seen by clients over each protocol.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::protocol::Message;

use crate::harness::{
    Caddy, Setup, Socket, certificate, h2_socket, h3_socket, plain_socket, tls_socket, with_runtime,
};

/// Echoes what comes with each read, until an exclamation mark is in it.
const ECHO: &str = "
import os
while True:
    data = os.read(0, 65536)
    os.write(1, data)
    if not data or b'!' in data:
        break
";
const NORMAL: &str = "close 1000";

/// What a client says, and what it hears before it says the next.
type Step = (Message, &'static [&'static str]);

/// A site over TLS and plain whose `/chat` runs `command`.
fn site(command: &str, options: &str) -> (Caddy, TempDir) {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let block = format!("root @DIR@\n websocket /chat {command} {{\n{options}\n}}");
    let text = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n {block}\n}}\nhttp://:@PORT2@ {{\n {block}\n}}\n"
    );
    (Setup::new(&text).file("echo.py", ECHO).start(), keys)
}

/// A frame in words: its kind and its payload.
fn words(opcode: u64, payload: &[u8]) -> String {
    match opcode {
        1 => format!("text {}", std::str::from_utf8(payload).unwrap()),
        2 => format!("binary {payload:02x?}"),
        8 => format!("close {}", u16::from_be_bytes([payload[0], payload[1]])),
        other => format!("opcode {other}"),
    }
}

/// All that is heard over HTTP/1.1 or HTTP/2.
async fn heard(mut socket: Socket, steps: &[Step]) -> Vec<String> {
    let mut heard = vec![];
    for (say, hears) in steps {
        socket.send(say.clone()).await.unwrap();
        for _ in *hears {
            heard.push(match socket.next().await.unwrap().unwrap() {
                Message::Text(text) => words(1, text.as_bytes()),
                Message::Binary(bytes) => words(2, &bytes),
                Message::Close(Some(frame)) => words(8, &u16::from(frame.code).to_be_bytes()),
                other => format!("{other:?}"),
            });
        }
    }
    heard
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
    digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
}

/// The same over HTTP/3.
fn heard_over_h3(port: u16, steps: &[Step]) -> Vec<String> {
    let step = |(say, hears): &Step| {
        let opcode = if say.is_text() { 1 } else { 2 };
        json!([opcode, hex(&say.clone().into_data()), hears.len()])
    };
    let steps: Vec<_> = steps.iter().map(step).collect();
    let told = h3_socket(port, json!({"messages": 0, "steps": steps, "stay": true}));
    let frame =
        |frame: &Value| words(frame[0].as_u64().unwrap(), &unhex(frame[1].as_str().unwrap()));
    told["got"].as_array().unwrap_or_else(|| panic!("{told}")).iter().map(frame).collect()
}

/// That clients of every protocol hear the same.
fn hold(options: &str, steps: &[Step]) {
    let (caddy, keys) = site("python3 -u @DIR@/echo.py", options);
    let cert = keys.path().join("cert.pem");
    let want: Vec<&str> = steps.iter().flat_map(|(_, hears)| *hears).copied().collect();
    with_runtime(async {
        let plain = plain_socket(caddy.port2(), &[]).await.0;
        assert_eq!(heard(plain, steps).await, want, "HTTP/1.1, {options}");
        let secure = tls_socket(caddy.port(), &cert).await;
        assert_eq!(heard(secure, steps).await, want, "HTTP/1.1 over TLS, {options}");
        let stream = h2_socket(caddy.port(), &cert, "websocket").await.unwrap();
        assert_eq!(heard(stream, steps).await, want, "HTTP/2, {options}");
    });
    assert_eq!(heard_over_h3(caddy.port(), steps), want, "HTTP/3, {options}");
}

fn text(text: &str) -> Message {
    Message::text(text)
}

fn binary(bytes: &'static [u8]) -> Message {
    Message::binary(bytes)
}

#[test]
fn lines_are_messages_without_their_ends() {
    hold(
        "type lines",
        &[
            (text("a\nb"), &["text a", "text b"]),
            (binary(b"c"), &["text c"]),
            (binary(b"\xff"), &["binary [ff]"]),
            (text(""), &["text "]),
            (text("!"), &["text !", NORMAL]),
        ],
    );
    hold(
        "type lines\n bufsize 5",
        &[(text("12345"), &["text 12345"]), (text("123456"), &["close 1009"])],
    );
}

#[test]
fn text_is_cut_between_characters() {
    hold(
        "type text",
        &[
            (text("a\nb"), &["text a\nb"]),
            (binary(b"c"), &["text c"]),
            (binary(b"d\xc3"), &["text d"]),
            (binary(b"\xa4e"), &["text \u{e4}e"]),
            (binary(b"\xffa"), &["binary [ff, 61]"]),
            (text("!"), &["text !", NORMAL]),
        ],
    );
    hold(
        "type text\n bufsize 4",
        &[
            (text("abcdef"), &["text abcd", "text ef"]),
            (text("abc\u{1F98A}!"), &["text abc", "text \u{1F98A}", "text !", NORMAL]),
        ],
    );
}

#[test]
fn binary_is_cut_anywhere() {
    hold(
        "type binary",
        &[
            (text("a\n"), &["binary [61, 0a]"]),
            (binary(b"\xff\0"), &["binary [ff, 00]"]),
            (text("!"), &["binary [21]", NORMAL]),
        ],
    );
    hold(
        "type binary\n bufsize 3",
        &[(
            text("abcdefg!"),
            &["binary [61, 62, 63]", "binary [64, 65, 66]", "binary [67, 21]", NORMAL],
        )],
    );
}

#[test]
fn without_a_size_a_piece_has_two_kilobytes() {
    for kind in ["text", "binary"] {
        let (caddy, _keys) = site("printf %05000d 7", &format!("type {kind}"));
        with_runtime(async {
            let mut socket = plain_socket(caddy.port2(), &[]).await.0;
            let mut sizes = vec![];
            while let Some(Ok(message)) = socket.next().await
                && !message.is_close()
            {
                assert_eq!(message.is_text(), kind == "text", "{message:?}");
                sizes.push(message.len());
            }
            assert_eq!(sizes, [2048, 2048, 904], "{kind}");
        });
    }
}
