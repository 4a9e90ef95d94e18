//! A bounded queue in front of one writer thread: the log sinks' way never to block a caller.
//! What does not fit, or cannot be written, is counted, and the sink reports the count later.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Entries that wait for the writer at most.
const DEPTH: usize = 8192;
/// Entries given to the sink at once at most.
const BATCH: usize = 512;
/// How long a flush waits for a writer that may be stuck in the kernel.
const PATIENCE: Duration = Duration::from_secs(5);

/// Entries lost and not yet reported.
#[derive(Clone, Default)]
pub(super) struct Lost(Arc<AtomicU64>);

/// The writer thread's half.
pub(super) trait Sink<T>: Send + 'static {
    /// Writes the entries (there may be none: a wake-up), adds what could not be written to
    /// `lost` and reports earlier losses when there is room again.
    fn write(&mut self, batch: Vec<T>, lost: &Lost);
}

enum Job<T> {
    Item(T),
    Wake,
    Flush(SyncSender<()>),
}

/// The callers' half. Dropping it flushes.
pub(super) struct Queue<T: Send + 'static> {
    jobs: Option<SyncSender<Job<T>>>,
    lost: Lost,
    thread: Option<JoinHandle<()>>,
}

impl Lost {
    /// Counts `n` more.
    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Takes the count, which starts anew at 0.
    pub(super) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl<T: Send + 'static> Queue<T> {
    /// Starts the writer thread.
    pub(super) fn start(name: &str, sink: impl Sink<T>) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(DEPTH);
        let lost = Lost::default();
        let losses = lost.clone();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || serve(&receiver, sink, &losses))?;
        Ok(Self { jobs: Some(sender), lost, thread: Some(thread) })
    }

    /// Hands an entry over, or counts it as lost when the queue is full.
    pub(super) fn push(&self, item: T) {
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.try_send(Job::Item(item)).is_ok());
        if !sent {
            self.lost.add(1);
        }
    }

    /// Makes the sink run soon. A full queue needs no wake-up.
    pub(super) fn wake(&self) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.try_send(Job::Wake);
        }
    }

    /// Waits until everything handed over before is written, but not longer than some seconds.
    /// Whether it was.
    pub(super) fn flush(&self) -> bool {
        let Some(jobs) = &self.jobs else { return true };
        let deadline = Instant::now() + PATIENCE;
        let (done, written) = sync_channel(1);
        let mut job = Job::Flush(done);
        loop {
            match jobs.try_send(job) {
                Ok(()) => break,
                Err(TrySendError::Full(back)) if Instant::now() < deadline => job = back,
                Err(_) => return false,
            }
            thread::sleep(Duration::from_millis(2));
        }
        written.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok()
    }
}

impl<T: Send + 'static> Drop for Queue<T> {
    fn drop(&mut self) {
        let flushed = self.flush();
        self.jobs = None;
        // A writer that does not answer is left behind rather than waited for.
        if let (true, Some(thread)) = (flushed, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn serve<T>(jobs: &Receiver<Job<T>>, mut sink: impl Sink<T>, lost: &Lost) {
    while let Ok(first) = jobs.recv() {
        let mut batch = Vec::new();
        let mut waiting = Vec::new();
        for job in std::iter::once(first).chain(jobs.try_iter().take(BATCH)) {
            match job {
                Job::Item(item) => batch.push(item),
                Job::Wake => {}
                Job::Flush(done) => waiting.push(done),
            }
        }
        sink.write(batch, lost);
        for done in waiting {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Slow(Arc<Mutex<(usize, u64)>>, Duration);

    impl Sink<u32> for Slow {
        fn write(&mut self, batch: Vec<u32>, lost: &Lost) {
            thread::sleep(self.1);
            let mut seen = self.0.lock().expect("lock");
            seen.0 += batch.len();
            seen.1 += lost.take();
        }
    }

    #[test]
    fn nothing_is_lost_unnoticed() {
        for (pushed, pause) in [(100, 0), (DEPTH * 2, 50)] {
            let seen = Arc::new(Mutex::new((0, 0)));
            let sink = Slow(seen.clone(), Duration::from_millis(pause));
            let queue = Queue::start("test", sink).expect("start");
            for n in 0..pushed {
                queue.push(n as u32);
            }
            assert!(queue.flush());
            queue.wake();
            drop(queue);
            let (written, lost) = *seen.lock().expect("lock");
            assert_eq!(written + lost as usize, pushed);
            assert_eq!(lost > 0, pause > 0, "{lost} of {pushed}");
        }
    }
}
