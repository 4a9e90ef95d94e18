//! What was made of files, for as long as they stay as they are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::State;

/// Most bytes of what is kept and of paths; above it all are dropped.
const BYTES: usize = 16 << 20;

/// Values by file. Its lock is held for a look-up only.
pub struct Cache<T>(Mutex<Kept<T>>);

struct Kept<T> {
    by_path: HashMap<PathBuf, Entry<T>>,
    bytes: usize,
}

struct Entry<T> {
    state: State,
    bytes: usize,
    value: Arc<T>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { by_path: HashMap::new(), bytes: 0 }
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Cache<T> {
    pub fn get(&self, path: &Path, state: &State) -> Option<Arc<T>> {
        let kept = self.0.lock().ok()?;
        let entry = kept.by_path.get(path)?;
        (entry.state == *state).then(|| entry.value.clone())
    }

    /// Keeps a value of `size` bytes, unless its file may still change without a trace.
    pub fn put(&self, path: &Path, state: &State, size: usize, value: &Arc<T>) {
        let Ok(mut kept) = self.0.lock() else { return };
        let bytes = size + path.as_os_str().len() + 512;
        if !state.is_settled() || bytes > BYTES / 8 {
            return;
        }
        if kept.bytes + bytes > BYTES {
            *kept = Kept::default();
        }
        kept.bytes += bytes;
        let entry = Entry { state: *state, bytes, value: value.clone() };
        if let Some(old) = kept.by_path.insert(path.to_owned(), entry) {
            kept.bytes -= old.bytes;
        }
    }
}
