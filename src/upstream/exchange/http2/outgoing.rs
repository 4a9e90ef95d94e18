//! Follows the frames that h2 sends. Its first SETTINGS tell the upstream of a smaller window than
//! h2's, and its WINDOW_UPDATEs of streams are left out.

use std::io::IoSlice;
use std::time::Instant;

use bytes::{BufMut, BytesMut};

use super::windows::Windows;
use crate::http2_frames::{
    CONTINUATION, END_HEADERS, Frame, HEAD, HEADERS, PREFACE, SETTING, SETTINGS, WINDOW_UPDATE,
    number, put_head,
};
use crate::limits::UPSTREAM_STREAM_WINDOW;

/// SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 section 6.5.2).
const INITIAL_WINDOW_SIZE: u16 = 4;

#[derive(Debug)]
pub(super) struct Outgoing {
    /// Bytes left of a frame that passes.
    left: usize,
    /// A field block has begun: nothing but CONTINUATION may follow.
    in_block: bool,
    /// The first SETTINGS were taken.
    has_begun: bool,
    /// The bytes taken of a frame that does not pass as it is.
    taken: BytesMut,
    /// What is sent in place of those.
    instead: BytesMut,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        let (taken, instead) = (BytesMut::new(), BytesMut::new());
        Self { left: PREFACE, in_block: false, has_begun: false, taken, instead }
    }

    /// What must be sent before further bytes of h2.
    pub(super) fn before(&mut self, windows: &mut Windows) -> &mut BytesMut {
        let is_between = self.left == 0 && !self.in_block && self.taken.is_empty();
        if is_between && self.instead.is_empty() {
            std::mem::swap(&mut self.instead, windows.owed());
        }
        &mut self.instead
    }

    /// How many of these bytes pass as they are.
    pub(super) fn passable(&self, slices: &[IoSlice<'_>]) -> usize {
        let mut at = if self.taken.is_empty() { self.left } else { 0 };
        while let Some(frame) = head_at(slices, at)
            && !self.takes(frame)
            && self.taken.is_empty()
        {
            at += HEAD + frame.length;
        }
        at
    }

    fn takes(&self, frame: Frame) -> bool {
        frame.kind == WINDOW_UPDATE || frame.kind == SETTINGS && !self.has_begun
    }

    /// This many of the bytes have passed.
    pub(super) fn passed(&mut self, slices: &[IoSlice<'_>], bytes: usize) {
        let mut at = self.left;
        while at < bytes
            && let Some(frame) = head_at(slices, at)
        {
            self.begin(frame);
            at += HEAD + frame.length;
        }
        self.left = at.saturating_sub(bytes);
    }

    fn begin(&mut self, frame: Frame) {
        if matches!(frame.kind, HEADERS | CONTINUATION) {
            self.in_block = !frame.has(END_HEADERS);
        }
    }

    /// Takes bytes of a frame that may not pass as it is, and returns how many.
    pub(super) fn take(&mut self, bytes: &[u8], windows: &mut Windows, now: Instant) -> usize {
        let head = self.taken.first_chunk().map(Frame::read);
        let wanted = head.map_or(HEAD, |head| HEAD + head.length) - self.taken.len();
        let part = &bytes[..bytes.len().min(wanted)];
        self.taken.extend_from_slice(part);
        if let Some(frame) = self.taken.first_chunk().map(Frame::read) {
            if !self.takes(frame) {
                // Its header was cut.
                self.begin(frame);
                self.left = frame.length;
                self.instead.unsplit(self.taken.split());
            } else if self.taken.len() == HEAD + frame.length {
                self.replace(frame, windows, now);
                self.taken.clear();
            }
        }
        part.len()
    }

    /// Replaces a complete frame.
    fn replace(&mut self, frame: Frame, windows: &mut Windows, now: Instant) {
        let payload = &self.taken[HEAD..];
        if frame.kind == SETTINGS {
            self.has_begun = true;
            windows.asked(now);
            put_head(&mut self.instead, frame);
            for [a, b, value @ ..] in payload.as_chunks::<SETTING>().0 {
                let id = u16::from_be_bytes([*a, *b]);
                let is_window = id == INITIAL_WINDOW_SIZE;
                self.instead.put_u16(id);
                let value = u32::from_be_bytes(*value);
                self.instead.put_u32(if is_window { UPSTREAM_STREAM_WINDOW } else { value });
            }
            return;
        }
        let step = payload.first_chunk().map_or(0, |step| number(*step));
        if windows.announced(frame.stream, step) {
            self.instead.extend_from_slice(&self.taken);
        }
    }
}

/// The frame header that begins after this many bytes.
fn head_at(slices: &[IoSlice<'_>], at: usize) -> Option<Frame> {
    let (mut head, mut known, mut skip) = ([0; HEAD], 0, at);
    for slice in slices {
        let part = slice.get(skip..).unwrap_or_default();
        skip = skip.saturating_sub(slice.len());
        let part = &part[..part.len().min(HEAD - known)];
        head[known..][..part.len()].copy_from_slice(part);
        known += part.len();
        if known == HEAD {
            return Some(Frame::read(&head));
        }
    }
    None
}
