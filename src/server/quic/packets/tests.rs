//! Packets sorted by their connection IDs, over real sockets.

use std::future::poll_fn;

use quinn::ConnectionIdGenerator as _;

use super::*;
use crate::server::Passed;

/// Two sockets of one address, and the previous process, which also had two.
struct Desk {
    sockets: Vec<Arc<Socket>>,
    before: Vec<socket2::Socket>,
}

impl Desk {
    fn new() -> Self {
        Self::with(&ServiceKeys::of_generation([3; 32], 5).expect("keys"))
    }

    fn with(keys: &Arc<ServiceKeys>) -> Self {
        let (here, inboxes) = open(2).expect("ways");
        let (outlets, before) = open(2).expect("ways");
        let sockets = inboxes.into_iter().enumerate().map(|(number, inbox)| {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("udp");
            udp.set_nonblocking(true).expect("nonblocking");
            let (here, before) = (here.clone(), Some(outlets.clone()));
            let place = Place { udp, inbox, number: number as u16, here, before };
            Socket::new(place, keys.clone()).expect("socket")
        });
        Self { sockets: sockets.collect(), before }
    }

    fn packet(&self, generation: u32, place: u16, text: &str) -> Vec<u8> {
        let keys = ServiceKeys::of_generation([3; 32], generation).expect("keys");
        let id = Issuer { keys, place }.generate_cid();
        [&[0x40], &id[..], text.as_bytes()].concat()
    }

    /// Packets of equal size from one read of the first socket; returns those that stay.
    fn sift(&self, packets: &[Vec<u8>]) -> String {
        let mut buf = packets.concat();
        let stride = packets[0].len();
        let mut meta = RecvMeta { len: buf.len(), stride, ..RecvMeta::default() };
        self.sockets[0]
            .routes
            .sift(&mut [IoSliceMut::new(&mut buf)], std::slice::from_mut(&mut meta));
        texts(&buf[..meta.len], stride)
    }

    /// The content of the inbox at `place` of the previous process.
    fn before(&self, place: usize) -> String {
        let mut buf = [0; 4096];
        match forward::receive(&self.before[place], &mut buf) {
            Ok(Some(forwarded)) => texts(&buf[..forwarded.meta.len], forwarded.meta.stride),
            _ => String::new(),
        }
    }

    async fn received(&self, at: usize) -> String {
        let mut buf = [0; 4096];
        let mut meta = [RecvMeta::default()];
        let socket = &self.sockets[at];
        poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buf)], &mut meta))
            .await
            .expect("packets");
        texts(&buf[..meta[0].len], meta[0].stride)
    }
}

fn texts(packets: &[u8], stride: usize) -> String {
    let texts = packets.chunks(stride).map(|packet| &packet[1 + id::LEN..]);
    String::from_utf8(texts.collect::<Vec<_>>().concat()).expect("text")
}

#[tokio::test]
async fn packets_go_where_their_ids_say() {
    let desk = Desk::new();
    let packet = |generation, place, text| desk.packet(generation, place, text);
    assert_eq!(desk.sift(&[packet(5, 0, "a")]), "a");
    assert_eq!(desk.sift(&[packet(5, 1, "b")]), "");
    assert_eq!(desk.received(1).await, "b");
    assert_eq!(desk.sift(&[packet(4, 1, "c")]), "");
    assert_eq!(desk.before(1), "c");
    // A packet of the process before the previous one, which had a third place: forwarded to any
    // place.
    assert_eq!(desk.sift(&[packet(1, 2, "d")]), "");
    assert_eq!(desk.before(0), "d");
    // Packets of a later process, of a place that does not exist, and with a foreign ID.
    assert_eq!(desk.sift(&[packet(6, 0, "e"), packet(5, 7, "f")]), "ef");
    assert_eq!(desk.sift(&[[&[0x40][..], &[9; id::LEN], b"g"].concat()]), "g");
}

