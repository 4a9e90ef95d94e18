//! What a process leaves to the next one: the very sockets that it listens on. None of them is
//! closed in between, so no connection that waits in one is lost, and a group of SO_REUSEPORT
//! sockets never changes its members, by which the kernel would deal packets anew.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Duplicates of the sockets of one address.
pub struct Estate {
    pub addr: SocketAddr,
    pub tcp: Vec<OwnedFd>,
    pub udp: Vec<OwnedFd>,
    /// Where packets for each of the UDP sockets' endpoints are handed to.
    pub outlets: Vec<OwnedFd>,
}

impl Estate {
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
