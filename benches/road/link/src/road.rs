//! Both directions, and what happens to the road while it is used: the client gets another address
//! as from a NAT that has forgotten it, and the path of UDP dies as behind a firewall.

use std::fmt::{self, Display};
use std::time::Duration;

use fastrand::Rng;

use crate::direction::{Counts, Direction};
use crate::options::Options;
use crate::packet::{self, Address};

/// What a client's address gains in its last byte when it moves.
const MOVED: u8 = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Clients,
    Servers,
}

pub struct Road {
    up: Direction,
    down: Direction,
    mtu: u16,
    move_after: Option<u64>,
    udp_dies_after: Option<u64>,
}

impl Road {
    pub fn new(options: &Options) -> Self {
        let mut rng = Rng::with_seed(options.seed);
        Self {
            up: Direction::new(options, &mut rng),
            down: Direction::new(options, &mut rng),
            mtu: options.mtu,
            move_after: options.move_after,
            udp_dies_after: options.udp_dies_after,
        }
    }

    /// A packet comes from the hosts at one end. What is no IPv4 is the kernels' talk, and has no
    /// part in this.
    pub fn arrive(&mut self, now: Duration, end: End, mut packet: Vec<u8>) {
        if !packet::is_ipv4(&packet) {
            return;
        }
        let has_moved = self.has_come(self.move_after);
        let is_dead = packet::is_udp(&packet) && self.has_come(self.udp_dies_after);
        let counts = &mut self.leaving(end).counts;
        counts.sent += 1;
        counts.sent_bytes += packet.len() as u64;
        if is_dead || (has_moved && !translate(&mut packet, end)) {
            self.leaving(end).counts.unreachable += 1;
        } else if packet.len() > usize::from(self.mtu) {
            self.leaving(end).counts.too_big += 1;
            let reply = packet::too_big(&packet, self.mtu);
            self.coming(end).put(now, reply);
        } else {
            self.leaving(end).arrive(now, packet);
        }
    }

    /// When the next packet reaches an end.
    pub fn next(&self) -> Option<Duration> {
        [self.up.next(), self.down.next()].into_iter().flatten().min()
    }

    /// A packet for the hosts at one end.
    pub fn depart(&mut self, now: Duration, end: End) -> Option<Vec<u8>> {
        self.coming(end).depart(now)
    }

    pub fn counts(&self) -> impl Display + use<> {
        Report { up: self.up.counts, down: self.down.counts }
    }

    /// Whether the clients have received so many bytes.
    fn has_come(&self, moment: Option<u64>) -> bool {
        moment.is_some_and(|bytes| self.down.counts.carried_bytes >= bytes)
    }

    /// The direction that leads away from an end.
    fn leaving(&mut self, end: End) -> &mut Direction {
        match end {
            End::Clients => &mut self.up,
            End::Servers => &mut self.down,
        }
    }

    /// The direction that leads to an end.
    fn coming(&mut self, end: End) -> &mut Direction {
        match end {
            End::Clients => &mut self.down,
            End::Servers => &mut self.up,
        }
    }
}

/// Puts the client's new address in the place of the old one, or back; false for a packet to the
/// old one.
fn translate(packet: &mut [u8], end: End) -> bool {
    let address = match end {
        End::Clients => Address::Source,
        End::Servers => Address::Destination,
    };
    let host = packet::host(packet, address);
    if end == End::Servers && host < MOVED {
        return false;
    }
    packet::set_host(packet, address, host ^ MOVED);
    true
}

