//! The control socket: a Unix socket on which the running service accepts requests of root and of
//! its own user. A request is one line. The response is a line `exit CODE`, with the exit code for
//! the requesting process, and a text for people up to the end of the stream.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use super::privileges::{User, acting_as};
use crate::limits::CONTROL_REQUEST;

/// Bytes of a request line; a longer line is invalid.
const MAX_REQUEST: u64 = 256;
/// The delay after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);
/// The exit code for a client without permission, as LSB numbers it for init scripts.
const NOT_ALLOWED: u8 = 4;

/// The socket of a running service. Its file is removed on drop, if it is still this one.
pub struct Control {
    path: PathBuf,
    listener: UnixListener,
    /// Device and inode of the file.
    file: Option<(u64, u64)>,
    /// Ends the thread that accepts, when it is dropped.
    accepting: Option<io::PipeWriter>,
}

/// A request whose client waits for the response.
pub struct Request {
    /// The line, without its end.
    pub text: String,
    stream: UnixStream,
}

/// The response to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The exit code for the requesting process.
    pub code: u8,
    /// For people; may be empty.
    pub text: String,
}

impl Control {
    /// Opens the socket, as `user` where that user has permission. Any user can connect; the
    /// credentials of the connection decide whether the request is accepted.
    ///
    /// # Errors
    /// Another service listens there, the path is no socket, or the socket cannot be created.
    pub fn open(path: &Path, user: Option<&User>) -> io::Result<Self> {
        let open = || -> io::Result<UnixListener> {
            remove_stale(path)?;
            let bound = UnixListener::bind(path)?;
            // Not by umask, which would hold for the files of all threads.
            fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
            Ok(bound)
        };
        let listener = match user {
            Some(user) => match acting_as(user, open).map_err(io::Error::other)? {
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => open(),
                done => done,
            },
            None => open(),
        };
        Self::of(path, listener?)
    }

    /// The socket that the previous process has passed on.
    ///
    /// # Errors
    /// It is not a listening socket.
    pub fn inherit(path: &Path, handed: OwnedFd) -> io::Result<Self> {
        Self::of(path, UnixListener::from(handed))
    }

    fn of(path: &Path, listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let file = fs::symlink_metadata(path).ok().map(|file| (file.dev(), file.ino()));
        Ok(Self { path: path.to_owned(), listener, file, accepting: None })
    }

    /// The open socket, for the process that takes over.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// Passes requests to `inbox`, on a thread of its own.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn serve(&mut self, inbox: impl Fn(Request) + Send + 'static) -> io::Result<()> {
        let listener = self.listener.try_clone()?;
        let (ended, accepting) = io::pipe()?;
        let work = move || {
            while wait(&listener, &ended) {
                match listener.accept() {
                    Ok((stream, _)) => {
                        if let Some(request) = receive(stream) {
                            inbox(request);
                        }
                    }
                    // Another process that shares the socket was faster.
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        };
        std::thread::Builder::new().name("control".to_owned()).spawn(work)?;
        self.accepting = Some(accepting);
        Ok(())
    }

    /// Leaves the socket to the process that has it now.
    pub fn release(&mut self) {
        self.accepting = None;
        self.file = None;
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let Some(ours) = self.file else { return };
        let there = fs::symlink_metadata(&self.path).ok().map(|file| (file.dev(), file.ino()));
        if there == Some(ours) {
            // Where only root may remove it, the next start does.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Request {
    /// Sends the response. A client that has disconnected is ignored.
    pub fn answer(mut self, answer: &Answer) {
        let _ = write!(self.stream, "exit {}\n{}", answer.code, answer.text);
    }
}

/// Sends a request to the service and waits up to `patience` for the response.
///
/// # Errors
/// No process listens, or no response arrives.
pub fn ask(path: &Path, request: &str, patience: Duration) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(CONTROL_REQUEST))?;
    // The service responds to a client without permission and closes before it reads the request.
    // Sending fails then, but the response has arrived.
    let sent = writeln!(stream, "{request}");
    let mut said = Vec::new();
    let read = stream.read_to_end(&mut said);
    if let Some(answer) = parse(&String::from_utf8_lossy(&said)) {
        return Ok(answer);
    }
    match sent.and(read.map(drop)) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::ErrorKind::TimedOut.into())
        }
        Err(error) => Err(error),
        Ok(()) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn parse(said: &str) -> Option<Answer> {
    let (first, text) = said.split_once('\n')?;
    let code = first.strip_prefix("exit ")?.parse().ok()?;
    Some(Answer { code, text: text.to_owned() })
}

