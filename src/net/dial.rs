//! Opens all outgoing connections: over TCP to one of the addresses of a name, or to a unix socket.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::{TcpStream, ToSocketAddrs, UnixStream};
use tokio::time::{Instant, sleep, timeout_at};

use super::descriptors;

/// The pause between attempts while no file descriptor is available.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
/// The pause between attempts at a unix socket whose queue is full.
const QUEUE_PAUSE: Duration = Duration::from_millis(20);

/// The addresses of a host and port as the C library resolves them, in its order.
///
/// # Errors
/// The name does not exist or has no address, or no name server responds.
pub async fn resolve(server: impl ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host(server).await?.collect())
}

/// Resolves a host and port, then connects as [`tcp`] does.
///
/// # Errors
/// Those of [`resolve`] and [`tcp`].
pub async fn host(server: impl ToSocketAddrs, deadline: Instant) -> io::Result<TcpStream> {
    let addresses = timeout_at(deadline, resolve(server)).await;
    tcp(&addresses.map_err(|_| io::ErrorKind::TimedOut)??, deadline).await
}

/// Connects to the first address that accepts. Each gets an equal share of the remaining time, so
/// that one that does not respond leaves time for the others.
///
/// # Errors
/// The error of the last address; `TimedOut` if it did not respond within its share.
pub async fn tcp(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpStream> {
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for (i, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let until = Instant::now() + share(left, addresses.len() - i);
        match connect(until, || TcpStream::connect(*address)).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// Connects to a unix socket. If its queue is full, connect(2) fails at once, unlike over TCP, so
/// it is retried.
///
/// # Errors
/// `TimedOut` if the queue is full until the deadline; else the error of the kernel.
pub async fn unix(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    loop {
        match connect(deadline, || UnixStream::connect(path)).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let pause = timeout_at(deadline, sleep(QUEUE_PAUSE)).await;
                pause.map_err(|_| io::ErrorKind::TimedOut)?;
            }
            connected => return connected,
        }
    }
}

/// [`host`] for a thread without a runtime. The limit applies to connecting; resolving takes as
/// long as the C library allows.
///
/// # Errors
/// Those of [`host`].
pub fn blocking(
    server: impl std::net::ToSocketAddrs,
    limit: Duration,
) -> io::Result<std::net::TcpStream> {
    let addresses = resolve_blocking(server)?;
    let deadline = std::time::Instant::now() + limit;
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for (i, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(std::time::Instant::now());
        // A limit of zero is an error of its own.
        let share = share(left, addresses.len() - i).max(Duration::from_millis(1));
        match std::net::TcpStream::connect_timeout(address, share) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// [`resolve`] for a thread without a runtime.
///
/// # Errors
/// Those of [`resolve`].
pub fn resolve_blocking(server: impl std::net::ToSocketAddrs) -> io::Result<Vec<SocketAddr>> {
    Ok(server.to_socket_addrs()?.collect())
}

fn share(left: Duration, addresses: usize) -> Duration {
    left / u32::try_from(addresses).unwrap_or(u32::MAX)
}

/// If no file descriptor is available, closes idle connections and retries until `until`.
async fn connect<S, F>(until: Instant, open: impl Fn() -> F) -> io::Result<S>
where
    F: Future<Output = io::Result<S>>,
{
    loop {
        let connected = timeout_at(until, open()).await;
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use socket2::{Domain, SockAddr, Socket, Type};
    use tokio::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(3);
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A listener whose queue holds one connection, and that connection.
    fn full(domain: Domain, address: &SockAddr) -> (Socket, Socket) {
        let listener = Socket::new(domain, Type::STREAM, None).unwrap();
        listener.bind(address).unwrap();
        listener.listen(0).unwrap();
        let first = Socket::new(domain, Type::STREAM, None).unwrap();
        first.connect(&listener.local_addr().unwrap()).unwrap();
        (listener, first)
    }

    fn full_tcp() -> (SocketAddr, (Socket, Socket)) {
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let queue = full(Domain::IPV4, &any.into());
        (queue.0.local_addr().unwrap().as_socket().unwrap(), queue)
    }

    #[tokio::test]
    async fn an_address_that_is_silent_leaves_time_for_the_next() {
        let (silent, _queue) = full_tcp();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let both = [silent, address];
        let stream = tcp(&both, Instant::now() + SOON).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        assert!(stream.nodelay().unwrap());
        let stream = host(&both[..], Instant::now() + SOON).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let found = tokio::task::spawn_blocking(move || blocking(&both[..], SOON)).await.unwrap();
        assert_eq!(found.unwrap().peer_addr().unwrap(), address);
        let nobody = tcp(&[silent], Instant::now() + SOON).await.unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::TimedOut);
        let nowhere = tcp(&[], Instant::now() + SOON).await.unwrap_err();
        assert_eq!(nowhere.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_full_queue_of_a_unix_socket_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let (listener, _first) = full(Domain::UNIX, &SockAddr::unix(&path).unwrap());
        let late = unix(&path, Instant::now() + SOON).await.unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
        let served = tokio::task::spawn_blocking(move || {
            std::thread::sleep(3 * QUEUE_PAUSE);
            let listener = UnixListener::from(std::os::fd::OwnedFd::from(listener));
            listener.accept().map(|_| listener)
        });
        unix(&path, Instant::now() + PATIENCE).await.unwrap();
        let _listener = served.await.unwrap().unwrap();
        let absent = unix(&folder.path().join("none"), Instant::now() + PATIENCE).await;
        assert_eq!(absent.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