struct Report {
    up: Counts,
    down: Counts,
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut before = '{';
        for (name, counts) in [("up", self.up), ("down", self.down)] {
            let Counts { sent, sent_bytes, carried, carried_bytes, .. } = counts;
            let Counts { late, queue_full, lost, too_big, unreachable, .. } = counts;
            write!(
                f,
                "{before}\"{name}\":{{\"sent\":{sent},\"sent_bytes\":{sent_bytes},\
                 \"carried\":{carried},\"carried_bytes\":{carried_bytes},\
                 \"late\":{late},\"queue_full\":{queue_full},\"lost\":{lost},\"too_big\":{too_big},\
                 \"unreachable\":{unreachable}}}"
            )?;
            before = ',';
        }
        write!(f, "}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::tests::packet;

    const TCP: u8 = 6;
    const UDP: u8 = 17;
    const NOW: Duration = Duration::from_secs(1);

    fn road(words: &str) -> Road {
        Road::new(&Options::parse(words.split_whitespace().map(str::to_owned)).unwrap())
    }

    /// A packet from the server to the client whose address ends so.
    fn to_client(protocol: u8, host: u8) -> Vec<u8> {
        let mut packet = packet(protocol, 100);
        packet::set_host(&mut packet, Address::Source, 2);
        packet::set_host(&mut packet, Address::Destination, host);
        packet
    }

    /// What reaches the other end when a packet comes from this one.
    fn passed(road: &mut Road, from: End, packet: Vec<u8>) -> Option<Vec<u8>> {
        let to = if from == End::Clients { End::Servers } else { End::Clients };
        road.arrive(NOW, from, packet);
        road.depart(NOW, to)
    }

    #[test]
    fn packets_pass_both_ways_and_are_counted() {
        let mut road = road("--rtt 0");
        let (up, down) = (packet(UDP, 60), to_client(TCP, 1));
        assert_eq!(passed(&mut road, End::Clients, up.clone()), Some(up));
        assert_eq!(passed(&mut road, End::Servers, down.clone()), Some(down));
        let text = road.counts().to_string();
        let rest = "\"late\":0,\"queue_full\":0,\"lost\":0,\"too_big\":0,\"unreachable\":0}";
        let of = |bytes| {
            format!("{{\"sent\":1,\"sent_bytes\":{bytes},\"carried\":1,\"carried_bytes\":{bytes},")
        };
        let want = format!("{{\"up\":{}{rest},\"down\":{}{rest}}}", of(60), of(100));
        assert_eq!(text, want);
    }

    #[test]
    fn what_is_no_ipv4_is_neither_carried_nor_counted() {
        let mut road = road("--rtt 0");
        assert_eq!(passed(&mut road, End::Clients, vec![0x60; 60]), None);
        assert_eq!(road.up.counts, Counts::default());
    }

    #[test]
    fn a_packet_above_the_mtu_is_answered_and_not_carried() {
        let mut road = road("--rtt 0 --mtu 1280");
        assert_eq!(passed(&mut road, End::Clients, packet(UDP, 1281)), None);
        let reply = road.depart(NOW, End::Clients).unwrap();
        assert_eq!(packet::host(&reply, Address::Destination), 1);
        assert_eq!(road.up.counts.too_big, 1);
        assert!(passed(&mut road, End::Clients, packet(UDP, 1280)).is_some());
    }

    #[test]
    fn udp_dies_after_its_bytes_and_tcp_lives_on() {
        let mut road = road("--rtt 0 --udp-dies-after 100");
        assert!(passed(&mut road, End::Clients, packet(UDP, 60)).is_some());
        assert!(passed(&mut road, End::Servers, to_client(UDP, 1)).is_some());
        assert_eq!(passed(&mut road, End::Servers, to_client(UDP, 1)), None);
        assert_eq!(passed(&mut road, End::Clients, packet(UDP, 60)), None);
        assert!(passed(&mut road, End::Clients, packet(TCP, 60)).is_some());
        assert_eq!((road.up.counts.unreachable, road.down.counts.unreachable), (1, 1));
    }

    #[test]
    fn a_client_that_has_moved_is_reached_at_its_new_address_only() {
        let mut road = road("--rtt 0 --move-after 100");
        let sent = passed(&mut road, End::Clients, packet(UDP, 60)).unwrap();
        assert_eq!(packet::host(&sent, Address::Source), 1);
        assert!(passed(&mut road, End::Servers, to_client(UDP, 1)).is_some());
        let sent = passed(&mut road, End::Clients, packet(UDP, 60)).unwrap();
        assert_eq!(packet::host(&sent, Address::Source), 129);
        assert_eq!(passed(&mut road, End::Servers, to_client(UDP, 1)), None);
        let got = passed(&mut road, End::Servers, to_client(UDP, 129)).unwrap();
        assert_eq!(packet::host(&got, Address::Destination), 1);
        assert_eq!(road.down.counts.unreachable, 1);
    }

    #[test]
    fn the_way_back_changes_no_loss_of_the_way_there() {
        let losses = |acknowledgements: usize| {
            let mut road = road("--rtt 0 --loss 20 --seed 5");
            (0..100)
                .map(|_| {
                    for _ in 0..acknowledgements {
                        road.arrive(NOW, End::Clients, packet(UDP, 60));
                    }
                    passed(&mut road, End::Servers, to_client(UDP, 1)).is_none()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(losses(0), losses(3));
    }
}
