//! Two machines and a client over real sockets.

use super::*;

const SECRET: [u8; 32] = [5; 32];
const PATIENCE: Duration = Duration::from_secs(10);
const NOW: u64 = 1_700_000_000;

/// A machine with one listener and the worker behind it.
struct Host {
    machines: Arc<Machines>,
    at: SocketAddr,
    listener: SocketAddr,
    socket: UdpSocket,
    inbox: socket2::Socket,
}

impl Host {
    fn new(number: Number) -> Self {
        let machines = Machines::new(&SECRET, Some(number)).unwrap();
        let at = machines.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let listener = socket.local_addr().unwrap();
        let (outlets, mut inboxes) = forward::open(1).unwrap();
        machines.open(listener, outlets, socket.try_clone().unwrap());
        machines.learn(NOW, Some(number), &[]);
        machines.start(at).unwrap();
        Self { machines, at, listener, socket, inbox: inboxes.remove(0) }
    }

    /// The next process of this machine.
    fn upgraded(&self) -> Self {
        let known = self.machines.known().unwrap();
        let way = self.machines.socket().unwrap().try_clone().unwrap();
        let machines = Machines::new(&SECRET, Some(self.machines.own())).unwrap();
        assert_eq!(machines.adopt(way).unwrap(), self.at);
        machines.resume(known);
        let (listener, socket) = (self.listener, self.socket.try_clone().unwrap());
        let (outlets, mut inboxes) = forward::open(1).unwrap();
        machines.open(listener, outlets, socket.try_clone().unwrap());
        machines.start(self.at).unwrap();
        self.machines.retire();
        // It takes one more message at most.
        std::thread::sleep(2 * STEP);
        Self { machines, at: self.at, listener, socket, inbox: inboxes.remove(0) }
    }

    fn knows(&self, others: &[&Self]) {
        let others: Vec<_> = others.iter().map(|one| (one.machines.own(), one.at)).collect();
        self.machines.learn(NOW, None, &others);
    }

    fn hand_over(&self, to: Number, packet: &[u8], client: SocketAddr) -> bool {
        let meta = RecvMeta { addr: client, len: packet.len(), stride: 4, ..RecvMeta::default() };
        self.machines
            .hand_over(to, &ReceivedPacket { packet, meta: &meta, listener: self.listener })
    }

    fn taken(&self) -> Option<(Vec<u8>, forward::Forwarded)> {
        let end = Instant::now() + PATIENCE;
        let mut buffer = [0; 64];
        while Instant::now() < end {
            if let Ok(Some(forwarded)) = forward::receive(&self.inbox, &mut buffer) {
                return Some((buffer[..forwarded.meta.len].to_vec(), forwarded));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    fn answer(&self, by: Number, to: SocketAddr, contents: &[u8]) {
        let transmit =
            Transmit { destination: to, ecn: None, contents, segment_size: Some(3), src_ip: None };
        self.machines.answer(by, &transmit);
    }

    fn wait(&self, what: Counted, count: u64) {
        let end = Instant::now() + PATIENCE;
        while self.machines.count(what) < count {
            assert!(Instant::now() < end, "{what:?}: {}", self.machines.count(what));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.machines.retire();
    }
}

fn client() -> UdpSocket {
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client
}

#[test]
fn packets_go_over_and_answers_come_back() {
    let (one, two) = (Host::new(1), Host::new(2));
    one.knows(&[&two]);
    let client = client();
    let address = client.local_addr().unwrap();
    // Two packets of four bytes and a shorter one.
    assert!(one.hand_over(2, b"aaaabbbbcc", address));
    for packet in [&b"aaaa"[..], b"bbbb", b"cc"] {
        let (bytes, forwarded) = two.taken().unwrap();
        assert_eq!((&bytes[..], forwarded.via, forwarded.meta.addr), (packet, 1, address));
    }
    // The second machine knows the first by its question alone.
    two.answer(1, address, b"xxxyyyz");
    let mut buffer = [0; 64];
    for packet in [&b"xxx"[..], b"yyy", b"z"] {
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (packet, one.listener));
    }
    assert_eq!(one.machines.count(Counted::HandedOver), 3);
    assert_eq!((two.machines.count(Counted::Taken), two.machines.count(Counted::Answered)), (3, 3));
    // Nobody else gets answers.
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    two.answer(1, other.local_addr().unwrap(), b"no");
    assert!(other.recv_from(&mut buffer).is_err());
}

#[test]
fn an_upgraded_machine_needs_no_engine() {
    let (one, two) = (Host::new(1), Host::new(2));
    one.knows(&[&two]);
    assert!(Machines::new(&SECRET, Some(3)).unwrap().known().is_none());
    let client = client();
    let address = client.local_addr().unwrap();
    assert!(one.hand_over(2, b"aaaa", address));
    assert_eq!(two.taken().unwrap().0, b"aaaa");
    let (one, two) = (one.upgraded(), two.upgraded());
    // The client sends nothing until it gets something.
    two.answer(1, address, b"xxx");
    let mut buffer = [0; 64];
    let (length, from) = client.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], from), (&b"xxx"[..], one.listener));
    assert!(one.hand_over(2, b"bbbb", address));
    assert_eq!(two.taken().unwrap().0, b"bbbb");
}

