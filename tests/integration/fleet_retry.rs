//! A client that one machine of a fleet has asked to prove its address (Retry), and whose next
//! packet reaches another one, where the clock is ten minutes ahead.

use std::collections::HashSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::acme::PATIENCE;
use crate::fleet::member;
use crate::fleet_members::{number, wait_count};
use crate::fleet_packets::{Client, client_config, packets, quic, run};
use crate::harness::{
    Caddy, Engine, Kind, Setup, UdpBalancer, WrongClock, curl, free_port, is_retry, wait_for,
};

/// More handshakes than a machine has under way before it sends a Retry.
const CROWD: usize = 300;

/// Clients that begin and say no more, until it is dropped.
struct Crowd(Arc<AtomicBool>);

impl Crowd {
    /// Comes to a machine, and waits until that sends a Retry.
    fn start(to: SocketAddr) -> Self {
        let (is_over, is_asked) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        let first = run(first_packets(CROWD));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let (ends, asks) = (is_over.clone(), is_asked.clone());
        std::thread::spawn(move || {
            let mut answer = [0; 2048];
            // Those whose time is over begin anew.
            for packet in first.iter().cycle() {
                if ends.load(Ordering::Relaxed) {
                    return;
                }
                let _ = socket.send_to(packet, to);
                std::thread::sleep(Duration::from_millis(5));
                while let Ok(size) = socket.recv(&mut answer) {
                    asks.fetch_or(is_retry(&answer[..size]), Ordering::Relaxed);
                }
            }
        });
        let crowd = Self(is_over);
        wait_for("a Retry", PATIENCE, || is_asked.load(Ordering::Relaxed).then_some(()));
        crowd
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The first packets of so many clients.
async fn first_packets(count: usize) -> Vec<Vec<u8>> {
    let nobody = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (at, config) = (nobody.local_addr().unwrap(), client_config());
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let (mut clients, mut known, mut first) = (Vec::new(), HashSet::new(), Vec::new());
    while first.len() < count {
        clients.push(endpoint.connect_with(config.clone(), at, "localhost").unwrap());
        loop {
            let mut packet = vec![0; 2048];
            let size = nobody.recv(&mut packet).await.unwrap();
            packet.truncate(size);
            // By the connection ID that the client has chosen.
            let id = packet[6..6 + usize::from(packet[5])].to_vec();
            if known.insert(id) {
                first.push(packet);
                break;
            }
        }
    }
    first
}

fn machine(engine: &Engine, who: &str, way: &str, clock: &WrongClock) -> Caddy {
    let text = "https://localhost:@PORT@ {\n tls self_signed\n root files\n}\n";
    let setup = Setup::new(text).env("CADDYPATH", "store").arg("-control=control.sock");
    let setup = member(setup, &engine.url()).file("files/who", who).arg("-cpu=1");
    clock.of(setup).arg(&format!("-fleet-listen={way}")).start()
}

#[test]
fn a_retry_of_one_machine_is_good_at_another() {
    let clocks = [-300, 300].map(WrongClock::new);
    for has_way in [false, true] {
        let engine = Engine::start(Kind::Valkey);
        let way = |host: &str| match has_way {
            true => format!("{host}:{}", free_port()),
            false => "off".to_owned(),
        };
        let one = machine(&engine, "one", &way("127.0.0.2"), &clocks[0]);
        let two = machine(&engine, "two", &way("127.0.0.3"), &clocks[1]);
        for (caddy, clock) in [&one, &two].into_iter().zip(&clocks) {
            clock.check(&curl(&[], &caddy.url("/who")));
            number(caddy);
            wait_count(caddy, 2);
        }
        let _crowd = Crowd::start(quic(&one));
        let balancer = UdpBalancer::start(quic(&one));
        balancer.switch_after_retry(quic(&two));
        let end = Instant::now() + PATIENCE;
        let got = run(async {
            loop {
                let got = Client::connect(balancer.at).await.get("/who").await.unwrap();
                if balancer.has_switched() {
                    return got;
                }
                assert!(Instant::now() < end, "no Retry");
            }
        });
        // The connection ID of a Retry names the machine that has sent it. Without a way to that
        // one the other takes the token itself.
        assert_eq!(got, if has_way { b"one" } else { b"two" });
        assert_eq!(has_way && packets(&two, "handed_over") > 0, has_way);
    }
}
