//! The time as text. Each thread formats it once per second, not for every log line.

use std::cell::RefCell;

use chrono::{DateTime, Local, Utc};

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
    let now = Utc::now();
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
