//! Pages that depend on nothing but their file and what was read at load.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::http::preconditions::Validators;
use crate::own_files::State;

/// Most bytes of pages and their paths; above it all are dropped.
const BYTES: usize = 16 << 20;

/// A page ready to send.
pub(super) struct Made {
    pub(super) content: Bytes,
    /// None for a page that may be another at the next request.
    pub(super) validators: Option<Validators>,
    pub(super) links: Vec<String>,
}

/// Pages by file. Only threads of the blocking pool use it.
#[derive(Default)]
pub(super) struct Cache(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    by_path: HashMap<PathBuf, (State, Arc<Made>)>,
    bytes: usize,
}

impl Cache {
    pub(super) fn get(&self, path: &Path, state: &State) -> Option<Arc<Made>> {
        let pages = self.0.lock().ok()?;
        let (known, made) = pages.by_path.get(path)?;
        (known == state).then(|| made.clone())
    }

    /// Keeps a page, unless its file may still change without a trace.
    pub(super) fn put(&self, path: &Path, state: &State, made: &Arc<Made>) {
        let Ok(mut pages) = self.0.lock() else { return };
        let bytes = made.content.len() + path.as_os_str().len() + 512;
        if !state.is_settled() || bytes > BYTES / 8 {
            return;
        }
        if pages.bytes + bytes > BYTES {
            *pages = Pages::default();
        }
        pages.bytes += bytes;
        if let Some((_, old)) = pages.by_path.insert(path.to_owned(), (*state, made.clone())) {
            pages.bytes -= old.content.len() + path.as_os_str().len() + 512;
        }
    }
}
