//! The way of packets between the machines of a fleet: where this one listens for it, and what it
//! hears of the others.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;

use super::handover::HandoverIn;
use crate::cli::Options;
use crate::fleet::Stamp;
use crate::fleet::store::{Neighbours, Shared, View};
use crate::server::{Machines, ServiceKeys};

/// Where packets of other machines come in, unless `-fleet-listen` says otherwise.
const PORT: u16 = 7440;
const FORM: &str = "write ADDRESS:PORT of the private network, :PORT, or off";

/// `-fleet-listen`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listen {
    /// The address that this machine has towards the engine.
    Engine,
    At(SocketAddr),
    Off,
}

/// What the flag or the variable says.
pub(super) fn listen(options: &Options) -> Result<Listen, String> {
    let variable = "CADDY_FLEET_LISTEN";
    let text = || std::env::var(variable).ok().filter(|text| !text.is_empty());
    let (flag, text) = match (&options.fleet_listen, text()) {
        (Some(text), _) => ("-fleet-listen", text.clone()),
        (None, Some(text)) => (variable, text),
        (None, None) => return Ok(Listen::Engine),
    };
    parse(&text).ok_or_else(|| format!("{flag} '{text}': {FORM}"))
}

fn parse(text: &str) -> Option<Listen> {
    if text == "off" {
        return Some(Listen::Off);
    }
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text.to_owned() };
    let at: SocketAddr = full.parse().ok()?;
    (at.port() > 0).then_some(Listen::At(at))
}

/// The keys of a process that serves, with its part of the fleet.
pub(super) fn keys(
    options: &Options,
    shared: Option<&Shared>,
    handover: Option<&mut HandoverIn>,
) -> Result<Arc<ServiceKeys>, String> {
    let (passed, socket, known) = match handover {
        Some(handover) => (Some(handover.passed), handover.way.take(), handover.known.take()),
        None => (None, None, None),
    };
    let Some(shared) = shared else {
        return match passed {
            Some(passed) => ServiceKeys::passed(passed).map(Arc::new),
            None => ServiceKeys::generate(),
        };
    };
    let secret = shared.secret("QUIC");
    let keys = ServiceKeys::of_fleet(secret, passed, shared.view().number)?;
    if let Some(machines) = keys.machines() {
        let listen = listen(options)?;
        let bound = bind(machines, listen, socket.map(UdpSocket::from))?;
        // The others know the old address if it has changed, until the engine says the new one.
        if let Some(known) = known.filter(|known| bound == Some(known.address.port())) {
            machines.resume(known);
        }
        shared.meet(Box::new(Way { machines: machines.clone(), listen }));
    }
    Ok(keys)
}

/// Takes the socket of the process before, or binds one where its address is known by now. Returns
/// the port.
fn bind(
    machines: &Machines,
    listen: Listen,
    passed: Option<UdpSocket>,
) -> Result<Option<u16>, String> {
    let at = passed.as_ref().and_then(|socket| socket.local_addr().ok());
    let bound = match (listen, passed) {
        (Listen::Off, _) | (Listen::Engine, None) => return Ok(None),
        (Listen::Engine, Some(socket)) => machines.adopt(socket),
        (Listen::At(wanted), Some(socket)) if at == Some(wanted) => machines.adopt(socket),
        (Listen::At(wanted), _) => machines.bind(wanted),
    };
    let at = match listen {
        Listen::At(at) => at.to_string(),
        _ => String::new(),
    };
    let bound = bound.map_err(|error| format!("-fleet-listen {at}: {error}"))?;
    Ok(Some(bound.port()))
}

/// Takes messages at once if the process before knew of the others.
pub(super) fn resume(keys: &ServiceKeys) {
    let Some(machines) = keys.machines() else { return };
    let Some(address) = machines.address() else { return };
    if let Err(error) = machines.start(address) {
        log::warn!("fleet: packets of other machines: {error}");
    }
}

/// Hears of the others.
struct Way {
    machines: Arc<Machines>,
    listen: Listen,
}

impl Way {
    fn open(&self, local: IpAddr) -> io::Result<SocketAddr> {
        let at = match self.machines.socket() {
            Some(socket) => socket.local_addr()?,
            None => {
                let at = self.machines.bind(SocketAddr::new(local, PORT));
                // Another service of this machine has the port.
                let at = at.or_else(|_| self.machines.bind(SocketAddr::new(local, 0)))?;
                log::info!("fleet: packets of other machines come in at UDP {at}");
                at
            }
        };
        let ip = if at.ip().is_unspecified() { local } else { at.ip() };
        let address = SocketAddr::new(ip, at.port());
        self.machines.start(address)?;
        Ok(address)
    }
}

impl Neighbours for Way {
    fn connected(&self, local: IpAddr) -> Option<SocketAddr> {
        if self.listen == Listen::Off {
            return None;
        }
        let opened = self.open(local);
        opened.inspect_err(|error| log::warn!("fleet: packets of other machines: {error}")).ok()
    }

    fn learned(&self, view: &View) {
        let at = |one: &crate::fleet::members::Member| Some((one.number, one.said.way?));
        let others: Vec<_> = view.members.iter().filter_map(at).collect();
        self.machines.learn(view.now / 1_000_000, view.number, &others);
    }

    fn clock(&self, now: Stamp) {
        self.machines.hear_time(now / 1_000_000);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        let at = |text: &str| Some(Listen::At(text.parse().unwrap()));
        assert_eq!(parse("off"), Some(Listen::Off));
        assert_eq!(parse("10.0.0.5:7440"), at("10.0.0.5:7440"));
        assert_eq!(parse("[fd00::5]:7440"), at("[fd00::5]:7440"));
        assert_eq!(parse(":7440"), at("0.0.0.0:7440"));
        for text in ["", "on", "10.0.0.5", "10.0.0.5:0", "host:7440", ":", ":x", "7440"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
