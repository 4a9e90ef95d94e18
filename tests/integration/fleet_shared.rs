//! What the machines of a fleet share beside certificates: the counters of `ratelimit`, the key of
//! `policy cookie`, and staples.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::acme::PATIENCE;
use crate::fleet::{check_cost, member, wait_log};
use crate::fleet_tickets::{self, visit};
use crate::harness::{Answer, Caddy, Engine, Kind, Setup, curl, tls_client, wait_for};
use crate::tls::{wait_stapled, with_responder};

const CONNECTED: &str = "fleet: connected to";
/// When the others know what one has let through: a second until it tells, and the way there.
const TOLD: Duration = Duration::from_secs(8);

/// A machine whose site has the same name on all of them. Clients are whom the test names.
fn site(lines: &str) -> Setup {
    let text = format!("http://one.example {{\nstatus 204 /\nrealip 127.0.0.1\n{lines}\n}}\n");
    Setup::new(&text).arg("-http-port=@PORT@").env("CADDYPATH", "store")
}

fn machine(lines: &str, url: &str) -> Caddy {
    let caddy = member(site(lines), url).start();
    wait_log(&caddy, CONNECTED);
    caddy
}

fn ask(caddy: &Caddy, fields: &[&str]) -> Answer {
    let resolve = format!("one.example:{}:127.0.0.1", caddy.port());
    let fields = fields.iter().flat_map(|field| ["-H", field]);
    let options: Vec<_> = ["--resolve", &resolve].into_iter().chain(fields).collect();
    curl(&options, &format!("http://one.example:{}/", caddy.port()))
}

/// Asks so often for a client; how many requests were let in.
fn let_in(caddy: &Caddy, client: &str, times: usize) -> usize {
    let field = format!("X-Forwarded-For: {client}");
    (0..times)
        .filter(|_| match ask(caddy, &[&field]).status {
            204 => true,
            429 => false,
            other => panic!("status {other}"),
        })
        .count()
}

