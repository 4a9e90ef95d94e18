//! What is wrong with an engine of a fleet, or with the URL that leads to it, as the log says it
//! and docs/fleet.md explains it; and what an engine needs, as docs/fleet.md says.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use crate::acme::{DAY, PATIENCE, pebble, setup, wait_trusted, with};
use crate::fleet::{SITE, first, member, wait_log, wait_same};
use crate::harness::{Caddy, Engine, Kind, Setup, certificate, curl, free_port, wait_for};

const CONNECTED: &str = "fleet: connected to";
const PAGE: &str = include_str!("../../docs/fleet.md");

fn plain() -> Setup {
    Setup::new("localhost:@PORT@\ntls off\nstatus 200 /\n").env("CADDYPATH", "store")
}

/// What the page says that the log says.
fn explained() -> Vec<&'static str> {
    let (_, rest) = PAGE.split_once("| the log says | what to do |").unwrap();
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.split('|').nth(2).unwrap().trim().trim_matches('`')).collect()
}

/// Machines at these URLs, which serve; each says its words, with its name for the server before
/// them.
fn check(cases: &[(String, &str)]) {
    let machines: Vec<_> = cases.iter().map(|(url, _)| member(plain(), url).start()).collect();
    for (caddy, (url, words)) in machines.iter().zip(cases) {
        assert!(explained().contains(words), "no row '{words}' in docs/fleet.md");
        wait_log(caddy, words);
        let log = caddy.log();
        let line = log.lines().find(|line| line.contains(words)).unwrap();
        assert!(line.contains("fleet: 127.0.0.1:") || url.contains("nowhere"), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
        let answer = curl(&[], &format!("http://localhost:{}/", caddy.port()));
        assert_eq!(answer.status, 200);
    }
}

/// Answers each connection so, and closes it; without words it says nothing and keeps it.
fn other_server(words: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for mut stream in listener.incoming().flatten() {
            if words.is_empty() {
                kept.push(stream);
            } else {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(words);
            }
        }
    });
    port
}

#[test]
fn a_server_that_is_no_engine_is_explained() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let tls = free_port();
    let options = [
        ["--tls-port", &tls.to_string()],
        ["--tls-cert-file", &cert],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &cert],
        ["--tls-auth-clients", "no"],
    ];
    let engine = Engine::start_with(Kind::Redis, options.as_flattened());
    let silent = other_server(b"");
    let web = other_server(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    let local = |scheme: &str, port: u16| format!("{scheme}://127.0.0.1:{port}");
    check(&[
        (local("redis", silent), "no answer within 5s"),
        (local("redis", 1), "Connection refused"),
        ("redis://nowhere.invalid".to_owned(), "the name does not exist"),
        (local("redis", tls), "if the port is one for TLS, write rediss://"),
        (local("rediss", engine.port), "over TLS; if the port has no TLS, write redis://"),
        (local("rediss", tls), "TLS: invalid peer certificate"),
        (local("redis", web), "this is no server of the Redis protocol"),
        (local("rediss", web), "if the port has no TLS, write redis://"),
    ]);
}

#[test]
fn an_engine_that_refuses_is_explained() {
    let guarded = Engine::start_with(Kind::Redis, &["--requirepass", "right"]);
    let engine = Engine::start(Kind::Valkey);
    let said =
        engine.ask(&["ACL", "SETUSER", "few", "on", ">hunter2", "~*", "&*", "+hello", "+hlen"]);
    assert_eq!(said, "OK");
    let port = engine.port.to_string();
    let replica = Engine::start_with(Kind::Redis, &["--replicaof", "127.0.0.1", &port]);
    let full = Engine::start_with(Kind::Redis, &["--maxmemory", "1"]);
    let at = |login: &str, engine: &Engine| format!("redis://{login}127.0.0.1:{}", engine.port);
    check(&[
        (at(":hunter2@", &guarded), "check user and password in the URL of -fleet"),
        (at("nobody:hunter2@", &engine), "check user and password in the URL of -fleet"),
        (at("", &guarded), "write the password: -fleet redis://:PASSWORD@HOST"),
        (at("few:hunter2@", &engine), "docs/fleet.md says what the user must be allowed"),
        (at("", &engine) + "/999", "DB index is out of range"),
        (at("", &replica), "this is a replica: -fleet must name the primary, or Sentinels"),
        (at("", &full), "its memory is full: raise maxmemory"),
    ]);
}

