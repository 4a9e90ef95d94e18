//! Health checks, upstreams that die, and what outlives a reload.

use std::io::Read;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::harness::{
    Caddy, Nginx, Origin, Setup, certificate, curl, keep_alive, keep_alive_get, wait_for,
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Two nginx, of which the second is well for as long as it has a file `well`.
fn pair() -> [Nginx; 2] {
    [Nginx::start(&[("well", b"all well"), ("x", b"a")]), Nginx::start(&[("x", b"b")])]
}

/// A plain proxy before them, and an access log of who answered.
fn checked(hosts: &[Nginx; 2], options: &str) -> Caddy {
    let site = format!(
        "http://:@PORT@ {{\n log / access.log {{upstream}}\n gzip\n header / X-Seen yes\n\
         proxy / @A@ @B@ {{\n policy round_robin\n health_check /well\n\
         health_check_interval 50ms\n{options}\n}}\n}}\n"
    );
    Setup::new(&site).set("A", &hosts[0].addr).set("B", &hosts[1].addr).start()
}

fn bodies(caddy: &Caddy) -> String {
    let url = format!("http://localhost:{}/x", caddy.port());
    (0..8).map(|_| curl(&[], &url).text()).collect()
}

fn wait_for_log(caddy: &Caddy, words: &str) {
    wait_for(words, PATIENCE, || caddy.log().contains(words).then_some(()));
}

#[test]
fn a_host_that_is_not_well_gets_nothing_and_its_changes_are_logged_once() {
    let hosts = pair();
    let caddy = checked(&hosts, "");
    let site = format!("http://:{}", caddy.port());
    let down = format!("[WARNING] {site}: upstream http://{} is down", hosts[1].addr);
    let up = format!("[INFO] {site}: upstream http://{} is up", hosts[1].addr);
    wait_for_log(&caddy, &down);
    assert!(caddy.log().contains("the health check returned 404"), "{}", caddy.log());
    assert_eq!(bodies(&caddy), "a".repeat(8));
    // As many checks as there were before the first verdict change nothing more.
    thread::sleep(Duration::from_millis(300));
    assert_eq!(caddy.log().matches(&down).count(), 1);
    hosts[1].write("well", b"all well");
    wait_for_log(&caddy, &up);
    assert!(bodies(&caddy).contains('b'));
    assert_eq!(caddy.log().matches(&up).count(), 1);
}

#[test]
fn a_reload_keeps_what_is_known_and_ends_what_is_gone() {
    let hosts = pair();
    let caddy = checked(&hosts, "");
    wait_for_log(&caddy, "is down");
    // Asked an hour from now, it must be known from before.
    let text = caddy.read("Caddyfile").replace("interval 50ms", "interval 1h");
    caddy.rewrite(&text);
    caddy.reload();
    assert_eq!(bodies(&caddy), "a".repeat(8));
    hosts[1].write("well", b"all well");
    thread::sleep(Duration::from_millis(300));
    assert!(!caddy.log().contains("is up"), "a check of the old configuration goes on");
    caddy.rewrite(&text.replace("interval 1h", "interval 50ms"));
    caddy.reload();
    wait_for_log(&caddy, "is up");
    assert_eq!(caddy.log().matches("is down").count(), 1);
}

#[test]
fn a_check_asks_what_it_is_told_to() {
    let origin = Origin::start();
    let options = "transparent\n header_upstream X-Key k\n health_check /echo?a=b\n\
        health_check_status 2xx 404\n health_check_contains nowhere\n health_check_host checks.test";
    let caddy = Caddy::proxy(format!("{}/base", origin.addr), options);
    wait_for_log(&caddy, "the response to the health check lacks 'nowhere'");
    let seen = origin.requests().remove(0);
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/base/echo?a=b"));
    assert_eq!((seen.header("host"), seen.header("x-key")), (Some("checks.test"), Some("k")));
    assert_eq!(curl(&[], &caddy.plain("/")).status, 503);
}

#[test]
fn a_check_may_be_on_another_port_and_does_not_wait_for_ever() {
    let (origin, checks) = (Origin::start(), Origin::start());
    let port = checks.addr.port();
    let options =
        format!("health_check /hang/5000\n health_check_port {port}\n health_check_timeout 100ms");
    let caddy = Caddy::proxy(origin.addr, &options);
    wait_for_log(&caddy, "the health check timed out after 100ms");
    assert!(origin.requests().is_empty());
    assert_eq!(checks.last().target, "/hang/5000");
}

/// As requests do: what certificates must be, and how a connection starts (for a check: as
/// nobody's, `PROXY UNKNOWN` and `LOCAL`).
#[test]
fn checks_trust_whom_requests_trust_and_begin_as_they_do() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let tls = format!("; ssl_certificate {cert}; ssl_certificate_key {key}");
    let trust = format!("ca_certificates {cert}");
    let (no_tls, passed) = ("failed: invalid peer certificate", "the health check returned 200");
    let both = format!("{trust}\n proxy_protocol");
    for (listens, scheme, options, verdict) in [
        ("ssl", "https", "", no_tls),
        ("ssl", "https", "insecure_skip_verify", passed),
        ("ssl", "https", &trust, passed),
        ("proxy_protocol", "http", "", "the connection to the upstream failed"),
        ("proxy_protocol", "http", "proxy_protocol v1", passed),
        ("proxy_protocol", "http", "proxy_protocol v2", passed),
        ("ssl proxy_protocol", "https", &format!("{both} v1"), passed),
        ("ssl proxy_protocol", "https", &format!("{both} v2"), passed),
    ] {
        let more = if listens.contains("ssl") { tls.as_str() } else { "" };
        let host = Nginx::well(&format!("{listens}{more}"));
        // A status that it never has, so that there is a verdict to be read.
        let options = format!("{options}\n health_check /\n health_check_status 204");
        let caddy = Caddy::proxy(format!("{scheme}://{}", host.addr), &options);
        let line = format!(": upstream {scheme}://{} is down: ", host.addr);
        wait_for_log(&caddy, &line);
        let log = caddy.log();
        let said = log.split(&line).nth(1).unwrap().lines().next().unwrap();
        assert!(said.contains(verdict), "{listens}, {options}: {said}");
    }
}