#[tokio::test]
async fn one_read_may_hold_packets_of_several() {
    let desk = Desk::new();
    let rows = [(5, 0, "a"), (4, 0, "b"), (4, 0, "c"), (5, 0, "d"), (5, 1, "e"), (5, 0, "f")];
    let packets = rows.map(|(generation, place, text)| desk.packet(generation, place, text));
    assert_eq!(desk.sift(&packets), "adf");
    assert_eq!(desk.before(0), "bc");
    assert_eq!(desk.received(1).await, "e");
}

#[tokio::test]
async fn who_is_gone_gets_nothing_and_the_packet_stays() {
    let mut desk = Desk::new();
    let packet = desk.packet(4, 0, "x");
    desk.before.clear();
    assert_eq!(desk.sift(&[packet]), "x");
}

#[tokio::test]
async fn after_the_hand_over_only_what_is_handed_on_is_read() {
    let desk = Desk::new();
    let client = UdpSocket::bind("127.0.0.1:0").expect("udp");
    let to = desk.sockets[0].local_addr().expect("addr");
    client.send_to(&desk.packet(5, 0, "own"), to).expect("send");
    assert_eq!(desk.received(0).await, "own");
    desk.sockets[0].hand_over(true);
    client.send_to(&desk.packet(5, 0, "late"), to).expect("send");
    let mut forwarded = desk.packet(5, 0, "handed");
    let mut meta =
        RecvMeta { len: forwarded.len(), stride: forwarded.len(), ..RecvMeta::default() };
    desk.sockets[1]
        .routes
        .sift(&mut [IoSliceMut::new(&mut forwarded)], std::slice::from_mut(&mut meta));
    assert_eq!(desk.received(0).await, "handed");
}

#[tokio::test]
async fn packets_of_another_machine_leave_once() {
    let keys = |machine| {
        let before = Passed { secret: [3; 32], generation: 5, older: None };
        ServiceKeys::of_fleet([3; 32], Some(before), Some(machine)).expect("keys")
    };
    let (own, other) = (keys(1), keys(2));
    let desk = Desk::with(&own);
    let packet = |keys: &Arc<ServiceKeys>, text: &str| {
        let id = Issuer { keys: keys.clone(), place: 1 }.generate_cid();
        [&[0x40], &id[..], text.as_bytes()].concat()
    };
    assert_eq!(desk.sift(&[packet(&own, "a")]), "");
    assert_eq!(desk.received(1).await, "a");
    // Who the others are is not known yet: lost, and sent again by the client.
    assert_eq!(desk.sift(&[packet(&other, "b")]), "");
    // Who is none of them is dead, and its client gets a stateless reset.
    let machines = own.machines().expect("machines");
    machines.learn(1, None, &[]);
    assert_eq!(desk.sift(&[packet(&other, "c")]), "c");
    // What was handed over is not handed over again.
    let there = UdpSocket::bind("127.0.0.1:0").expect("udp");
    machines.bind("127.0.0.1:0".parse().expect("address")).expect("way");
    machines.learn(1, None, &[(2, there.local_addr().expect("address"))]);
    machines.open("127.0.0.1:1".parse().expect("address"), desk.sockets[0].routes.here.clone(), {
        UdpSocket::bind("127.0.0.1:0").expect("udp")
    });
    assert_eq!(desk.sift(&[packet(&other, "d")]), "");
    assert_eq!(machines.count(relay::Counted::HandedOver), 1);
    let forwarded = packet(&other, "e");
    let meta = RecvMeta { len: forwarded.len(), stride: forwarded.len(), ..RecvMeta::default() };
    let here = &desk.sockets[0].routes.here;
    assert!(forward::send(&here[1], &forwarded, &Forwarded { meta, via: 2 }));
    assert_eq!(desk.received(1).await, "e");
    assert_eq!(machines.count(relay::Counted::HandedOver), 1);
    assert_eq!(desk.sockets[1].return_paths.of(meta.addr), Some(2));
}
