//! The tables of HPACK: the static table (RFC 7541 appendix A) and a peer's dynamic table.

use std::collections::VecDeque;

use super::{Field, Judged};

/// Number of entries of the static table.
pub(super) const FIXED: usize = STATIC.len();

/// Names and values.
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// An entry of the static table, from 1 on.
pub(crate) fn fixed(index: usize) -> Option<Field<'static>> {
    let (name, value) = STATIC.get(index.checked_sub(1)?)?;
    Some(Field { name: name.as_bytes(), value: value.as_bytes() })
}

/// A dynamic table (section 2.3.2).
#[derive(Debug)]
pub(super) struct Table<J> {
    /// The oldest entry first.
    entries: VecDeque<Entry<J>>,
    /// Names and values of the entries in one buffer, after those of some evicted ones.
    bytes: Vec<u8>,
    /// Bytes inserted before those in the buffer.
    dropped: usize,
    /// The size as the limit counts it.
    size: usize,
    most: usize,
    inserted: u64,
}

#[derive(Debug)]
struct Entry<J> {
    judged: J,
    /// Offset of the entry among all bytes ever inserted.
    at: usize,
    name: usize,
    value: usize,
}

impl<J: Judged> Table<J> {
    pub(super) fn new(most: usize) -> Self {
        let (entries, bytes) = (VecDeque::new(), Vec::new());
        Self { entries, bytes, dropped: 0, size: 0, most, inserted: 0 }
    }

    /// Number of fields inserted so far.
    pub(super) fn inserted(&self) -> u64 {
        self.inserted
    }

    /// Whether the table can hold the field at all.
    pub(super) fn holds(&self, field: Field<'_>) -> bool {
        field.size() <= self.most
    }

    /// An entry; 0 is the newest.
    pub(super) fn get(&self, back: usize) -> Option<(J, Field<'_>)> {
        let entry = self.entries.get(self.entries.len().checked_sub(back + 1)?)?;
        let bytes = self.bytes.get(entry.at - self.dropped..)?;
        let (name, rest) = bytes.split_at_checked(entry.name)?;
        Some((entry.judged, Field { name, value: rest.get(..entry.value)? }))
    }

    /// Evicts the oldest entries (section 4.4). A field larger than the table empties it.
    pub(super) fn insert(&mut self, judged: J, field: Field<'_>) {
        if !self.holds(field) {
            return self.shrink(0);
        }
        self.shrink(self.most - field.size());
        self.tidy();
        let (name, value) = (field.name.len(), field.value.len());
        let at = self.dropped + self.bytes.len();
        self.bytes.extend_from_slice(field.name);
        self.bytes.extend_from_slice(field.value);
        self.entries.push_back(Entry { judged, at, name, value });
        self.size += field.size();
        self.inserted += 1;
    }

    /// Sets the limit (section 4.3).
    pub(super) fn resize(&mut self, most: usize) {
        self.most = most;
        self.shrink(most);
    }

    fn shrink(&mut self, most: usize) {
        while self.size > most {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.size -= oldest.name + oldest.value + 32;
        }
    }

    /// Frees the bytes of evicted entries if they are at least half of the buffer.
    fn tidy(&mut self) {
        let end = self.dropped + self.bytes.len();
        let left = self.entries.front().map_or(end, |oldest| oldest.at) - self.dropped;
        if left > self.bytes.len() / 2 {
            self.bytes.drain(..left);
            self.dropped += left;
        }
    }
}

#[cfg(any(test, fuzzing))]
impl<J: Judged> Table<J> {
    /// Whether the content agrees with the counted size.
    pub(super) fn check(&self) {
        let sizes = (0..self.entries.len()).filter_map(|back| Some(self.get(back)?.1.size()));
        assert_eq!(sizes.sum::<usize>(), self.size);
        assert!(self.size <= self.most);
        let names: usize = self.entries.iter().map(|entry| entry.name + entry.value).sum();
        assert!(self.bytes.len() <= 2 * names.max(super::TABLE_BYTES), "{}", self.bytes.len());
    }
}
