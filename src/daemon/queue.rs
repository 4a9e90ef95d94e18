//! A bounded queue with one writer thread, so that log sinks never block a caller. Entries that do
//! not fit or cannot be written are counted, and the sink reports the count later.
//!
//! Entries are collected in a batch, which the writer takes as a whole. One entry wakes an idle
//! writer; a writer that has just written is woken only by a large batch or after 2 ms. Under load
//! it writes a few hundred times per second, and callers make no system call.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::limits::{LOG_QUEUE_BYTES, LOG_QUEUE_RECORDS};

/// How long entries are collected after a write.
const GATHER: Duration = Duration::from_millis(2);
/// How long a flush waits, as the writer may be blocked in the kernel.
const PATIENCE: Duration = Duration::from_secs(5);

/// Entries that all sinks of the process have lost.
static LOST: AtomicU64 = AtomicU64::new(0);

/// The number of lines that the logs of this process have lost since its start.
#[must_use]
pub fn lines_lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The number of entries dropped and not yet reported.
#[derive(Clone, Default)]
pub(super) struct Lost(Arc<AtomicU64>);

/// The entries queued for the writer.
pub(super) trait Batch: Default + Send + 'static {
    type Entry<'a>;
    /// The maximum size, in the unit of [`Self::size`].
    const MOST: usize;

    fn add(&mut self, entry: Self::Entry<'_>);
    /// The current size: bytes, or entries.
    fn size(&self) -> usize;
    fn clear(&mut self);
}

/// Whole lines, each with its line feed.
impl Batch for String {
    type Entry<'a> = &'a str;
    const MOST: usize = LOG_QUEUE_BYTES;

    fn add(&mut self, line: &str) {
        self.push_str(line);
        self.push('\n');
    }

    fn size(&self) -> usize {
        self.len()
    }

    fn clear(&mut self) {
        self.clear();
        // Frees the memory that a stall has used.
        self.shrink_to(Self::MOST / 16);
    }
}

impl<T: Send + 'static> Batch for Vec<T> {
    type Entry<'a> = T;
    const MOST: usize = LOG_QUEUE_RECORDS;

    fn add(&mut self, entry: T) {
        self.push(entry);
    }

    fn size(&self) -> usize {
        self.len()
    }

    fn clear(&mut self) {
        self.clear();
    }
}

/// The writer's side.
pub(super) trait BatchSink<B>: Send + 'static {
    /// Writes the entries (none after a plain wake-up), adds those that failed to `lost`, and
    /// reports earlier losses once writing works again.
    fn write(&mut self, batch: &mut B, lost: &Lost);
}

/// The callers' side. Dropping it flushes.
pub(super) struct Queue<B: Batch> {
    shared: Arc<Shared<B>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared<B> {
    state: Mutex<State<B>>,
    woken: Condvar,
    lost: Lost,
}

struct State<B> {
    batch: B,
    /// The batch size at which the writer is woken.
    wakes_at: usize,
    /// Run the writer, whatever the size of the batch.
    wake: bool,
    /// Notified when the current batch is written.
    flushes: Vec<SyncSender<()>>,
    closed: bool,
}

impl Lost {
    /// Adds `n` entries that are lost now.
    pub(super) fn add(&self, n: u64) {
        if n > 0 {
            LOST.fetch_add(n, Ordering::Relaxed);
            self.put_back(n);
        }
    }

