//! `prefix_dir`: clients named by files, which other programs make and remove at any time.

use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::caddyfile::{Args, ConfigError};

#[derive(Clone)]
pub(super) struct Folder(Arc<Path>);

impl Folder {
    pub(super) fn open(word: &str, args: &Args<'_>) -> Result<Self, ConfigError> {
        let refused = |why: String| {
            args.error_at(word, format!("ipfilter: cannot use the directory '{word}': {why}"))
                .hint("make the directory; a file in it with a client's address names the client")
        };
        match std::fs::metadata(word) {
            Ok(found) if found.is_dir() => Ok(Self(PathBuf::from(word).into())),
            Ok(_) => Err(refused("it is a file".to_owned())),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    /// Whether there is a file for a client. That the directory is gone is an error: it would let
    /// in who was kept out.
    pub(super) async fn names(&self, ip: IpAddr) -> Result<bool, String> {
        let folder = self.clone();
        let found = tokio::task::spawn_blocking(move || folder.has(ip)).await;
        match found {
            Ok(found) => found.map_err(|error| format!("prefix_dir: {error}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The file is in the directory, or below it by the first two numbers: `192/0/192.0.2.7`,
    /// `2001/db8/2001:db8::7`.
    fn has(&self, ip: IpAddr) -> io::Result<bool> {
        let name = ip.to_string();
        let separator = if ip.is_ipv4() { '.' } else { ':' };
        let mut parts = name.split(separator);
        let (first, second) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        let sharded = self.0.join(first).join(second).join(&name);
        if exists(&self.0.join(&name))? || exists(&sharded)? {
            return Ok(true);
        }
        std::fs::metadata(&self.0).map(|_| false)
    }
}

fn exists(path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
