//! Uploads that end short of their Content-Length. A client may end its upload when a response
//! begins that makes the rest pointless; curl does so from status 300 on. h2 would reset the
//! stream, and the client would lose the rest of the response. So h2 is not told of such an end: to
//! the handler the upload stays unfinished, and when the response is complete, h2 receives a
//! RST_STREAM in the client's name.

use bytes::BytesMut;

use crate::http2_frames::{END_STREAM, Frame, HEADERS, cancel};

/// Most uploads that are tracked: more than a client may have.
const STREAMS: usize = 512;

/// The requests with content whose length is known and which the client has not ended.
#[derive(Debug, Default)]
pub(super) struct Uploads {
    /// In the order of their IDs.
    streams: Vec<Upload>,
    /// Frames for h2.
    resets: BytesMut,
}

#[derive(Debug)]
struct Upload {
    id: u32,
    /// Bytes left of Content-Length.
    left: u64,
    progress: Progress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Unanswered,
    /// The head of the final response was sent.
    Answered,
    /// The client has ended the stream too, which h2 does not know.
    Short,
}

impl Uploads {
    /// A request with this Content-Length passes.
    pub(super) fn begin(&mut self, id: u32, length: Option<u64>) {
        if let Some(left) = length
            && left > 0
            && self.streams.len() < STREAMS
        {
            self.streams.push(Upload { id, left, progress: Progress::Unanswered });
        }
    }

    /// Counts the content of a DATA frame, and returns the frame as h2 may receive it; `None` if
    /// the client has ended the stream before.
    pub(super) fn receive(&mut self, frame: Frame, content: usize) -> Option<Frame> {
        let Some(at) = self.find(frame.stream) else { return Some(frame) };
        let upload = &mut self.streams[at];
        if upload.progress == Progress::Short {
            return None;
        }
        upload.left = upload.left.saturating_sub(content as u64);
        if !frame.has(END_STREAM) {
            return Some(frame);
        }
        if upload.left > 0 && upload.progress == Progress::Answered {
            upload.progress = Progress::Short;
            return Some(Frame { flags: frame.flags & !END_STREAM, ..frame });
        }
        self.streams.remove(at);
        Some(frame)
    }

    /// A part of a response is sent. hyper sends no interim ones, so the first head is final.
    /// Returns whether h2 must reset the stream.
    pub(super) fn answer(&mut self, frame: Frame) -> bool {
        let Some(at) = self.find(frame.stream) else { return false };
        let upload = &mut self.streams[at];
        if frame.kind == HEADERS && upload.progress == Progress::Unanswered {
            upload.progress = Progress::Answered;
        }
        if !frame.has(END_STREAM) {
            return false;
        }
        let is_short = upload.progress == Progress::Short;
        self.streams.remove(at);
        if is_short {
            self.resets.unsplit(cancel(frame.stream));
        }
        is_short
    }

    /// The stream has ended otherwise.
    pub(super) fn close(&mut self, id: u32) {
        if let Some(at) = self.find(id) {
            self.streams.remove(at);
        }
    }

    /// Whether h2 must receive frames.
    pub(super) fn has_ready(&self) -> bool {
        !self.resets.is_empty()
    }

    /// Frames that h2 must receive.
    pub(super) fn ready(&mut self) -> Option<BytesMut> {
        self.has_ready().then(|| self.resets.split())
    }

    fn find(&self, id: u32) -> Option<usize> {
        self.streams.binary_search_by_key(&id, |upload| upload.id).ok()
    }
}
