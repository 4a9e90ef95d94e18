//! A book as bytes: numbers in little-endian order behind a version, and a checksum.

use std::hash::Hasher as _;

use fnv::FnvHasher;

use super::book::{Book, Counts, Day};
use super::reservoir::Reservoir;
use super::sample::{Arm, Kind, Sample, Source};

/// The layout of the bytes; another number is another layout.
const VERSION: &[u8; 8] = b"quicrep1";

/// Why bytes are no book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("written by another version")]
    Version,
    #[error("the checksum is wrong")]
    Checksum,
    #[error("a value is out of range")]
    Value,
}

impl Book {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = VERSION.to_vec();
        put(&mut out, self.days.len() as u64, 4);
        for day in &self.days {
            put(&mut out, day.number.into(), 4);
            for counts in &day.counts {
                counts.fields().into_iter().for_each(|field| put(&mut out, field, 8));
            }
            for reservoir in day.reservoirs() {
                put(&mut out, reservoir.came, 8);
                put(&mut out, reservoir.kept.len() as u64, 4);
                reservoir.kept.iter().for_each(|sample| put_sample(&mut out, sample));
            }
        }
        let sum = checksum(&out);
        put(&mut out, sum, 8);
        out
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        if !bytes.starts_with(VERSION) {
            return Err(Unreadable::Version);
        }
        let Some((content, sum)) = bytes.split_last_chunk::<8>() else {
            return Err(Unreadable::Checksum);
        };
        if checksum(content) != u64::from_le_bytes(*sum) {
            return Err(Unreadable::Checksum);
        }
        let mut reader = Reader(content.get(VERSION.len()..).unwrap_or_default());
        reader.book().ok_or(Unreadable::Value)
    }
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = FnvHasher::default();
    hasher.write(bytes);
    hasher.finish()
}

fn put(out: &mut Vec<u8>, value: u64, bytes: usize) {
    out.extend_from_slice(&value.to_le_bytes()[..bytes]);
}

fn put_sample(out: &mut Vec<u8>, sample: &Sample) {
    let is_page = sample.source == Source::Page;
    let bits = u8::from(is_page)
        | (sample.arm as u8) << 1
        | (sample.kind as u8) << 2
        | u8::from(sample.http3) << 4
        | u8::from(sample.told) << 5;
    out.push(bits);
    put(out, sample.rtt.into(), 2);
    put(out, sample.visitor.into(), 2);
    sample.times.into_iter().for_each(|time| put(out, time.into(), 4));
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn book(&mut self) -> Option<Book> {
        let count = self.number(4)?;
        let mut book = Book::default();
        for _ in 0..count {
            let day = self.day()?;
            let follows = book.days.back().is_none_or(|last| last.number < day.number);
            if !follows || book.days.len() >= Book::MOST_DAYS as usize {
                return None;
            }
            book.days.push_back(day);
        }
        self.0.is_empty().then_some(book)
    }

    fn day(&mut self) -> Option<Day> {
        let mut day = Day { number: u32::try_from(self.number(4)?).ok()?, ..Day::default() };
        for counts in &mut day.counts {
            *counts = self.counts()?;
        }
        day.answers = self.reservoir()?;
        day.pages = self.reservoir()?;
        Some(day)
    }

    fn counts(&mut self) -> Option<Counts> {
        let mut counts = Counts::default();
        for field in counts.fields_mut() {
            *field = self.number(8)?;
        }
        Some(counts)
    }

    fn reservoir(&mut self) -> Option<Reservoir> {
        let came = self.number(8)?;
        let kept = usize::try_from(self.number(4)?).ok()?;
        if kept > Book::DAY_SAMPLES || came < kept as u64 {
            return None;
        }
        let kept = (0..kept).map(|_| self.sample()).collect::<Option<Vec<_>>>()?;
        Some(Reservoir { kept, came })
    }

    fn sample(&mut self) -> Option<Sample> {
        let bits = self.number(1).filter(|bits| bits >> 6 == 0)?;
        let rtt = u16::try_from(self.number(2)?).ok()?;
        let place = |shift: u32, mask: u64| usize::try_from(bits >> shift & mask).ok();
        let visitor = u16::try_from(self.number(2)?).ok()?;
        let mut times = [0; 3];
        for time in &mut times {
            *time = u32::try_from(self.number(4)?).ok()?;
        }
        Some(Sample {
            source: if bits & 1 == 0 { Source::Server } else { Source::Page },
            arm: *Arm::ALL.get(place(1, 1)?)?,
            kind: *Kind::ALL.get(place(2, 3)?)?,
            rtt,
            http3: bits >> 4 & 1 == 1,
            told: bits >> 5 & 1 == 1,
            visitor,
            times,
        })
    }

    fn number(&mut self, bytes: usize) -> Option<u64> {
        let (head, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(head.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::tests::sample;
    use super::*;

    fn book() -> Book {
        let (mut book, mut random) = (Book::default(), fastrand::Rng::with_seed(7));
        for (visitor, source) in (0..300).zip([Source::Server, Source::Page].into_iter().cycle()) {
            let kind = Kind::ALL[usize::from(visitor % 3)];
            let (http3, told) = (visitor % 5 == 0, visitor % 7 == 0);
            let drawn = sample(visitor, random.u32(..));
            let sample = Sample { source, kind, rtt: visitor * 7, http3, told, ..drawn };
            book.record(20_000 + u32::from(visitor % 4), sample, &mut random);
        }
        book.count(20_001, Arm::Withheld, &Counts { lost: 1 << 40, ..Counts::default() });
        book
    }

    #[test]
    fn a_book_comes_back() {
        for book in [Book::default(), book()] {
            assert_eq!(Book::decode(&book.encode()), Ok(book));
        }
    }

    #[test]
    fn damage_is_noticed() {
        let bytes = book().encode();
        for at in (0..bytes.len()).step_by(97) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(Book::decode(&damaged).is_err(), "byte {at}");
            assert!(Book::decode(&bytes[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow() {
        let mut random = fastrand::Rng::with_seed(9);
        for _ in 0..2000 {
            let mut bytes = book().encode();
            bytes.truncate(bytes.len() - 8);
            for _ in 0..3 {
                let at = random.usize(VERSION.len()..bytes.len().min(400));
                bytes[at] = random.u8(..);
            }
            let sum = checksum(&bytes);
            put(&mut bytes, sum, 8);
            if let Ok(book) = Book::decode(&bytes) {
                assert!(book.days.len() <= Book::MOST_DAYS as usize);
            }
        }
    }
}
