//! The UDP socket of one QUIC endpoint. The kernel chooses a socket by a packet's addresses, which
//! change when the client moves; the connection ID names the right one. Packets of other endpoints
//! are forwarded before quinn sees them, and theirs are read beside the socket's own. Those of
//! other machines of a fleet go over `way`.

mod forward;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod id;
mod issuer;
pub(in crate::server::quic) mod recent;
pub(crate) mod relay;
mod return_paths;
mod turns;
mod unproven;

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, EndpointConfig, UdpPoller};
use socket2::SockRef;
use tokio::io::Interest;

use crate::server::ServiceKeys;
use forward::Forwarded;
use issuer::Issuer;
use relay::{Number, ReceivedPacket};
use return_paths::ReturnPaths;

pub(crate) use forward::{Outlets, open, outlets};
pub(crate) use id::{Home, Ids, LEN};
pub(crate) use turns::Tasks;
use turns::Turn;
use unproven::Unproven;
pub(crate) use unproven::Watch;

/// After this many reads of a busy socket, the inbox is read.
const TURN: u32 = 8;

/// The time between two stateless resets of an endpoint in a fleet.
const RESETS: Duration = Duration::from_millis(1);

/// A UDP socket for an endpoint, and its place among the sockets of its address.
pub(crate) struct Place {
    pub(crate) udp: UdpSocket,
    /// Packets that other endpoints forwarded.
    pub(crate) inbox: socket2::Socket,
    pub(crate) number: u16,
    /// The outlets to the places of this address in this process.
    pub(crate) here: Outlets,
    /// The outlets to those in the previous process, which forwards to processes before it.
    pub(crate) before: Option<Outlets>,
}

impl Place {
    /// The endpoint's settings, with connection IDs that contain its home.
    pub(crate) fn endpoint_config(&self, keys: &Arc<ServiceKeys>) -> EndpointConfig {
        let mut config = EndpointConfig::new(keys.resets.clone());
        if keys.machines.is_some() {
            // The connections of a whole machine may end here.
            config.min_reset_interval(RESETS);
        }
        let (keys, place) = (keys.clone(), self.number);
        config.cid_generator(move || Box::new(Issuer { keys: keys.clone(), place }));
        config
    }
}

/// The socket as quinn uses it.
pub(crate) struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    /// Not a datagram socket, which tokio accepts because it performs no I/O itself.
    inbox: tokio::net::UnixDatagram,
    routes: Routes,
    /// Whether another process reads this socket now.
    handed_over: AtomicBool,
    reads: AtomicU32,
    unproven: Arc<Unproven>,
    return_paths: ReturnPaths,
}

struct Routes {
    keys: Arc<ServiceKeys>,
    listener: SocketAddr,
    own: u16,
    here: Outlets,
    before: Option<Outlets>,
}

/// The destination of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Stays,
    Here(u16),
    Before(u16),
    Machine(Number),
}

/// Where packets come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Network,
    /// Another socket of this machine, or another machine, which has handed them over.
    Post {
        via: Number,
    },
}

impl Socket {
    pub(crate) fn new(place: Place, keys: Arc<ServiceKeys>) -> io::Result<Arc<Self>> {
        let Place { udp, inbox, number, here, before } = place;
        Ok(Arc::new(Self {
            routes: Routes { listener: udp.local_addr()?, keys, own: number, here, before },
            state: UdpSocketState::new((&udp).into())?,
            io: tokio::net::UdpSocket::from_std(udp)?,
            inbox: tokio::net::UnixDatagram::from_std(OwnedFd::from(inbox).into())?,
            handed_over: AtomicBool::new(false),
            reads: AtomicU32::new(0),
            unproven: Arc::default(),
            return_paths: ReturnPaths::default(),
        }))
    }

    /// Sets whether another process reads the socket from now on and forwards our packets.
    pub(crate) fn hand_over(&self, handed_over: bool) {
        self.handed_over.store(handed_over, Ordering::Relaxed);
    }

    /// Limits what is sent to a client until its address is validated.
    pub(crate) fn watch(&self, client: SocketAddr) -> Watch {
        self.unproven.watch(client)
    }

