//! Interim responses, which hyper does not send over HTTP/2. The gate writes them between two
//! frames of h2, in literals that no dynamic table is used for. hyper does not tell the stream of a
//! request: the gate adds it to the head of a request that may get an interim response.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

use bytes::BytesMut;
use http::header::{HeaderMap, HeaderName};
use http::{Request, StatusCode};

use super::secret::Secret;
use crate::http::early_hints::{EarlyHints, InterimWriter, NAVIGATE, SEC_FETCH_MODE};
use crate::http2_frames::{Frame, HEADERS, SETTING, put_block};
use crate::server::compression::hpack::{Field, write_literal};

static NAME: HeaderName = HeaderName::from_static("caddy-stream");
/// Most bytes that the field adds to a head, as limits count them.
pub(super) const TAG_BYTES: usize = 128;
/// Most streams that are tracked: more than a client may have.
const STREAMS: usize = 512;
/// SETTINGS_HEADER_TABLE_SIZE (RFC 9113 section 6.5.2), and its initial value.
const HEADER_TABLE_SIZE: u16 = 1;
const FIRST_TABLE: u32 = 4096;

/// The interim responses of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interim(Rc<State>);

#[derive(Debug, Default)]
struct State {
    secret: Secret,
    /// Streams without a final response that may get an interim one.
    streams: RefCell<Vec<Awaiting>>,
    /// The client's last limit of the table.
    table: Cell<Option<u32>>,
    /// The client has reduced the size of h2's dynamic table: the next field block must begin with
    /// h2's confirmation (RFC 7541 section 4.2).
    must_resize: Cell<bool>,
    /// The task of the connection.
    task: RefCell<Option<Waker>>,
}

#[derive(Debug)]
struct Awaiting {
    stream: u32,
    unsent: BytesMut,
}

/// Whether a field is that of a request that may get early hints.
pub(super) fn asks(field: Field<'_>) -> bool {
    field.name == SEC_FETCH_MODE.as_str().as_bytes() && field.value == NAVIGATE
}

impl Interim {
    /// The field that names the stream of a request.
    pub(super) fn tag(&self, stream: u32) -> Option<BytesMut> {
        let mut streams = self.0.streams.borrow_mut();
        let is_within = streams.len() < STREAMS;
        is_within.then(|| streams.push(Awaiting { stream, unsent: BytesMut::new() }))?;
        let value = format!("{} {stream}", self.0.secret.word());
        let mut tag = BytesMut::new();
        let field = Field { name: NAME.as_str().as_bytes(), value: value.as_bytes() };
        write_literal(&mut tag, field);
        Some(tag)
    }

    /// The way of early hints to the client, if the gate has named the stream.
    pub(crate) fn take<B>(
        &self,
        request: &mut Request<B>,
    ) -> Option<Box<EarlyHints<crate::http::Request>>> {
        if !self.0.secret.is_used() {
            return None;
        }
        let stream = request.headers().get_all(&NAME).iter().find_map(|tag| {
            let (word, stream) = tag.to_str().ok()?.split_once(' ')?;
            self.0.secret.is(word).then(|| stream.parse().ok())?
        })?;
        request.headers_mut().remove(&NAME);
        let writer = Rc::new(StreamWriter { interim: self.clone(), stream });
        Some(Box::new(EarlyHints::new(writer)))
    }

