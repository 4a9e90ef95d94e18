//! What the kernel tells of a TCP connection (TCP_INFO, linux/tcp.h).

use std::os::fd::AsFd;
use std::sync::LazyLock;
use std::time::Duration;

use nix::libc;
use nix::sys::socket::getsockopt;

use crate::machine;

/// The first Linux whose answer has all of [`Raw`].
const LINUX: [u32; 2] = [4, 19];

/// TCP_CLOSE of `enum tcp_state`: neither side has closed it in order.
const CLOSED: u8 = 7;

/// The beginning of `struct tcp_info`. A newer kernel has more behind it, and an older one less:
/// `LINUX` says from which on all of it is there.
#[repr(C)]
#[derive(Clone, Copy)]
#[allow(unreachable_pub, reason = "the option that nix's macro makes of it is public")]
pub struct Raw {
    /// State, congestion state, retransmits, probes, backoff, options, window scales.
    states: [u8; 8],
    rto: u32,
    ato: u32,
    snd_mss: u32,
    rcv_mss: u32,
    unacked: u32,
    sacked: u32,
    lost: u32,
    retrans: u32,
    fackets: u32,
    last_data_sent: u32,
    last_ack_sent: u32,
    last_data_recv: u32,
    /// Milliseconds.
    last_ack_recv: u32,
    pmtu: u32,
    rcv_ssthresh: u32,
    /// Microseconds.
    rtt: u32,
    rttvar: u32,
    snd_ssthresh: u32,
    snd_cwnd: u32,
    advmss: u32,
    reordering: u32,
    rcv_rtt: u32,
    rcv_space: u32,
    total_retrans: u32,
    pacing_rate: u64,
    max_pacing_rate: u64,
    bytes_acked: u64,
    bytes_received: u64,
    segs_out: u32,
    segs_in: u32,
    notsent_bytes: u32,
    min_rtt: u32,
    data_segs_in: u32,
    data_segs_out: u32,
    delivery_rate: u64,
    busy_time: u64,
    rwnd_limited: u64,
    sndbuf_limited: u64,
    delivered: u32,
    delivered_ce: u32,
    bytes_sent: u64,
    bytes_retrans: u64,
}

mod option {
    use nix::{getsockopt_impl, sockopt_impl};

    use super::{Raw, libc};

    sockopt_impl!(Info, GetOnly, libc::IPPROTO_TCP, libc::TCP_INFO, Raw);
}

/// The state of a connection that this process has accepted.
#[derive(Debug, Clone, Copy)]
pub struct TcpInfo {
    /// Smoothed.
    pub rtt: Duration,
    /// Bytes that were written to the socket, and those that the client has acknowledged.
    pub written: u64,
    pub acked: u64,
    /// Since the last acknowledgement.
    pub quiet: Duration,
    /// Packets with content, and those that were sent again.
    pub packets: u64,
    pub retransmitted: u64,
    /// The client has reset it, or does not answer any more.
    pub is_broken: bool,
}

/// Of a connected socket; `None` where the kernel does not say.
pub fn tcp_info(socket: &impl AsFd) -> Option<TcpInfo> {
    if !*IS_KNOWN {
        return None;
    }
    let raw = getsockopt(socket, option::Info).ok()?;
    let sent = raw.bytes_sent.saturating_sub(raw.bytes_retrans);
    Some(TcpInfo {
        rtt: Duration::from_micros(raw.rtt.into()),
        written: sent + u64::from(raw.notsent_bytes),
        acked: raw.bytes_acked,
        quiet: Duration::from_millis(raw.last_ack_recv.into()),
        packets: raw.data_segs_out.into(),
        retransmitted: raw.total_retrans.into(),
        is_broken: raw.states[0] == CLOSED,
    })
}

/// Why this kernel does not tell it.
pub fn unknown() -> Option<String> {
    let [major, minor] = LINUX;
    let release = machine::kernel();
    (!*IS_KNOWN).then(|| format!("it requires Linux {major}.{minor}, and this is '{release}'"))
}

static IS_KNOWN: LazyLock<bool> = LazyLock::new(|| is_new(&machine::kernel()));

/// By a release such as `6.1.0-25-amd64`.
fn is_new(release: &str) -> bool {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let version = parts.next().zip(parts.next());
    matches!(version, Some((Ok(major), Ok(minor))) if [major, minor] >= LINUX)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn releases() {
        for (release, new) in [
            ("6.1.0-25-amd64", true),
            ("4.19.0", true),
            ("4.18.0-553.el8", false),
            ("3.10.0", false),
            ("10.0", true),
            ("", false),
            ("unknown", false),
        ] {
            assert_eq!(is_new(release), new, "{release}");
        }
    }

    #[test]
    fn bytes_are_acknowledged_by_whom_they_reach() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        let before = tcp_info(&accepted).unwrap();
        assert_eq!((before.written, before.acked), (0, 0));
        accepted.write_all(&[7; 5000]).unwrap();
        client.read_exact(&mut [0; 5000]).unwrap();
        let after = tcp_info(&accepted).unwrap();
        assert_eq!((after.written, after.acked, after.retransmitted), (5000, 5000, 0));
        assert!(after.packets > 0 && after.rtt < Duration::from_secs(1), "{after:?}");
        assert!(tcp_info(&std::fs::File::open("/dev/null").unwrap()).is_none());
    }
}
