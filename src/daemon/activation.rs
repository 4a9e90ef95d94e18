//! Socket activation: listening sockets that systemd or another supervisor passes to the process
//! (sd_listen_fds(3)). They stay open while the service restarts.

use std::net::{TcpListener, UdpSocket};

use listenfd::ListenFd;
use socket2::SockRef;

/// The environment variables about passed sockets, which children do not get.
pub const VARIABLES: &[&str] = &["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// The passed sockets, in order.
pub type Passed = (Vec<TcpListener>, Vec<UdpSocket>);

/// Takes the passed sockets. To be called once, before any thread exists, as it removes the
/// variables from the environment so that no child uses them.
///
/// # Errors
/// One of them is neither a listening TCP socket nor a UDP socket.
pub fn passed() -> Result<Passed, String> {
    sort(ListenFd::from_env())
}

fn sort(mut fds: ListenFd) -> Result<Passed, String> {
    let mut passed = Passed::default();
    for at in 0..fds.len() {
        if let Ok(Some(udp)) = fds.take_udp_socket(at) {
            passed.1.push(udp);
            continue;
        }
        let tcp = fds.take_tcp_listener(at).map_err(|error| {
            format!(
                "socket activation: {error}: use ListenStream= and ListenDatagram= with ports only"
            )
        })?;
        let Some(tcp) = tcp else { continue };
        if !SockRef::from(&tcp).is_listener().unwrap_or(false) {
            return Err(format!(
                "socket activation: socket {at} is a connection: set Accept=no in the socket unit"
            ));
        }
        passed.0.push(tcp);
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passed_is_nothing() {
        let (tcp, udp) = sort(ListenFd::empty()).expect("nothing");
        assert!(tcp.is_empty() && udp.is_empty());
    }
}
