//! The process that ran before, seen from the one that it started.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{dup2_stdin, getppid};

use super::parcel::Parcel;
use super::words::{FAILED, GO, MARK, READY};

/// The process to take over from.
pub struct Predecessor(UnixStream);

/// Who started this process as its successor, and what it hands over. `None`: somebody else did.
/// To be called once, before anything reads the standard input.
///
/// # Errors
/// The other end is gone, or talks otherwise.
pub fn predecessor() -> io::Result<Option<(Predecessor, Parcel)>> {
    let parent = getppid();
    let named = env::var(MARK).ok().and_then(|pid| pid.parse().ok());
    if named != Some(parent.as_raw()) {
        return Ok(None);
    }
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    if getsockopt(&stream, PeerCredentials)?.pid() != parent.as_raw() {
        return Ok(None);
    }
    dup2_stdin(File::open("/dev/null")?)?;
    let parcel = Parcel::receive(&stream)?;
    Ok(Some((Predecessor(stream), parcel)))
}

impl Predecessor {
    /// Says that nothing is left to do but to serve, with what it has to know of that, and waits
    /// for the word.
    ///
    /// # Errors
    /// It has ended meanwhile or does not want this process any more.
    pub fn ready(&self, text: &str) -> io::Result<()> {
        Parcel::send(&self.0, &format!("{READY}\n{text}"), &[])?;
        match Parcel::receive(&self.0)?.text.as_str() {
            GO => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Says why this process cannot serve.
    pub fn failed(self, reason: &str) {
        let _ = Parcel::send(&self.0, &format!("{FAILED}\n{reason}"), &[]);
    }

    /// Returns when it has ended.
    pub fn ended(mut self) {
        // It says nothing any more, so a read ends with it.
        let _ = self.0.read(&mut [0]);
    }
}