    fn poll_udp(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(cx))?;
            let read = || self.state.recv((&self.io).into(), bufs, meta);
            let Ok(count) = self.io.try_io(Interest::READABLE, read) else { continue };
            self.routes.sift(bufs, &mut meta[..count]);
            for meta in meta[..count].iter().filter(|meta| meta.len > 0) {
                self.return_paths.came(meta.addr, 0);
            }
            return Poll::Ready(Ok(count));
        }
    }

    fn poll_inbox(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.inbox.poll_recv_ready(cx))?;
            let mut count = 0;
            while let (Some(buf), Some(meta)) = (bufs.get_mut(count), meta.get_mut(count)) {
                let read = || forward::receive(&SockRef::from(&self.inbox), buf);
                match self.inbox.try_io(Interest::READABLE, read) {
                    Ok(Some(Forwarded { meta: forwarded, via })) => {
                        *meta = RecvMeta { len: forwarded.len.min(buf.len()), ..forwarded };
                        self.routes.sift_one(buf, meta, Origin::Post { via });
                        if meta.len > 0 {
                            self.return_paths.came(meta.addr, via);
                        }
                        count += 1;
                    }
                    Ok(None) => {}
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // This process holds a sending end too, so the stream never ends.
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn poll_both(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        if self.is_turn()
            && let Poll::Ready(handed) = self.poll_inbox(cx, bufs, meta)
        {
            return Poll::Ready(handed);
        }
        if !self.handed_over.load(Ordering::Relaxed)
            && let Poll::Ready(own) = self.poll_udp(cx, bufs, meta)
        {
            return Poll::Ready(own);
        }
        self.poll_inbox(cx, bufs, meta)
    }

    /// Whether to read the inbox although the socket may have more packets.
    fn is_turn(&self) -> bool {
        let reads = self.reads.load(Ordering::Relaxed).wrapping_add(1);
        self.reads.store(reads, Ordering::Relaxed);
        reads.is_multiple_of(TURN)
    }
}

impl Routes {
    /// Forwards packets with another home; the others stay, in order.
    fn sift(&self, bufs: &mut [IoSliceMut<'_>], meta: &mut [RecvMeta]) {
        if self.here.len() < 2 && self.before.is_none() && self.keys.machines.is_none() {
            return;
        }
        for (buf, meta) in bufs.iter_mut().zip(meta) {
            self.sift_one(buf, meta, Origin::Network);
        }
    }

    /// One read from the kernel: packets from one client, `stride` bytes each except the last one.
    /// They may belong to several connections.
    fn sift_one(&self, buf: &mut [u8], meta: &mut RecvMeta, from: Origin) {
        let (len, stride) = (meta.len.min(buf.len()), meta.stride.max(1));
        let way = |buf: &[u8], at: usize| self.way(&buf[at..len.min(at + stride)], from);
        let (mut at, mut kept) = (0, 0);
        while at < len {
            let goes = way(buf, at);
            let mut end = len.min(at + stride);
            while end < len && way(buf, end) == goes {
                end = len.min(end + stride);
            }
            if !self.sent(goes, &buf[at..end], meta, from) {
                buf.copy_within(at..end, kept);
                kept += end - at;
            }
            at = end;
        }
        meta.len = kept;
    }

    /// A packet whose ID is not ours, or whose process has ended, stays: it is a client's first
    /// one, or requires a stateless reset.
    fn way(&self, packet: &[u8], from: Origin) -> Way {
        let home = id::addressee(packet).and_then(|id| self.keys.home(id));
        let Some(home) = home else { return Way::Stays };
        let Home { generation, place, machine } = home;
        if !self.keys.is_own(home) {
            // What was handed over is not handed over again.
            return if from == Origin::Network { Way::Machine(machine) } else { Way::Stays };
        }
        match generation.cmp(&self.keys.generation()) {
            std::cmp::Ordering::Equal if place != self.own => Way::Here(place),
            std::cmp::Ordering::Less => Way::Before(place),
            _ => Way::Stays,
        }
    }

    /// Whether packets have gone their way; otherwise they stay.
    fn sent(&self, way: Way, packets: &[u8], meta: &RecvMeta, from: Origin) -> bool {
        if let (Way::Machine(number), Some(machines)) = (way, &self.keys.machines) {
            let (packet, listener) = (packets, self.listener);
            return machines.hand_over(number, &ReceivedPacket { packet, meta, listener });
        }
        let via = match from {
            Origin::Network => 0,
            Origin::Post { via } => via,
        };
        let forwarded = Forwarded { meta: *meta, via };
        self.outlet(way).is_some_and(|outlet| forward::send(outlet, packets, &forwarded))
    }

    fn outlet(&self, way: Way) -> Option<&socket2::Socket> {
        match way {
            Way::Stays | Way::Machine(_) => None,
            Way::Here(place) => self.here.get(usize::from(place)),
            Way::Before(place) => {
                let before = self.before.as_ref()?;
                // The place may be one of an earlier process, which had more places.
                before.get(usize::from(place)).or_else(|| before.first())
            }
        }
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Writable { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        Turn::count();
        let (bytes, size) = (transmit.contents.len(), transmit.segment_size);
        let allowed = self.unproven.allow(transmit.destination, bytes, size.unwrap_or(bytes));
        let send = |transmit: &Transmit<'_>| {
            if let Some(machines) = &self.routes.keys.machines
                && let Some(number) = self.return_paths.of(transmit.destination)
            {
                machines.answer(number, transmit);
                return Ok(());
            }
            self.io.try_io(Interest::WRITABLE, || self.state.send((&self.io).into(), transmit))
        };
        match allowed {
            // Dropped, as if lost in the network; it is sent again after the client has sent more.
            0 if bytes > 0 => Ok(()),
            _ if allowed < bytes => send(&Transmit {
                destination: transmit.destination,
                ecn: transmit.ecn,
                contents: &transmit.contents[..allowed],
                segment_size: transmit.segment_size,
                src_ip: transmit.src_ip,
            }),
            _ => send(transmit),
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.poll_both(cx, bufs, meta))?;
        for (buf, meta) in bufs.iter().zip(&meta[..count]) {
            self.unproven.received(meta.addr, &buf[..meta.len.min(buf.len())], meta.stride);
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        Turn::packets(self.state.max_gso_segments())
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.io).finish()
    }
}

/// One task that waits for room to send; a socket has several.
struct Writable {
    socket: Arc<Socket>,
    waiting: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>>,
}

impl UdpPoller for Writable {
    fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = self.socket.clone();
        let waiting =
            self.waiting.get_or_insert_with(|| Box::pin(async move { socket.io.writable().await }));
        let writable = ready!(waiting.as_mut().poll(cx));
        self.waiting = None;
        Poll::Ready(writable)
    }
}

impl fmt::Debug for Writable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Writable").finish()
    }
}

#[cfg(test)]
mod tests;
