//! TCP paths with a delay, and such as can be cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Takes connections and passes their bytes on to `to`, each way after `delay`. Returns its port.
pub fn delayed(to: SocketAddr, delay: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(to).unwrap());
            pass(near.try_clone().unwrap(), far.try_clone().unwrap(), delay);
            pass(far, near, delay);
        }
    });
    port
}

/// Passes bytes one way, as many as come.
fn pass(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    to.set_nodelay(true).unwrap();
    let (queue, queued) = mpsc::channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        while let Ok(size @ 1..) = from.read(&mut piece) {
            if queue.send((Instant::now() + delay, piece[..size].to_vec())).is_err() {
                return;
            }
        }
    });
    thread::spawn(move || {
        for (at, piece) in queued {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&piece).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    });
}

/// A TCP path that can be cut: what is on it then waits, and nobody is told.
pub struct Road {
    pub port: u16,
    is_cut: Arc<AtomicBool>,
}

impl Road {
    pub fn to(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = is_cut.clone();
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, cut) = (near.unwrap(), cut.clone());
                thread::spawn(move || {
                    wait(&cut);
                    // The far end may be gone.
                    let Ok(far) = TcpStream::connect(to) else { return };
                    carry(near.try_clone().unwrap(), far.try_clone().unwrap(), cut.clone());
                    carry(far, near, cut);
                });
            }
        });
        Self { port, is_cut }
    }

    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
    }

    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::Release);
    }
}

fn wait(cut: &AtomicBool) {
    while cut.load(Ordering::Acquire) {
        thread::sleep(Duration::from_millis(20));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, cut: Arc<AtomicBool>) {
    to.set_nodelay(true).unwrap();
    thread::spawn(move || {
        let mut piece = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut piece).unwrap_or(0);
            wait(&cut);
            if read == 0 || to.write_all(&piece[..read]).is_err() {
                let _ = to.shutdown(Shutdown::Both);
                return;
            }
        }
    });
}
