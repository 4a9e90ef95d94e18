//! Relays packets between the machines of a fleet. A packet whose connection ID names another
//! machine is handed over to it, and what that machine answers comes back and leaves by the socket
//! that the client knows: behind a balancer no other reaches it.

mod callers;
mod clock;
mod codec;
mod counts;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod known;
mod listeners;
mod message;
mod out;
mod peer;
mod sending;
mod time;
mod window;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quinn::udp::{EcnCodepoint, RecvMeta, Transmit};

use super::forward::{self, Outlets};
use crate::limits::FLEET_GONE;
use callers::{Caller, Callers};
use codec::{Opener, Received, Sealer};
pub use counts::Counted;
use counts::Counts;
pub use known::{Client, Known};
use listeners::{Listener, Listeners};
use message::Message;
use out::Out;
use peer::{Advice, Peer, Route};
use time::EngineTime;

/// The number of a machine; 0 of one that has none yet.
pub(crate) type Number = u16;

/// How often the thread looks whether it is to end.
const STEP: Duration = Duration::from_millis(200);
/// So long after the start a machine that is not known may still become known.
const UNTIL_KNOWN: Duration = Duration::from_secs(5);
/// The largest datagram.
const DATAGRAM: usize = 1 << 16;

/// The other machines, and the way to them.
pub struct Machines {
    own: AtomicU16,
    begun: Instant,
    sealer: Sealer,
    opener: Mutex<Opener>,
    socket: Mutex<Option<Arc<UdpSocket>>>,
    /// Where the others reach us.
    address: Mutex<Option<SocketAddr>>,
    is_listening: AtomicBool,
    is_retired: AtomicBool,
    clock: Mutex<EngineTime>,
    peers: Mutex<HashMap<Number, Peer>>,
    is_known: AtomicBool,
    callers: Mutex<Callers>,
    listeners: Mutex<Listeners>,
    /// The second, and the packets that were handed over in it.
    spent: Mutex<(u64, u32)>,
    counts: Counts,
}

/// A packet that another machine is to get.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReceivedPacket<'a> {
    pub(super) packet: &'a [u8],
    pub(super) meta: &'a RecvMeta,
    pub(super) listener: SocketAddr,
}

impl Machines {
    /// # Errors
    /// The system's random number generator fails.
    pub fn new(secret: &[u8; 32], own: Option<Number>) -> Result<Arc<Self>, String> {
        let root = codec::root(secret);
        let sealer = Sealer::new(&root).map_err(|_| "no key for packets between machines")?;
        Ok(Arc::new(Self {
            own: AtomicU16::new(own.unwrap_or(0)),
            begun: Instant::now(),
            sealer,
            opener: Mutex::new(Opener::new(root)),
            socket: Mutex::default(),
            address: Mutex::default(),
            is_listening: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            clock: Mutex::default(),
            peers: Mutex::default(),
            is_known: AtomicBool::new(false),
            callers: Mutex::default(),
            listeners: Mutex::default(),
            spent: Mutex::default(),
            counts: Default::default(),
        }))
    }

    pub fn count(&self, what: Counted) -> u64 {
        self.counts.of(what)
    }

    fn counted(&self, what: Counted) {
        self.counts.add(what);
    }

    pub(crate) fn own(&self) -> Number {
        self.own.load(Ordering::Relaxed)
    }

    /// Whether a connection ID with this number is one of this machine.
    pub(crate) fn is_own(&self, number: Number) -> bool {
        number == 0 || number == self.own()
    }

