//! The rotated files of a log: their names, number, age and compression. Runs on its own thread,
//! as the writer must not wait for gzip.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{Local, NaiveDateTime, TimeDelta, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;

const STAMP: &str = "%Y-%m-%dT%H-%M-%S%.3f";

/// The rules for the rotated files of one log.
#[derive(Clone)]
pub(super) struct Archive {
    /// The log itself.
    pub(super) path: PathBuf,
    /// Names hold UTC instead of local time.
    pub(super) utc: bool,
    /// Number of files kept; 0: all.
    pub(super) keep: usize,
    /// Age at which they are removed; zero: never.
    pub(super) age: Duration,
    /// Whether they are compressed with gzip.
    pub(super) compress: bool,
}

impl Archive {
    /// An unused name for the next rotated file, which sorts after all earlier ones:
    /// `name-2006-01-02T15-04-05.000.ext`. `last` is the time in the previous name.
    pub(super) fn next_name(&self, last: &mut NaiveDateTime) -> PathBuf {
        let (prefix, suffix) = self.affixes();
        let step = TimeDelta::milliseconds(1);
        let mut when = self.now().max(*last + step);
        loop {
            let name = format!("{prefix}{}{suffix}", when.format(STAMP));
            let path = self.path.with_file_name(name);
            if !path.exists() && !gz(&path).exists() {
                *last = when;
                return path;
            }
            when += step;
        }
    }

    /// Removes surplus and old files and compresses the rest. Returns the first error, after all
    /// files have been processed.
    pub(super) fn tidy(&self) -> io::Result<()> {
        let mut result = Ok(());
        let oldest = match TimeDelta::from_std(self.age) {
            Ok(age) if !age.is_zero() => self.now().checked_sub_signed(age),
            _ => None,
        };
        for (n, (when, path)) in self.rolled()?.into_iter().enumerate() {
            let surplus = self.keep > 0 && n >= self.keep;
            let done = if surplus || oldest.is_some_and(|oldest| when < oldest) {
                fs::remove_file(&path)
            } else if self.compress && path.extension().is_none_or(|ext| ext != "gz") {
                compress(&path)
            } else {
                Ok(())
            };
            result = result.and(done);
        }
        result
    }

    /// The rotated files, newest first.
    fn rolled(&self) -> io::Result<Vec<(NaiveDateTime, PathBuf)>> {
        let dir = match self.path.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let mut found = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            if let Some(when) = entry.file_name().to_str().and_then(|name| self.stamp(name)) {
                found.push((when, entry.path()));
            }
        }
        found.sort_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// The time in the name of a rotated file; `None` for other files.
    pub(super) fn stamp(&self, name: &str) -> Option<NaiveDateTime> {
        let (prefix, suffix) = self.affixes();
        let plain = name.strip_suffix(".gz").filter(|plain| plain.ends_with(&suffix));
        let stamp = plain.unwrap_or(name).strip_prefix(&prefix)?.strip_suffix(&suffix)?;
        let when = NaiveDateTime::parse_from_str(stamp, STAMP).ok()?;
        // The parser also accepts other forms, such as a year of three digits.
        (when.format(STAMP).to_string() == stamp).then_some(when)
    }

    fn affixes(&self) -> (String, String) {
        let part = |part: Option<&std::ffi::OsStr>| {
            part.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let suffix = self.path.extension().map(|ext| format!(".{}", ext.to_string_lossy()));
        (format!("{}-", part(self.path.file_stem())), suffix.unwrap_or_default())
    }

    fn now(&self) -> NaiveDateTime {
        if self.utc { Utc::now().naive_utc() } else { Local::now().naive_local() }
    }
}

/// Replaces `path` by `path.gz`, which is never left incomplete.
fn compress(path: &Path) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".gz.part");
    let part = PathBuf::from(part);
    let written = write_gzip(path, &part)
        .and_then(|()| fs::rename(&part, gz(path)))
        .and_then(|()| fs::remove_file(path));
    if written.is_err() {
        let _ = fs::remove_file(&part);
    }
    written
}

fn write_gzip(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mode = source.metadata()?.mode() & 0o777;
    let target = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(to)?;
    let mut encoder = GzEncoder::new(target, Compression::default());
    io::copy(&mut source, &mut encoder)?;
    encoder.finish()?.sync_all()
}

fn gz(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".gz");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn archive(path: PathBuf, keep: usize, days: u64, compress: bool) -> Archive {
        let age = Duration::from_secs(days * 86_400);
        Archive { path, utc: true, keep, age, compress }
    }

    #[test]
    fn names() {
        let log = archive("/var/log/access.log".into(), 0, 0, false);
        for (name, ours) in [
            ("access-2026-01-02T15-04-05.000.log", true),
            ("access-2026-01-02T15-04-05.000.log.gz", true),
            ("access-2026-01-02T15-04-05.000.log.gz.part", false),
            ("access-026-01-02T15-04-05.000.log", false),
            ("access-2026-1-2T15-04-05.000.log", false),
            ("access.log", false),
            ("access-old.log", false),
            ("other-2026-01-02T15-04-05.000.log", false),
        ] {
            assert_eq!(log.stamp(name).is_some(), ours, "{name}");
        }
        let mut last = NaiveDateTime::MIN;
        let made = log.next_name(&mut last);
        assert!(log.next_name(&mut last) > made);
        let name = made.file_name().and_then(|n| n.to_str()).expect("name");
        assert!(log.stamp(name).is_some(), "{name}");
        let bare = archive("log".into(), 0, 0, false);
        assert!(bare.stamp("log-2026-01-02T15-04-05.123").is_some());
    }

    #[test]
    fn tidying() {
        let dir = tempfile::tempdir().expect("dir");
        let at = |age_days: i64| {
            let when = Utc::now().naive_utc() - TimeDelta::days(age_days);
            dir.path().join(format!("a-{}.log", when.format(STAMP)))
        };
        let files: Vec<PathBuf> = [1, 2, 3, 40].map(at).to_vec();
        let cases: [(usize, u64, usize); 4] = [(0, 0, 4), (2, 0, 2), (0, 30, 3), (3, 2, 1)];
        for (keep, days, left) in cases {
            for file in &files {
                fs::write(file, "old\n").expect("write");
            }
            archive(dir.path().join("a.log"), keep, days, false).tidy().expect("tidy");
            let there = files.iter().filter(|f| f.exists()).count();
            assert_eq!(there, left, "keep {keep}, {days} days");
        }
        fs::write(&files[0], "old\n").expect("write");
        archive(dir.path().join("a.log"), 1, 0, true).tidy().expect("tidy");
        let mut text = String::new();
        let packed = File::open(gz(&files[0])).expect("packed");
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).expect("unpack");
        assert_eq!((text.as_str(), files[0].exists()), ("old\n", false));
        assert_eq!(fs::read_dir(dir.path()).expect("dir").count(), 1);
    }
}
