//! The addresses that this process listens on.

use std::net::SocketAddr;
use std::sync::Arc;

use super::super::forward::Outlets;
use super::out::Out;

#[derive(Clone)]
pub(super) struct Listener {
    pub(super) at: SocketAddr,
    /// Where packets for its workers go.
    pub(super) outlets: Outlets,
    pub(super) out: Arc<Out>,
}

#[derive(Default)]
pub(super) struct Listeners(Vec<Listener>);

impl Listeners {
    pub(super) fn add(&mut self, listener: Listener) {
        self.0.push(listener);
    }

    pub(super) fn remove(&mut self, at: SocketAddr) {
        self.0.retain(|listener| listener.at != at);
    }

    /// The listener that is the most like this one of another machine: the same Caddyfile may have
    /// other addresses or ports there.
    pub(super) fn like(&self, other: SocketAddr) -> Option<Listener> {
        self.0.iter().max_by_key(|one| likeness(one.at, other)).cloned()
    }
}

fn likeness(one: SocketAddr, other: SocketAddr) -> u8 {
    let same_family = one.is_ipv4() == other.is_ipv4();
    match one.port() == other.port() {
        true if one == other => 4,
        true if same_family && one.ip().is_unspecified() => 3,
        true if same_family => 2,
        true => 1,
        false => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_that_is_most_alike_is_chosen() {
        let likeness = |one: &str| likeness(one.parse().unwrap(), "10.0.0.1:443".parse().unwrap());
        let all = ["10.0.0.1:443", "0.0.0.0:443", "10.0.0.2:443", "[::]:443", "10.0.0.1:444"];
        assert_eq!(all.map(likeness), [4, 3, 2, 1, 0]);
    }
}
