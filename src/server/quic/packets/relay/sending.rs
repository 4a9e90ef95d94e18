//! What leaves for other machines.

use std::net::SocketAddr;

use nix::sys::socket::MsgFlags;
use socket2::SockRef;

use super::message::Message;
use super::peer::Route;
use super::{Machines, locked};
use crate::limits::FLEET_PACKETS;

impl Machines {
    /// Within what the process may hand over in one second.
    pub(super) fn may_send(&self) -> bool {
        let second = self.begun.elapsed().as_secs();
        let mut spent = locked(&self.spent);
        if spent.0 != second {
            *spent = (second, 0);
        }
        spent.1 = spent.1.saturating_add(1);
        spent.1 <= FLEET_PACKETS
    }

    /// Asks a machine whether it is there. By both times if it may know only one of them.
    pub(super) fn ask(&self, to: Route, way: SocketAddr) {
        self.send(to, &Message::Ping { way });
        let now = self.begun.elapsed();
        let has_jumped = locked(&self.clock).has_jumped(now);
        if has_jumped {
            self.send(Route { told: Some(now), ..to }, &Message::Ping { way });
        }
    }

    /// What cannot be sent is lost, as in a network.
    pub(super) fn send(&self, to: Route, message: &Message<'_>) {
        let Route { at, told } = to;
        let time = locked(&self.clock).sent(self.begun.elapsed(), told);
        let Some(time) = time else { return };
        let Some(socket) = self.socket() else { return };
        if let Some(datagram) = self.sealer.seal(self.own(), time, message)
            && let Err(error) = SockRef::from(&*socket).send_to_with_flags(
                &datagram,
                &at.into(),
                // A worker waits for nothing.
                MsgFlags::MSG_DONTWAIT.bits(),
            )
        {
            log::debug!("fleet: packet for {at}: {error}");
        }
    }
}
