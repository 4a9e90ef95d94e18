//! The time as text. Each thread formats it once per second, not for every log line.

use std::cell::RefCell;

use chrono::{DateTime, Local, Utc};

use super::read::put;

/// A time format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As in access logs: `02/Jan/2006:15:04:05 -0700`.
    Log,
    Iso,
    IsoLocal,
}

/// The last second and text of each format.
type Shown = RefCell<[(i64, String); 3]>;

thread_local! {
    static SHOWN: Shown = const {
        RefCell::new([(0, String::new()), (0, String::new()), (0, String::new())])
    };
}

/// Appends the time.
pub(super) fn write(out: &mut String, form: Form) {
    write_at(out, form, Utc::now());
}

/// Appends the time in UTC with its milliseconds: `2006-01-02T15:04:05.678Z`.
pub(super) fn write_iso_ms(out: &mut String) {
    let now = Utc::now();
    write_at(out, Form::Iso, now);
    out.truncate(out.len() - 1);
    put(out, format_args!(".{:03}Z", now.timestamp_subsec_millis().min(999)));
}

fn write_at(out: &mut String, form: Form, now: DateTime<Utc>) {
    SHOWN.with_borrow_mut(|shown| {
        let (second, text) = &mut shown[form as usize];
        if *second != now.timestamp() || text.is_empty() {
            (*second, *text) = (now.timestamp(), form.show(now));
        }
        out.push_str(text);
    });
}

impl Form {
    fn show(self, now: DateTime<Utc>) -> String {
        let local = || now.with_timezone(&Local);
        match self {
            Self::Log => local().format("%d/%b/%Y:%H:%M:%S %z").to_string(),
            Self::Iso => now.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
            Self::IsoLocal => local().format("%Y-%m-%dT%H:%M:%S").to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::SubsecRound;

    use super::*;

    #[test]
    fn milliseconds_are_of_the_same_moment() {
        for _ in 0..1000 {
            let before = Utc::now().timestamp_millis();
            let mut text = "at ".to_owned();
            write_iso_ms(&mut text);
            let time = DateTime::parse_from_rfc3339(&text[3..]).unwrap().timestamp_millis();
            assert!((before..=Utc::now().timestamp_millis()).contains(&time), "{text}");
            assert_eq!(text.len(), "at 2006-01-02T15:04:05.678Z".len());
        }
    }

    #[test]
    fn the_current_second_in_each_form() {
        for form in [Form::Log, Form::Iso, Form::IsoLocal, Form::Log] {
            let before = Utc::now().trunc_subsecs(0);
            let mut text = String::new();
            write(&mut text, form);
            let between = [0, 1, 2].map(|n| form.show(before + chrono::TimeDelta::seconds(n)));
            assert!(between.contains(&text), "{form:?}: {text}");
        }
    }
}
