//! Balancers before several machines: HAProxy for TCP, and one that gives the datagrams of each
//! client to one machine.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::wait_for;

const STEP: Duration = Duration::from_millis(50);

/// A port of 127.0.0.1 whose connections go to one machine after the other.
pub struct Door {
    pub port: u16,
    pub machines: Vec<SocketAddr>,
}

/// HAProxy, which passes connections on and knows nothing of what is in them.
pub struct HaProxy {
    process: Child,
    _dir: tempfile::TempDir,
}

impl HaProxy {
    pub fn start(doors: &[Door]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut text = "defaults\n mode tcp\n timeout connect 2s\n timeout client 60s\n \
                        timeout server 60s\n retries 3\n option redispatch 1\n"
            .to_owned();
        for Door { port, machines } in doors {
            text += &format!("listen d{port}\n bind 127.0.0.1:{port}\n balance roundrobin\n");
            for (nth, to) in machines.iter().enumerate() {
                text += &format!(" server m{nth} {to} check inter 200ms fall 2\n");
            }
        }
        let file = dir.path().join("haproxy.cfg");
        std::fs::write(&file, text).unwrap();
        let mut haproxy = Command::new("haproxy");
        let process = haproxy.arg("-db").arg("-f").arg(&file).stdout(Stdio::null());
        let process = process.stderr(Stdio::null()).spawn().expect("haproxy");
        let balancer = Self { process, _dir: dir };
        for Door { port, .. } in doors {
            wait_for("HAProxy", Duration::from_secs(30), || {
                TcpStream::connect(("127.0.0.1", *port)).ok()
            });
        }
        balancer
    }
}

impl Drop for HaProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Passes the datagrams of each client to one machine, and back: clients are given to one machine
/// after the other.
pub struct Datagrams {
    pub at: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    front: UdpSocket,
    state: Mutex<State>,
    is_over: AtomicBool,
}

struct State {
    machines: Vec<SocketAddr>,
    clients: HashMap<SocketAddr, Flow>,
    next: usize,
}

/// The way of one client's datagrams.
struct Flow {
    to: SocketAddr,
    socket: Arc<UdpSocket>,
}

impl Datagrams {
    /// At this address of the machine; port 0 is any.
    pub fn start(at: &str, machines: Vec<SocketAddr>) -> Self {
        let front = socket(at);
        let at = front.local_addr().unwrap();
        let state = Mutex::new(State { machines, clients: HashMap::new(), next: 0 });
        let shared = Arc::new(Shared { front, state, is_over: AtomicBool::new(false) });
        let pass = shared.clone();
        thread::spawn(move || pass.towards_machines());
        Self { at, shared }
    }

    /// As after its checks have found a machine dead: clients go to the others, its own too.
    pub fn lose(&self, machine: SocketAddr) {
        let mut state = self.shared.state.lock().unwrap();
        state.machines.retain(|one| *one != machine);
        state.clients.retain(|_, flow| flow.to != machine);
    }
}

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

fn socket(at: &str) -> UdpSocket {
    let socket = UdpSocket::bind(at).unwrap();
    socket.set_read_timeout(Some(STEP)).unwrap();
    socket
}

impl Shared {
    fn towards_machines(self: &Arc<Self>) {
        let mut datagram = vec![0; 1 << 16];
        while !self.is_over.load(Ordering::Relaxed) {
            let Ok((size, client)) = self.front.recv_from(&mut datagram) else { continue };
            // A machine that is gone is not told of.
            let _ = self.flow(client).send(&datagram[..size]);
        }
    }

    fn flow(self: &Arc<Self>, client: SocketAddr) -> Arc<UdpSocket> {
        let mut state = self.state.lock().unwrap();
        if let Some(flow) = state.clients.get(&client) {
            return flow.socket.clone();
        }
        let to = state.machines[state.next % state.machines.len()];
        state.next += 1;
        let flow = Arc::new(socket("0.0.0.0:0"));
        flow.connect(to).unwrap();
        state.clients.insert(client, Flow { to, socket: flow.clone() });
        let (pass, answers) = (self.clone(), flow.clone());
        thread::spawn(move || pass.towards_client(client, &answers));
        flow
    }

    fn towards_client(&self, client: SocketAddr, answers: &UdpSocket) {
        let mut datagram = vec![0; 1 << 16];
        while !self.is_over.load(Ordering::Relaxed) {
            if let Ok(size) = answers.recv(&mut datagram) {
                let _ = self.front.send_to(&datagram[..size], client);
            }
        }
    }
}
