//! How much the files of a folder may have together: those that are there, and what is received.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use http::StatusCode;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::confined::work::{beside, fault};
use crate::confined::{Area, Before, Draft, bytes, look};
use crate::http::Fault;
use crate::site::Task;
use crate::upstream::Shared;

/// Whichever blocks, sites and configurations write to a folder: it is the same one.
static FOLDERS: Shared<Folder> = Shared::new();

/// A folder whose files are counted.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Bytes of the files, and of what is being received.
    used: AtomicU64,
    is_measured: AtomicBool,
    /// Bytes of the files, as far as they are measured. Who changes files holds it.
    files: Arc<Mutex<u64>>,
}

/// What a block lets the files of its folder have.
#[derive(Debug, Clone)]
pub(super) struct Quota {
    folder: Arc<Folder>,
    most: u64,
}

impl Quota {
    /// `folder` is there.
    pub(super) fn new(folder: &Path, most: u64) -> Self {
        let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let folder = || Folder {
            path: path.clone(),
            used: AtomicU64::new(0),
            is_measured: AtomicBool::new(false),
            files: Arc::default(),
        };
        Self { folder: FOLDERS.get(path.display().to_string(), folder), most }
    }

    /// Measures the folder: at the start, and anew at a reload, as others may write to it too.
    pub(super) fn task(&self) -> Task {
        let folder = self.folder.clone();
        Task::new(move || async move {
            let files = folder.files.clone().lock_owned().await;
            if let Err(error) = folder.measure(files).await {
                log::error!("upload: cannot measure {}: {error}", folder.path.display());
            }
        })
    }

    /// For a file that is about to be received.
    pub(super) async fn reservation(&self) -> Result<Reservation, Fault> {
        let folder = &self.folder;
        if !folder.is_measured.load(Ordering::Acquire) {
            let files = folder.files.clone().lock_owned().await;
            if !folder.is_measured.load(Ordering::Acquire) {
                folder.measure(files).await.map_err(fault)?;
            }
        }
        Ok(Reservation { quota: self.clone(), bytes: 0 })
    }

    /// Whoever has them may change files.
    pub(super) async fn files(&self) -> Files {
        let folder = self.folder.clone();
        Files(Some(Held { bytes: folder.files.clone().lock_owned().await, folder }))
    }
}

impl Folder {
    /// What is being received stays counted.
    async fn measure(self: &Arc<Self>, mut files: OwnedMutexGuard<u64>) -> io::Result<()> {
        let folder = self.clone();
        // The files stay held if nobody waits for the result any more.
        let measured = beside(Area::new(&self.path, Arc::default()), move |area| {
            let found = bytes(area, &[])?;
            folder.used.fetch_add(found.wrapping_sub(*files), Ordering::AcqRel);
            *files = found;
            folder.is_measured.store(true, Ordering::Release);
            Ok(())
        });
        measured.await
    }
}

/// Room for one file that is being received. It is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    quota: Quota,
    bytes: u64,
}

impl Reservation {
    /// Takes what is missing to `bytes`.
    pub(super) fn cover(&mut self, bytes: u64) -> Result<(), Fault> {
        let Some(more) = bytes.checked_sub(self.bytes) else { return Ok(()) };
        let most = self.quota.most;
        let with = |used: u64| used.checked_add(more).filter(|used| *used <= most);
        let taken = self.quota.folder.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, with);
        let full = "upload: the files would have more than `quota`";
        taken.map_err(|_| Fault::caused(StatusCode::INSUFFICIENT_STORAGE, full))?;
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.quota.folder.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

/// The files of a folder while they are changed, one change at a time; of one without a quota
/// nothing is counted.
#[derive(Default)]
pub(super) struct Files(Option<Held>);

struct Held {
    bytes: OwnedMutexGuard<u64>,
    folder: Arc<Folder>,
}

impl Files {
    /// Bytes of what is there by a path.
    pub(super) fn bytes(&self, to: &Area, names: &[String]) -> u64 {
        let counted = self.0.as_ref().and_then(|_| bytes(to, names).ok());
        counted.unwrap_or_default()
    }

    /// Bytes of the file that another one with this path would replace; a folder is not replaced,
    /// unless it is empty.
    pub(super) fn replaced(&self, to: &Area, names: &[String]) -> u64 {
        let there = self.0.as_ref().and_then(|_| look(to, names).ok());
        there.filter(|about| !about.is_folder()).map_or(0, |about| about.size)
    }

    /// They are no longer there.
    pub(super) fn gone(&mut self, bytes: u64) {
        let Some(held) = &mut self.0 else { return };
        // Others may write to the folder too.
        let counted = bytes.min(*held.bytes);
        *held.bytes -= counted;
        held.folder.used.fetch_sub(counted, Ordering::AcqRel);
    }

    /// Gives a file its name; one that it replaces is gone.
    pub(super) fn publish(
        mut self,
        to: &Area,
        names: &[String],
        draft: Draft,
        reservation: Option<Reservation>,
    ) -> io::Result<Before> {
        let replaced = self.replaced(to, names);
        let named = draft.give_name()?;
        if let (Some(held), Some(mut reservation)) = (&mut self.0, reservation) {
            *held.bytes += std::mem::take(&mut reservation.bytes);
        }
        self.gone(replaced);
        drop(self);
        named.sync()
    }
}
