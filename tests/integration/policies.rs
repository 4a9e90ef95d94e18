//! Choosing an upstream, going to the next, and not hurting anybody while doing so.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{Caddy, Origin, Setup, curl, free_port, wait_for};

/// A request without curl options.
const NONE: &[&str] = &[];

/// Three origins behind a plain site with these options, and what they answered to `requests`
/// (curl options).
fn answers(options: &str, requests: &[&[&str]]) -> Vec<String> {
    let origins = [Origin::named("a"), Origin::named("b"), Origin::named("c")];
    let hosts: Vec<String> = origins.iter().map(|origin| origin.addr.to_string()).collect();
    let site = format!("http://:@PORT@ {{\n proxy / {} {{\n{options}\n}}\n}}\n", hosts.join(" "));
    let caddy = Caddy::start(&site);
    let url = format!("http://localhost:{}/", caddy.port());
    requests.iter().map(|options| curl(options, &url).header("x-origin").to_owned()).collect()
}

fn distinct(answers: &[String]) -> BTreeSet<&str> {
    answers.iter().map(String::as_str).collect()
}

#[test]
fn first_takes_the_first() {
    assert_eq!(answers("policy first", &[NONE; 6]), ["a"; 6]);
}

#[test]
fn round_robin_goes_round() {
    let got = answers("policy round_robin", &[NONE; 12]);
    for name in ["a", "b", "c"] {
        let count = got.iter().filter(|got| *got == name).count();
        assert!((2..=6).contains(&count), "{name}: {count} of 12: {got:?}");
    }
}

#[test]
fn random_and_least_conn_reach_everyone() {
    for policy in ["policy random", "policy least_conn", ""] {
        assert_eq!(distinct(&answers(policy, &[NONE; 40])).len(), 3, "{policy}");
    }
}

#[test]
fn hashes_stay_with_one() {
    assert_eq!(distinct(&answers("policy ip_hash", &[NONE; 8])).len(), 1);
    assert_eq!(distinct(&answers("policy uri_hash", &[NONE; 8])).len(), 1);
    let one: &[&str] = &["-H", "X-User: one"];
    assert_eq!(distinct(&answers("policy header X-User", &[one; 8])).len(), 1);
}

#[test]
fn uri_hash_spreads() {
    let origins = [Origin::named("a"), Origin::named("b"), Origin::named("c")];
    let hosts: Vec<String> = origins.iter().map(|origin| origin.addr.to_string()).collect();
    let caddy = Caddy::start(&format!(
        "http://:@PORT@ {{\n proxy / {} {{\n policy uri_hash\n}}\n}}\n",
        hosts.join(" ")
    ));
    let ask = |i: u32| {
        curl(&[], &format!("http://localhost:{}/{i}", caddy.port())).header("x-origin").to_owned()
    };
    let got: Vec<String> = (0..30).map(ask).collect();
    assert_eq!(distinct(&got).len(), 3, "{got:?}");
}

#[test]
fn port_range_is_several_upstreams() {
    let caddy = Setup::new("http://:@PORT@ {\n proxy / localhost:@PORT2@ localhost:@PORT3@ {\n policy round_robin\n}\n}\n\
         http://:@PORT2@ {\n status 203 /\n}\nhttp://:@PORT3@ {\n status 202 /\n}\n").start();
    let url = format!("http://localhost:{}/", caddy.port());
    let got: BTreeSet<u16> = (0..12).map(|_| curl(&[], &url).status).collect();
    assert_eq!(got, BTreeSet::from([202, 203]));
}

#[test]
fn failover_replays_the_body() {
    let live = Origin::start();
    let (dead, dead2) = (free_port(), free_port());
    let options =
        "policy round_robin\n fail_timeout 5s\n max_fails 1\n try_duration 5s\n try_interval 250ms";
    let caddy = Caddy::proxy(format!("localhost:{dead} localhost:{dead2} {}", live.addr), options);
    for protocol in ["--http1.1", "--http2"] {
        let answer = curl(&[protocol, "--data", "test content"], &caddy.url("/echo"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "test content"), "{protocol}");
    }
    assert_eq!(live.requests().len(), 2);
}

#[test]
fn try_duration_waits_for_an_origin_that_comes_back() {
    let origin = Origin::start();
    origin.set_down(true);
    let caddy =
        Caddy::proxy(origin.addr, "try_duration 10s\n try_interval 100ms\n fail_timeout 100ms");
    thread::scope(|scope| {
        let answer = scope.spawn(|| curl(&[], &caddy.plain("/")));
        thread::sleep(Duration::from_millis(800));
        origin.set_down(false);
        assert_eq!(answer.join().unwrap().status, 200);
    });
}

#[test]
fn nobody_there_is_502_at_once() {
    let caddy = Caddy::proxy(format!("127.0.0.1:{}", free_port()), "");
    let is_quick = (0..5).any(|_| {
        let began = Instant::now();
        let answer = curl(&[], &caddy.plain("/"));
        assert_eq!((answer.status, answer.text().as_str()), (502, "502 Bad Gateway\n"));
        began.elapsed() < Duration::from_millis(2_500)
    });
    assert!(is_quick, "a try to connect may take 3 s");
}

#[test]
fn max_conns_bounds_the_upstream() {
    let origin = Origin::start();
    let caddy = Caddy::proxy(origin.addr, "max_conns 1");
    thread::scope(|scope| {
        let slow = scope.spawn(|| curl(&[], &caddy.plain("/slow/5000")));
        wait_for("the request", Duration::from_secs(20), || origin.requests().pop());
        assert_eq!(curl(&[], &caddy.plain("/")).status, 503);
        assert_eq!(slow.join().unwrap().status, 200);
    });
    assert_eq!(curl(&[], &caddy.plain("/")).status, 200);
}

#[test]
fn a_refused_upstream_is_marked_down_and_comes_back() {
    let (bad, good) = (Origin::named("bad"), Origin::named("good"));
    bad.set_down(true);
    let options = "policy first\n max_fails 1\n fail_timeout 6s\n try_duration 2s";
    let caddy = Caddy::proxy(format!("{} {}", bad.addr, good.addr), options);
    assert_eq!(curl(&[], &caddy.plain("/")).header("x-origin"), "good");
    bad.set_down(false);
    assert_eq!(curl(&[], &caddy.plain("/")).header("x-origin"), "good", "still down for 6 s");
    wait_for("its return", Duration::from_secs(20), || {
        (curl(&[], &caddy.plain("/")).header("x-origin") == "bad").then_some(())
    });
}
