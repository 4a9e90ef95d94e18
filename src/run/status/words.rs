//! Words and numbers as the status writes them for people.

use std::time::Duration;

use crate::report::Report;

/// Names up to which all are said in one line.
const NAMES: usize = 5;

/// `1 site`, `2 sites`.
pub(super) fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `ends in 61 days`, `ended 3 days ago`.
pub(super) fn when_ended(report: &Report, until: i64) -> String {
    match report.days_until(until) {
        0 => "ends today".to_owned(),
        days if days > 0 => format!("ends in {}", count(days.unsigned_abs(), "day")),
        // Begun days count.
        days => format!("ended {} ago", count(days.unsigned_abs(), "day")),
    }
}

/// `a, b and 3 more`.
pub(super) fn named(names: &[&str]) -> String {
    let (said, rest) = names.split_at(names.len().min(NAMES));
    let said = said.join(", ");
    if rest.is_empty() { said } else { format!("{said} and {} more", rest.len()) }
}

/// `3d 4:05:06`.
pub(super) fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    let days = if days > 0 { format!("{days}d ") } else { String::new() };
    format!("{days}{hours}:{minutes:02}:{seconds:02}")
}

pub(super) fn bytes(n: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut value = n as f64;
    let mut unit = "bytes";
    for larger in units {
        if value < 1000.0 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    if unit == "bytes" { format!("{n} bytes") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_sizes_and_lists_are_short() {
        for (seconds, text) in [(0, "0:00:00"), (3_661, "1:01:01"), (90_061, "1d 1:01:01")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
        for (n, text) in
            [(999, "999 bytes"), (1_000, "1.0 kB"), (2_500_000_000_000_000, "2500.0 TB")]
        {
            assert_eq!(bytes(n), text);
        }
        assert_eq!(named(&["a", "b"]), "a, b");
        assert_eq!(named(&["a"; 7]), "a, a, a, a, a and 2 more");
    }
}