#[test]
fn a_jump_of_the_engines_clock_parts_no_machines() {
    let (one, two) = (Host::new(1), Host::new(2));
    one.knows(&[&two]);
    let client = client();
    let address = client.local_addr().unwrap();
    // First one machine has asked the server that took over, then both have.
    for hears in [&[&one][..], &[&two]] {
        hears.iter().for_each(|host| host.machines.hear_time(NOW + 1000));
        assert!(one.hand_over(2, b"aaaa", address));
        assert_eq!(two.taken().unwrap().0, b"aaaa");
        two.answer(1, address, b"xxx");
        let mut buffer = [0; 64];
        let (length, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], from), (&b"xxx"[..], one.listener));
    }
}

#[test]
fn a_machine_that_is_dead_or_unknown_gets_nothing() {
    let (one, two) = (Host::new(1), Host::new(2));
    let address = "192.0.2.1:1".parse().unwrap();
    assert!(!one.hand_over(3, b"a", address), "unknown");
    two.machines.retire();
    one.knows(&[&two]);
    let begun = Instant::now();
    while one.hand_over(2, b"a", address) {
        assert!(begun.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(begun.elapsed() > Duration::from_secs(1), "{:?}", begun.elapsed());
    // One without a socket hands nothing over.
    let closed = Machines::new(&SECRET, Some(4)).unwrap();
    closed.learn(NOW, None, &[(1, one.at)]);
    let meta = RecvMeta { addr: address, len: 1, stride: 1, ..RecvMeta::default() };
    let received = ReceivedPacket { packet: b"a", meta: &meta, listener: one.listener };
    assert!(!closed.hand_over(1, &received));
}

#[test]
fn what_is_forged_or_repeated_changes_nothing() {
    let two = Host::new(2);
    let client = "192.0.2.1:1".parse().unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let message = Message::Packet { client, listener: two.listener, ecn: None, packet: b"packet" };
    let now = NOW as u32;
    let sealed = |secret: &[u8; 32], now| {
        let sealer = Sealer::new(&codec::root(secret)).unwrap();
        sealer.seal(1, now, &message).unwrap()
    };
    let good = sealed(&SECRET, now);
    let mut damaged = good.clone();
    damaged[40] ^= 1;
    let mut other_sender = good.clone();
    other_sender[3] ^= 1;
    let bad = [
        sealed(&[6; 32], now),
        sealed(&SECRET, now - 60),
        sealed(&SECRET, now + 60),
        damaged,
        other_sender,
        good[..good.len() - 1].to_vec(),
        b"garbage".to_vec(),
        vec![],
    ];
    let mut refused = 0;
    for datagram in &bad {
        sender.send_to(datagram, two.at).unwrap();
        refused += 1;
        two.wait(Counted::Refused, refused);
    }
    assert_eq!(two.machines.count(Counted::Taken), 0);
    sender.send_to(&good, two.at).unwrap();
    assert_eq!(two.taken().unwrap().0, b"packet");
    sender.send_to(&good, two.at).unwrap();
    two.wait(Counted::Refused, refused + 1);
    assert_eq!(two.machines.count(Counted::Taken), 1);
    let mut buffer = [0; 64];
    assert!(!matches!(forward::receive(&two.inbox, &mut buffer), Ok(Some(_))));
}
