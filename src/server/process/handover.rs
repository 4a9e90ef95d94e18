//! Listening sockets that a process passes to the next one. None of them is closed in between, so
//! no connection that waits in a queue is lost, and the members of an SO_REUSEPORT group never
//! change, which would redistribute packets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Duplicates of the sockets of one address.
pub struct HandoverSockets {
    pub addr: SocketAddr,
    pub tcp: Vec<OwnedFd>,
    pub udp: Vec<OwnedFd>,
    /// Where packets for the endpoint of each UDP socket are sent.
    pub outlets: Vec<OwnedFd>,
}

impl HandoverSockets {
    /// All of them: TCP, UDP, outlets.
    pub fn files(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        [&self.tcp, &self.udp, &self.outlets].into_iter().flatten().map(AsFd::as_fd)
    }
}

pub(crate) fn duplicates<'a, T: AsFd + 'a>(
    sockets: impl IntoIterator<Item = &'a T>,
) -> io::Result<Vec<OwnedFd>> {
    sockets.into_iter().map(|socket| socket.as_fd().try_clone_to_owned()).collect()
}