    /// Remembers the task that writes.
    pub(super) fn register(&self, cx: &Context<'_>) {
        if self.0.secret.is_used() {
            let mut task = self.0.task.borrow_mut();
            task.get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.0.secret.is_used()
            && self.0.streams.borrow().iter().any(|awaiting| !awaiting.unsent.is_empty())
    }

    /// Moves what waits to `out`, between two frames of h2.
    pub(super) fn collect(&self, out: &mut BytesMut) {
        if self.is_waiting() {
            for awaiting in self.0.streams.borrow_mut().iter_mut() {
                out.unsplit(awaiting.unsent.split());
            }
        }
    }

    /// The stream gets no interim response any more.
    pub(super) fn close(&self, stream: u32) {
        if self.0.secret.is_used() {
            self.0.streams.borrow_mut().retain(|awaiting| awaiting.stream != stream);
        }
    }

    /// h2 sends a part of a response, which begins with a field block.
    pub(super) fn answered(&self, frame: Frame) {
        if frame.kind == HEADERS {
            self.0.must_resize.set(false);
            self.close(frame.stream);
        }
    }

    /// Reads SETTINGS of the client.
    pub(super) fn settings(&self, payload: &[u8]) {
        let (settings, _) = payload.as_chunks::<SETTING>();
        let sizes = settings.iter().filter_map(|[a, b, value @ ..]| {
            let is_size = u16::from_be_bytes([*a, *b]) == HEADER_TABLE_SIZE;
            is_size.then(|| u32::from_be_bytes(*value))
        });
        for size in sizes {
            if size < self.0.table.replace(Some(size)).unwrap_or(FIRST_TABLE) {
                self.0.must_resize.set(true);
            }
        }
    }
}

/// The interim responses of one stream.
#[derive(Debug)]
struct StreamWriter {
    interim: Interim,
    stream: u32,
}

impl InterimWriter for StreamWriter {
    fn write(&self, fields: &HeaderMap) {
        let state = &self.interim.0;
        let mut streams = state.streams.borrow_mut();
        let Some(awaiting) = streams.iter_mut().find(|open| open.stream == self.stream) else {
            return;
        };
        if state.must_resize.get() {
            return;
        }
        let mut block = BytesMut::new();
        let status = StatusCode::EARLY_HINTS;
        write_literal(&mut block, Field { name: b":status", value: status.as_str().as_bytes() });
        for (name, value) in fields {
            let name = name.as_str().as_bytes();
            write_literal(&mut block, Field { name, value: value.as_bytes() });
        }
        put_block(&mut awaiting.unsent, self.stream, false, &block);
        state.task.borrow().iter().for_each(Waker::wake_by_ref);
    }
}

impl Drop for StreamWriter {
    /// The response has begun or the request has failed.
    fn drop(&mut self) {
        let mut streams = self.interim.0.streams.borrow_mut();
        streams.retain(|open| open.stream != self.stream || !open.unsent.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(interim: &Interim, stream: u32) -> Option<Box<EarlyHints<crate::http::Request>>> {
        let tag = interim.tag(stream).unwrap();
        let value = &tag[2 + NAME.as_str().len() + 1..];
        let mut request = Request::new(());
        request.headers_mut().append(&NAME, "0 5".parse().unwrap());
        request.headers_mut().append(&NAME, http::HeaderValue::from_bytes(value).unwrap());
        let taken = interim.take(&mut request);
        assert!(!request.headers().contains_key(&NAME));
        taken
    }

    fn hint(hints: &EarlyHints<crate::http::Request>) {
        let fields = [(http::header::LINK, "</a>".parse().unwrap())].into_iter().collect();
        hints.send(fields, &crate::http::request::tests::request("GET", "/"));
    }

    fn head(stream: u32) -> Frame {
        Frame { length: 0, kind: HEADERS, flags: 0, stream }
    }

    #[test]
    fn a_stream_is_named_by_the_gate_alone() {
        let interim = Interim::default();
        let mut request = Request::new(());
        for value in ["0 5", "", "5", "0 ", "x y"] {
            request.headers_mut().insert(&NAME, value.parse().unwrap());
            assert!(interim.take(&mut request).is_none(), "{value}");
        }
        let hints = take(&interim, 7).unwrap();
        assert!(interim.take(&mut request).is_none());
        hint(&hints);
        let mut out = BytesMut::new();
        interim.collect(&mut out);
        let frame = b"\0\0\x18\x01\x04\0\0\0\x07\0\x07:status\x03103\0\x04link\x04</a>";
        assert_eq!(&out[..], frame);
        assert!(!interim.is_waiting());
    }

    #[test]
    fn a_stream_that_has_its_response_or_is_reset_gets_none() {
        let answered = |interim: &Interim, stream| interim.answered(head(stream));
        for end in [answered, Interim::close] {
            let interim = Interim::default();
            let (ended, other) = (take(&interim, 1).unwrap(), take(&interim, 3).unwrap());
            hint(&ended);
            end(&interim, 1);
            assert!(!interim.is_waiting(), "what waits is discarded");
            hint(&ended);
            assert!(!interim.is_waiting());
            hint(&other);
            assert!(interim.is_waiting());
        }
    }

    #[test]
    fn streams_are_bounded_and_forgotten() {
        let interim = Interim::default();
        let taken: Vec<_> = (0..STREAMS as u32).map(|at| take(&interim, 2 * at + 1)).collect();
        assert!(interim.tag(9999).is_none());
        drop(taken);
        assert!(interim.0.streams.borrow().is_empty());
    }

    #[test]
    fn a_smaller_table_is_confirmed_first() {
        for (sizes, waits) in [
            (&[65536_u32][..], false),
            (&[4096], false),
            (&[4095], true),
            (&[65536, 4096], true),
            (&[0, 4096], true),
        ] {
            let interim = Interim::default();
            let hints = take(&interim, 1).unwrap();
            for size in sizes {
                let setting =
                    |id: u16, value: u32| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
                interim.settings(&[setting(3, 0), setting(HEADER_TABLE_SIZE, *size)].concat());
            }
            hint(&hints);
            assert_eq!(!interim.is_waiting(), waits, "{sizes:?}");
            interim.answered(head(9));
            hint(&hints);
            assert!(interim.is_waiting());
        }
    }
}