#[test]
fn what_failures_change_is_logged_once_with_site_and_reason() {
    let (bad, good) = (Origin::named("bad"), Origin::named("good"));
    let options =
        "policy round_robin\n max_fails 2\n fail_timeout 3s\n try_duration 5s\n keepalive 0";
    let caddy = Caddy::proxy(format!("{} {}", bad.addr, good.addr), options);
    let name = format!("http://:{}: upstream http://{}", caddy.port2(), bad.addr);
    let down = format!(
        "[WARNING] {name} is down: max_fails 2 reached in 3s: \
    the connection to the upstream failed: "
    );
    let back = format!("[INFO] {name} is available again");
    let counts = || [&down, &back].map(|line| caddy.log().matches(line).count());
    let visit = || curl(&[], &caddy.plain("/")).header("x-origin").to_owned();
    for round in 1..=2 {
        bad.set_down(true);
        wait_for("the ejection", PATIENCE, || {
            assert_eq!(visit(), "good");
            (counts()[0] == round).then_some(())
        });
        bad.set_down(false);
        wait_for("the return", PATIENCE, || (counts()[1] == round).then_some(()));
        wait_for("its turn", PATIENCE, || (visit() == "bad").then_some(()));
        assert_eq!(counts(), [round, round], "{}", caddy.log());
    }
    let changes = ["is down", "is available again"].map(|words| caddy.log().matches(words).count());
    assert_eq!(changes, [2, 2], "nothing else is said: {}", caddy.log());
}

#[test]
fn two_sites_ask_an_upstream_once_between_them() {
    let origin = Origin::start();
    let options = "health_check /well\n health_check_interval 1h\n health_check_contains nowhere";
    let caddy = Caddy::proxy(origin.addr, options);
    // A check that a reload cuts off is made again: this one has its verdict.
    wait_for_log(&caddy, "lacks 'nowhere'");
    for _ in 0..3 {
        caddy.reload();
    }
    thread::sleep(Duration::from_millis(200));
    assert_eq!(origin.requests().len(), 1);
}

