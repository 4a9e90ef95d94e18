//! What may go wrong between the machines of a fleet: one is cut off, another is of a later
//! version, and two fleets have one engine.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use caddy::fleet::seal::Seal;

use crate::acme::{PATIENCE, entry, orders, setup, trusted, wait_trusted, with};
use crate::fleet::{KEY, SITE, first, member, wait_log, wait_same};
use crate::fleet_orders::number;
use crate::harness::{Caddy, Engine, Kind, Road, wait_for};

const CONNECTED: &str = "fleet: connected to";
const AWAY: &str = "; this machine goes on with what it has";
const DAMAGED: &str = "is damaged, or of a later version of caddy";

/// For `PARTITION` seconds.
#[test]
fn a_machine_that_was_cut_off_takes_what_is_newer() {
    let engine = Engine::start(Kind::Valkey);
    let (pebble, one) = first(&engine);
    let road = Road::to(([127, 0, 0, 1], engine.port).into());
    let url = format!("redis://127.0.0.1:{}", road.port);
    let two = with(member(setup(SITE), &url), &pebble).start();
    wait_trusted(&two, &pebble.root(), "one.example");
    wait_same(&one, &two);
    road.cut();
    one.rewrite("one.example, new.example\nstatus 200 /\n");
    one.reload();
    wait_trusted(&one, &pebble.root(), "new.example");
    wait_log(&two, AWAY);
    // No handshake waits, and nothing comes of itself.
    let partition = Duration::from_secs(number("PARTITION", 12) as u64);
    let pause = (partition / 40).min(Duration::from_secs(5));
    let (root, end) = (pebble.root(), Instant::now() + partition);
    let timed = |caddy: &Caddy| {
        let begun = Instant::now();
        assert!(trusted(caddy, &root, "one.example"));
        begun.elapsed()
    };
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    while Instant::now() < end {
        alone.push(timed(&two));
        beside.push(timed(&one));
        std::thread::sleep(pause);
    }
    // One alone may be the machine's own pause.
    let slow = alone.iter().filter(|took| **took > Duration::from_secs(4)).count();
    assert!(slow <= 1, "{alone:?}");
    // As a rule they are as quick as those of the machine that has the engine.
    let [alone, beside] = [alone, beside].map(median);
    assert!(alone < 2 * beside + Duration::from_millis(500), "{alone:?}, and {beside:?} of one");
    assert!(!entry(&two, &pebble, "new.example", "crt").exists());
    // What was on the way arrives late.
    road.mend();
    wait_log(&two, "answers again");
    wait_same(&one, &two);
    assert!(entry(&two, &pebble, "new.example", "crt").exists());
    assert_eq!(two.log().matches(AWAY).count(), 1, "{}", two.log());
    two.rewrite("one.example, new.example\nstatus 200 /\n");
    two.reload();
    wait_trusted(&two, &pebble.root(), "new.example");
    assert_eq!(orders(&pebble), 2);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Words for the engine, which may have any bytes.
pub fn tell(engine: &Engine, words: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", engine.port)).unwrap();
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend(format!("${}\r\n", word.len()).into_bytes());
        command.extend(*word);
        command.extend(b"\r\n");
    }
    stream.write_all(&command).unwrap();
    let mut answer = [0; 64];
    let size = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..size]).into_owned()
}

/// A machine of a later version, as far as the engine sees it.
struct Later<'a> {
    engine: &'a Engine,
    seal: Seal,
}

impl Later<'_> {
    /// Writes an entry; returns its place.
    fn put(&self, name: &str, content: &[u8]) -> String {
        let id = self.seal.id(name);
        // Years after any other version.
        let version: u64 = 4_000_000_000_000_000;
        let sealed = self.seal.close(name, Some(content), version).unwrap();
        self.write(&id.to_string(), version, &sealed)
    }

    fn write(&self, id: &str, version: u64, sealed: &[u8]) -> String {
        let content = [&version.to_be_bytes(), sealed].concat();
        tell(self.engine, &[b"HSET", b"{caddy}:entries", id.as_bytes(), &content]);
        let number = version.to_string();
        tell(self.engine, &[b"HSET", b"{caddy}:versions", id.as_bytes(), number.as_bytes()]);
        let before = self.engine.ask(&["GET", "{caddy}:revision"]);
        let after = format!("{:016x}", fastrand::u64(..));
        tell(self.engine, &[b"SET", b"{caddy}:revision", after.as_bytes()]);
        // With words that this version does not know.
        let change = format!("{before} {after} {id} of=later");
        tell(self.engine, &[b"PUBLISH", b"{caddy}:changes", change.as_bytes()]);
        id.to_owned()
    }

    fn has(&self, id: &str) -> bool {
        self.engine.ask(&["HEXISTS", "{caddy}:entries", id]) == "1"
            && self.engine.ask(&["HEXISTS", "{caddy}:versions", id]) == "1"
    }
}

