//! Work on files beside the worker, and what its failures mean to clients.

use std::io;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response, StatusCode};
use nix::errno::Errno;

use super::area::Area;
use super::draft::Draft;
use crate::http::Fault;

/// How much is gathered before it is written.
const PIECE: usize = 128 << 10;

/// Work on files, beside the worker.
pub async fn beside<T: Send + 'static>(
    to: Area,
    work: impl FnOnce(&Area) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(move || work(&to)).await.map_err(io::Error::other)?
}

/// Writes content to a draft as it comes.
pub struct Writer {
    /// None while it is written to.
    draft: Option<Draft>,
    gathered: BytesMut,
}

impl Writer {
    pub fn new(draft: Draft) -> Self {
        Self { draft: Some(draft), gathered: BytesMut::new() }
    }

    pub async fn write(&mut self, data: &[u8]) -> Result<(), Fault> {
        self.gathered.extend_from_slice(data);
        if self.gathered.len() >= PIECE { self.flush().await } else { Ok(()) }
    }

    /// The draft with all that was written.
    pub async fn end(mut self) -> Result<Draft, Fault> {
        self.flush().await?;
        self.draft.ok_or_else(lost)
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        let data: Bytes = self.gathered.split().freeze();
        let mut draft = self.draft.take().ok_or_else(lost)?;
        let written = beside(Area::default(), move |_| {
            draft.write(&data)?;
            Ok(draft)
        });
        self.draft = Some(written.await.map_err(fault)?);
        Ok(())
    }
}

fn lost() -> Fault {
    Fault::status(StatusCode::INTERNAL_SERVER_ERROR)
}

/// A response without content.
pub fn empty<B: Default>(status: StatusCode) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// What a failure of the file system means to a client.
pub fn fault(error: io::Error) -> Fault {
    let known = error.raw_os_error().map(Errno::from_raw);
    let status = match known {
        Some(Errno::ENOENT) => StatusCode::NOT_FOUND,
        // A link is in the path, or what clients do not reach.
        Some(Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::ELOOP) => StatusCode::FORBIDDEN,
        Some(
            Errno::ENOTDIR
            | Errno::EISDIR
            | Errno::EEXIST
            | Errno::ENOTEMPTY
            | Errno::EINVAL
            | Errno::EXDEV
            | Errno::EBUSY,
        ) => StatusCode::CONFLICT,
        // Longer than the file system has them.
        Some(Errno::ENAMETOOLONG) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(Errno::ENOSPC | Errno::EDQUOT) => StatusCode::INSUFFICIENT_STORAGE,
        None if error.kind() == io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
        None if error.kind() == io::ErrorKind::QuotaExceeded => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Fault::caused(status, error)
}
