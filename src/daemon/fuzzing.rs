//! What holds of the names of files, whoever gives them.

use chrono::DateTime;

use super::rolled::Archive;
use crate::fuzzing::{Target, text, two};

/// The targets of this floor.
pub const TARGETS: &[Target] = &[Target { name: "rolled_name", run: rolled_name, seeds: NAMES }];

const NAMES: &[&[u8]] = &[
    b"access.log\naccess-2026-01-02T15-04-05.000.log",
    b"access.log\naccess-2026-01-02T15-04-05.000.log.gz",
    b"log\nlog-2026-02-30T15-04-05.123",
    b"a.gz\na-2026-01-02T15-04-05.000.gz",
];

/// Only a name that a log is rolled to is one of its files: it is removed when it is old.
fn rolled_name(data: &[u8]) {
    let (log, name) = two(data);
    let (log, name) = (text(log), text(name));
    let archive = Archive {
        path: std::path::Path::new("/nonexistent").join(&*log),
        utc: true,
        keep: 0,
        age: std::time::Duration::ZERO,
        compress: false,
    };
    if let Some(when) = archive.stamp(&name) {
        let stamp = when.format("%Y-%m-%dT%H-%M-%S%.3f").to_string();
        assert!(name.contains(&stamp), "{name} is not of {stamp}");
        assert!(name != log && !name.contains('/'), "{name}");
    }
    // Later than the clock, which names would carry else.
    let Some(mut last) = DateTime::from_timestamp(1 << 37, 0).map(|time| time.naive_utc()) else {
        panic!("a time")
    };
    let made = archive.next_name(&mut last);
    if let Some(made) = made.file_name().and_then(|name| name.to_str()) {
        assert_eq!(archive.stamp(made), Some(last), "{made}");
        assert_eq!(archive.stamp(&format!("{made}.gz")), Some(last), "{made}.gz");
    }
}

#[cfg(test)]
#[test]
fn promises_hold_for_any_bytes() {
    crate::fuzzing::hold(TARGETS, 1000);
}
