//! Binds the sockets of a new configuration that the previous one does not have.

use std::net::SocketAddr;

use crate::config::Loaded;
use crate::server::{self, HandoverSockets, Sockets};
use crate::site::Snapshot;

/// Binds the addresses that `old` lacks, or adopts the sockets that the previous process has handed
/// over. An address with nothing but implicit redirects may fail, as the sites work without it: it
/// is removed from the configuration, and the next reload tries again.
pub(super) fn bind_new(
    loaded: &mut Loaded,
    old: Option<&Snapshot>,
    mut handovers: Vec<HandoverSockets>,
    workers: usize,
) -> Result<Vec<Sockets>, String> {
    let mut bound: Vec<Sockets> = Vec::new();
    let mut taken: Vec<SocketAddr> =
        old.iter().flat_map(|old| &old.listeners).map(|listener| listener.addr).collect();
    taken.extend(handovers.iter().map(|handover| handover.addr));
    let mut left_out = Vec::new();
    for listener in &loaded.snapshot.listeners {
        let addr = listener.addr;
        let before = old.and_then(|old| old.listener(addr));
        if before.is_some_and(|before| before.quic == listener.quic) {
            continue;
        }
        let alone = taken.iter().all(|other| other.port() != addr.port());
        let left = handovers.iter().position(|handover| handover.addr == addr);
        let sockets = match left.map(|at| handovers.swap_remove(at)) {
            Some(handover) => server::adopt(handover, workers, listener.quic),
            None => server::bind(addr, workers, listener.quic, alone),
        };
        match sockets {
            Ok(sockets) => {
                bound.push(sockets);
                taken.push(addr);
            }
            Err(error) if loaded.redirects.iter().any(|only| only.addr == addr) => {
                log::warn!("redirects from http to https are unavailable: {error}");
                left_out.push(addr);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    loaded.snapshot.listeners.retain(|listener| !left_out.contains(&listener.addr));
    loaded.redirects.retain(|only| !left_out.contains(&only.addr));
    Ok(bound)
}

/// The addresses of `old` that `new` lacks or needs with other sockets.
pub(super) fn gone(old: &Snapshot, new: &Snapshot) -> Vec<SocketAddr> {
    let stays = |addr, quic| new.listener(addr).is_some_and(|now| now.quic == quic);
    let old = old.listeners.iter();
    old.filter(|listener| !stays(listener.addr, listener.quic)).map(|one| one.addr).collect()
}