    /// Binds the socket that the others send to.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub fn bind(&self, at: SocketAddr) -> io::Result<SocketAddr> {
        self.adopt(UdpSocket::bind(at)?)
    }

    /// Takes the socket of the process before.
    ///
    /// # Errors
    /// The socket has no address.
    pub fn adopt(&self, socket: UdpSocket) -> io::Result<SocketAddr> {
        socket.set_read_timeout(Some(STEP))?;
        let at = socket.local_addr()?;
        *locked(&self.socket) = Some(Arc::new(socket));
        Ok(at)
    }

    /// The socket, for the next process.
    pub fn socket(&self) -> Option<Arc<UdpSocket>> {
        locked(&self.socket).clone()
    }

    /// Where the others reach us, once that is known.
    pub fn address(&self) -> Option<SocketAddr> {
        *locked(&self.address)
    }

    /// Starts to take messages.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(self: &Arc<Self>, address: SocketAddr) -> io::Result<()> {
        let Some(socket) = self.socket() else { return Ok(()) };
        *locked(&self.address) = Some(address);
        if self.is_listening.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let machines = self.clone();
        let run = move || machines.listen(&socket);
        std::thread::Builder::new().name("machines".to_owned()).spawn(run).map(drop)
    }

    /// What the next process of this machine must know; `None` while we do not know it.
    pub fn known(&self) -> Option<Known> {
        let clients = locked(&self.callers).clients(self.begun.elapsed());
        let machines =
            locked(&self.peers).iter().map(|(number, peer)| (*number, peer.at)).collect();
        Some(Known { seconds: self.time()?, address: self.address()?, machines, clients })
    }

    /// Begins with what the process before knew. Messages are taken from [`Self::start`] on.
    pub fn resume(&self, known: Known) {
        self.learn(known.seconds, None, &known.machines);
        *locked(&self.address) = Some(known.address);
        locked(&self.callers).resume(known.clients);
    }

    /// Leaves the messages to the next process.
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
    }

    /// What the engine says: the time in seconds, our number, and where the others are.
    pub fn learn(&self, now: u64, own: Option<Number>, others: &[(Number, SocketAddr)]) {
        locked(&self.clock).learn(now, self.begun.elapsed());
        if let Some(own) = own {
            self.own.store(own, Ordering::Relaxed);
        }
        let (own, now) = (self.own(), self.begun.elapsed());
        let mut peers = locked(&self.peers);
        // One that came since the engine was asked.
        peers.retain(|number, peer| {
            others.iter().any(|(other, _)| other == number) || peer.is_heard(now, FLEET_GONE)
        });
        for (number, at) in others.iter().filter(|(number, _)| *number != own) {
            let peer = peers.entry(*number).or_insert_with(|| Peer::new(*at));
            if peer.at != *at {
                *peer = Peer::new(*at);
            }
        }
        self.is_known.store(true, Ordering::Release);
    }

    /// Opens the way to the sockets of an address.
    pub(crate) fn open(&self, at: SocketAddr, outlets: Outlets, socket: UdpSocket) {
        let out = match Out::new(socket) {
            Ok(out) => Arc::new(out),
            Err(error) => {
                return log::warn!("fleet: packets for {at} are not handed over: {error}");
            }
        };
        locked(&self.callers).opened(at, &out, self.begun.elapsed());
        locked(&self.listeners).add(Listener { at, outlets, out });
    }

    pub(crate) fn close(&self, at: SocketAddr) {
        locked(&self.listeners).remove(at);
        locked(&self.callers).forget(at);
    }

    /// Hands packets of `stride` bytes over to another machine. False: it is dead, or none, and
    /// they stay.
    pub(super) fn hand_over(&self, to: Number, received: &ReceivedPacket<'_>) -> bool {
        let now = self.begun.elapsed();
        let advice = locked(&self.peers).get_mut(&to).map(|peer| (peer.route(), peer.advise(now)));
        let Some((route, Advice { is_alive, asks })) = advice else {
            // Nothing is lost but a packet.
            return !self.is_known.load(Ordering::Acquire) && now < UNTIL_KNOWN;
        };
        if asks && let Some(way) = self.address() {
            self.ask(route, way);
        }
        if !is_alive || self.socket().is_none() {
            return false;
        }
        let ReceivedPacket { packet, meta, listener } = *received;
        let Some(Listener { at: listener_at, out, .. }) = locked(&self.listeners).like(listener)
        else {
            return false;
        };
        let caller = Caller { listener: listener_at, out, ip: meta.dst_ip };
        let may_go = packet.chunks(meta.stride.max(1)).take_while(|_| self.may_send());
        for (place, packet) in may_go.enumerate() {
            if place == 0 && !locked(&self.callers).note(meta.addr, caller.clone(), now) {
                break;
            }
            let (client, ecn) = (meta.addr, meta.ecn);
            self.send(route, &Message::Packet { client, listener, ecn, packet });
            self.counted(Counted::HandedOver);
        }
        true
    }

    /// Sends a packet to a client by another machine.
    pub(super) fn answer(&self, by: Number, transmit: &Transmit<'_>) {
        let Some(route) = locked(&self.peers).get(&by).map(Peer::route) else { return };
        let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
        for packet in transmit.contents.chunks(size) {
            let (client, ecn) = (transmit.destination, transmit.ecn);
            self.send(route, &Message::Answer { client, ecn, packet });
            self.counted(Counted::Answered);
        }
    }

    fn listen(&self, socket: &UdpSocket) {
        let mut buffer = vec![0; DATAGRAM];
        while !self.is_retired.load(Ordering::Acquire) {
            match socket.recv_from(&mut buffer) {
                Ok(_) if self.is_retired.load(Ordering::Acquire) => {}
                Ok((length, _)) => self.receive(&mut buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => {
                    log::debug!("fleet: packets of other machines: {error}");
                    std::thread::sleep(STEP);
                }
            }
        }
    }

    fn receive(&self, datagram: &mut [u8]) {
        let now = self.begun.elapsed();
        let times = locked(&self.clock).taken(now);
        let Some(times) = times else { return };
        let mut opener = locked(&self.opener);
        let Some(received) = opener.open(times, datagram) else {
            return self.counted(Counted::Refused);
        };
        drop(opener);
        let Received { machine, is_current, message } = received;
        // A machine without a number hands nothing over, and none does to itself.
        if self.is_own(machine) {
            return self.counted(Counted::Refused);
        }
        let told = is_current.then_some(now);
        if let Some(peer) = locked(&self.peers).get_mut(&machine) {
            peer.hear(now);
            peer.told = told.or(peer.told);
        }
        match message {
            Message::Packet { client, listener, ecn, packet } => {
                self.counted(Counted::Taken);
                self.take(machine, &Incoming { client, listener, ecn, packet });
            }
            Message::Answer { client, ecn, packet } => self.pass_on(client, ecn, packet, now),
            Message::Ping { way } => {
                let mut peers = locked(&self.peers);
                let peer = peers.entry(machine).or_insert_with(|| Peer::new(way));
                peer.hear(now);
                peer.told = told.or(peer.told);
                drop(peers);
                self.send(Route { at: way, told }, &Message::Pong);
            }
            Message::Pong => {}
        }
    }

    /// Gives a packet to a worker, which finds the one that has its connection.
    fn take(&self, from: Number, incoming: &Incoming<'_>) {
        let Incoming { client, listener, ecn, packet } = *incoming;
        let Some(Listener { outlets, .. }) = locked(&self.listeners).like(listener) else { return };
        let at = usize::from(client.port()) % outlets.len().max(1);
        let length = packet.len();
        let meta = RecvMeta { addr: client, len: length, stride: length, ecn, dst_ip: None };
        if let Some(outlet) = outlets.get(at).filter(|_| length > 0) {
            forward::send(outlet, packet, &forward::Forwarded { meta, via: from });
        }
    }

    /// Sends an answer to a client whose packets were handed over.
    fn pass_on(&self, to: SocketAddr, ecn: Option<EcnCodepoint>, packet: &[u8], now: Duration) {
        let Some(caller) = locked(&self.callers).get(to, now) else { return };
        let transmit = Transmit {
            destination: to,
            ecn,
            contents: packet,
            segment_size: None,
            src_ip: caller.ip,
        };
        if let Err(error) = caller.out.send(&transmit) {
            log::debug!("fleet: packet for {to}: {error}");
        }
    }
}

/// A packet from another machine.
struct Incoming<'a> {
    client: SocketAddr,
    listener: SocketAddr,
    ecn: Option<EcnCodepoint>,
    packet: &'a [u8],
}

impl fmt::Debug for Machines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Machines").field(&self.own()).finish()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
