//! Listening sockets that the process was started with (sd_listen_fds(3)), as systemd's
//! `caddy.socket` and other supervisors pass them: they stay open while the service restarts.

use std::net::{TcpListener, UdpSocket};

use listenfd::ListenFd;
use socket2::SockRef;

/// What the environment says of passed sockets, to this process alone.
pub const VARIABLES: &[&str] = &["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What was passed, in order.
pub type Passed = (Vec<TcpListener>, Vec<UdpSocket>);

/// Takes the passed sockets, once, before there is any thread: it changes the environment, so
/// that no child takes them for its own.
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
            format!("socket activation: {error}: pass ListenStream= and ListenDatagram= on ports")
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
