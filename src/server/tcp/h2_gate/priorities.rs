//! Frames of an HTTP/2 client about priorities (RFC 9218 sections 2.1 and 7.1), and our setting.

use bytes::{BufMut, BytesMut};

use super::stop::Reason;
use crate::http::priority::Parameters;
use crate::http2_frames::{Frame, HEAD, SETTING, SETTINGS, number, put_head};
use crate::server::tcp::send_order::SendOrder;

/// SETTINGS_NO_RFC7540_PRIORITIES.
const NO_RFC7540_PRIORITIES: u16 = 0x9;

/// Reads a PRIORITY_UPDATE; `last` is the last stream that the client has opened.
pub(super) fn update(
    order: &SendOrder,
    frame: Frame,
    payload: &[u8],
    last: u32,
) -> Result<(), Reason> {
    let Some((stream, field)) = payload.split_first_chunk() else {
        return Err(Reason::FrameSize);
    };
    let stream = number(*stream);
    // Even streams would be pushed ones, and there are none.
    if frame.stream != 0 || stream.is_multiple_of(2) {
        return Err(Reason::Protocol);
    }
    let is_within = order.update(stream, Parameters::parse(field), last);
    is_within.then_some(()).ok_or(Reason::Protocol)
}

/// The client's setting, which must not change after the first SETTINGS.
pub(super) fn settings(order: &SendOrder, payload: &[u8]) -> Result<(), Reason> {
    let (settings, _) = payload.as_chunks::<SETTING>();
    let values = settings
        .iter()
        .filter(|[a, b, ..]| u16::from_be_bytes([*a, *b]) == NO_RFC7540_PRIORITIES)
        .map(|[_, _, value @ ..]| u32::from_be_bytes(*value));
    let before = order.no_rfc7540.get();
    let mut now = before.unwrap_or_default();
    for value in values {
        if value > 1 || before.is_some_and(|before| value != before) {
            return Err(Reason::Protocol);
        }
        now = value;
    }
    order.no_rfc7540.set(Some(now));
    if now == 1 {
        order.used();
    }
    Ok(())
}

/// Our first SETTINGS with the setting added, and the bytes of h2 that it replaces. h2 cannot send
/// it, and only the first SETTINGS may contain it.
pub(super) fn extend(bytes: &[u8], out: &mut BytesMut) -> Option<usize> {
    let frame = Frame::read(bytes.first_chunk()?);
    let payload = bytes[HEAD..].get(..frame.length).filter(|_| frame.kind == SETTINGS)?;
    put_head(out, Frame { length: frame.length + SETTING, ..frame });
    out.extend_from_slice(payload);
    out.put_u16(NO_RFC7540_PRIORITIES);
    out.put_u32(1);
    Some(HEAD + frame.length)
}
