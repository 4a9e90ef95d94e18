//! PRIORITY_UPDATE frames (RFC 9218 section 7.2).

use std::cell::Cell;
use std::rc::Rc;

use h3::error::Code;

use super::frames::{PRIORITY_UPDATE, Violation};
use super::varint::VarIntReader;
use crate::http::priority::Parameters;
use crate::limits::{H3_PRIORITIES, STREAMS};
use crate::server::schedule::Schedule;

/// Shared by the control stream, the requests and the transport of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Priorities(Rc<Known>);

#[derive(Debug, Default)]
struct Known {
    schedule: Rc<Schedule>,
    /// The number of request streams that the client has opened.
    accepted: Cell<u64>,
}

impl Priorities {
    pub(super) fn schedule(&self) -> &Rc<Schedule> {
        &self.0.schedule
    }

    /// The client has opened another request stream.
    pub(super) fn accepted(&self) {
        self.0.accepted.set(self.0.accepted.get() + 1);
    }

    pub(super) fn update(&self, kind: u64, payload: &[u8]) -> Result<(), Violation> {
        let mut field = payload;
        let Some(stream) = VarIntReader::default().read(&mut field) else {
            return Err(Violation::frame("PRIORITY_UPDATE is incomplete"));
        };
        if kind != PRIORITY_UPDATE {
            return Err(id_error("no push with this ID was promised"));
        }
        // Client-initiated and bidirectional.
        if stream % 4 != 0 {
            return Err(id_error("PRIORITY_UPDATE for a stream that carries no request"));
        }
        // The client may open one for each that has ended.
        if stream / 4 >= self.0.accepted.get() + u64::from(STREAMS) {
            return Err(id_error("PRIORITY_UPDATE for a stream beyond the limit"));
        }
        let (schedule, stated) = (&self.0.schedule, Parameters::parse(field));
        if !schedule.update(stream, stated) {
            schedule.keep(stream, stated, H3_PRIORITIES);
        }
        Ok(())
    }
}

fn id_error(why: &'static str) -> Violation {
    Violation::Connection(Code::H3_ID_ERROR, why)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::super::frames::PRIORITY_UPDATE_PUSH;
    use super::*;

    fn error(priorities: &Priorities, kind: u64, payload: &[u8]) -> Option<u64> {
        match priorities.update(kind, payload).err()? {
            Violation::Connection(code, _) => Some(code.value()),
            Violation::Message => Some(0),
        }
    }

    #[test]
    fn frames_are_for_requests_within_the_limit() {
        let priorities = Priorities::default();
        let error = |kind, payload: &[u8]| error(&priorities, kind, payload);
        for (payload, want) in [
            (&b"\x00u=1"[..], None),
            (b"\x00", None),
            (b"\x04\xff not a field", None),
            (b"\x41\x8cu=1", None),
            (b"\x41\x90u=1", Some(0x108)),
            (b"\x01u=1", Some(0x108)),
            (b"\x02u=1", Some(0x108)),
            (b"\x03u=1", Some(0x108)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xffu=1", Some(0x108)),
            (b"\x41", Some(0x106)),
            (b"", Some(0x106)),
        ] {
            assert_eq!(error(PRIORITY_UPDATE, payload), want, "{payload:?}");
        }
        assert_eq!(error(PRIORITY_UPDATE_PUSH, b"\x00u=1"), Some(0x108));
        assert_eq!(error(PRIORITY_UPDATE_PUSH, b""), Some(0x106));
        priorities.accepted();
        assert_eq!(error(PRIORITY_UPDATE, b"\x41\x90u=1"), None, "one more since one came");
    }

    #[test]
    fn what_is_kept_is_bounded_and_the_newest() {
        let priorities = Priorities::default();
        let update = |stream: u16, field: &str| {
            let payload = [&(stream | 0x4000).to_be_bytes()[..], field.as_bytes()].concat();
            assert_eq!(error(&priorities, PRIORITY_UPDATE, &payload), None);
        };
        for round in 0..100_000_u32 {
            update(round as u16 % 100 * 4, "u=6");
        }
        update(8, "u=0");
        assert_eq!(priorities.schedule().kept(), 100);
        let urgency = |stream| priorities.schedule().enter(stream, &HeaderMap::new()).priority().0;
        assert_eq!((urgency(4), urgency(8), urgency(8)), (6, 0, 3));
        for stream in 0..400 {
            priorities.accepted();
            update(stream * 4, "u=5");
        }
        assert_eq!(priorities.schedule().kept(), H3_PRIORITIES);
        assert_eq!((urgency(199 * 4), urgency(399 * 4)), (3, 5));
    }
}