#[test]
fn sentinels_that_lead_nowhere_are_explained() {
    let engine = Engine::start_with(Kind::Redis, &["--requirepass", "right"]);
    let monitor = format!(
        "sentinel monitor main 127.0.0.1 {} 1\nsentinel auth-pass main right\n",
        engine.port
    );
    let open = Engine::sentinel(Kind::Redis, &monitor);
    let same = Engine::sentinel(Kind::Valkey, &format!("{monitor}requirepass right\n"));
    let other = Engine::sentinel(Kind::Redis, &format!("{monitor}requirepass another\n"));
    let at = |login: &str, sentinel: &Engine, primary: &str| {
        format!("redis+sentinel://{login}127.0.0.1:1,127.0.0.1:{}/{primary}", sentinel.port)
    };
    check(&[
        ("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main".to_owned(), "Connection refused"),
        (at("", &open, "other"), "Sentinel knows no primary 'other'"),
        (at("", &same, "main"), "Sentinel asks for a login, that of the engine"),
        (
            at(":right@", &other, "main"),
            "Sentinel asks for a login, and is given that of the engine",
        ),
    ]);
    for sentinel in [&open, &same] {
        let caddy = member(plain(), &at(":right@", sentinel, "main")).start();
        wait_log(&caddy, &format!("{CONNECTED} 127.0.0.1:{}", engine.port));
    }
}

#[test]
fn machines_with_two_keys_are_explained() {
    let engine = Engine::start(Kind::Valkey);
    let (_pebble, one) = first(&engine);
    wait_log(&one, CONNECTED);
    let wrong = member(plain(), &engine.url()).file("fleet.key", [8; 32]).start();
    let words = "-fleet-key is not the key of the machines that are there";
    assert!(explained().contains(&words));
    wait_log(&wrong, words);
    // Two fleets in one engine.
    let other = format!("{}?prefix=other", engine.url());
    let caddy = member(plain(), &other).file("fleet.key", [8; 32]).start();
    wait_log(&caddy, CONNECTED);
    assert_eq!(engine.ask(&["EXISTS", "{other}:fingerprint"]), "1");
}

#[test]
fn an_engine_whose_memory_becomes_full_says_so_and_is_used_again() {
    for kind in [Kind::Redis, Kind::Valkey] {
        let engine = Engine::start(kind);
        let caddy = member(plain(), &engine.url()).start();
        wait_log(&caddy, CONNECTED);
        assert_eq!(engine.ask(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
        wait_log(&caddy, &format!("fleet: 127.0.0.1:{}: OOM command not allowed", engine.port));
        wait_log(&caddy, "its memory is full: raise maxmemory");
        assert_eq!(engine.ask(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
        wait_log(&caddy, "answers again");
    }
}

/// The line of the page, at engines of both kinds; nothing is denied that a machine asks.
#[test]
fn a_user_with_few_rights_has_enough() {
    let line = PAGE.lines().find(|line| line.starts_with("ACL SETUSER caddy")).unwrap();
    let words: Vec<_> = line.split(' ').collect();
    for kind in [Kind::Redis, Kind::Valkey] {
        let engine = Engine::start(kind);
        assert_eq!(engine.ask(&words), "OK");
        let url = format!("redis://caddy:PASSWORD@127.0.0.1:{}/1", engine.port);
        let text = "one.example {\n status 200 /\n ratelimit 50/hour\n quic_report\n}\n";
        let of_one = setup(text);
        let pebble = pebble(&of_one, DAY);
        let one = with(member(of_one, &url), &pebble).start();
        wait_trusted(&one, &pebble.root(), "one.example");
        let mut two = with(member(setup(SITE), &url), &pebble).start();
        wait_trusted(&two, &pebble.root(), "one.example");
        wait_same(&one, &two);
        // Messages, pages and signs of life, and the last one.
        std::thread::sleep(Duration::from_secs(6));
        two.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(two.wait(), Some(0));
        let denied = engine.ask(&["ACL", "LOG"]);
        assert!(!denied.contains("reason"), "{denied}");
        assert!(!(one.log() + &two.log()).contains("NOPERM"), "{}", one.log());
    }
}

/// Of a cluster the node that has the keys is asked, also when that of the URL is gone.
#[test]
fn the_node_that_has_the_keys_is_remembered() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // Without a number, that of the port and 10,000, which is one that clients are given.
    let buses = [free_port(), free_port()].map(|port| port.to_string());
    let nodes = [0, 1].map(|at| {
        let (folder, bus) = (folders[at].path().display().to_string(), &buses[at]);
        let options = ["--cluster-enabled", "yes", "--dir", &folder, "--cluster-port", bus];
        Engine::start_with(Kind::Valkey, &options)
    });
    let [mut asked, has] = nodes;
    assert_eq!(has.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    let meet = ["CLUSTER", "MEET", "127.0.0.1", &has.port.to_string(), &buses[1]];
    assert_eq!(asked.ask(&meet), "OK");
    for node in [&asked, &has] {
        wait_for("the cluster", PATIENCE, || {
            node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(())
        });
    }
    let caddy = member(plain(), &asked.url()).start();
    wait_log(&caddy, &format!("{CONNECTED} 127.0.0.1:{}", has.port));
    asked.kill();
    let ended = has.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    assert!(ended.parse::<u32>().is_ok_and(|ended| ended > 0), "{ended}");
    let is_back = |caddy: &Caddy| caddy.log().contains("answers again");
    wait_for("the engine", PATIENCE, || is_back(&caddy).then_some(()));
}
