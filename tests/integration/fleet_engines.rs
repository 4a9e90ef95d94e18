//! Engines of a fleet as operators have them: over TLS, and a cluster whose keys lie on another
//! node; and a machine that is lost while it orders.

use std::time::Duration;

use crate::acme::{DAY, PATIENCE, orders, pebble, setup, trusted, wait_trusted, with};
use crate::fleet::{SITE, member, wait_log};
use crate::harness::{Engine, Kind, Setup, certificate, delayed, free_port, wait_for};

fn plain() -> Setup {
    Setup::new("localhost:@PORT@\ntls off\n").env("CADDYPATH", "store")
}

#[test]
fn an_engine_over_tls_is_verified() {
    let keys = tempfile::tempdir().unwrap();
    let (cert, key, _) = certificate(keys.path(), "10");
    let port = free_port();
    let options = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &cert],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &cert],
        ["--tls-auth-clients", "no"],
    ];
    for kind in [Kind::Redis, Kind::Valkey] {
        let _engine = Engine::start_with(kind, options.as_flattened());
        let url = format!("rediss://localhost:{port}");
        let trusts = member(plain().env("SSL_CERT_FILE", &cert), &url).start();
        wait_log(&trusts, &format!("fleet: connected to localhost:{port}"));
        let other = member(plain(), &url).start();
        wait_log(&other, &format!("localhost:{port}: TLS: "));
        assert!(!other.log().contains("fleet: connected"), "{}", other.log());
    }
}

#[test]
fn the_node_of_a_cluster_that_has_the_keys_is_used() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // Without a number, that of the port and 10,000, which is one that clients are given.
    let buses = [free_port(), free_port()].map(|port| port.to_string());
    let nodes = [0, 1].map(|at| {
        let (folder, bus) = (folders[at].path().display().to_string(), &buses[at]);
        let options = ["--cluster-enabled", "yes", "--dir", &folder, "--cluster-port", bus];
        Engine::start_with(Kind::Valkey, &options)
    });
    let [asked, has] = &nodes;
    assert_eq!(has.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), "OK");
    let meet = ["CLUSTER", "MEET", "127.0.0.1", &has.port.to_string(), &buses[1]];
    assert_eq!(asked.ask(&meet), "OK");
    for node in &nodes {
        wait_for("the cluster", PATIENCE, || {
            node.ask(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(())
        });
    }
    let caddy = member(plain(), &asked.url()).start();
    wait_log(&caddy, &format!("fleet: connected to 127.0.0.1:{}", has.port));
    let taken = || has.ask(&["EXISTS", "{caddy}:fingerprint"]) == "1";
    wait_for("the fingerprint", PATIENCE, || taken().then_some(()));
}

/// The lease of a machine that is lost ends after 30 s, and another one goes on.
#[test]
fn a_machine_that_is_lost_in_mid_order_is_replaced() {
    let engine = Engine::start(Kind::Redis);
    // The CA reaches the first machine, whose name has its certificate.
    let of_first = setup("first.example\nstatus 200 /\n");
    let pebble = pebble(&of_first, DAY);
    let first = with(member(of_first, &engine.url()), &pebble).start();
    wait_trusted(&first, &pebble.root(), "first.example");
    wait_log(&first, "fleet: connected to");
    // Half a second each way: the order is under way for seconds.
    let slow = delayed(([127, 0, 0, 1], engine.port).into(), Duration::from_millis(500));
    let url = format!("redis://127.0.0.1:{slow}");
    let mut lost = with(member(setup(SITE), &url), &pebble).start();
    wait_for("the order", PATIENCE, || (orders(&pebble) > 1).then_some(()));
    lost.kill();
    assert!(!lost.log().contains("obtained"), "{}", lost.log());
    let other = with(member(setup(SITE), &engine.url()), &pebble).start();
    // The lease of the one that is lost ends first.
    wait_for("the certificate", Duration::from_secs(120), || {
        trusted(&other, &pebble.root(), "one.example").then_some(())
    });
    // At most one more than without the loss.
    assert!(orders(&pebble) <= 3, "{} orders", orders(&pebble));
}
