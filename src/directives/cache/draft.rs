//! A response on its way into the store.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};

use super::disk::Extent;
use super::entry::{Content, Entry, Selector, Wanted, head_bytes};
use super::policy::Freshness;
use super::store::{Landed, Lead, Reservation, Store};

/// The least growth of the memory for content of unknown length.
const STEP: usize = 16 * 1024;

/// The head of a response that may be stored.
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) freshness: Freshness,
    pub(super) selector: Selector,
}

/// Where a response is to be stored.
pub(super) struct Place {
    pub(super) store: Arc<Store>,
    pub(super) key: String,
    /// Those of its request.
    pub(super) target: Box<str>,
    pub(super) fields: HeaderMap,
    pub(super) is_raw: bool,
    /// Most bytes of its content.
    pub(super) most: usize,
}

pub(super) struct Draft {
    place: Place,
    head: Head,
    own: Reservation,
    content: Vec<u8>,
    room: Reservation,
    /// As announced.
    length: Option<usize>,
    lead: Option<Lead>,
}

/// Content in memory, counted as long as anybody has it.
struct Counted {
    bytes: Vec<u8>,
    _room: Reservation,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Place {
    /// Requests for it do not wait for one another.
    fn part(&self) {
        let Self { store, key, target, fields, is_raw, .. } = self;
        store.part(key, Wanted { target, fields, is_raw: *is_raw });
    }

    /// A response that is to be stored, unless it is too large.
    pub(super) fn draft(self, head: Head, lead: Option<Lead>) -> Result<Draft, Option<Lead>> {
        let announced = head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        let length = announced.and_then(|text| text.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.most) {
            self.part();
            return Err(lead);
        }
        let own = self.store.reserve(head_bytes(&head.headers) + head.selector.bytes());
        let room = self.store.reserve(length.unwrap_or(0));
        let (Some(own), Some(room)) = (own, room) else { return Err(lead) };
        Ok(Draft { place: self, head, own, content: Vec::new(), room, length, lead })
    }
}

impl Draft {
    /// Room for what is read ahead of the client, which gets it beside the content here.
    pub(super) fn reserve_ahead(&self, most: usize) -> Option<Reservation> {
        self.place.store.reserve(most.min(self.length.unwrap_or(self.place.most)))
    }

    /// Adds content; returns `false` if there is no room.
    #[must_use]
    pub(super) fn push(&mut self, data: &[u8]) -> bool {
        let needed = self.content.len() + data.len();
        if needed > self.place.most || self.length.is_some_and(|length| needed > length) {
            return false;
        }
        if needed > self.content.capacity() {
            let grown = self.length.unwrap_or((2 * self.content.capacity()).max(needed + STEP));
            if self.length.is_none() {
                let more = grown - self.content.capacity();
                let Some(more) = self.place.store.reserve(more) else { return false };
                self.room.join(more);
            }
            self.content.reserve_exact(grown - self.content.len());
        }
        self.content.extend_from_slice(data);
        true
    }

    /// Stores it, on disk once it is written there.
    pub(super) fn finish(mut self) {
        if self.length.is_some_and(|length| length != self.content.len()) {
            return;
        }
        self.content.shrink_to_fit();
        self.room.shrink(self.content.capacity());
        match self.place.store.extent(self.content.len()) {
            Some(extent) => drop(tokio::task::spawn_local(self.write(extent))),
            None => self.keep(),
        }
    }

    async fn write(mut self, extent: Extent) {
        let bytes = std::mem::take(&mut self.content);
        let write = move || {
            let written = extent.write(&bytes);
            (bytes, written)
        };
        // Else the process ends.
        let Ok((bytes, written)) = tokio::task::spawn_blocking(write).await else { return };
        match written {
            Some(written) => self.store(Content::Disk(Arc::new(written))),
            None => Self { content: bytes, ..self }.keep(),
        }
    }

    /// Stores it in memory.
    fn keep(mut self) {
        let bytes = std::mem::take(&mut self.content);
        let bytes = match bytes.is_empty() {
            true => Bytes::new(),
            false => {
                let room = self.room.take();
                Bytes::from_owner(Counted { bytes, _room: room })
            }
        };
        self.store(Content::Memory(bytes));
    }

    fn store(self, content: Content) {
        let Head { status, headers, freshness, selector } = self.head;
        let is_shared = freshness.can_be_shared();
        let entry = Entry { status, headers, content, freshness, selector };
        self.place.store.insert(&self.place.key, Arc::new(entry), self.own);
        let landed = if is_shared { Landed::Stored } else { Landed::Unshared };
        self.lead.into_iter().for_each(|lead| lead.land(landed));
    }

    /// It became too large: each that waits asks for itself.
    pub(super) fn abandon(self) {
        self.place.part();
        self.lead.into_iter().for_each(|lead| lead.land(Landed::Unshared));
    }
}
