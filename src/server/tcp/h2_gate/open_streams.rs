//! The streams that the client has opened and not ended, in order.

/// Most that are tracked: more than a client may have.
const STREAMS: usize = 512;

#[derive(Debug, Default)]
pub(super) struct OpenStreams(Vec<u32>);

impl OpenStreams {
    pub(super) fn open(&mut self, stream: u32) {
        if self.0.len() == STREAMS {
            self.0.remove(0);
        }
        self.0.push(stream);
    }

    pub(super) fn close(&mut self, stream: u32) {
        if let Ok(at) = self.0.binary_search(&stream) {
            self.0.remove(at);
        }
    }

    pub(super) fn contains(&self, stream: u32) -> bool {
        self.0.binary_search(&stream).is_ok()
    }
}