/// The server has two sites, of which one is well.
#[test]
fn checks_that_send_different_hosts_have_different_results() {
    let host = Nginx::before("if ($host = b.test) { return 503; } return 200 well;");
    let options = "transparent\n health_check /x\n health_check_interval 50ms";
    let site = |name: &str| {
        format!("http://{name}.test:@PORT@ {{\n proxy / @HOST@ {{\n{options}\n}}\n}}\n")
    };
    let caddy = Setup::new(&(site("a") + &site("b"))).set("HOST", &host.addr).start();
    wait_for_log(&caddy, &format!("http://b.test:{}: upstream", caddy.port()));
    let url = format!("http://localhost:{}/x", caddy.port());
    for _ in 0..8 {
        assert_eq!(curl(&["-H", "Host: a.test"], &url).text(), "well");
        let refused = curl(&["-H", "Host: b.test"], &url);
        assert_eq!((refused.status, refused.text().contains("nginx")), (503, false));
        thread::sleep(Duration::from_millis(50));
    }
    let log = caddy.log();
    assert_eq!((log.matches("is down").count(), log.matches("is up").count()), (1, 0), "{log}");
}

#[test]
fn the_upstream_is_logged_behind_gzip_and_header() {
    let hosts = pair();
    hosts[1].write("well", b"all well");
    let caddy = checked(&hosts, "");
    bodies(&caddy);
    let log = wait_for("the log", PATIENCE, || {
        Some(caddy.read("access.log")).filter(|log| log.lines().count() == 8)
    });
    for host in &hosts {
        let name = format!("http://{}", host.addr);
        assert_eq!(log.lines().filter(|line| **line == name).count(), 4, "{log}");
    }
}

/// A request that was not answered with 200.
#[derive(Debug)]
struct Bad {
    method: &'static str,
    status: Option<u16>,
    from: Instant,
    to: Instant,
}

