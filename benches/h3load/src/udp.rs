//! A connected UDP socket that reads and writes many datagrams in one system call.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg, setsockopt, sockopt,
};

/// The largest payload of a datagram that is sent or accepted.
pub const DATAGRAM: usize = 1472;
/// The kernel takes up to 64 segments, and 65,507 bytes, at once.
const SEGMENTS: usize = 44;
const BUFFER: usize = 4 << 20;

pub struct Socket {
    inner: UdpSocket,
    pub local: SocketAddr,
}

impl Socket {
    pub fn connect(peer: SocketAddr) -> Result<Self, String> {
        let make = || -> std::io::Result<Self> {
            let any = if peer.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let inner = UdpSocket::bind(any)?;
            inner.connect(peer)?;
            inner.set_nonblocking(true)?;
            setsockopt(&inner, sockopt::UdpGroSegment, &true)?;
            setsockopt(&inner, sockopt::RcvBuf, &BUFFER)?;
            setsockopt(&inner, sockopt::SndBuf, &BUFFER)?;
            let local = inner.local_addr()?;
            Ok(Self { inner, local })
        };
        make().map_err(|error| format!("a UDP socket to {peer}: {error}"))
    }

    /// Reads what the kernel has joined: (bytes, bytes of each datagram but the last).
    pub fn receive(&self, into: &mut [u8]) -> Result<Option<(usize, usize)>, String> {
        let mut control = [0_u8; 64];
        let mut parts = [IoSliceMut::new(into)];
        let flags = MsgFlags::empty();
        match recvmsg::<()>(self.inner.as_raw_fd(), &mut parts, Some(&mut control), flags) {
            Ok(message) => {
                let mut segment = message.bytes;
                for part in message.cmsgs().map_err(|error| error.to_string())? {
                    if let ControlMessageOwned::UdpGroSegments(size) = part {
                        segment = usize::try_from(size).unwrap_or(segment);
                    }
                }
                Ok((message.bytes > 0).then_some((message.bytes, segment.max(1))))
            }
            Err(Errno::EAGAIN) => Ok(None),
            Err(Errno::EINTR) => Ok(None),
            Err(error) => Err(format!("reading datagrams: {error}")),
        }
    }

    fn send(&self, bytes: &[u8], segment: usize) -> Result<(), String> {
        let size = u16::try_from(segment).unwrap_or(u16::MAX);
        let cut = [ControlMessage::UdpGsoSegments(&size)];
        let control = if bytes.len() > segment { &cut[..] } else { &[] };
        let parts = [IoSlice::new(bytes)];
        match sendmsg::<()>(self.inner.as_raw_fd(), &parts, control, MsgFlags::empty(), None) {
            // What a full buffer drops, QUIC sends again.
            Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
            Err(error) => Err(format!("sending datagrams: {error}")),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

/// Datagrams of one size, the last of which may be shorter, to leave in one system call.
pub struct Batch {
    bytes: Vec<u8>,
    end: usize,
    segment: usize,
}

impl Batch {
    pub fn new() -> Self {
        Self { bytes: vec![0; (SEGMENTS + 1) * DATAGRAM], end: 0, segment: 0 }
    }

    /// Room for one more datagram.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..self.end + DATAGRAM]
    }

    /// Takes the `length` bytes that were written into `room`.
    pub fn add(&mut self, length: usize, socket: &Socket) -> Result<(), String> {
        if self.end > 0 && length > self.segment {
            let from = self.end;
            self.leave(socket)?;
            self.bytes.copy_within(from..from + length, 0);
        }
        if self.end == 0 {
            self.segment = length;
        }
        self.end += length;
        if length < self.segment || self.end >= SEGMENTS * self.segment {
            self.leave(socket)?;
        }
        Ok(())
    }

    pub fn leave(&mut self, socket: &Socket) -> Result<(), String> {
        let end = std::mem::take(&mut self.end);
        if end == 0 { Ok(()) } else { socket.send(&self.bytes[..end], self.segment) }
    }
}
