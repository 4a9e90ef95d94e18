//! Worker threads, each with a current-thread runtime and its own sockets, and the commands that
//! they take from the control thread.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, mpsc};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use crate::limits::{BLOCKING_THREADS, TUNNEL_GOODBYE};
use crate::metrics::{Metrics, WorkerMetrics};
use crate::server::context::Worker;
use crate::server::process::handover::HandoverSockets;
use crate::server::process::listeners::Sockets;
use crate::server::quic::packets::Place;
use crate::server::{
    Engine, Qlog, ServiceKeys,
    quic::{Shared, config, endpoint, first_windows::FirstWindows},
    tcp::accept,
};

enum Command {
    Open {
        addr: SocketAddr,
        tcp: Vec<TcpListener>,
        udp: Vec<Place>,
    },
    Close(SocketAddr),
    /// A new snapshot is current: endpoints load its certificates.
    Reconfigured,
    /// Respond, which shows that the runtime is alive.
    Ping(std::sync::mpsc::Sender<()>),
    /// Whether another process reads the UDP sockets of these addresses.
    HandOver(Vec<SocketAddr>, bool, std::sync::mpsc::Sender<()>),
    /// Stop accepting, finish requests in flight, then return.
    Drain(Drain),
}

/// How workers stop.
#[derive(Clone)]
pub struct Drain {
    /// The time limit of requests in flight.
    pub grace: Duration,
    /// How long idle HTTP/1.1 connections stay open for a request that may be in transit. The next
    /// response announces the close.
    pub linger: Duration,
    /// Until when packets are forwarded although this worker has nothing in flight.
    pub until: CancellationToken,
}

/// The time limit of a command that a worker executes at once.
const PATIENCE: Duration = Duration::from_secs(1);

/// The control thread's handle of all workers.
pub struct Workers {
    threads: Vec<(mpsc::UnboundedSender<Command>, JoinHandle<()>)>,
    metrics: Metrics,
    keys: Arc<ServiceKeys>,
    /// The listeners by address.
    handovers: Vec<HandoverSockets>,
}

/// Checks from any thread whether the workers respond.
pub struct Pulse(Vec<mpsc::UnboundedSender<Command>>);

impl Pulse {
    /// Whether every worker responds within `patience`. A draining worker does not.
    pub fn beats(&self, patience: Duration) -> bool {
        let (answer, answers) = std::sync::mpsc::channel();
        for commands in &self.0 {
            let _ = commands.send(Command::Ping(answer.clone()));
        }
        let deadline = Instant::now() + patience;
        self.0.iter().all(|_| {
            answers.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
        })
    }
}

/// Starts `count` workers with a shared limit of `connections` client connections.
pub fn spawn(
    engine: &Arc<Engine>,
    keys: &Arc<ServiceKeys>,
    count: usize,
    connections: usize,
    qlog: Option<Qlog>,
) -> io::Result<Workers> {
    let quic = Arc::new(Shared { qlog, first_windows: FirstWindows::new() });
    let mut threads = Vec::with_capacity(count);
    let counters: Vec<_> = (0..count).map(|_| WorkerMetrics::begin()).collect();
    for (number, metrics) in counters.iter().copied().enumerate() {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (engine, keys, quic) = (engine.clone(), keys.clone(), quic.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(BLOCKING_THREADS)
            .build()?;
        let slots = Arc::new(Semaphore::new((connections / count).max(1)));
        let thread =
            std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                metrics.enter();
                let worker = Worker::new(engine, keys, slots, metrics, quic);
                LocalSet::new().block_on(&runtime, live(Rc::new(worker), inbox));
            })?;
        threads.push((commands, thread));
    }
    let metrics = counters.into_iter().collect();
    Ok(Workers { threads, metrics, keys: keys.clone(), handovers: Vec::new() })
}

impl Workers {
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// What the workers count.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Returns a handle for the check whether the workers respond.
    pub fn pulse(&self) -> Pulse {
        Pulse(self.threads.iter().map(|(commands, _)| commands.clone()).collect())
    }

    /// Sends each worker its sockets of the address.
    pub fn open(&mut self, sockets: Sockets) {
        let addr = sockets.addr;
        if let Some(machines) = self.keys.machines() {
            sockets.open_way(machines);
        }
        let (hands, handover) = sockets.deal(self.count());
        self.handovers.push(handover);
        for ((commands, _), (tcp, udp)) in self.threads.iter().zip(hands) {
            // Sending fails only if the worker has ended, which joining it reports.
            let _ = commands.send(Command::Open { addr, tcp, udp });
        }
    }

