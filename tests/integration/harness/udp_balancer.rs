//! A balancer of UDP: each client has one server until the test names another one, and only that
//! one's packets go back, by the connection that the balancer has to it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const STEP: Duration = Duration::from_millis(20);

pub struct UdpBalancer {
    pub at: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    front: UdpSocket,
    client: Mutex<Option<SocketAddr>>,
    /// The socket towards the server: the client, as the server sees it.
    back: Mutex<Arc<UdpSocket>>,
    server: Mutex<SocketAddr>,
    /// Where the client goes once it was sent a Retry.
    after_retry: Mutex<Option<SocketAddr>>,
    /// Bytes that have gone to the client.
    passed: AtomicU64,
    /// The pause before each packet to the client, in microseconds.
    pace: AtomicU64,
    is_over: AtomicBool,
}

impl UdpBalancer {
    pub fn start(server: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").unwrap();
        front.set_read_timeout(Some(STEP)).unwrap();
        let at = front.local_addr().unwrap();
        let shared = Arc::new(Shared {
            front,
            client: Mutex::default(),
            back: Mutex::new(back()),
            server: Mutex::new(server),
            after_retry: Mutex::default(),
            passed: AtomicU64::new(0),
            pace: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        for run in [Shared::towards_server, Shared::towards_client] {
            let shared = shared.clone();
            std::thread::spawn(move || run(&shared));
        }
        Self { at, shared }
    }

    /// Sends the client to another server; with another port of ours, as after the balancer has
    /// forgotten it.
    pub fn switch(&self, server: SocketAddr, has_other_port: bool) {
        *self.shared.server.lock().unwrap() = server;
        if has_other_port {
            *self.shared.back.lock().unwrap() = back();
        }
    }

    /// Sends the client to another server when this one has sent it a Retry.
    pub fn switch_after_retry(&self, server: SocketAddr) {
        *self.shared.after_retry.lock().unwrap() = Some(server);
    }

    /// Whether it has had to.
    pub fn has_switched(&self) -> bool {
        self.shared.after_retry.lock().unwrap().is_none()
    }

    pub fn passed(&self) -> u64 {
        self.shared.passed.load(Ordering::Relaxed)
    }

    /// Slows what goes to the client down.
    pub fn pace(&self, pause: Duration) {
        self.shared.pace.store(u64::try_from(pause.as_micros()).unwrap(), Ordering::Relaxed);
    }
}

impl Drop for UdpBalancer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

/// Whether a packet is a Retry (RFC 9000 section 17.2.5).
pub fn is_retry(packet: &[u8]) -> bool {
    packet.first().is_some_and(|first| first & 0xb0 == 0xb0)
}

fn back() -> Arc<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(STEP)).unwrap();
    Arc::new(socket)
}

impl Shared {
    fn towards_server(&self) {
        let mut buffer = [0; 1 << 16];
        while !self.is_over.load(Ordering::Relaxed) {
            let Ok((length, client)) = self.front.recv_from(&mut buffer) else { continue };
            *self.client.lock().unwrap() = Some(client);
            let (back, server) = (self.back.lock().unwrap().clone(), *self.server.lock().unwrap());
            // A server that was killed.
            let _ = back.send_to(&buffer[..length], server);
        }
    }

    fn towards_client(&self) {
        let mut buffer = [0; 1 << 16];
        while !self.is_over.load(Ordering::Relaxed) {
            let back = self.back.lock().unwrap().clone();
            let Ok((length, from)) = back.recv_from(&mut buffer) else { continue };
            let client = *self.client.lock().unwrap();
            if let Some(client) = client.filter(|_| from == *self.server.lock().unwrap()) {
                if is_retry(&buffer[..length])
                    && let Some(next) = self.after_retry.lock().unwrap().take()
                {
                    *self.server.lock().unwrap() = next;
                }
                std::thread::sleep(Duration::from_micros(self.pace.load(Ordering::Relaxed)));
                let _ = self.front.send_to(&buffer[..length], client);
                self.passed.fetch_add(length as u64, Ordering::Relaxed);
            }
        }
    }
}
