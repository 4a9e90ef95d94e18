//! QUIC packets that reach another machine of a fleet than the one that has their connection: a
//! balancer of UDP that sends a client elsewhere, machines that are lost, and noise.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Buf as _;

use crate::acme::PATIENCE;
use crate::fleet::{member, wait_log};
use crate::fleet_members::{number, status, wait_count};
use crate::harness::{
    Caddy, Engine, Kind, NOT_CONFIGURED, Setup, UdpBalancer, any_certificate, free_port, wait_for,
};

const SIZE: usize = 12 << 20;
/// Far below the idle timeout of both sides.
const QUICK: Duration = Duration::from_secs(8);

fn content() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(3);
    std::iter::repeat_with(|| random.u8(..)).take(SIZE).collect()
}

/// A machine whose way is at this address of this host.
fn machine(engine: &Engine, way: &str) -> Setup {
    let text = "https://localhost:@PORT@ {\n tls self_signed\n root files\n}\n";
    let setup = Setup::new(text).env("CADDYPATH", "store").arg("-control=control.sock");
    let way = format!("-fleet-listen={way}:{}", free_port());
    member(setup, &engine.url()).file("files/big", content()).arg(&way)
}

struct Pair {
    engine: Engine,
    one: Caddy,
    two: Caddy,
    balancer: UdpBalancer,
}

impl Pair {
    /// Two machines that know each other, and a balancer that sends everybody to the first one.
    fn start() -> Self {
        let engine = Engine::start(Kind::Redis);
        let one = machine(&engine, "127.0.0.2").start();
        let two = machine(&engine, "127.0.0.3").start();
        for caddy in [&one, &two] {
            number(caddy);
            wait_count(caddy, 2);
        }
        let balancer = UdpBalancer::start(quic(&one));
        Self { engine, one, two, balancer }
    }

    fn download(&self) -> std::thread::JoinHandle<Result<Vec<u8>, String>> {
        let at = self.balancer.at;
        std::thread::spawn(move || run(async move { Client::connect(at).await.get("/big").await }))
    }

    fn wait_passed(&self, bytes: u64) {
        let end = Instant::now() + PATIENCE;
        while self.balancer.passed() <= bytes {
            let state = || [&self.one, &self.two].map(|caddy| status(caddy)["packets"].clone());
            assert!(Instant::now() < end, "{} bytes passed: {:?}", self.balancer.passed(), state());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

pub fn quic(caddy: &Caddy) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], caddy.port()))
}

pub fn packets(caddy: &Caddy, what: &str) -> u64 {
    status(caddy)["packets"][what].as_u64().unwrap()
}

pub fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

/// An HTTP/3 client that tells a stateless reset from a timeout.
pub struct Client {
    _endpoint: quinn::Endpoint,
    connection: quinn::Connection,
    requests: h3::client::SendRequest<h3_quinn::OpenStreams, bytes::Bytes>,
}

pub fn client_config() -> quinn::ClientConfig {
    let config = quinn::crypto::rustls::QuicClientConfig::try_from(any_certificate(b"h3"));
    let mut config = quinn::ClientConfig::new(Arc::new(config.unwrap()));
    // As browsers do while they wait: all that is in flight is lost when the balancer chooses
    // another machine, and that one hears of a client by its next packet.
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_secs(1)));
    config.transport_config(Arc::new(transport));
    config
}

impl Client {
    pub async fn connect(at: SocketAddr) -> Self {
        Self::try_connect(at).await.unwrap()
    }

    pub async fn try_connect(at: SocketAddr) -> Result<Self, String> {
        let said = |error: &dyn std::error::Error| format!("{error:?}");
        let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connecting = endpoint.connect_with(client_config(), at, "localhost").unwrap();
        let connection = connecting.await.map_err(|error| said(&error))?;
        let h3 = h3_quinn::Connection::new(connection.clone());
        let (mut driver, requests) = h3::client::new(h3).await.map_err(|error| said(&error))?;
        tokio::spawn(async move { drop(driver.wait_idle().await) });
        Ok(Self { _endpoint: endpoint, connection, requests })
    }

    pub async fn get(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let uri = format!("https://localhost{path}");
        let request = http::Request::get(uri).body(()).unwrap();
        let said = |error: &dyn std::error::Error| format!("{error:?}");
        let sent = self.requests.send_request(request).await;
        let mut stream = sent.map_err(|error| said(&error))?;
        stream.finish().await.map_err(|error| said(&error))?;
        stream.recv_response().await.map_err(|error| said(&error))?;
        let mut content = Vec::new();
        while let Some(mut data) = stream.recv_data().await.map_err(|error| said(&error))? {
            while data.has_remaining() {
                let chunk = data.chunk().to_vec();
                data.advance(chunk.len());
                content.extend(chunk);
            }
        }
        Ok(content)
    }
}

