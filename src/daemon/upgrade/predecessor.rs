//! The previous process, seen from its successor.

use std::env;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{dup2_stdin, getppid};

use super::message::Message;
use super::protocol::{FAILED, GO, MARK, READY};

/// The connection to the previous process.
pub struct Predecessor(UnixStream);

/// The process that started this one as its successor, and its message. `None`: this process is not
/// a successor. To be called once, before the standard input is read.
///
/// # Errors
/// The other end is closed, or sends an invalid message.
pub fn predecessor() -> io::Result<Option<(Predecessor, Message)>> {
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
    let message = Message::receive(&stream)?;
    Ok(Some((Predecessor(stream), message)))
}

impl Predecessor {
    /// Reports that this process is ready to serve, with `text` for the predecessor, and waits for
    /// the order to serve.
    ///
    /// # Errors
    /// The predecessor has ended or has cancelled the upgrade.
    pub fn ready(&self, text: &str) -> io::Result<()> {
        Message::send(&self.0, &format!("{READY}\n{text}"), &[])?;
        match Message::receive(&self.0)?.text.as_str() {
            GO => Ok(()),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Reports why this process cannot serve.
    pub fn failed(self, reason: &str) {
        let _ = Message::send(&self.0, &format!("{FAILED}\n{reason}"), &[]);
    }

    /// Blocks until the predecessor has ended.
    pub fn ended(mut self) {
        // It sends nothing more, so the read returns when it ends.
        let _ = self.0.read(&mut [0]);
    }
}
