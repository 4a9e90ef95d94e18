//! Names of upstreams, by Debian's BIND behind `/etc/resolv.conf` of the server's own.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::harness::{Bind, Caddy, Nginx, Origin, Responder, Setup, curl, free_port, wait_for};

const PATIENCE: Duration = Duration::from_secs(20);

/// BIND with the zone `up.test`, at port 53 of a loopback address of its own.
struct Zone {
    bind: Bind,
    ip: String,
    serial: u32,
}

impl Zone {
    fn start(records: &str) -> Self {
        let bind = Bind::serve("up.test", &text(1, records), "");
        let ip = bind.resolver().ip;
        Self { bind, ip, serial: 1 }
    }

    /// Other records, seen by the next question.
    fn change(&mut self, records: &str) {
        self.serial += 1;
        let loaded = format!("up.test/IN: loaded serial {}", self.serial);
        self.bind.change(&text(self.serial, records), &loaded);
    }

    fn stop(&mut self) {
        self.bind.stop();
    }
}

fn text(serial: u32, records: &str) -> String {
    format!("$TTL 1\n@ SOA ns a {serial} 60 60 600 1\n@ NS ns\nns A 127.0.0.1\n{records}\n")
}

/// A site whose names come from the zone.
fn site(zone: &Zone, block: &str) -> Caddy {
    Setup::new(&format!("http://:@PORT@ {{\n {block}\n}}\n"))
        .file("resolv.conf", format!("nameserver {}\noptions timeout:2 attempts:2\n", zone.ip))
        .world("mount --bind @DIR@/resolv.conf /etc/resolv.conf")
        .start()
}

fn proxy(zone: &Zone, to: &str, options: &str) -> Caddy {
    site(zone, &format!("proxy / {to} {{\n{options}\n}}"))
}

fn answer(caddy: &Caddy) -> String {
    curl(&[], &format!("http://localhost:{}/", caddy.port())).header("x-origin").to_owned()
}

/// Listeners on one port of two loopback addresses.
fn two_listeners() -> ([TcpListener; 2], u16) {
    for _ in 0..50 {
        let port = free_port();
        let bound = ["127.0.0.2", "127.0.0.3"].map(|ip| TcpListener::bind((ip, port)));
        if let [Ok(a), Ok(b)] = bound {
            return ([a, b], port);
        }
    }
    panic!("no port is free on both addresses");
}

fn two() -> ([Origin; 2], u16) {
    let ([a, b], port) = two_listeners();
    ([Origin::on(a, "a"), Origin::on(b, "b")], port)
}

#[test]
fn a_name_is_asked_for_again_when_its_ttl_ends() {
    let (_origins, port) = two();
    let mut zone = Zone::start("web A 127.0.0.2");
    let caddy = proxy(&zone, &format!("web.up.test:{port}"), "keepalive 0");
    assert_eq!(answer(&caddy), "a");
    zone.change("web A 127.0.0.3");
    wait_for("the new address", PATIENCE, || (answer(&caddy) == "b").then_some(()));
    // Without name servers the last good answer stays, and the log says so once.
    zone.stop();
    wait_for("the warning", PATIENCE, || {
        caddy
            .log()
            .contains("web.up.test cannot be resolved; the last answer is used")
            .then_some(())
    });
    assert_eq!(answer(&caddy), "b");
    caddy.reload();
    assert_eq!(answer(&caddy), "b");
    assert_eq!(caddy.log().matches("cannot be resolved").count(), 1);
}

#[test]
fn all_addresses_of_a_name_are_used() {
    let (_origins, port) = two();
    let zone = Zone::start("web A 127.0.0.2\nweb A 127.0.0.3\nhalf A 127.0.0.2\nhalf A 127.0.0.9");
    let caddy = proxy(&zone, &format!("web.up.test:{port}"), "keepalive 0");
    let got: BTreeSet<String> = (0..6).map(|_| answer(&caddy)).collect();
    assert_eq!(got, BTreeSet::from(["a".to_owned(), "b".to_owned()]));
    // One that refuses leaves the others.
    let caddy = proxy(&zone, &format!("half.up.test:{port}"), "keepalive 0");
    assert_eq!((0..6).map(|_| answer(&caddy)).collect::<String>(), "aaaaaa");
}

#[test]
fn a_name_that_does_not_exist_is_502_at_once() {
    let zone = Zone::start("");
    let caddy = proxy(&zone, "nowhere.up.test:80", "");
    let url = format!("http://localhost:{}/", caddy.port());
    assert_eq!(curl(&[], &url).status, 502);
    wait_for("the warning", PATIENCE, || {
        caddy.log().contains("nowhere.up.test cannot be resolved").then_some(())
    });
}

#[test]
fn the_servers_of_a_service_come_and_go() {
    let origins = [Origin::named("a"), Origin::named("b"), Origin::named("backup")];
    let [a, b, backup] = [0, 1, 2].map(|i: usize| origins[i].addr.port());
    let host = "host A 127.0.0.1";
    let mut zone = Zone::start(&format!(
        "{host}\n_http._tcp SRV 1 3 {a} host\n_http._tcp SRV 2 1 {backup} host"
    ));
    let caddy = proxy(&zone, "srv://_http._tcp.up.test", "keepalive 0\n fail_timeout 60s");
    assert_eq!((0..4).map(|_| answer(&caddy)).collect::<String>(), "aaaa");
    assert_eq!(origins[0].last().header("host"), Some("up.test"));
    zone.change(&format!(
        "{host}\n_http._tcp SRV 1 3 {a} host\n_http._tcp SRV 1 1 {b} host\n_http._tcp SRV 2 1 {backup} host"
    ));
    wait_for("the new server", PATIENCE, || (answer(&caddy) == "b").then_some(()));
    // The servers of the next priority wait for those of the first to be gone.
    assert!(origins[2].requests().is_empty());
    origins[0].set_down(true);
    origins[1].set_down(true);
    wait_for("the backup", PATIENCE, || (answer(&caddy) == "backup").then_some(()));
    zone.stop();
    thread::sleep(Duration::from_secs(2));
    assert_eq!(answer(&caddy), "backup");
}