#[test]
fn a_download_goes_on_when_the_balancer_chooses_another_machine() {
    for has_other_port in [false, true] {
        let pair = Pair::start();
        pair.balancer.pace(Duration::from_micros(600));
        let download = pair.download();
        pair.wait_passed(1 << 20);
        pair.balancer.switch(quic(&pair.two), has_other_port);
        let switched = pair.balancer.passed();
        pair.wait_passed(switched + (5 << 20));
        // And back, which needs no other machine.
        pair.balancer.switch(quic(&pair.one), has_other_port);
        pair.balancer.pace(Duration::ZERO);
        let got = download.join().unwrap().unwrap();
        assert!(got == content(), "{} bytes", got.len());
        let [over, taken] = [packets(&pair.two, "handed_over"), packets(&pair.one, "taken")];
        assert!(over > 10 && taken > 10 && taken <= over, "{over} {taken}");
        let answered = packets(&pair.one, "answered");
        assert!((3000..9000).contains(&answered), "{answered} packets of 5 MB");
        assert_eq!((packets(&pair.one, "refused"), packets(&pair.two, "refused")), (0, 0));
    }
}

#[test]
fn connections_of_a_lost_machine_are_reset_by_another() {
    let mut pair = Pair::start();
    let at = pair.balancer.at;
    run(async {
        let mut client = Client::connect(at).await;
        pair.balancer.pace(Duration::ZERO);
        assert_eq!(client.get("/big").await.unwrap().len(), SIZE);
        pair.one.kill();
        pair.balancer.switch(quic(&pair.two), false);
        let lost = Instant::now();
        assert!(client.get("/big").await.is_err());
        let why = client.connection.close_reason().unwrap();
        assert_eq!(why, quinn::ConnectionError::Reset);
        assert!(lost.elapsed() < QUICK, "{:?}", lost.elapsed());
        // The next connection is the other machine's.
        assert_eq!(Client::connect(at).await.get("/big").await.unwrap().len(), SIZE);
    });
}

#[test]
fn an_upgrade_keeps_connections_that_come_by_another_machine() {
    let mut pair = Pair::start();
    pair.balancer.pace(Duration::from_micros(1200));
    let download = pair.download();
    pair.wait_passed(1 << 20);
    pair.balancer.switch(quic(&pair.two), false);
    pair.wait_passed(2 << 20);
    // Who takes over has the time and the addresses of the process before, not of the engine.
    pair.engine.kill();
    pair.balancer.pace(Duration::from_millis(8));
    pair.one.upgrade();
    pair.two.upgrade();
    pair.balancer.pace(Duration::from_micros(200));
    let upgraded = pair.balancer.passed();
    assert!(upgraded < SIZE as u64, "the download was over");
    let got = download.join().unwrap().unwrap();
    assert!(got == content(), "{} bytes", got.len());
    // The processes that took over; it is the one before that answers.
    for (caddy, what) in [(&pair.one, "taken"), (&pair.two, "handed_over")] {
        assert!(packets(caddy, what) > 10, "{what}");
    }
}

#[test]
fn noise_at_the_port_is_dropped() {
    let pair = Pair::start();
    let way = status(&pair.one)["way"].as_str().unwrap().parse::<SocketAddr>().unwrap();
    let noise = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut random = fastrand::Rng::with_seed(1);
    for round in 0..300_usize {
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(round * 4).collect();
        // Half of them with the mark of the format.
        if round % 2 == 0 && bytes.len() > 2 {
            bytes[..2].copy_from_slice(&[0xcf, 1]);
        }
        noise.send_to(&bytes, way).unwrap();
        // As much as the socket's buffer holds.
        if round % 50 == 0 {
            wait_for("the noise so far", PATIENCE, || {
                (packets(&pair.one, "refused") + 10 >= round as u64).then_some(())
            });
        }
    }
    wait_for("the noise", PATIENCE, || (packets(&pair.one, "refused") >= 290).then_some(()));
    assert_eq!((packets(&pair.one, "taken"), packets(&pair.one, "answered")), (0, 0));
    let got = pair.download().join().unwrap().unwrap();
    assert_eq!(got.len(), SIZE);
}

#[test]
fn addresses_that_cannot_be_used_are_explained() {
    let engine = Engine::start(Kind::Valkey);
    let refused = |listen: &str, why: &str| {
        let setup = Setup::new("localhost:@PORT@\ntls off\n").env("CADDYPATH", "store");
        let setup = member(setup, &engine.url()).arg(&format!("-fleet-listen={listen}"));
        let done = setup.output();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(said.contains(why), "{listen}: {said}");
        assert!([Some(1), Some(NOT_CONFIGURED)].contains(&done.status.code()), "{:?}", done.status);
    };
    refused("somewhere", "-fleet-listen 'somewhere': write ADDRESS:PORT of the private network");
    refused("10.0.0.5", "-fleet-listen '10.0.0.5': write ADDRESS:PORT");
    refused("192.0.2.1:7440", "-fleet-listen 192.0.2.1:7440: Cannot assign requested address");
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    refused(&at, &format!("-fleet-listen {at}: Address already in use"));
    // Without the way machines are a fleet all the same.
    let text = "localhost:@PORT@\ntls off\n";
    let setup = Setup::new(text).env("CADDYPATH", "store").arg("-control=control.sock");
    let off = member(setup, &engine.url()).arg("-fleet-listen=off").start();
    wait_log(&off, "fleet: connected to");
    number(&off);
    assert!(status(&off)["way"].is_null());
    assert!(!off.log().contains("come in at UDP"), "{}", off.log());
}
