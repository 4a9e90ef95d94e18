//! `websocket`: a command for each connection, over each protocol.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::protocol::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::harness::{
    Caddy, Setup, Socket, certificate, curl, h2_socket, h3_socket, plain_socket, tls_socket,
    wait_for, with_runtime,
};

/// A site over TLS and plain whose `/chat` runs a script.
fn site(script: &str) -> (Caddy, TempDir) {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let block = "root @DIR@\n errors errors.log\n websocket /chat \"sh @DIR@/chat\"";
    let text = format!(
        "https://localhost:@PORT@ {{\n tls {cert} {key}\n {block}\n}}\nhttp://:@PORT2@ {{\n {block}\n}}\n"
    );
    (Setup::new(&text).file("chat", script).start(), keys)
}

async fn says(socket: &mut Socket) -> String {
    match socket.next().await {
        Some(Ok(Message::Close(Some(frame)))) => format!("close {}", u16::from(frame.code)),
        Some(Ok(message)) => message.into_text().unwrap().to_string(),
        other => format!("{other:?}"),
    }
}

/// A conversation with `cat`.
async fn converse(mut socket: Socket) {
    for text in ["one", "", "ünïcödé \u{1F98A}", &"long ".repeat(50_000)] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(says(&mut socket).await, text);
    }
    socket.send(Message::binary(b"two\nlines".to_vec())).await.unwrap();
    assert_eq!((says(&mut socket).await, says(&mut socket).await), ("two".into(), "lines".into()));
    socket.send(Message::Ping("still there".into())).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Pong(_)))));
    socket.close(None).await.unwrap();
    assert!(matches!(socket.next().await, Some(Ok(Message::Close(_))) | None));
}

#[test]
fn lines_are_messages_over_every_protocol() {
    let (caddy, keys) = site("exec cat");
    let cert = keys.path().join("cert.pem");
    with_runtime(async {
        converse(plain_socket(caddy.port2(), &[]).await.0).await;
        converse(tls_socket(caddy.port(), &cert).await).await;
        converse(h2_socket(caddy.port(), &cert, "websocket").await.unwrap()).await;
    });
    let told = h3_socket(caddy.port(), json!({"messages": 1_000}));
    assert_eq!((&told["status"], &told["echoed"]), (&json!("200"), &json!(1_000)), "{told}");
}

#[test]
fn a_command_is_told_who_asks_and_nothing_else() {
    let (caddy, _keys) =
        site("env | grep -v '^\\(PWD\\|SHLVL\\|_\\|OLDPWD\\)=' | sort; ls -l /proc/self/fd");
    with_runtime(async {
        let fields = [("proxy", "http://evil"), ("x-mine", "1")];
        let mut socket = plain_socket(caddy.port2(), &fields).await.0;
        let mut lines = vec![];
        while let Some(Ok(Message::Text(line))) = socket.next().await {
            lines.push(line.to_string());
        }
        for line in ["GATEWAY_INTERFACE=Caddy-CGI/1.1", "REQUEST_METHOD=GET", "HTTP_X_MINE=1"] {
            assert!(lines.iter().any(|told| told == line), "{line}: {lines:?}");
        }
        let known = |name: &str| {
            let own = ["PATH=", "LANG=", "TZ=", "HOME=", "GATEWAY_", "SCRIPT_NAME", "PATH_INFO"];
            let cgi = ["SERVER_", "REQUEST_", "QUERY_", "CONTENT_", "HTTP_", "REMOTE_", "AUTH_"];
            own.iter().chain(&cgi).any(|start| name.starts_with(start))
        };
        let (open, told): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line.contains("->"));
        let told = told.into_iter().filter(|line| line.contains('='));
        let strange: Vec<_> = told.filter(|line| !known(line) || line.contains("evil")).collect();
        assert!(strange.is_empty(), "{strange:?}");
        // The server's own are sockets, polls and logs; the shell adds its script.
        let ours = |line: &&&String| {
            ["socket:", "anon_inode:", ".log", "pem"].iter().any(|kind| line.contains(kind))
        };
        assert!(open.len() >= 3, "{lines:?}");
        assert_eq!(open.iter().find(ours), None, "descriptors that leak");
    });
}

