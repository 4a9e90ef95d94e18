//! TCP connections to a name's addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

use super::descriptors;

/// Between tries while the process has no descriptor left.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Tries one address after the other; each has its even share of the time left, so that one
/// that does not answer leaves time for the rest.
pub async fn tcp(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for (i, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let share = deadline.saturating_duration_since(now) / (addresses.len() - i) as u32;
        match connect(address, now + share).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Where the process has no descriptor left, idle connections make room, and the rest of the time
/// is spent on waiting for other requests to end.
async fn connect(address: &SocketAddr, until: Instant) -> io::Result<TcpStream> {
    loop {
        let connected = timeout_at(until, TcpStream::connect(address)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Err(error) if descriptors::are_exhausted(&error) => {
                if Instant::now() + OUT_OF_DESCRIPTORS >= until {
                    return Err(error);
                }
                descriptors::free();
                sleep(OUT_OF_DESCRIPTORS).await;
            }
            connected => return connected,
        }
    }
}