#[test]
fn a_client_has_one_quota_at_all_machines() {
    let engine = Engine::start(Kind::Redis);
    let url = engine.url();
    let machines = [(); 3].map(|()| machine("ratelimit / 60 30 hour", &url));
    // One after the other: who has spent all at one has nothing left at the others.
    assert_eq!(let_in(&machines[0], "192.0.2.1", 40), 30);
    std::thread::sleep(TOLD);
    assert_eq!(let_in(&machines[1], "192.0.2.1", 5), 0);
    assert_eq!(let_in(&machines[2], "192.0.2.1", 5), 0);
    assert_eq!(let_in(&machines[2], "192.0.2.2", 5), 5);
    // Taking turns, two requests a second at each: what two machines let through before the
    // third has told them is too much.
    let mut allowed = 0;
    for _ in 0..25 {
        for caddy in &machines {
            allowed += let_in(caddy, "192.0.2.3", 1);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    // What two machines have on the way within 3 s, at most two requests a second each.
    assert!((30..=42).contains(&allowed), "{allowed}");
}

#[test]
fn without_the_engine_each_machine_counts_alone() {
    let mut engine = Engine::start(Kind::Valkey);
    let url = engine.url();
    let (one, two) = (machine("ratelimit 5/hour", &url), machine("ratelimit 5/hour", &url));
    engine.kill();
    for caddy in [&one, &two] {
        wait_log(caddy, "goes on with what it has");
        assert_eq!(let_in(caddy, "192.0.2.1", 8), 5);
    }
    engine.run();
    [&one, &two].iter().for_each(|caddy| wait_log(caddy, "answers again"));
    std::thread::sleep(TOLD);
    assert_eq!(let_in(&one, "192.0.2.2", 8), 5);
    std::thread::sleep(TOLD);
    assert_eq!(let_in(&two, "192.0.2.2", 8), 0);
    for caddy in [&one, &two] {
        assert_eq!(caddy.log().matches("goes on with what it has").count(), 1, "{}", caddy.log());
    }
}

#[test]
fn fleets_in_one_engine_do_not_mix() {
    let engine = Engine::start(Kind::Redis);
    let one = machine("ratelimit 5/hour", &engine.url());
    let other = machine("ratelimit 5/hour", &format!("{}?prefix=other", engine.url()));
    assert_eq!(let_in(&one, "192.0.2.1", 8), 5);
    std::thread::sleep(TOLD);
    assert_eq!(let_in(&other, "192.0.2.1", 8), 5);
    // Whose key is another one says so, and is heard by nobody.
    let wrong = member(site("ratelimit 5/hour"), &engine.url()).file("fleet.key", [8; 32]).start();
    wait_log(&wrong, "-fleet-key is not the key of the machines that are there");
    assert_eq!(let_in(&wrong, "192.0.2.1", 8), 5);
}

#[test]
fn nothing_is_told_at_rest_and_a_message_names_nobody() {
    let engine = Engine::start(Kind::Redis);
    let url = engine.url();
    let (one, _two) = (machine("ratelimit 50/hour", &url), machine("ratelimit 50/hour", &url));
    let plain = machine("", &url);
    wait_for("two listeners", PATIENCE, || {
        (engine.ask(&["PUBSUB", "NUMSUB", "{caddy}:told"]) == "{caddy}:told\n2").then_some(())
    });
    let publishes = || {
        let stats = engine.ask(&["INFO", "commandstats"]);
        let line = stats.lines().find(|line| line.starts_with("cmdstat_publish:calls="));
        line.map_or(0, |line| line.split(['=', ',']).nth(1).unwrap().parse::<u64>().unwrap())
    };
    // A message a second of each that limits would be too much.
    check_cost(&engine, 3, || ());
    drop(plain);

    let mut listener = TcpStream::connect(("127.0.0.1", engine.port)).unwrap();
    listener.write_all(b"SUBSCRIBE {caddy}:told\r\n").unwrap();
    listener.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let (before, begun) = (publishes(), Instant::now());
    for client in 0..200 {
        assert_eq!(let_in(&one, &format!("192.0.2.{client}"), 1), 1);
    }
    std::thread::sleep(TOLD);
    let seconds = begun.elapsed().as_secs();
    let told = publishes() - before;
    assert!((1..=seconds + 1).contains(&told), "{told} messages in {seconds} s");
    let mut heard = Vec::new();
    // Ends with the first silence.
    let _ = listener.read_to_end(&mut heard);
    let most = usize::try_from(told).unwrap() * 200 + 200 * 24;
    assert!((200 * 24..=most).contains(&heard.len()), "{} bytes", heard.len());
    let text = String::from_utf8_lossy(&heard);
    assert!(!text.contains("192.0.2") && !text.contains("one.example"), "{text}");
}

/// Where nothing limits, that is.
#[test]
fn requests_and_handshakes_ask_nothing_of_the_engine() {
    let engine = Engine::start(Kind::Valkey);
    let caddy = fleet_tickets::machine(&engine.url()).start();
    wait_log(&caddy, CONNECTED);
    check_cost(&engine, 1, || {
        let again = tls_client();
        for _ in 0..300 {
            visit(&tls_client(), &caddy);
            visit(&again, &caddy);
        }
    });
}

/// Three upstreams that say who they are.
fn upstreams() -> Caddy {
    let site = |name: &str, port: &str| {
        format!("http://:@{port}@ {{\nstatus 204 /\nheader / X-Upstream {name}\n}}\n")
    };
    Caddy::start(&[site("a", "PORT"), site("b", "PORT2"), site("c", "PORT3")].concat())
}

#[test]
fn a_client_stays_with_its_upstream_at_all_machines() {
    let engine = Engine::start(Kind::Redis);
    let behind = upstreams();
    let (port, port2) = (behind.port(), behind.port2());
    let port3 = behind.third("").rsplit(':').next().unwrap().to_owned();
    let to = format!("127.0.0.1:{port} 127.0.0.1:{port2} 127.0.0.1:{port3}");
    let text = format!("http://one.example\nproxy / {to} {{\npolicy cookie\n}}\n");
    let alone = || Setup::new(&text).arg("-http-port=@PORT@").env("CADDYPATH", "store");
    let mut one = member(alone(), &engine.url()).start();
    let two = member(alone(), &engine.url()).start();
    let other = alone().start();
    let mut homes = std::collections::BTreeSet::new();
    for _ in 0..12 {
        let first = ask(&one, &[]);
        let (home, set) = (first.header("x-upstream"), first.header("set-cookie"));
        assert!(set.starts_with("lb="), "{first:?}");
        homes.insert(home.to_owned());
        let cookie = format!("Cookie: {}", set.split(';').next().unwrap());
        for _ in 0..3 {
            let again = ask(&two, &[&cookie]);
            assert_eq!((again.header("x-upstream"), again.header("set-cookie")), (home, ""));
        }
        // A machine that is on its own does not know it.
        assert!(ask(&other, &[&cookie]).header("set-cookie").starts_with("lb="));
    }
    // Each is taken at random.
    homes.extend((0..40).map(|_| ask(&one, &[]).header("x-upstream").to_owned()));
    assert_eq!(homes.len(), 3, "{homes:?}");
    // Nor does it take the engine: a machine that starts without it knows the cookie, too.
    let first = ask(&two, &[]);
    let cookie = format!("Cookie: {}", first.header("set-cookie").split(';').next().unwrap());
    drop(engine);
    one.kill();
    one.start_again();
    let again = ask(&one, &[&cookie]);
    assert_eq!(again.header("x-upstream"), first.header("x-upstream"));
    assert_eq!(again.header("set-cookie"), "");
    wait_for("its log", PATIENCE, || one.log().contains("goes on with what").then_some(()));
}

/// The second machine has the staple though no responder is there any more.
#[test]
fn a_staple_of_one_machine_is_that_of_all() {
    let engine = Engine::start(Kind::Valkey);
    let setup = || {
        let text = "https://localhost:@PORT@ {\ntls cert.pem key.pem\nstatus 200 /\n}\n";
        member(Setup::new(text).env("CADDYPATH", "store"), &engine.url())
    };
    let of_one = setup();
    let responder = with_responder(of_one.dir());
    let one = of_one.start();
    wait_stapled(&one);
    wait_log(&one, "fleet: connected to");
    drop(responder);
    let of_two = ["cert.pem", "key.pem"].iter().fold(setup(), |setup, name| {
        let content = std::fs::read(one.path(name)).unwrap();
        setup.file(name, content)
    });
    wait_stapled(&of_two.start());
}
