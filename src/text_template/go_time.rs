//! Times with Go's layouts, such as `Mon, 02 Jan 2006 15:04:05 MST`.

use std::time::SystemTime;

use chrono::{DateTime, Datelike, Duration, FixedOffset, Local, Months, Timelike, Utc};

/// A time with its zone, as Go's `time.Time`.
#[derive(Debug, Clone, Copy)]
pub struct Moment(pub(super) DateTime<FixedOffset>);

impl Moment {
    pub fn local(time: SystemTime) -> Self {
        Self(DateTime::<Local>::from(time).fixed_offset())
    }

    pub fn utc(time: SystemTime) -> Self {
        Self(DateTime::<Utc>::from(time).fixed_offset())
    }

    pub fn format(&self, layout: &str) -> String {
        format_time(&self.0, layout)
    }

    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    /// As Go prints it.
    pub(super) fn shown(&self) -> String {
        self.format("2006-01-02 15:04:05.999999999 -0700 MST")
    }

    pub(super) fn moved(&self, [years, months, days]: [i64; 3]) -> Option<Self> {
        let months = years.checked_mul(12)?.checked_add(months)?;
        let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
        let moved = if months < 0 {
            self.0.checked_sub_months(count)?
        } else {
            self.0.checked_add_months(count)?
        };
        moved.checked_add_signed(Duration::try_days(days)?).map(Self)
    }

    pub(super) fn weekday(&self) -> &'static str {
        DAYS[self.0.weekday().num_days_from_sunday() as usize]
    }
}

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

type Show = fn(&DateTime<FixedOffset>) -> String;

/// The elements of a layout, the longer of two with the same beginning first.
static ELEMENTS: &[(&str, Show)] = &[
    ("January", |time| MONTHS[time.month0() as usize].to_owned()),
    ("Jan", |time| MONTHS[time.month0() as usize][..3].to_owned()),
    ("Monday", |time| DAYS[time.weekday().num_days_from_sunday() as usize].to_owned()),
    ("Mon", |time| DAYS[time.weekday().num_days_from_sunday() as usize][..3].to_owned()),
    ("MST", zone_name),
    ("2006", |time| format!("{:04}", time.year())),
    ("-07:00:00", |time| zone(time, ":", 3)),
    ("-070000", |time| zone(time, "", 3)),
    ("-07:00", |time| zone(time, ":", 2)),
    ("-0700", |time| zone(time, "", 2)),
    ("-07", |time| zone(time, "", 1)),
    ("Z07:00:00", |time| zulu(time, ":", 3)),
    ("Z070000", |time| zulu(time, "", 3)),
    ("Z07:00", |time| zulu(time, ":", 2)),
    ("Z0700", |time| zulu(time, "", 2)),
    ("Z07", |time| zulu(time, "", 1)),
    ("002", |time| format!("{:03}", time.ordinal())),
    ("01", |time| format!("{:02}", time.month())),
    ("02", |time| format!("{:02}", time.day())),
    ("03", |time| format!("{:02}", twelve(time))),
    ("04", |time| format!("{:02}", time.minute())),
    ("05", |time| format!("{:02}", time.second())),
    ("06", |time| format!("{:02}", time.year().rem_euclid(100))),
    ("15", |time| format!("{:02}", time.hour())),
    ("__2", |time| format!("{:>3}", time.ordinal())),
    ("_2", |time| format!("{:>2}", time.day())),
    ("PM", |time| if time.hour() < 12 { "AM" } else { "PM" }.to_owned()),
    ("pm", |time| if time.hour() < 12 { "am" } else { "pm" }.to_owned()),
    ("1", |time| time.month().to_string()),
    ("2", |time| time.day().to_string()),
    ("3", |time| twelve(time).to_string()),
    ("4", |time| time.minute().to_string()),
    ("5", |time| time.second().to_string()),
];

/// A time by a layout of Go's.
pub fn format_time(time: &DateTime<FixedOffset>, layout: &str) -> String {
    let mut out = String::new();
    let mut rest = layout;
    while let Some(next) = rest.chars().next() {
        if let Some(length) = fraction(rest, time, &mut out) {
            rest = &rest[length..];
            continue;
        }
        let element = ELEMENTS.iter().find(|(element, _)| rest.starts_with(element));
        // "Month" and "Monitor" hold no day: a letter in lower case follows.
        let is_word = |name: &str| {
            matches!(name, "Jan" | "Mon") && rest[3..].starts_with(|c: char| c.is_lowercase())
        };
        match element.filter(|(name, _)| !is_word(name)) {
            Some((name, show)) => {
                out.push_str(&show(time));
                rest = &rest[name.len()..];
            }
            None => {
                out.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    out
}

/// `.000` and `,000` with all digits, `.999` without zeros at the end; the length in the layout.
fn fraction(rest: &str, time: &DateTime<FixedOffset>, out: &mut String) -> Option<usize> {
    let digits = rest.strip_prefix(['.', ','])?;
    let first = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
    let count = digits.len() - digits.trim_start_matches(first).len();
    if count > 9 || digits[count..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{:09}", time.nanosecond().min(999_999_999));
    let shown = &nanos[..count];
    let shown = if first == '9' { shown.trim_end_matches('0') } else { shown };
    if !shown.is_empty() {
        out.push_str(&rest[..1]);
        out.push_str(shown);
    }
    Some(count + 1)
}

fn twelve(time: &DateTime<FixedOffset>) -> u32 {
    time.hour12().1
}

fn zone(time: &DateTime<FixedOffset>, between: &str, parts: usize) -> String {
    let offset = time.offset().local_minus_utc();
    let size = offset.unsigned_abs();
    let all = [size / 3600, size / 60 % 60, size % 60].map(|part| format!("{part:02}"));
    format!("{}{}", if offset < 0 { '-' } else { '+' }, all[..parts].join(between))
}

fn zulu(time: &DateTime<FixedOffset>, between: &str, parts: usize) -> String {
    if time.offset().local_minus_utc() == 0 { "Z".to_owned() } else { zone(time, between, parts) }
}

/// Names of other zones are not known: the offset stands for them, as Go does for zones without.
fn zone_name(time: &DateTime<FixedOffset>) -> String {
    match time.offset().local_minus_utc() {
        0 => "UTC".to_owned(),
        offset if offset % 3600 == 0 => zone(time, "", 1),
        _ => zone(time, "", 2),
    }
}