#[test]
fn what_a_later_version_writes_is_left_alone() {
    let engine = Engine::start(Kind::Redis);
    let (pebble, one) = first(&engine);
    wait_log(&one, CONNECTED);
    let later = Later { engine: &engine, seal: Seal::new(&KEY).unwrap() };
    let ids = [
        later.put("acme/ca.example/keys/one.example/one.example.pqc", b"another kind"),
        later.put("plans/7", b"another folder"),
        // Sealed in another way.
        later.write(&later.seal.id("sealed anew").to_string(), 4_000_000_000_000_000, &[9; 90]),
    ];
    // More than are fetched at once.
    (0..100).for_each(|number| drop(later.put(&format!("plans/1-{number}"), b"a plan")));
    for message in [&b"a b"[..], b"", b"x y z w v", &[0, 255, 254]] {
        tell(&engine, &[b"PUBLISH", b"{caddy}:changes", message]);
        tell(&engine, &[b"PUBLISH", b"{caddy}:told", message]);
    }
    tell(&engine, &[b"HSET", b"{caddy}:versions", b"not an id", b"not a number"]);
    tell(&engine, &[b"SET", b"{caddy}:plan", b"of the later version"]);
    // A field that this version does not know, in a record that it knows.
    let place = entry(&one, &pebble, "one.example", "json");
    let mut record: serde_json::Value = serde_json::from_slice(&read(&place)).unwrap();
    record["later"] = 1.into();
    let name = place.strip_prefix(one.path("store")).unwrap().to_str().unwrap().to_owned();
    later.put(&name, record.to_string().as_bytes());
    wait_for("the record", PATIENCE, || {
        String::from_utf8_lossy(&read(&place)).contains("later").then_some(())
    });
    // Machines of this version go on, from what is there.
    let mut two = with(member(setup(SITE), &engine.url()), &pebble).start();
    wait_trusted(&two, &pebble.root(), "one.example");
    wait_same(&one, &two);
    // What is counted below is written behind the files.
    [CONNECTED, DAMAGED].iter().for_each(|words| wait_log(&two, words));
    two.kill();
    two.start_again();
    wait_trusted(&two, &pebble.root(), "one.example");
    assert_eq!(orders(&pebble), 1);
    for id in &ids {
        assert!(later.has(id), "{id}");
    }
    assert_eq!(engine.ask(&["GET", "{caddy}:plan"]), "of the later version");
    wait_for("the fleet", PATIENCE, || (starts(&two.log()) == 2).then_some(()));
    for caddy in [&one, &two] {
        assert!(!caddy.path("store/plans").exists());
        // Once for each start, behind the connection.
        let told = |log: &str| log.matches(DAMAGED).count();
        wait_for("the warnings", PATIENCE, || {
            let log = caddy.log();
            (told(&log) == starts(&log)).then_some(())
        });
        assert!(!caddy.log().contains("ERROR"), "{}", caddy.log());
    }
    // What is not taken is not fetched again.
    std::thread::sleep(Duration::from_secs(6));
    let before = fetches(&engine);
    for _ in 0..3 {
        engine.ask(&["SET", "{caddy}:revision", &format!("{:016x}", fastrand::u64(..))]);
        std::thread::sleep(Duration::from_secs(6));
    }
    // The keys of session tickets, by two machines.
    let spent = fetches(&engine) - before;
    assert!(spent <= 3 * 2 * 2, "{spent} fetches");
}

fn fetches(engine: &Engine) -> u64 {
    let stats = engine.ask(&["INFO", "commandstats"]);
    let line = stats.lines().find(|line| line.starts_with("cmdstat_hmget:")).unwrap();
    line.split_once("calls=").unwrap().1.split(',').next().unwrap().parse().unwrap()
}

/// How often the machine was started.
fn starts(log: &str) -> usize {
    log.matches(CONNECTED).count()
}

fn read(place: &PathBuf) -> Vec<u8> {
    std::fs::read(place).unwrap()
}

#[test]
fn fleets_of_one_engine_share_nothing() {
    let engine = Engine::start(Kind::Valkey);
    let (pebble, one) = first(&engine);
    wait_log(&one, CONNECTED);
    // The CA reaches the first machine only, so the other fleet's may not get its certificate.
    let url = format!("{}?prefix=other", engine.url());
    let other = with(member(setup(SITE), &url), &pebble).start();
    wait_log(&other, CONNECTED);
    wait_for("its order", PATIENCE, || (orders(&pebble) > 1).then_some(()));
    std::thread::sleep(Duration::from_secs(2));
    assert!(!entry(&other, &pebble, "one.example", "crt").exists());
    let keys = engine.ask(&["KEYS", "*"]);
    assert!(keys.lines().all(|key| key.starts_with("{caddy}:") || key.starts_with("{other}:")));
    let entries = |prefix: &str| engine.ask(&["HKEYS", &format!("{{{prefix}}}:entries")]);
    assert!(!entries("caddy").is_empty());
    let own: Vec<_> = entries("other").lines().map(str::to_owned).collect();
    let certificate = Seal::new(&KEY).unwrap().id(&name_of(&one, &pebble)).to_string();
    assert!(entries("caddy").contains(&certificate) && !own.contains(&certificate));
}

fn name_of(caddy: &Caddy, pebble: &crate::harness::Pebble) -> String {
    let place = entry(caddy, pebble, "one.example", "crt");
    place.strip_prefix(caddy.path("store")).unwrap().to_str().unwrap().to_owned()
}