/// Removes a socket without a listener, which a killed process has left.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(file) if !file.file_type().is_socket() => {
            let text = "the path exists and is not a socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
        }
        Ok(_) => {}
    }
    if UnixStream::connect(path).is_ok() {
        let text = "a running process listens on it";
        return Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    }
    fs::remove_file(path)
}

/// Waits for a connection; false when the thread must end.
fn wait(listener: &UnixListener, ended: &io::PipeReader) -> bool {
    let mut ready = [
        PollFd::new(listener.as_fd(), PollFlags::POLLIN),
        PollFd::new(ended.as_fd(), PollFlags::POLLIN),
    ];
    let _ = poll(&mut ready, PollTimeout::NONE);
    ready[1].revents().is_none_or(|said| said.is_empty())
}

/// Reads a request of a client with permission.
fn receive(stream: UnixStream) -> Option<Request> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(CONTROL_REQUEST)).ok()?;
    stream.set_write_timeout(Some(CONTROL_REQUEST)).ok()?;
    let asks = getsockopt(&stream, PeerCredentials).ok()?.uid();
    let mut request = Request { text: String::new(), stream };
    if asks != 0 && asks != geteuid().as_raw() {
        let text = "only root and the user of the service may use its control socket\n".to_owned();
        request.answer(&Answer { code: NOT_ALLOWED, text });
        return None;
    }
    let mut line = String::new();
    BufReader::new((&request.stream).take(MAX_REQUEST)).read_line(&mut line).ok()?;
    request.text = line.strip_suffix('\n')?.to_owned();
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn echo(path: &Path) -> Control {
        let mut control = Control::open(path, None).expect("open");
        let answer = |request: Request| {
            let text = format!("{}!\n", request.text);
            request.answer(&Answer { code: 3, text });
        };
        control.serve(answer).expect("serve");
        control
    }

    #[test]
    fn a_request_is_answered_and_the_file_goes_with_the_service() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.sock");
        let control = echo(&path);
        let hello = Answer { code: 3, text: "hello!\n".to_owned() };
        assert_eq!(ask(&path, "hello", PATIENCE).expect("answer"), hello);
        let mode = fs::metadata(&path).expect("file").permissions().mode();
        assert_eq!(mode & 0o777, 0o666, "the credentials decide, not the mode");
        drop(control);
        assert!(!path.exists());
        assert_eq!(
            ask(&path, "hello", PATIENCE).expect_err("gone").kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn what_a_crash_left_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.sock");
        drop(UnixListener::bind(&path).expect("left behind"));
        let control = echo(&path);
        let second = Control::open(&path, None).err().expect("in use");
        assert!(second.to_string().contains("a running process listens"), "{second}");
        drop(control);
        fs::write(&path, "a file").expect("write");
        let error = Control::open(&path, None).err().expect("a file");
        assert!(error.to_string().contains("is not a socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("still there"), "a file");
    }

    #[test]
    fn the_next_process_has_the_same_socket() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.sock");
        let mut old = Control::open(&path, None).expect("open");
        let handed = old.socket().try_clone_to_owned().expect("duplicate");
        let mut new = Control::inherit(&path, handed).expect("inherit");
        old.release();
        drop(old);
        let answer = |request: Request| request.answer(&Answer { code: 0, text: String::new() });
        new.serve(answer).expect("serve");
        assert_eq!(ask(&path, "reload", PATIENCE).expect("answer").code, 0);
    }

    #[test]
    fn who_says_too_much_or_nothing_is_not_waited_for() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("caddy.sock");
        let _control = echo(&path);
        for odd in ["", "no end", &"long".repeat(100)] {
            let mut stream = UnixStream::connect(&path).expect("connect");
            stream.write_all(odd.as_bytes()).expect("write");
            stream.shutdown(std::net::Shutdown::Write).expect("end");
            let mut said = String::new();
            // A reset where more was sent than is read.
            let _ = stream.read_to_string(&mut said);
            assert_eq!(said, "", "{odd}");
        }
        assert_eq!(ask(&path, "hello", PATIENCE).expect("answer").code, 3);
    }
}