    /// Adds `n` that were taken and could not be reported.
    pub(super) fn put_back(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Returns the count and resets it to 0.
    pub(super) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl<B: Batch> Queue<B> {
    /// Starts the writer thread.
    pub(super) fn start(name: &str, sink: impl BatchSink<B>) -> io::Result<Self> {
        let state = State {
            batch: B::default(),
            wakes_at: usize::MAX,
            wake: false,
            flushes: Vec::new(),
            closed: false,
        };
        let (state, woken, lost) = (Mutex::new(state), Condvar::new(), Lost::default());
        let shared = Arc::new(Shared { state, woken, lost });
        let served = shared.clone();
        let thread =
            thread::Builder::new().name(name.to_owned()).spawn(move || serve(&served, sink))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Queues an entry, or counts it as lost when the queue is full.
    pub(super) fn push(&self, entry: B::Entry<'_>) {
        let mut state = self.shared.lock();
        if state.batch.size() >= B::MOST {
            self.shared.lost.add(1);
            return;
        }
        state.batch.add(entry);
        if state.batch.size() >= state.wakes_at {
            state.wakes_at = usize::MAX;
            drop(state);
            self.shared.woken.notify_one();
        }
    }

    /// Wakes the writer.
    pub(super) fn wake(&self) {
        self.tell(|state| state.wake = true);
    }

    /// Waits until all entries queued before are written, for at most 5 s; returns whether they
    /// were.
    pub(super) fn flush(&self) -> bool {
        let (done, written) = sync_channel(1);
        self.tell(|state| state.flushes.push(done));
        written.recv_timeout(PATIENCE).is_ok()
    }

    fn tell(&self, change: impl FnOnce(&mut State<B>)) {
        change(&mut self.shared.lock());
        self.shared.woken.notify_one();
    }
}

impl<B: Batch> Drop for Queue<B> {
    fn drop(&mut self) {
        let flushed = self.flush();
        self.tell(|state| state.closed = true);
        // A writer that is blocked is not joined.
        if let (true, Some(thread)) = (flushed, self.thread.take()) {
            let _ = thread.join();
        }
    }
}

impl<B: Batch> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the writer has something to do.
    fn wait(&self, mut gathers_until: Option<Instant>) -> MutexGuard<'_, State<B>> {
        let mut state = self.lock();
        loop {
            let enough = if gathers_until.is_some() { B::MOST / 4 } else { 1 };
            let is_told = state.wake || state.closed || !state.flushes.is_empty();
            if is_told || state.batch.size() >= enough {
                break;
            }
            state.wakes_at = enough;
            state = match gathers_until {
                None => self.woken.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        gathers_until = None;
                        continue;
                    }
                    let waited = self.woken.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.wakes_at = usize::MAX;
        state
    }
}

fn serve<B: Batch>(shared: &Shared<B>, mut sink: impl BatchSink<B>) {
    let mut batch = B::default();
    let mut gathers_until = None;
    loop {
        let mut state = shared.wait(gathers_until);
        if state.closed && state.batch.size() == 0 && state.flushes.is_empty() {
            return;
        }
        state.wake = false;
        std::mem::swap(&mut state.batch, &mut batch);
        let flushes = std::mem::take(&mut state.flushes);
        drop(state);
        sink.write(&mut batch, &shared.lost);
        batch.clear();
        for done in flushes {
            let _ = done.send(());
        }
        gathers_until = Some(Instant::now() + GATHER);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use super::*;

    /// Sees how many entries come at once, and how many are missing.
    struct Slow(Arc<Mutex<Vec<(usize, u64)>>>, Duration);

    impl BatchSink<Vec<u32>> for Slow {
        fn write(&mut self, batch: &mut Vec<u32>, lost: &Lost) {
            thread::sleep(self.1);
            self.0.lock().expect("lock").push((batch.len(), lost.take()));
        }
    }

    #[test]
    fn nothing_is_lost_unnoticed() {
        let most = <Vec<u32> as Batch>::MOST;
        for (pushed, pause) in [(100, 0), (most * 3, 50)] {
            let seen = Arc::default();
            let sink = Slow(Arc::clone(&seen), Duration::from_millis(pause));
            let queue = Queue::start("test", sink).expect("start");
            for n in 0..pushed {
                queue.push(n as u32);
            }
            assert!(queue.flush());
            queue.wake();
            drop(queue);
            let seen = seen.lock().expect("lock");
            let written: usize = seen.iter().map(|(written, _)| written).sum();
            let lost: u64 = seen.iter().map(|(_, lost)| lost).sum();
            assert_eq!(written + lost as usize, pushed);
            assert_eq!(lost > 0, pause > 0, "{lost} of {pushed}");
            assert!(seen.iter().all(|(written, _)| *written <= most));
        }
    }

    /// Hands every batch on.
    struct Heard(std::sync::mpsc::Sender<String>);

    impl BatchSink<String> for Heard {
        fn write(&mut self, batch: &mut String, _lost: &Lost) {
            let _ = self.0.send(batch.clone());
        }
    }

    fn heard() -> (Queue<String>, Receiver<String>) {
        let (sender, receiver) = channel();
        (Queue::start("test", Heard(sender)).expect("start"), receiver)
    }

    #[test]
    fn lone_lines_are_written_without_being_asked_for() {
        let (queue, batches) = heard();
        for line in ["one", "two", "three"] {
            queue.push(line);
            let batch = batches.recv_timeout(PATIENCE).expect("a line");
            assert_eq!(batch, format!("{line}\n"));
        }
    }

    #[test]
    fn lines_gather_in_their_order() {
        let (queue, batches) = heard();
        let lines: Vec<_> = (0..50_000).map(|n| n.to_string()).collect();
        for line in &lines {
            queue.push(line);
        }
        drop(queue);
        let batches: Vec<_> = batches.iter().filter(|batch| !batch.is_empty()).collect();
        assert!(batches.concat().lines().eq(lines.iter().map(String::as_str)));
        assert!(batches.len() < lines.len() / 10, "{}", batches.len());
    }
}