/// A certificate for one name: its file and its key's.
fn certified(name: &str, keys: &Path) -> [String; 2] {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    [("cert", made.cert.pem()), ("key", made.signing_key.serialize_pem())].map(|(kind, text)| {
        let path = keys.join(format!("{name}.{kind}"));
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    })
}

/// Their certificates must be for the service: the names of its servers come from DNS, which
/// anybody may have written on the way.
#[test]
fn the_servers_of_a_service_prove_that_they_are_the_services() {
    let keys = tempfile::tempdir().unwrap();
    let [own, other] = ["up.test", "host.up.test"].map(|name| certified(name, keys.path()));
    let listens = |[cert, key]: &[String; 2]| {
        Nginx::well(&format!("ssl; ssl_certificate {cert}; ssl_certificate_key {key}"))
    };
    let (right_server, wrong_server) = (listens(&own), listens(&other));
    let port = |nginx: &Nginx| nginx.addr.rsplit(':').next().unwrap().to_owned();
    let (right_port, wrong_port) = (port(&right_server), port(&wrong_server));
    let server = |port: &String| format!("_https._tcp SRV 1 1 {port} host");
    let (host, right, wrong) = ("host A 127.0.0.1", server(&right_port), server(&wrong_port));
    let mut zone = Zone::start(&format!("{host}\n{right}"));
    let options =
        format!("ca_certificates {} {}\n keepalive 0\n fail_timeout 60s", own[0], other[0]);
    let caddy = proxy(&zone, "srv+https://_https._tcp.up.test", &options);
    let ask = || curl(&["--data", "x"], &format!("http://localhost:{}/", caddy.port()));
    let answer = ask();
    assert_eq!((answer.status, answer.text().as_str()), (200, "up.test"), "the name in TLS");

    zone.change(&format!("{host}\n{wrong}"));
    wait_for("the other server", PATIENCE, || (ask().status == 502).then_some(()));
    let name = format!("https://host.up.test:{wrong_port}");
    let why = format!(
        "upstream {name} is down: max_fails 1 reached in 60s: TLS handshake with {name} failed: \
         the certificate of the server is for host.up.test, not up.test"
    );
    wait_for("the reason", PATIENCE, || caddy.log().contains(&why).then_some(()));

    zone.change(&format!("{host}\n{right}\n{wrong}"));
    wait_for("both servers", PATIENCE, || (ask().status == 200).then_some(()));
    for _ in 0..6 {
        assert_eq!(ask().text(), "up.test");
    }
}

#[test]
fn a_service_takes_part_in_health_checks() {
    let origins = [Origin::named("a"), Origin::named("b")];
    let [a, b] = [0, 1].map(|i: usize| origins[i].addr.port());
    let zone =
        Zone::start(&format!("host A 127.0.0.1\nsvc SRV 1 1 {a} host\nsvc SRV 1 1 {b} host"));
    let caddy = proxy(&zone, "srv://svc.up.test", "health_check /\n health_check_interval 50ms");
    origins[0].set_down(true);
    let down = format!("upstream http://host.up.test:{a} is down");
    wait_for("the verdict", PATIENCE, || caddy.log().contains(&down).then_some(()));
    assert_eq!((0..6).map(|_| answer(&caddy)).collect::<String>(), "bbbbbb");
}

#[test]
fn fastcgi_follows_the_names_of_its_servers() {
    let (listeners, port) = two_listeners();
    let [a, b] = listeners.map(Responder::on);
    let mut zone = Zone::start("php A 127.0.0.2");
    let caddy = site(&zone, &format!("fastcgi / php.up.test:{port}"));
    let url = format!("http://localhost:{}/", caddy.port());
    let ask = || assert_eq!(curl(&[], &url).text(), "hello");
    ask();
    assert_eq!((a.asked().len(), b.asked().len()), (1, 0));
    zone.change("php A 127.0.0.2\nphp A 127.0.0.3");
    wait_for("the new address", PATIENCE, || {
        ask();
        (!b.asked().is_empty()).then_some(())
    });
    // Both take part from now on.
    let before = (a.asked().len(), b.asked().len());
    (0..6).for_each(|_| ask());
    assert_eq!((a.asked().len(), b.asked().len()), (before.0 + 3, before.1 + 3));
    // Without name servers the last good answer stays, over a reload too.
    zone.stop();
    wait_for("the warning", PATIENCE, || {
        caddy
            .log()
            .contains("php.up.test cannot be resolved; the last answer is used")
            .then_some(())
    });
    caddy.reload();
    ask();
}

#[test]
fn a_fastcgi_server_without_an_address_is_502() {
    let zone = Zone::start("");
    let caddy = site(&zone, "errors errors.log\n fastcgi / nowhere.up.test:9000");
    let url = format!("http://localhost:{}/", caddy.port());
    assert_eq!(curl(&[], &url).status, 502);
    wait_for("the line", PATIENCE, || {
        let told = "fastcgi nowhere.up.test:9000: cannot resolve the host name: ";
        caddy.read("errors.log").contains(told).then_some(())
    });
}
