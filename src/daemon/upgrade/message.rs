//! Sends text and open files over a socket.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Files per message; the kernel allows 253.
const AT_ONCE: usize = 64;
/// Sanity limits.
const MOST_FILES: u32 = 1 << 16;
const MOST_TEXT: u32 = 1 << 28;

/// The data that one process sends to another.
#[derive(Debug, Default)]
pub struct Message {
    pub text: String,
    pub files: Vec<OwnedFd>,
}

impl Message {
    pub(super) fn send(
        stream: &UnixStream,
        text: &str,
        files: &[BorrowedFd<'_>],
    ) -> io::Result<()> {
        let too_much = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let (count, len) = (u32::try_from(files.len()), u32::try_from(text.len()));
        let (count, len) = (count.map_err(too_much)?, len.map_err(too_much)?);
        let mut stream = stream;
        stream.write_all(&[count.to_be_bytes(), len.to_be_bytes()].concat())?;
        for some in files.chunks(AT_ONCE) {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(some));
            sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
        }
        stream.write_all(text.as_bytes())
    }

    pub(super) fn receive(stream: &UnixStream) -> io::Result<Self> {
        let invalid = || io::Error::from(io::ErrorKind::InvalidData);
        let mut stream = stream;
        let mut numbers = [[0; 4]; 2];
        stream.read_exact(numbers.as_flattened_mut())?;
        let [count, len] = numbers.map(u32::from_be_bytes);
        if count > MOST_FILES || len > MOST_TEXT {
            return Err(invalid());
        }
        let mut files = Vec::new();
        while files.len() < count as usize {
            let before = files.len();
            receive_files(stream, &mut files)?;
            if files.len() == before {
                return Err(invalid());
            }
        }
        let mut text = vec![0; len as usize];
        stream.read_exact(&mut text)?;
        Ok(Self { text: String::from_utf8(text).map_err(|_| invalid())?, files })
    }
}

/// Each message has one byte and the files that belong to it.
fn receive_files(stream: &UnixStream, files: &mut Vec<OwnedFd>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let got =
        recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    if got.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(some) = message {
            files.extend(some);
        }
    }
    Ok(())
}
