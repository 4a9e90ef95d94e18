//! A socket that packets for clients leave by.

use std::io;
use std::net::UdpSocket;

use quinn::udp::{Transmit, UdpSocketState};

pub(super) struct Out {
    socket: UdpSocket,
    state: UdpSocketState,
}

impl Out {
    pub(super) fn new(socket: UdpSocket) -> io::Result<Self> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self { socket, state })
    }

    pub(super) fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.state.try_send((&self.socket).into(), transmit)
    }
}
