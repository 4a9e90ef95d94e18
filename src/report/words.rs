//! Words and numbers of a report as people read them.

use std::time::Duration;

use chrono::{DateTime, Local, TimeZone as _};

use super::state::Report;
use crate::tls::CertificateState;

/// Names up to which all are said in one line.
const NAMES: usize = 5;

/// `1 site`, `2 sites`.
pub fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// `ends in 61 days`, `ended 3 days ago`.
pub fn when_ended(report: &Report, until: i64) -> String {
    match report.days_until(until) {
        0 => "ends today".to_owned(),
        days if days > 0 => format!("ends in {}", count(days.unsigned_abs(), "day")),
        // Begun days count.
        days => format!("ended {} ago", count(days.unsigned_abs(), "day")),
    }
}

/// `a, b and 3 more`.
pub fn named(names: &[&str]) -> String {
    let (said, rest) = names.split_at(names.len().min(NAMES));
    let said = said.join(", ");
    if rest.is_empty() { said } else { format!("{said} and {} more", rest.len()) }
}

/// `3d 4:05:06`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    let days = if days > 0 { format!("{days}d ") } else { String::new() };
    format!("{days}{hours}:{minutes:02}:{seconds:02}")
}

/// The process: version, PID, time since its start.
pub fn program(report: &Report) -> String {
    let (version, pid) = (env!("CARGO_PKG_VERSION"), report.pid);
    let started = report.now - report.uptime;
    let mut text =
        format!("caddy {version}, pid {pid}, up {} since {}", span(report.uptime), time(started));
    if report.generation > 1 {
        text += &format!(", after {}", count(u64::from(report.generation - 1), "upgrade"));
    }
    text
}

/// The configuration in force.
pub fn configuration(report: &Report) -> String {
    let now = &report.configuration;
    let sites = count(now.sites as u64, "site");
    format!("{} with {sites}, loaded {}", now.file, time(now.loaded))
}

pub fn time(at: DateTime<Local>) -> String {
    at.format("%Y-%m-%d %H:%M:%S %z").to_string()
}

/// Of a Unix second.
pub fn date(unix: i64) -> String {
    Local.timestamp_opt(unix, 0).single().map_or_else(String::new, time)
}

/// Of a Unix second.
pub fn day(unix: i64) -> String {
    let at = Local.timestamp_opt(unix, 0).single();
    at.map_or_else(String::new, |at| at.format("%Y-%m-%d").to_string())
}

/// The names of a certificate.
pub fn names(one: &CertificateState) -> String {
    let names: Vec<&str> = one.names.iter().map(String::as_str).collect();
    if names.is_empty() { one.name().to_owned() } else { named(&names) }
}

/// `63%`.
pub fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

/// `0.31%`; `None` of nothing.
pub fn share(part: u64, of: u64) -> Option<String> {
    (of > 0).then(|| format!("{:.2}%", part as f64 / of as f64 * 100.0))
}

/// `0.4/s`, `41/s`.
pub fn per_second(rate: f64) -> String {
    let digits = usize::from(rate < 10.0);
    format!("{rate:.digits$}/s")
}

/// `99 333`, `416 k`, `3.43 M`: seven characters at most.
pub fn compact(n: u64) -> String {
    if n < 100_000 {
        let (thousands, rest) = (n / 1000, n % 1000);
        return if thousands == 0 {
            n.to_string()
        } else {
            format!("{thousands}\u{202f}{rest:03}")
        };
    }
    let mut value = n as f64 / 1000.0;
    let mut unit = "k";
    for larger in ["M", "G", "T", "P", "E"] {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1000.0, larger);
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$}\u{202f}{unit}")
}

/// `4 µs`, `0.45 ms`, `12 ms`, `1.5 s`.
pub fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1000.0;
    if millis < 0.1 {
        return format!("{} µs", time.as_micros());
    }
    let (value, unit) = if millis < 1000.0 { (millis, "ms") } else { (millis / 1000.0, "s") };
    let digits = if value < 1.0 { 2 } else { usize::from(value < 10.0) };
    format!("{value:.digits$} {unit}")
}

pub fn bytes(n: u64) -> String {
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
        for (micros, text) in [
            (4, "4 µs"),
            (448, "0.45 ms"),
            (1_500, "1.5 ms"),
            (896_000, "896 ms"),
            (1_500_000, "1.5 s"),
            (134_000_000, "134 s"),
        ] {
            assert_eq!(millis(Duration::from_micros(micros)), text);
        }
        for (n, text) in [
            (999, "999"),
            (99_033, "99 033"),
            (416_124, "416 k"),
            (999_600, "1.00 M"),
            (3_433_027, "3.43 M"),
            (u64::MAX, "18.4 E"),
        ] {
            assert_eq!(compact(n).replace('\u{202f}', " "), text);
        }
        assert_eq!(named(&["a", "b"]), "a, b");
        assert_eq!(named(&["a"; 7]), "a, a, a, a, a and 2 more");
    }
}
