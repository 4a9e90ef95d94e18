//! Three machines with networks of their own behind HAProxy (TCP) and a balancer of datagrams, as
//! an operator has them: the ports are 80 and 443, and the CA comes through the balancer.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::HandshakeKind;
use serde_json::json;

use crate::acme::{DAY, PATIENCE, orders, trusted};
use crate::fleet::member;
use crate::fleet_members::{number, wait_count};
use crate::fleet_orders::{adopt, begin};
use crate::fleet_tickets::{IN_USE, visit};
use crate::harness::{
    BESIDE, Caddy, Datagrams, Door, Engine, HaProxy, Kind, Network, Pebble, Setup, curl, h3_tls,
    tls_client, wait_for,
};

/// Each says who it is.
const TEXT: &str = "https://localhost {\n tls self_signed\n status 200 /\n header / X-Machine @WHO@\n}\n\
                    all.example {\n status 200 /\n}\n";

#[test]
fn three_machines_with_networks_of_their_own_are_one_service() {
    // This thread ends, and its network with it.
    let story = || Network::new(3).into_iter().for_each(|network| serve(&network));
    let name = std::thread::current().name().unwrap_or("machines").to_owned();
    std::thread::Builder::new().name(name).spawn(story).unwrap().join().unwrap();
}

fn serve(network: &Network) {
    let engine =
        Engine::start_with(Kind::Redis, &["--bind", "127.0.0.1", BESIDE, "--protected-mode", "no"]);
    let pebble = Pebble::start_at(BESIDE, 80, 443, DAY);
    let all = |port: u16| (0..3).map(|nth| network.at(nth, port)).collect::<Vec<_>>();
    let _tcp = HaProxy::start(&[80, 443].map(|port| Door { port, machines: all(port) }));
    let udp = Datagrams::start("127.0.0.1:443", all(443));
    let setups = (0..3).map(|nth| {
        let mut setup = Setup::new(TEXT).set("WHO", nth).env("CADDYPATH", "store").arg("-agree");
        setup.ports[..2].copy_from_slice(&[443, 80]);
        let setup = setup.arg("-control=control.sock").arg(&format!("-ca={}", pebble.url()));
        let setup = setup.env("SSL_CERT_FILE", &pebble.trust());
        network.on(nth, member(setup, &format!("redis://{BESIDE}:{}", engine.port)))
    });
    let mut machines = adopt(begin(setups.collect()));
    let root = pebble.root();
    let all_have_it = |caddy: &Caddy| (0..6).all(|_| trusted(caddy, &root, "all.example"));
    wait_for("a certificate for all", PATIENCE, || all_have_it(&machines[0]).then_some(()));
    assert_eq!(orders(&pebble), 1);
    for caddy in &machines {
        number(caddy);
        wait_count(caddy, 3);
    }
    wait_for("all machines", PATIENCE, || (answering(6) == who([0, 1, 2])).then_some(()));
    wait_for("sessions that resume", IN_USE, || resumes_over_tcp(&machines[0]).then_some(()));
    assert!((0..5).all(|_| resumes_over_tcp(&machines[0])));
    resumes_over_quic(13);

    machines[0].kill();
    lose(&udp, network.at(0, 443));
    assert!(answering(20).is_subset(&who([1, 2])));
    wait_for("both machines", PATIENCE, || (answering(4) == who([1, 2])).then_some(()));
    assert!(resumes_over_tcp(&machines[1]));
    resumes_over_quic(7);
    assert!(all_have_it(&machines[1]));
    assert_eq!(orders(&pebble), 1);
}

fn who<const N: usize>(machines: [usize; N]) -> BTreeSet<String> {
    machines.map(|nth| nth.to_string()).into()
}

/// The machines that answer so many requests, of which none fails.
fn answering(times: usize) -> BTreeSet<String> {
    let ask = |_| {
        let answer = curl(&["--http1.1"], "https://localhost/");
        assert_eq!(answer.status, 200, "{}", answer.error);
        answer.header("x-machine").to_owned()
    };
    (0..times).map(ask).collect()
}

/// Of the visits of one client each is to another machine than the one before.
fn resumes_over_tcp(by: &Caddy) -> bool {
    let client = tls_client();
    visit(&client, by);
    (0..5).all(|_| visit(&client, by) == HandshakeKind::Resumed)
}

fn resumes_over_quic(times: usize) {
    let answers = h3_tls(json!({"port": 443, "sni": "localhost", "times": times}));
    let answers = answers.as_array().unwrap();
    assert!(answers.iter().all(|answer| answer["status"] == 200), "{answers:?}");
    let resumed = answers.iter().filter(|answer| answer["resumed"] == true).count();
    assert!(resumed + 1 >= times, "{answers:?}");
}

/// Gives the checks of both balancers time to find a machine dead.
fn lose(udp: &Datagrams, machine: SocketAddr) {
    udp.lose(machine);
    std::thread::sleep(Duration::from_secs(1));
}
