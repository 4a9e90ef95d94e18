//! What runs at the engine in one step, asked as a machine asks it.

use std::sync::Arc;
use std::time::Duration;

use caddy::fleet::engine::members::Sign;
use caddy::fleet::engine::{Early, Engine as Asked, Link, Outcome, Put, Version};
use caddy::fleet::lease::{Answer, Question, TTL};
use caddy::fleet::members::Claim;
use caddy::fleet::place::Place;
use caddy::fleet::seal::Seal;

use crate::fleet::KEY;
use crate::harness::{Engine, Kind, YEAR};

async fn connect(engine: &Engine, machine: &str) -> Link {
    let place = Place::parse(&engine.url()).unwrap();
    let early: Early = Arc::new(|_| ());
    Asked::new(place, machine.to_owned()).connect(&early).await.unwrap()
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

/// For how long another machine has the lease.
fn taken(answer: &Answer) -> Duration {
    let Answer::Taken(wait) = answer else { panic!("{answer:?}") };
    assert!(*wait <= TTL, "{wait:?}");
    *wait
}

/// The fencing number of a grant.
fn granted(answer: Answer) -> u64 {
    let Answer::Granted(fence) = answer else { panic!("{answer:?}") };
    fence
}

fn put<'a>(seal: &Seal, lease: &'a str, version: u64) -> Put<'a> {
    Put {
        id: seal.id("ocsp/a"),
        before: None,
        version,
        sealed: b"sealed",
        lease,
        fence: None,
        is_restored: false,
        is_told: false,
    }
}

#[test]
fn a_lease_ends_though_the_clock_went_back() {
    run(async {
        for kind in [Kind::Redis, Kind::Valkey] {
            let (engine, clock) = Engine::start_at(kind, 20 * YEAR);
            let (mut dead, mut other) = (connect(&engine, "a").await, connect(&engine, "b").await);
            for lease in ["one", "two"] {
                let granted = dead.lease(lease, Question::Acquire, 0).await.unwrap();
                assert!(matches!(granted, Answer::Granted(_)), "{granted:?}");
            }
            clock.set(0);
            let seal = Seal::new(&KEY).unwrap();
            // A write without a lease, too, lets what is left of it run.
            assert_eq!(other.put(&put(&seal, "two", 7)).await, Ok(Outcome::Fenced));
            let first = taken(&other.lease("one", Question::Acquire, 0).await.unwrap());
            tokio::time::sleep(Duration::from_secs(2)).await;
            for lease in ["one", "two"] {
                let later = taken(&other.lease(lease, Question::Acquire, 0).await.unwrap());
                let gone = first.saturating_sub(later);
                assert!(gone >= Duration::from_millis(1500), "{lease}: {first:?}, {later:?}");
            }
        }
    });
}

#[test]
fn who_had_a_lease_before_writes_no_more() {
    run(async {
        for kind in [Kind::Redis, Kind::Valkey] {
            let engine = Engine::start(kind);
            let (mut one, mut other) = (connect(&engine, "a").await, connect(&engine, "b").await);
            let seal = Seal::new(&KEY).unwrap();
            let fence = granted(one.lease("one", Question::Acquire, 0).await.unwrap());
            let first = Put { fence: Some(fence), ..put(&seal, "one", 7) };
            assert!(matches!(one.put(&first).await, Ok(Outcome::Written(_))));
            let stale = Put { before: Some(7), version: 8, ..first };
            let left = one.lease("one", Question::Release(fence), 0).await;
            assert_eq!(left, Ok(Answer::Released));
            let later = granted(other.lease("one", Question::Acquire, 0).await.unwrap());
            assert!(later > fence, "{later} behind {fence}");
            assert_eq!(one.put(&stale).await, Ok(Outcome::Fenced), "another machine has it");
            let renewed = one.lease("one", Question::Renew(fence), 0).await;
            assert_eq!(renewed, Ok(Answer::Lost));
            let left = other.lease("one", Question::Release(later), 0).await;
            assert_eq!(left, Ok(Answer::Released));
            assert_eq!(one.put(&stale).await, Ok(Outcome::Fenced), "nobody has it");
            let again = granted(one.lease("one", Question::Acquire, 0).await.unwrap());
            assert_eq!(one.put(&stale).await, Ok(Outcome::Fenced), "it has it anew");
            assert_eq!(one.fetch(&[stale.id]).await.unwrap()[0].version, 7);
            let fresh = Put { fence: Some(again), ..stale };
            assert!(matches!(one.put(&fresh).await, Ok(Outcome::Written(_))));
        }
    });
}