/// Clients that ask again and again, each on its connection, half of them by POST; how many
/// requests of each kind there were, and the bad ones.
fn under_load(caddy: &Caddy, story: impl FnOnce()) -> ([usize; 2], Vec<Bad>) {
    let (ended, counts) = (AtomicBool::new(false), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    let connect = || TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    let client = |index: usize| {
        let (method, body) = [("GET", ""), ("POST", "body")][index % 2];
        let length = body.len();
        let request = format!(
            "{method} /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let (mut stream, mut bad) = (connect(), Vec::new());
        while !ended.load(Ordering::Relaxed) {
            let from = Instant::now();
            let status = keep_alive(&mut stream, &request).map(|answer| answer.0);
            counts[index % 2].fetch_add(1, Ordering::Relaxed);
            if status != Some(200) {
                bad.push(Bad { method, status, from, to: Instant::now() });
                stream = connect();
            }
        }
        bad
    };
    let bad = thread::scope(|scope| {
        let client = &client;
        let clients: Vec<_> =
            (0..CLIENTS).map(|index| scope.spawn(move || client(index))).collect();
        story();
        ended.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    (counts.map(AtomicUsize::into_inner), bad)
}

const CLIENTS: usize = 12;

/// Ends a backend without a word; when that began, and when all its connections had ended.
fn kill(host: Nginx) -> (Instant, Instant) {
    let mut witness = TcpStream::connect(&host.addr).unwrap();
    let began = Instant::now();
    drop(host);
    while witness.read(&mut [0; 16]).is_ok_and(|read| read > 0) {}
    (began, Instant::now())
}

#[test]
fn two_of_three_backends_die_and_only_posts_in_flight_fail() {
    for options in
        ["", "fail_timeout 10s\n try_duration 5s", "policy least_conn\n fail_timeout 10s"]
    {
        let mut hosts: Vec<Nginx> = (0..3).map(|_| Nginx::well("")).collect();
        let names: Vec<&str> = hosts.iter().map(|host| host.addr.as_str()).collect();
        let site =
            format!("http://:@PORT@ {{\n proxy / {} {{\n{options}\n}}\n}}\n", names.join(" "));
        let caddy = Caddy::start(&site);
        let mut kills = Vec::new();
        let (counts, bad) = under_load(&caddy, || {
            for _ in 0..2 {
                thread::sleep(Duration::from_millis(400));
                kills.push(kill(hosts.pop().unwrap()));
            }
            thread::sleep(Duration::from_secs(2));
        });
        assert!(counts.iter().all(|count| *count > 50), "{options}: {counts:?}");
        let in_flight = |bad: &Bad| kills.iter().any(|kill| bad.from < kill.1 && bad.to > kill.0);
        let wrong: Vec<_> = bad
            .iter()
            .filter(|bad| bad.method != "POST" || bad.status != Some(502) || !in_flight(bad))
            .collect();
        assert!(wrong.is_empty(), "{options}: {wrong:?} of {counts:?}, kills {kills:?}");
        // No client has more than one in flight.
        assert!(bad.len() <= kills.len() * CLIENTS / 2, "{options}: {bad:?}");
    }
}

#[test]
fn a_session_stays_with_its_host_over_reloads_until_that_host_dies() {
    let mut hosts: Vec<Nginx> =
        [b"a", b"b", b"c"].iter().map(|name| Nginx::start(&[("x", *name)])).collect();
    let names: Vec<&str> = hosts.iter().map(|host| host.addr.as_str()).collect();
    let site = format!(
        "https://localhost:@PORT@ {{\n tls self_signed\n proxy / {} {{\n policy cookie lb\n}}\n}}\n",
        names.join(" ")
    );
    let caddy = Caddy::start(&site);
    let jar = caddy.path("jar").display().to_string();
    let visit = || curl(&["-b", &jar, "-c", &jar], &caddy.url("/x"));
    let first = visit();
    let cookie = first.header("set-cookie").to_owned();
    assert!(cookie.ends_with("; Path=/; HttpOnly; Secure; SameSite=None"), "{cookie}");
    for _ in 0..3 {
        for _ in 0..5 {
            let again = visit();
            assert_eq!((again.text(), again.header("set-cookie")), (first.text(), ""));
        }
        caddy.reload();
    }
    let home = usize::from(first.body[0] - b'a');
    drop(hosts.remove(home));
    let moved = visit();
    assert!(moved.status == 200 && moved.body != first.body);
    assert_ne!(moved.header("set-cookie"), "");
    assert_eq!(visit().body, moved.body);
    let others: Vec<_> = (0..40).map(|_| curl(&[], &caddy.url("/x")).text()).collect();
    assert!(hosts.len() == 2 && others.iter().any(|body| *body != moved.text()), "{others:?}");
}

#[test]
fn weights_share_out_the_requests() {
    let origins = Origin::row(&["a", "b"]);
    let caddy = Setup::new(
        "http://:@PORT@ {\n proxy / {\n upstream @A@ weight 3\n upstream @B@\n policy round_robin\n}\n}\n",
    );
    let caddy = caddy.set("A", origins[0].addr).set("B", origins[1].addr).start();
    let mut stream = TcpStream::connect(("127.0.0.1", caddy.port())).unwrap();
    for _ in 0..400 {
        assert_eq!(keep_alive_get(&mut stream, "/"), Some(200));
    }
    let counts = origins.iter().map(|origin| origin.requests().len());
    assert_eq!(counts.collect::<Vec<_>>(), [300, 100]);
}

#[test]
fn the_example_runs() {
    let text = include_str!("../../examples/balancing/Caddyfile");
    let text = text.replace("8080", "@PORT@").replace("8081", "@PORT2@").replace("8082", "@PORT3@");
    let caddy = Caddy::start(&text);
    let answer = curl(&[], &format!("http://localhost:{}/", caddy.port()));
    assert!(["one", "two"].contains(&answer.header("x-backend")), "{answer:?}");
    assert!(answer.header("set-cookie").starts_with("backend="), "{answer:?}");
    assert!(!caddy.log().contains("is down"), "{}", caddy.log());
}
