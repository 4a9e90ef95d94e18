//! Work on files beside the worker, and what its failures mean to clients.

use std::io;
use std::path::{Path, PathBuf};

use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Response, StatusCode};
use nix::errno::Errno;

use crate::http::{Body, Fault};

/// Work on files, beside the worker.
pub(super) async fn beside<T: Send + 'static>(
    to: PathBuf,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(move || work(&to)).await.map_err(io::Error::other)?
}

/// A response without content.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// What a failure of the file system means to a client.
pub(super) fn fault(error: io::Error) -> Fault {
    let known = error.raw_os_error().map(Errno::from_raw);
    let status = match known {
        Some(Errno::ENOENT) => StatusCode::NOT_FOUND,
        // A link is in the path.
        Some(Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::ELOOP) => StatusCode::FORBIDDEN,
        Some(Errno::ENOTDIR | Errno::EISDIR | Errno::EEXIST | Errno::ENOTEMPTY | Errno::EINVAL) => {
            StatusCode::CONFLICT
        }
        Some(Errno::ENOSPC | Errno::EDQUOT) => StatusCode::INSUFFICIENT_STORAGE,
        None if error.kind() == io::ErrorKind::NotFound => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Fault::caused(status, error)
}
