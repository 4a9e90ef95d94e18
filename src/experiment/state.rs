//! The state of an experiment in the state folder: the book, and the day's key.

use std::io;
use std::time::SystemTime;

use super::draw::{Draw, KEY_BYTES};
use crate::quic_report::Book;
use crate::tls::{Folder, Storage as _};

/// The name of this machine in a fleet.
const MACHINE: &str = "quic_report/machine";

/// Where the state of one site is.
pub(super) struct State {
    folder: Folder,
    book: String,
    key: String,
    /// The day whose key is written.
    day: Option<u32>,
}

impl State {
    pub(super) fn of(folder: Folder, site: &str) -> Self {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' };
        let name: String = site.chars().map(plain).take(100).collect();
        let mut hash = fnv::FnvHasher::default();
        std::hash::Hasher::write(&mut hash, site.as_bytes());
        // Names that differ only in what became `_` have files of their own.
        let name = format!("{name}-{:016x}", std::hash::Hasher::finish(&hash));
        let entry = |kind: &str| format!("quic_report/{name}.{kind}");
        Self { folder, book: entry("book"), key: entry("key"), day: None }
    }

    /// What was measured before; nothing if there is nothing that can be read.
    pub(super) fn book(&self) -> Book {
        let read = self.folder.read(&self.book);
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Book::default(),
            Err(error) => {
                log::error!("quic_report: {error}; it begins anew");
                return Book::default();
            }
        };
        Book::decode(&bytes).unwrap_or_else(|why| {
            let place = self.folder.place(&self.book);
            log::error!("quic_report: {place} cannot be read ({why}); it begins anew");
            Book::default()
        })
    }

    /// The key of today: a new one, unless there is one already.
    pub(super) fn draw(&self, now: SystemTime) -> Draw {
        let bytes = self.folder.read(&self.key).ok().flatten().unwrap_or_default();
        decode(&bytes).filter(|draw| draw.holds(now)).unwrap_or_else(|| Draw::new(now))
    }

    /// The name of this machine, drawn when it is asked for first.
    pub(super) fn machine(&self) -> String {
        let read = self.folder.read(MACHINE).ok().flatten().unwrap_or_default();
        let known = String::from_utf8(read).unwrap_or_default().trim().to_owned();
        if known.len() == 32 && known.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return known;
        }
        let name = format!("{:032x}", fastrand::u128(..));
        if let Err(error) = self.folder.write(MACHINE, name.as_bytes()) {
            log::error!("quic_report: {error}");
        }
        name
    }

    pub(super) fn save(&mut self, draw: &Draw, book: &Book) -> io::Result<()> {
        if self.day != Some(draw.day) {
            let mut bytes = draw.day.to_le_bytes().to_vec();
            bytes.extend_from_slice(&draw.key);
            self.folder.write(&self.key, &bytes)?;
            self.day = Some(draw.day);
        }
        self.folder.write(&self.book, &book.encode())
    }
}

fn decode(bytes: &[u8]) -> Option<Draw> {
    let (day, key) = bytes.split_first_chunk::<4>()?;
    let key: [u8; KEY_BYTES] = key.try_into().ok()?;
    Some(Draw::of(u32::from_le_bytes(*day), key))
}