    /// Stops accepting on the address; its open connections drain.
    pub fn close(&mut self, addr: SocketAddr) {
        self.handovers.retain(|handover| handover.addr != addr);
        if let Some(machines) = self.keys.machines() {
            machines.close(addr);
        }
        self.tell(|| Command::Close(addr));
    }

    /// Announces a new snapshot to the workers.
    pub fn reconfigured(&self) {
        self.tell(|| Command::Reconfigured);
    }

    /// The sockets for the next process.
    pub fn handovers(&self) -> &[HandoverSockets] {
        &self.handovers
    }

    /// Stops reading the UDP sockets of these addresses because another process will, or resumes
    /// it. Packets read before the return are processed; a worker that hangs is not waited for.
    pub fn hand_over(&self, addrs: &[SocketAddr], handed_over: bool) {
        let (done, answers) = std::sync::mpsc::channel();
        self.tell(|| Command::HandOver(addrs.to_vec(), handed_over, done.clone()));
        let deadline = Instant::now() + PATIENCE;
        for _ in &self.threads {
            let _ = answers.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        }
    }

    /// Finishes requests in flight and waits for the workers.
    pub fn drain(mut self, how: &Drain) {
        // Other processes that serve have their own sockets.
        self.handovers.clear();
        self.tell(|| Command::Drain(how.clone()));
        for (_, thread) in self.threads {
            let _ = thread.join();
        }
    }

    fn tell(&self, command: impl Fn() -> Command) {
        for (commands, _) in &self.threads {
            let _ = commands.send(command());
        }
    }
}

struct Open {
    accepting: CancellationToken,
    quic: Vec<endpoint::Listening>,
}

async fn live(worker: Rc<Worker>, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let mut open: HashMap<SocketAddr, Open> = HashMap::new();
    let mut ending: Option<Ending> = None;
    loop {
        let command = tokio::select! {
            () = ended(&mut ending) => break,
            command = inbox.recv() => command,
        };
        let Some(command) = command else { return };
        match command {
            Command::Open { addr, tcp, udp } => match start(&worker, addr, tcp, udp) {
                Ok(started) => drop(open.insert(addr, started)),
                Err(error) => log::error!("cannot listen on {addr}: {error}"),
            },
            Command::Close(addr) => {
                if let Some(gone) = open.remove(&addr) {
                    gone.accepting.cancel();
                }
            }
            Command::Reconfigured => {
                for (addr, open) in &open {
                    for listening in &open.quic {
                        let config = config::server_config(&worker, *addr);
                        listening.endpoint.set_server_config(config);
                    }
                }
            }
            Command::Ping(answer) => {
                let _ = answer.send(());
            }
            Command::HandOver(addrs, handed_over, done) => {
                let open = open.iter().filter(|(addr, _)| addrs.contains(addr));
                let sockets = open.flat_map(|(_, open)| &open.quic);
                sockets.for_each(|listening| listening.socket.hand_over(handed_over));
                let _ = done.send(());
            }
            Command::Drain(how) => {
                worker.linger.set(how.linger);
                worker.draining.cancel();
                for open in open.values() {
                    open.accepting.cancel();
                    // Later clients are left to the process that reads the socket next.
                    open.quic.iter().for_each(|one| one.endpoint.set_server_config(None));
                }
                ending = Some(Box::pin(drained(worker.clone(), how)));
            }
        }
    }
    endpoint::close_endpoints(open.values().flat_map(|open| &open.quic)).await;
}

type Ending = Pin<Box<dyn Future<Output = ()>>>;

/// Pending until the end has begun.
async fn ended(ending: &mut Option<Ending>) {
    match ending {
        Some(ending) => ending.await,
        None => std::future::pending().await,
    }
}

async fn drained(worker: Rc<Worker>, how: Drain) {
    let end = async {
        worker.in_flight.none_left().await;
        how.until.cancelled().await;
    };
    if tokio::time::timeout(how.grace, end).await.is_err() && worker.in_flight.count() > 0 {
        log::warn!("{} requests aborted after {:?}", worker.in_flight.count(), how.grace);
        worker.parting.cancel();
        let _ = tokio::time::timeout(TUNNEL_GOODBYE, worker.in_flight.none_left()).await;
    }
}

fn start(
    worker: &Rc<Worker>,
    addr: SocketAddr,
    tcp: Vec<TcpListener>,
    udp: Vec<Place>,
) -> io::Result<Open> {
    let accepting = worker.draining.child_token();
    let listen = |place| endpoint::listen(worker.clone(), addr, place, accepting.clone());
    let quic = udp.into_iter().map(listen).collect::<io::Result<_>>()?;
    for socket in tcp {
        accept::listen(worker.clone(), addr, socket, accepting.clone())?;
    }
    Ok(Open { accepting, quic })
}
