//! Sessions of one machine of a fleet that resume on another: over TCP and QUIC, while keys change,
//! and when the engine is gone.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use serde_json::json;

use crate::fleet::{member, wait_log};
use crate::harness::{Caddy, Engine, Kind, Setup, h3_tls, tls_client, tls_of, wait_for};

const SITE: &str = "https://localhost:@PORT@ {\ntls self_signed\nstatus 200 /\n}\n";
/// Until a key that was just made is in use.
pub const IN_USE: Duration = Duration::from_secs(60);

pub fn machine(url: &str) -> Setup {
    member(Setup::new(SITE).env("CADDYPATH", "store"), url)
}

/// A request of this client; how its handshake was.
pub fn visit(client: &Arc<ClientConfig>, to: &Caddy) -> HandshakeKind {
    let mut stream = tls_of(client, to.port(), "localhost").unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(stream.conn.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    stream.conn.handshake_kind().unwrap()
}

/// A client with a session of this machine.
fn visitor(of: &Caddy) -> Arc<ClientConfig> {
    let client = tls_client();
    assert_eq!(visit(&client, of), HandshakeKind::Full);
    client
}

fn resumes(one: &Caddy, two: &Caddy) -> bool {
    visit(&visitor(one), two) == HandshakeKind::Resumed
}

/// Waits until both use a key that both have.
fn wait_shared(one: &Caddy, two: &Caddy) {
    wait_for("sessions that resume", IN_USE, || {
        (resumes(one, two) && resumes(two, one)).then_some(())
    });
}

/// Of this many sessions, each way, 99 % resume.
fn check(count: usize, one: &Caddy, two: &Caddy) {
    let ways = [(one, two), (two, one)].into_iter().cycle().take(count);
    let resumed = ways.filter(|(from, to)| resumes(from, to)).count();
    assert!(resumed * 100 >= count * 99, "{resumed} of {count}");
}

/// What a ticket of this machine begins with: the name of its key, in hexadecimal.
fn key_of(caddy: &Caddy) -> String {
    let line = ["0.5", "2", "6"].iter().find_map(|pause| ticket_line(caddy, pause));
    line.expect("a ticket")[..47].replace([' ', '-'], "")
}

/// The first bytes of a ticket that comes within this many seconds.
fn ticket_line(caddy: &Caddy, pause: &str) -> Option<String> {
    let session = caddy.path("session").display().to_string();
    let script = "rm -f $2; (sleep $3) | openssl s_client -connect 127.0.0.1:$1 \
        -servername localhost -sess_out $2 >/dev/null 2>&1; openssl sess_id -in $2 -noout -text";
    let port = caddy.port().to_string();
    let args = ["-c", script, "sh", &port, &session, pause];
    let text = Command::new("sh").args(args).output().unwrap().stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().find_map(|line| Some(line.trim().strip_prefix("0000 - ")?.to_owned()))
}

#[test]
fn sessions_resume_on_another_machine() {
    let mut engine = Engine::start(Kind::Valkey);
    let one = machine(&engine.url()).start();
    let mut two = machine(&engine.url()).start();
    wait_shared(&one, &two);
    check(200, &one, &two);
    let ports = [one.port(), two.port()];
    let answers = h3_tls(json!({"port": 0, "ports": ports, "sni": "localhost", "times": 41}));
    let answers = answers.as_array().unwrap();
    assert!(answers.iter().all(|answer| answer["status"] == 200), "{answers:?}");
    let resumed = answers.iter().filter(|answer| answer["resumed"] == true).count();
    assert!(resumed >= 40, "{answers:?}");
    // Without the engine they go on, over a reload and an upgrade too.
    engine.kill();
    wait_log(&one, "; this machine goes on with what it has");
    check(200, &one, &two);
    one.reload();
    two.upgrade();
    check(100, &one, &two);
    // It comes back, and has lost everything.
    engine.run();
    for caddy in [&one, &two] {
        wait_log(caddy, "answers again");
    }
    check(100, &one, &two);
    // A machine that has nothing of its own gets the keys from the others.
    let three = machine(&engine.url()).start();
    wait_shared(&three, &one);
    check(100, &three, &two);
    let key = key_of(&one);
    assert_eq!(key_of(&three), key);
    for caddy in [&one, &two, &three] {
        assert!(!has(&caddy.path("store"), &key), "a key on a disk");
    }
}

/// Whether a file in this folder has the name of a key.
fn has(folder: &Path, key: &str) -> bool {
    let name: Vec<u8> = (0..key.len() / 2)
        .map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap())
        .collect();
    // Without certificates there may be none.
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).any(|path| match path.is_dir() {
        true => has(&path, key),
        false => {
            let bytes = std::fs::read(&path).unwrap();
            bytes.windows(name.len()).any(|part| part == name)
                || String::from_utf8_lossy(&bytes).contains(key)
        }
    })
}

#[test]
fn sessions_resume_while_keys_change() {
    let engine = Engine::start(Kind::Redis);
    let url = format!("{}?tickets=1m", engine.url());
    check_while_keys_change(&machine(&url).start(), &machine(&url).start());
}

/// Machines whose keys are used for a minute.
pub fn check_while_keys_change(one: &Caddy, two: &Caddy) {
    wait_shared(one, two);
    let before = key_of(one);
    let early: Vec<_> = (0..20).map(|_| visitor(one)).collect();
    let end = Instant::now() + Duration::from_secs(120);
    let (mut count, mut resumed) = (0, 0);
    // To read the keys takes longer than to resume.
    while count % 8 != 0 || key_of(one) == before || key_of(two) == before {
        assert!(Instant::now() < end, "no rotation");
        for (from, to) in [(one, two), (two, one)] {
            count += 1;
            resumed += usize::from(resumes(from, to));
        }
    }
    assert!(count >= 40 && resumed * 100 >= count * 99, "{resumed} of {count}");
    check(100, one, two);
    assert_eq!(key_of(one), key_of(two));
    // Sessions of the key before.
    let still = early.iter().filter(|client| visit(client, two) == HandshakeKind::Resumed);
    assert_eq!(still.count(), early.len());
}

#[test]
fn a_machine_alone_resumes_its_own_sessions() {
    let url = "redis://127.0.0.1:1";
    let (one, two) = (machine(url).start(), machine(url).start());
    assert!(resumes(&one, &one) && resumes(&two, &two));
    assert!(!resumes(&one, &two));
}
