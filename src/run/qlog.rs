//! Gives the server the files for records of QUIC connections.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::exit::Failure;
use crate::cli::Options;
use crate::daemon::traces::Traces;
use crate::server::{Qlog, TraceFiles};

/// Opens the directory of `-qlog` with the rights that the service has when it serves.
pub(super) fn open(options: &Options) -> Result<Option<Arc<Traces>>, Failure> {
    let Some(dir) = &options.qlog else { return Ok(None) };
    let traces =
        Traces::open(dir).map_err(|error| refused(dir, options.user.as_deref(), &error))?;
    Ok(Some(Arc::new(traces)))
}

fn refused(dir: &Path, user: Option<&str>, error: &std::io::Error) -> Failure {
    let dir = dir.display();
    let hint = match (error.kind(), user) {
        (std::io::ErrorKind::PermissionDenied, Some(user)) => {
            format!(" (try: install -d -m 700 -o {user} {dir})")
        }
        _ => String::new(),
    };
    Failure::configured(format!("-qlog {dir}: {error}{hint}"))
}

/// Which connections the server records there.
pub(super) fn choice(options: &Options, traces: Option<&Arc<Traces>>) -> Option<Qlog> {
    let files = Box::new(Files(traces?.clone()));
    Some(Qlog { files, one_in: options.qlog_sample, from: options.qlog_from.clone() })
}

struct Files(Arc<Traces>);

impl TraceFiles for Files {
    fn create(&self, name: &str) -> Option<Box<dyn Write + Send + Sync>> {
        Some(Box::new(self.0.begin(name)?))
    }
}
