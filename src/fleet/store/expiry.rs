//! Which entries have served, and go from the engine and the disks: what was removed, once no
//! machine may come back with an older version; what was there for a while only; and staples that
//! are over. All machines judge alike, so that none writes again what another one has dropped.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::super::Stamp;
use super::super::engine::{Link, Trouble};
use super::super::members::micros;
use super::records::{Record, hash};
use super::thread::Life;
use crate::limits::{FLEET_REMOVED, FLEET_REVOKED};
use crate::tls::acme::entries;

/// The time between two looks for such entries.
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// A staple is kept for longer than it is good: clocks differ.
const STAPLE: Duration = Duration::from_secs(3600);
/// Entries that are dropped at once.
const BATCH: usize = 256;

/// Whether nobody needs this version any more; `content`: of the file, if that is of the version.
pub(super) fn is_over(record: &Record, content: Option<&[u8]>, now: Stamp) -> bool {
    if record.hash.is_none() || entries::is_transient(&record.name) {
        let kept = match entries::is_certificate(&record.name) {
            true => FLEET_REVOKED,
            false => FLEET_REMOVED,
        };
        // A version is no lower than the time at which it was made.
        return now >= record.version.saturating_add(micros(kept));
    }
    let end = content.and_then(|content| entries::end(&record.name, content));
    end.and_then(|end| u64::try_from(end).ok())
        .is_some_and(|end| now >= micros(Duration::from_secs(end)).saturating_add(micros(STAPLE)))
}

impl Life {
    /// The time by which entries are over: that of the clock that is behind, here or at the engine.
    pub(super) fn time(&self) -> Stamp {
        let here = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, micros);
        self.engine_now().min(here)
    }

    /// Drops what is over, once a day.
    pub(super) async fn drop_old(&mut self, link: &mut Link) -> Result<(), Trouble> {
        if self.dropped.is_some_and(|last| last.elapsed() < EVERY) {
            return Ok(());
        }
        let now = self.time();
        let all = self.records.all();
        let old = all.filter(|(_, record)| self.is_old(record, now));
        let old: Vec<_> = old.map(|(id, record)| (id, record.clone())).collect();
        for batch in old.chunks(BATCH) {
            let gone: Vec<_> = batch.iter().filter(|(_, record)| self.remove(record)).collect();
            let versions: Vec<_> = gone.iter().map(|(id, record)| (*id, record.version)).collect();
            link.forget(&versions).await?;
            for (id, record) in gone {
                self.records.forget(*id);
                // Who has read it, reads that it is gone.
                if record.hash.is_some() {
                    self.arrived.push(record.name.clone());
                }
            }
            self.tell_arrived();
            self.tend(link).await?;
        }
        self.dropped = Some(Instant::now());
        Ok(())
    }

    fn is_old(&self, record: &Record, now: Stamp) -> bool {
        let content = match &record.hash {
            Some(_) if !entries::may_end(&record.name) => return false,
            Some(kept) => {
                let content = entries::read(&self.inner.folder, &record.name).ok().flatten();
                // What has changed since is another version.
                if content.is_some() && hash(content.as_deref()).as_ref() != Some(kept) {
                    return false;
                }
                content
            }
            None => None,
        };
        is_over(record, content.as_deref(), now)
    }

    /// Removes its file; false while a process of this machine works on it.
    fn remove(&self, record: &Record) -> bool {
        if record.hash.is_none() {
            return true;
        }
        let removed = entries::replace(&self.inner.folder, &record.name, None);
        removed.inspect_err(|error| log::debug!("fleet: {}: {error}", record.name)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_their_time() {
        let day = micros(Duration::from_secs(24 * 3600));
        let made = 20_000 * day;
        let record = |name: &str, is_there: bool| Record {
            name: name.to_owned(),
            version: made,
            hash: is_there.then(String::new),
        };
        let sites = "acme/ca/sites/a/a";
        for (name, is_there, days) in [
            (format!("{sites}.order"), false, Some(30)),
            (format!("{sites}.order"), true, Some(30)),
            ("challenges/http-a".to_owned(), true, Some(30)),
            (format!("{sites}.crt"), false, Some(400)),
            (format!("{sites}.crt"), true, None),
            (format!("{sites}.json"), true, None),
            ("acme/ca/users/me/me.key".to_owned(), true, None),
            ("ocsp/a-1".to_owned(), true, None),
            ("ocsp/a-1".to_owned(), false, Some(30)),
        ] {
            let record = record(&name, is_there);
            let last = days.unwrap_or(10_000) * day;
            let is_over = |now| is_over(&record, Some(b"junk"), now);
            assert!(!is_over(made + last - 1) && !is_over(0), "{name}");
            assert_eq!(is_over(made + last), days.is_some(), "{name}");
        }
        // A staple that is good until 8 January 2026.
        let staple = entries::tests::STAPLE;
        let end = micros(Duration::from_secs(1_767_830_400)) + micros(STAPLE);
        let record = record("ocsp/a-1", true);
        assert!(!is_over(&record, Some(staple), end - 1) && is_over(&record, Some(staple), end));
        assert!(!is_over(&record, None, end));
    }
}
