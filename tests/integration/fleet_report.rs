//! `quic_report` of two machines: the same halves, and one report.

use nix::sys::signal::Signal;

use crate::acme::PATIENCE;
use crate::fleet::{member, wait_log};
use crate::harness::{Caddy, Engine, Kind, Setup, curl, wait_for};
use crate::quic_report::{count, report};

const SITE: &str = "https://one.example {\n tls self_signed\n root www\n quic_report\n}\n";
const NETWORKS: u8 = 10;

fn machine(engine: &Engine) -> Caddy {
    let setup = Setup::new(SITE).arg("-https-port=@PORT@").arg("-http-port=@PORT2@");
    let setup = setup.arg("-control=control.sock").arg("-cpu=2").env("CADDYPATH", "store");
    let caddy = member(setup.file("www/a.html", "<p>a</p>"), &engine.url()).start();
    wait_log(&caddy, "fleet: connected to");
    caddy
}

/// Whether visitors of the networks 127.0.1.0 and so on are offered HTTP/3.
fn visits(caddy: &Caddy) -> Vec<bool> {
    let resolve = format!("one.example:{}:127.0.0.1", caddy.port());
    let url = format!("https://one.example:{}/a.html", caddy.port());
    let visit = |network: u8| {
        let from = format!("127.0.{network}.1");
        let answer = curl(&["--ipv4", "--interface", &from, "--resolve", &resolve], &url);
        assert!(answer.error.is_empty(), "{}", answer.error);
        answer.header("alt-svc") != "clear"
    };
    let offers = (1..=NETWORKS).map(visit).collect();
    let is_counted = || count(&report(caddy), "visits") >= NETWORKS.into();
    wait_for("the visits", PATIENCE, || is_counted().then_some(()));
    offers
}

/// On a new connection a machine writes its days, and reads those of the others.
fn again(caddy: &mut Caddy) {
    let before = caddy.log().matches("fleet: connected to").count();
    caddy.signal(Signal::SIGTERM);
    assert_eq!(caddy.wait(), Some(0));
    caddy.start_again();
    let connected = |log: String| log.matches("fleet: connected to").count() != before;
    wait_for("the engine", PATIENCE, || connected(caddy.log()).then_some(()));
}

fn wait_report(caddy: &Caddy, visits: u8, machines: u64) {
    wait_for(&format!("{visits} visits of {machines} machines"), PATIENCE, || {
        let report = report(caddy);
        let is_it = count(&report, "visits") == u64::from(visits) && report["machines"] == machines;
        is_it.then_some(())
    });
}

#[test]
fn two_machines_make_one_report_and_none_counts_twice() {
    let engine = Engine::start(Kind::Redis);
    let (mut one, mut two) = (machine(&engine), machine(&engine));
    assert_eq!(visits(&one), visits(&two));
    wait_report(&one, NETWORKS, 1);
    again(&mut one);
    wait_for("the first page", PATIENCE, || {
        (!engine.ask(&["KEYS", "{caddy}:page:*"]).is_empty()).then_some(())
    });
    again(&mut two);
    wait_report(&two, 2 * NETWORKS, 2);
    for _ in 0..2 {
        again(&mut one);
        wait_report(&one, 2 * NETWORKS, 2);
    }
    again(&mut two);
    wait_report(&two, 2 * NETWORKS, 2);
    // The engine learns neither the site nor what a page says.
    let keys = engine.ask(&["KEYS", "*"]);
    assert!(keys.contains("{caddy}:page:") && !keys.contains("one.example"), "{keys}");
}
