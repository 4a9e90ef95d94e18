//! The methods of a time.

use chrono::{Datelike, Local, Offset, Timelike, Utc};

use super::go_time::{MONTHS, Moment};
use super::value::Value;

/// A method; `Ok(None)` if there is none of this name.
pub(super) fn get(moment: &Moment, name: &str, args: &[Value]) -> Result<Option<Value>, String> {
    let time = moment.0;
    let int = |value: u32| Value::Int(i64::from(value));
    let value = match (name, args) {
        ("Format", [Value::Text(layout)]) => Value::own(moment.format(&layout.text)),
        ("String", []) => Value::own(moment.shown()),
        ("Year", []) => Value::Int(i64::from(time.year())),
        ("Month", []) => Value::own(MONTHS[time.month0() as usize]),
        ("Day", []) => int(time.day()),
        ("Hour", []) => int(time.hour()),
        ("Minute", []) => int(time.minute()),
        ("Second", []) => int(time.second()),
        ("Nanosecond", []) => int(time.nanosecond().min(999_999_999)),
        ("Weekday", []) => Value::own(moment.weekday()),
        ("YearDay", []) => int(time.ordinal()),
        ("Unix", []) => Value::Int(time.timestamp()),
        ("UnixNano", []) => Value::Int(time.timestamp_nanos_opt().unwrap_or(i64::MAX)),
        ("UTC", []) => Value::Moment(Moment(time.with_timezone(&Utc.fix()))),
        ("Local", []) => Value::Moment(Moment(time.with_timezone(&Local).fixed_offset())),
        ("IsZero", []) => Value::Bool(false),
        ("Before", [Value::Moment(other)]) => Value::Bool(time < other.0),
        ("After", [Value::Moment(other)]) => Value::Bool(time > other.0),
        ("Equal", [Value::Moment(other)]) => Value::Bool(moment.is_at(other)),
        ("AddDate", [Value::Int(years), Value::Int(months), Value::Int(days)]) => {
            let moved = moment.moved([*years, *months, *days]);
            Value::Moment(moved.ok_or("AddDate leaves the years that there are")?)
        }
        ("Format" | "Before" | "After" | "Equal" | "AddDate", _) => {
            return Err(format!("{name} of a time gets other arguments"));
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}