#[test]
fn what_the_engine_has_dropped_counts_no_longer() {
    run(async {
        let engine = Engine::start(Kind::Valkey);
        let mut link = connect(&engine, "a").await;
        let seal = Seal::new(&KEY).unwrap();
        let first = put(&seal, "one", 7);
        assert!(matches!(link.put(&first).await, Ok(Outcome::Written(_))));
        assert_eq!(link.put(&first).await, Ok(Outcome::Other(Some(7))));
        let claim = Claim { number: 1, holder: 1 };
        let sign = Sign { claim, sealed: Some(b"sealed"), lists: false };
        let other = Put { id: seal.id("ocsp/b"), ..put(&seal, "one", 1) };
        for is_restored in [false, true] {
            let there = link.survey(seal.fingerprint(), true).await.unwrap();
            assert!(there.versions.contains(&Version { id: first.id, version: 7 }));
            assert_eq!(link.sign(&sign).await.unwrap().polled.revision, there.revision);
            assert_eq!(engine.ask(&["DEL", "{caddy}:entries"]), "1");
            // What is written next does not hide the loss.
            assert!(matches!(link.put(&other).await, Ok(Outcome::Written(_))));
            assert_eq!(link.sign(&sign).await.unwrap().polled.revision, "");
            // As from a machine that has it, or from one that makes it anew.
            let again = Put { is_restored, ..put(&seal, "one", 7) };
            assert!(matches!(link.put(&again).await, Ok(Outcome::Written(_))));
            assert_eq!(engine.ask(&["DEL", "{caddy}:entries"]), "1");
            assert_eq!(link.survey(seal.fingerprint(), true).await.unwrap().versions, []);
            assert!(matches!(link.put(&again).await, Ok(Outcome::Written(_))));
        }
        assert_eq!(engine.ask(&["DEL", "{caddy}:versions"]), "1");
        assert_eq!(link.sign(&sign).await.unwrap().polled.revision, "");
        let made_good = link.survey(seal.fingerprint(), true).await.unwrap();
        assert_eq!(made_good.versions, [Version { id: first.id, version: 7 }]);
        assert_eq!(link.sign(&sign).await.unwrap().polled.revision, made_good.revision);
    });
}

#[test]
fn only_who_may_found_a_fleet_does() {
    run(async {
        let engine = Engine::start(Kind::Redis);
        let mut link = connect(&engine, "a").await;
        let key = "{caddy}:fingerprint";
        assert_eq!(link.survey("wrong", false).await.unwrap().fingerprint, "");
        assert_eq!(engine.ask(&["EXISTS", key]), "0");
        assert_eq!(link.survey("right", true).await.unwrap().fingerprint, "right");
        assert_eq!(link.survey("wrong", true).await.unwrap().fingerprint, "right");
    });
}

#[test]
fn who_was_seen_by_a_wrong_clock_is_seen_now() {
    run(async {
        let (engine, clock) = Engine::start_at(Kind::Valkey, 20 * YEAR);
        let mut link = connect(&engine, "a").await;
        let claim = |number| Claim { number, holder: 1 };
        let sign = |number| Sign { claim: claim(number), sealed: Some(b"sealed"), lists: true };
        link.sign(&sign(1)).await.unwrap();
        clock.set(0);
        let signed = link.sign(&sign(2)).await.unwrap();
        let gone = signed.listed.iter().find(|one| one.claim == claim(1)).unwrap();
        assert_eq!((gone.seen, &gone.sealed[..]), (signed.polled.now, &b"sealed"[..]));
        // From then on it grows old.
        let later = link.sign(&sign(2)).await.unwrap();
        let again = later.listed.iter().find(|one| one.claim == claim(1)).unwrap();
        assert_eq!(again.seen, gone.seen);
    });
}
