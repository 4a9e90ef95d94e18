//! Against a syslogd of our own, over each of its transports.

use super::*;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

const WAIT: Option<Duration> = Some(Duration::from_secs(10));

#[test]
fn addresses() {
    let udp = |host: &str| Some(Address::Udp(host.to_owned()));
    for (url, want) in [
        ("syslog://log.example:5140", udp("log.example:5140")),
        ("syslog+udp://10.0.0.1", udp("10.0.0.1:514")),
        ("syslog://[::1]:99/", udp("[::1]:99")),
        ("syslog://[::1]", udp("[::1]:514")),
        ("syslog+tcp://h:1", Some(Address::Tcp("h:1".to_owned()))),
        ("syslog://", None),
        ("syslog://h:x", None),
        ("syslog://:514", None),
        ("syslog://::1", None),
        ("syslog+tls://h:1", None),
        ("/dev/log", None),
    ] {
        assert_eq!(address(url), want, "{url}");
    }
    assert!(Syslog::check("syslog://h:x").is_err());
}

#[test]
fn local_lines_survive_a_restart_of_syslogd() {
    let dir = tempfile::tempdir().expect("dir");
    let path = dir.path().join("log");
    let bind = || {
        let socket = UnixDatagram::bind(&path).expect("bind");
        socket.set_read_timeout(WAIT).expect("timeout");
        socket
    };
    let next = |socket: &UnixDatagram| {
        let mut buf = [0; 16_384];
        let len = socket.recv(&mut buf).expect("message");
        String::from_utf8_lossy(&buf[..len]).into_owned()
    };
    let server = bind();
    let log = Syslog::local_at(&path, Facility::Local0).expect("start");
    log.write_line(Severity::Info, "hello\nworld");
    let text = next(&server);
    let tail = format!(" caddy[{}]: hello world", std::process::id());
    assert!(text.starts_with("<134>") && text.ends_with(&tail), "{text}");
    drop(server);
    std::fs::remove_file(&path).expect("remove");
    log.write_line(Severity::Info, "nobody hears this");
    log.flush();
    let server = bind();
    std::thread::sleep(FIRST_PAUSE * 2);
    log.write_line(Severity::Error, &"x".repeat(20_000));
    assert!(next(&server).ends_with("1 lines lost"));
    let text = next(&server);
    assert!(text.starts_with("<131>") && text.ends_with("xxx") && text.len() < 9000);
}

#[test]
fn udp_is_rfc5424() {
    let server = UdpSocket::bind("127.0.0.1:0").expect("bind");
    server.set_read_timeout(WAIT).expect("timeout");
    let url = format!("syslog://{}", server.local_addr().expect("addr"));
    let log = Syslog::remote(&url, Facility::Daemon).expect("start");
    log.write_line(Severity::Warning, "hello");
    let mut buf = [0; 512];
    let len = server.recv(&mut buf).expect("message");
    let text = String::from_utf8_lossy(&buf[..len]);
    let tail = format!(" caddy {} - - hello", std::process::id());
    assert!(text.starts_with("<28>1 2") && text.ends_with(&tail), "{text}");
}

#[test]
fn tcp_lines_end_and_the_connection_is_made_anew() {
    let server = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("syslog+tcp://{}", server.local_addr().expect("addr"));
    let log = Syslog::remote(&url, Facility::Local0).expect("start");
    for text in ["one", "two"] {
        log.write_line(Severity::Info, text);
        log.write_line(Severity::Info, "more");
        let (stream, _) = server.accept().expect("accept");
        stream.set_read_timeout(WAIT).expect("timeout");
        let mut lines = BufReader::new(stream).lines();
        for want in [text, "more"] {
            let line = lines.next().expect("line").expect("read");
            assert!(line.starts_with("<134>1 ") && line.ends_with(want), "{line}");
        }
        drop(lines);
        // The close has to travel before the next line looks for it.
        std::thread::sleep(Duration::from_millis(100));
    }
}