#[test]
fn ends_are_told_to_the_other_side() {
    let (caddy, _keys) = site("echo grumble >&2; echo $$; read line; echo last");
    with_runtime(async {
        let mut socket = plain_socket(caddy.port2(), &[]).await.0;
        says(&mut socket).await;
        socket.send(Message::text("go")).await.unwrap();
        assert_eq!(says(&mut socket).await, "last");
        assert_eq!(says(&mut socket).await, format!("close {}", u16::from(CloseCode::Normal)));

        // A client that vanishes takes its command with it, and what that has started.
        let mut socket = plain_socket(caddy.port2(), &[]).await.0;
        let pid = Pid::from_raw(says(&mut socket).await.parse().unwrap());
        assert_eq!(kill(pid, None), Ok(()));
        drop(socket);
        wait_for("the command to end", Duration::from_secs(30), || {
            kill(pid, None).is_err().then_some(())
        });
    });
    let log = wait_for("standard error", Duration::from_secs(30), || {
        Some(caddy.read("errors.log")).filter(|log| log.matches("] grumble").count() == 2)
    });
    assert!(log.contains("[ERROR 0 /chat] grumble"), "{log}");
}

#[test]
fn a_command_that_will_not_end_is_killed() {
    let (caddy, _keys) = site("trap '' INT TERM\necho $$\nwhile :; do sleep 1000; done");
    with_runtime(async {
        let mut socket = plain_socket(caddy.port2(), &[]).await.0;
        let pid = Pid::from_raw(says(&mut socket).await.parse().unwrap());
        socket.close(None).await.unwrap();
        wait_for("the command to end", Duration::from_secs(30), || {
            kill(pid, None).is_err().then_some(())
        });
    });
}

#[test]
fn commands_end_with_the_service() {
    let text = "http://:@PORT2@ {\n websocket /chat \"sh @DIR@/chat\"\n}\nhttp://:@PORT@\n";
    let setup = Setup::new(text).file("chat", "echo $$\nexec sleep 1000").arg("-grace=1s");
    let mut caddy = setup.start();
    let pid = with_runtime(async {
        let mut socket = plain_socket(caddy.port2(), &[]).await.0;
        let pid = Pid::from_raw(says(&mut socket).await.parse().unwrap());
        caddy.signal(Signal::SIGTERM);
        caddy.wait();
        pid
    });
    wait_for("the command to end", Duration::from_secs(30), || {
        kill(pid, None).is_err().then_some(())
    });
}

#[test]
fn a_flood_is_held_back_and_too_much_is_refused() {
    let (caddy, _keys) = site("read mode; [ $mode = flood ] && exec yes flood; exec cat");
    with_runtime(async {
        let mut socket = plain_socket(caddy.port2(), &[]).await.0;
        socket.send(Message::text("flood")).await.unwrap();
        says(&mut socket).await;
        let before = caddy.rss_peak();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let grown = caddy.rss_peak().saturating_sub(before);
        assert!(grown < 8 * 1024, "{grown} KiB for a client that does not read");
        drop(socket);

        let mut socket = plain_socket(caddy.port2(), &[]).await.0;
        let large = "x".repeat(11 * 1024 * 1024);
        let _ = socket.send(Message::text(large)).await;
        assert_eq!(says(&mut socket).await, format!("close {}", u16::from(CloseCode::Size)));
    });
}

#[test]
fn other_requests_go_on() {
    let (caddy, _keys) = site("exec cat");
    let caddy_file = curl(&[], &caddy.plain("/chat"));
    assert_eq!((caddy_file.status, caddy_file.text().as_str()), (200, "exec cat"));
    let old = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "--http1.1"];
    let version = ["-H", "Sec-WebSocket-Version: 8", "-H", "Sec-WebSocket-Key: x"];
    let answer = curl(&[&old[..], &version].concat(), &caddy.plain("/chat"));
    assert_eq!((answer.status, answer.header("sec-websocket-version")), (426, "13"));
}
